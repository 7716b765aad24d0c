package store

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Rotating is a rotation with how far whoever works on it has come.
type Rotating struct {
	access.Rotation
	Work access.Work
}

const rotationColumns = `id, credential, system, generation, state, body, due_at, holder, lease_until, fence, suspect_until, attempts, since, told, trouble`

func scanRotation(s scanner) (r Rotating, err error) {
	var id, credential, system, state string
	var generation int64
	w := &r.Work
	err = s.Scan(&id, &credential, &system, &generation, &state, nested{&r.Rotation}, at{&w.Due}, &w.Holder, at{&w.LeaseUntil}, &w.Fence,
		at{&w.SuspectUntil}, &w.Attempts, at{&w.Since}, &w.Told, &w.Trouble)
	// What is searched by stands in columns of its own, and they are what counts.
	r.ID, r.Credential, r.System, r.Generation, r.State = id, credential, system, generation, access.RotationState(state)
	return r, err
}

// AddRotation stores one that begins; of its credential no other is under way.
func (tx *Tx) AddRotation(ctx context.Context, r Rotating) error {
	w := r.Work
	return tx.exec(ctx, "add rotation "+r.ID, `insert into rotation (`+rotationColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)`,
		r.ID, r.Credential, r.System, r.Generation, r.State, text(r.Rotation), moment(w.Due), w.Holder, moment(w.LeaseUntil), w.Fence,
		moment(w.SuspectUntil), w.Attempts, moment(w.Since), w.Told, w.Trouble)
}

// SaveRotation writes one over what was read.
func (tx *Tx) SaveRotation(ctx context.Context, was, r Rotating) error {
	w := r.Work
	return tx.exec(ctx, "save rotation "+r.ID, `update rotation set generation=$1, state=$2, body=$3, due_at=$4, holder=$5, lease_until=$6, fence=$7,
		suspect_until=$8, attempts=$9, since=$10, told=$11, trouble=$12 where id=$13 and state=$14 and fence=$15 and generation=$16`,
		r.Generation, r.State, text(r.Rotation), moment(w.Due), w.Holder, moment(w.LeaseUntil), w.Fence,
		moment(w.SuspectUntil), w.Attempts, moment(w.Since), w.Told, w.Trouble, r.ID, was.State, was.Work.Fence, was.Generation)
}

// Rotation reads one by id.
func (tx *Tx) Rotation(ctx context.Context, id string) (Rotating, error) {
	return one(ctx, tx, "rotation "+id, scanRotation, `select `+rotationColumns+` from rotation where id=$1`, id)
}

// RotationsOf lists up to limit rotations of a credential, the newest first.
func (tx *Tx) RotationsOf(ctx context.Context, credential string, limit int) ([]Rotating, error) {
	return all(ctx, tx, scanRotation, `select `+rotationColumns+` from rotation where credential=$1 order by generation desc limit $2`, credential, limit)
}

// NewestRotations lists the newest of each credential, in order of credential.
func (tx *Tx) NewestRotations(ctx context.Context) ([]Rotating, error) {
	return all(ctx, tx, scanRotation, `select `+rotationColumns+` from rotation r where not exists
		(select 1 from rotation n where n.credential=r.credential and n.generation > r.generation) order by credential`)
}

// RotationsAfter lists up to limit of all there ever were, with ids above after, in order.
func (tx *Tx) RotationsAfter(ctx context.Context, after string, limit int) ([]Rotating, error) {
	return all(ctx, tx, scanRotation, `select `+rotationColumns+` from rotation where id > $1 order by id limit $2`, after, limit)
}

// OpenRotations lists those of a system that are under way.
func (tx *Tx) OpenRotations(ctx context.Context, system string) ([]Rotating, error) {
	return all(ctx, tx, scanRotation, `select `+rotationColumns+` from rotation
		where system=$1 and state in ('due','issuing','delivering','overlapping','killing','proving') order by id`, system)
}

// DueRotations lists those of a system that are due and that nobody works on; what
// must be killed comes first.
func (tx *Tx) DueRotations(ctx context.Context, system string, now time.Time, limit int) ([]Rotating, error) {
	return all(ctx, tx, scanRotation, `select `+rotationColumns+` from rotation
		where system=$1 and due_at is not null and due_at <= $2 and (lease_until is null or lease_until <= $2)
		order by case state when 'killing' then 0 when 'proving' then 1 else 2 end, due_at, id limit $3`, system, moment(now), limit)
}

// NextRotation returns when the system's next one can be claimed; ok is false if there is none.
func (tx *Tx) NextRotation(ctx context.Context, system string) (next time.Time, ok bool, err error) {
	list, err := all(ctx, tx, func(s scanner) (t time.Time, err error) { err = s.Scan(at{&t}); return t, err },
		`select min(case when lease_until is null or lease_until < due_at then due_at else lease_until end) from rotation where system=$1 and due_at is not null`, system)
	if err != nil || len(list) == 0 || list[0].IsZero() {
		return time.Time{}, false, err
	}
	return list[0], true, nil
}
