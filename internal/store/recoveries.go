package store

import (
	"context"
	"errors"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func scanRecovery(s scanner) (r access.Recovery, err error) {
	err = s.Scan(nested{&r})
	return r, err
}

// AddRecovery stores one that has begun; there is one open at most.
func (tx *Tx) AddRecovery(ctx context.Context, r access.Recovery) error {
	return tx.exec(ctx, "add recovery "+r.ID, `insert into recovery (id, one, at, left_at, doc) values ($1,1,$2,$3,$4)`, r.ID, moment(r.At), moment(r.LeftAt), text(r))
}

// SaveRecovery stores one that was open.
func (tx *Tx) SaveRecovery(ctx context.Context, r access.Recovery) error {
	return tx.exec(ctx, "save recovery "+r.ID, `update recovery set left_at=$1, doc=$2 where id=$3 and left_at is null`, moment(r.LeftAt), text(r), r.ID)
}

// OpenRecovery is the one that was not left yet; ok is false where there is none.
func (tx *Tx) OpenRecovery(ctx context.Context) (r access.Recovery, ok bool, err error) {
	r, err = one(ctx, tx, "recovery", scanRecovery, `select doc from recovery where left_at is null`)
	if errors.Is(err, access.ErrNotFound) {
		return r, false, nil
	}
	return r, err == nil, err
}

// Recoveries lists all there were, in order.
func (tx *Tx) Recoveries(ctx context.Context) ([]access.Recovery, error) {
	return all(ctx, tx, scanRecovery, `select doc from recovery order by at, id`)
}

// HeldOver is access that was found held and that the backup did not know, with its end.
type HeldOver struct {
	System, Account, Object, Entitlement string
	End, Done                            time.Time // Done: when its end was brought about, or it was adopted
}

func scanHeldOver(s scanner) (h HeldOver, err error) {
	err = s.Scan(&h.System, &h.Account, &h.Object, &h.Entitlement, at{&h.End}, at{&h.Done})
	return h, err
}

const heldOverColumns = `system, account, object, entitlement, end_at, done_at`

// AddHeldOver stores one; one that is there stays as it is: its end is not moved.
func (tx *Tx) AddHeldOver(ctx context.Context, h HeldOver) error {
	_, err := tx.ExecContext(ctx, `insert into held_over (`+heldOverColumns+`) values ($1,$2,$3,$4,$5,$6) on conflict (system, account, object) do nothing`,
		h.System, h.Account, h.Object, h.Entitlement, moment(h.End), moment(h.Done))
	return err
}

// HeldOverAt lists what is held over at a system and not done, in order.
func (tx *Tx) HeldOverAt(ctx context.Context, system string) ([]HeldOver, error) {
	return all(ctx, tx, scanHeldOver, `select `+heldOverColumns+` from held_over where system = $1 and done_at is null order by object, account`, system)
}

// HeldOverDue lists up to limit whose end has come.
func (tx *Tx) HeldOverDue(ctx context.Context, now time.Time, limit int) ([]HeldOver, error) {
	return all(ctx, tx, scanHeldOver, `select `+heldOverColumns+` from held_over where done_at is null and end_at <= $1 order by end_at, system, object, account limit $2`, moment(now), limit)
}

// DoneHeldOver marks one as over.
func (tx *Tx) DoneHeldOver(ctx context.Context, h HeldOver, now time.Time) error {
	return tx.exec(ctx, "held over "+h.Account, `update held_over set done_at=$1 where system=$2 and account=$3 and object=$4 and done_at is null`, moment(now), h.System, h.Account, h.Object)
}

// HeldUnseen counts what was held by the backup and has not been looked at since then,
// but for what is held over.
func (tx *Tx) HeldUnseen(ctx context.Context, since time.Time) (n int, err error) {
	err = tx.QueryRowContext(ctx, `select count(*) from assignment a where a.state = 'held' and coalesce(a.seen_at, 0) < $1 and not exists
		(select 1 from held_over h where h.system = a.system and h.account = a.account and h.object = a.object and h.done_at is null)`, moment(since)).Scan(&n)
	return n, err
}

// ClearRoster forgets who holds roles of Lessor itself by grants: what a backup says of
// that is no look at anything.
func (tx *Tx) ClearRoster(ctx context.Context) error {
	if _, err := tx.ExecContext(ctx, `delete from roster`); err != nil {
		return err
	}
	_, err := tx.nextVersion(ctx)
	return err
}
