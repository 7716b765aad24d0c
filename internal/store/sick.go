package store

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const sickColumns = `system, since, probe_at, told, trouble`

func scanSick(s scanner) (k access.Sick, err error) {
	err = s.Scan(&k.System, at{&k.Since}, at{&k.ProbeAt}, &k.Told, &k.Trouble)
	return k, err
}

// Sick reads of a system that it answers no look; [access.ErrNotFound] if it is not known to.
func (tx *Tx) Sick(ctx context.Context, system string) (access.Sick, error) {
	return one(ctx, tx, "sick system "+system, scanSick, `select `+sickColumns+` from sick where system=$1`, system)
}

// AddSick stores that a system answers no look, which nobody knew.
func (tx *Tx) AddSick(ctx context.Context, k access.Sick) error {
	return tx.exec(ctx, "add sick system "+k.System, `insert into sick (`+sickColumns+`) values ($1,$2,$3,$4,$5)`,
		k.System, moment(k.Since), moment(k.ProbeAt), k.Told, k.Trouble)
}

// SaveSick writes when it is tried next, what it was last, and how often that was told,
// presuming that nobody has tried it meanwhile.
func (tx *Tx) SaveSick(ctx context.Context, was, k access.Sick) error {
	return tx.exec(ctx, "save sick system "+k.System, `update sick set probe_at=$1, told=$2, trouble=$3 where system=$4 and since=$5 and probe_at=$6`,
		moment(k.ProbeAt), k.Told, k.Trouble, k.System, moment(was.Since), moment(was.ProbeAt))
}

// EndSick forgets it: the system has answered.
func (tx *Tx) EndSick(ctx context.Context, k access.Sick) error {
	return tx.exec(ctx, "end sick system "+k.System, `delete from sick where system=$1 and since=$2`, k.System, moment(k.Since))
}

// Untried is an assignment that waits for its target to answer.
type Untried struct{ ID, Object string }

// LeastTried lists up to limit of what is at a system in that state, is not leased
// and waits for its target to answer: those tried least first, of them those due first.
func (tx *Tx) LeastTried(ctx context.Context, system string, state access.AssignmentState, limit int) ([]Untried, error) {
	return all(ctx, tx, func(s scanner) (u Untried, err error) { err = s.Scan(&u.ID, &u.Object); return u, err },
		`select id, object from assignment where system = $1 and state = '`+string(state)+`' and blind and lease_until is null order by attempts, due_at, id limit $2`, system, limit)
}

// Stuck is how much of one entitlement is under way in one state.
type Stuck struct {
	State       access.AssignmentState
	Entitlement string
	Count       int
	Oldest      time.Time // since when
}

// StuckAt says what is under way at a system.
func (tx *Tx) StuckAt(ctx context.Context, system string) ([]Stuck, error) {
	return all(ctx, tx, func(s scanner) (k Stuck, err error) {
		err = s.Scan(&k.State, &k.Entitlement, &k.Count, at{&k.Oldest})
		return k, err
	}, `select state, entitlement, count(*), min(since) from assignment where system = $1 and state in ('removing', 'adding') and due_at is not null
		group by state, entitlement order by state desc, entitlement`, system)
}
