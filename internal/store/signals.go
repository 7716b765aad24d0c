package store

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const heardColumns = `doc, identity, did, at, forget_at`

func scanHeard(s scanner) (h access.Heard, err error) {
	err = s.Scan(nested{&h.Signal}, &h.Identity, &h.Did, at{&h.Heard}, at{&h.Forget})
	return h, err
}

// AddHeard stores that a signal was taken. One that was is not taken again.
func (tx *Tx) AddHeard(ctx context.Context, h access.Heard) error {
	return tx.exec(ctx, "add signal "+h.JTI, `insert into signal_heard (transmitter, jti, event, identity, did, said_at, doc, at, forget_at) values ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
		h.Transmitter, h.JTI, h.Event, h.Identity, h.Did, h.At.UnixMicro(), text(h.Signal), moment(h.Heard), moment(h.Forget))
}

// Heard reads the signal of a transmitter that had that jti.
func (tx *Tx) Heard(ctx context.Context, transmitter, jti string) (access.Heard, error) {
	return one(ctx, tx, "signal "+jti, scanHeard, `select `+heardColumns+` from signal_heard where transmitter=$1 and jti=$2`, transmitter, jti)
}

// HeardSince counts the signals of a transmitter of which that was done, from then on.
func (tx *Tx) HeardSince(ctx context.Context, transmitter, did string, from time.Time) (n int, err error) {
	err = tx.QueryRowContext(ctx, `select count(*) from signal_heard where transmitter=$1 and did=$2 and at >= $3`, transmitter, did, moment(from)).Scan(&n)
	return n, err
}

// HeardAs lists up to limit signals of a transmitter of which that was done, the oldest first.
func (tx *Tx) HeardAs(ctx context.Context, transmitter, did string, limit int) ([]access.Heard, error) {
	return all(ctx, tx, scanHeard, `select `+heardColumns+` from signal_heard where transmitter=$1 and did=$2 order by at, jti limit $3`, transmitter, did, limit)
}

// LastHeard is when the newest thing happened that a transmitter said of an identity,
// and of which that was done; zero: there is none.
func (tx *Tx) LastHeard(ctx context.Context, transmitter, identity, did string) (last time.Time, err error) {
	list, err := all(ctx, tx, func(s scanner) (t time.Time, err error) { err = s.Scan(at{&t}); return t, err },
		`select max(said_at) from signal_heard where transmitter=$1 and identity=$2 and did=$3 and identity <> ''`, transmitter, identity, did)
	if len(list) > 0 {
		last = list[0]
	}
	return last, err
}

// SetHeard stores what was done of a signal in place of what had been.
func (tx *Tx) SetHeard(ctx context.Context, h access.Heard, was string) error {
	return tx.exec(ctx, "signal "+h.JTI, `update signal_heard set did=$1, identity=$2, at=$3 where transmitter=$4 and jti=$5 and did=$6`,
		h.Did, h.Identity, moment(h.Heard), h.Transmitter, h.JTI, was)
}

// ForgetHeard drops those that could not come again.
func (tx *Tx) ForgetHeard(ctx context.Context, now time.Time) error {
	_, err := tx.ExecContext(ctx, `delete from signal_heard where forget_at <= $1`, moment(now))
	return err
}

func scanSignalOut(s scanner) (o access.SignalOut, err error) {
	err = s.Scan(&o.ID, &o.Receiver, &o.Event, nested{&o.Subject}, nested{&o.Says}, at{&o.At})
	return o, err
}

// AddSignalOut stores a signal that a receiver is to have.
func (tx *Tx) AddSignalOut(ctx context.Context, o access.SignalOut) error {
	return tx.exec(ctx, "add signal "+o.ID, `insert into signal_out (id, receiver, event, subject, says, at, error) values ($1,$2,$3,$4,$5,$6,'')`,
		o.ID, o.Receiver, o.Event, text(o.Subject), text(o.Says), moment(o.At))
}

// SignalsWaiting lists up to limit that a receiver has not had yet, in their order.
func (tx *Tx) SignalsWaiting(ctx context.Context, receiver string, limit int) ([]access.SignalOut, error) {
	return all(ctx, tx, scanSignalOut, `select id, receiver, event, subject, says, at from signal_out where receiver=$1 and done_at is null order by id limit $2`, receiver, limit)
}

// SignalHad stores that a receiver has a signal, or does not take it, and returns
// whether it was waiting for that.
func (tx *Tx) SignalHad(ctx context.Context, receiver string, a access.SignalAnswer, now time.Time) (bool, error) {
	res, err := tx.ExecContext(ctx, `update signal_out set done_at=$1, error=$2 where id=$3 and receiver=$4 and done_at is null`, moment(now), a.Error, a.ID, receiver)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// ForgetSignals drops those that were done with before then.
func (tx *Tx) ForgetSignals(ctx context.Context, before time.Time) error {
	_, err := tx.ExecContext(ctx, `delete from signal_out where done_at is not null and done_at < $1`, moment(before))
	return err
}
