package store

import (
	"context"
	"time"
)

// Answered is what was done under a key that its sender may send again.
type Answered struct {
	Identity, Key string
	Digest        string // of what was sent
	About         string // a request that came of it or was changed by it; may be empty
	At            time.Time
	Status        int // of the answer; 0 while it is not known
	Body          string
}

const answeredColumns = `identity, key, digest, about, at, status, body`

func scanAnswered(s scanner) (a Answered, err error) {
	err = s.Scan(&a.Identity, &a.Key, &a.Digest, &a.About, at{&a.At}, &a.Status, &a.Body)
	return a, err
}

// Answered reads what somebody did under a key.
func (tx *Tx) Answered(ctx context.Context, identity, key string) (Answered, error) {
	return one(ctx, tx, "what was done under the key "+key, scanAnswered, `select `+answeredColumns+` from answered where identity=$1 and key=$2`, identity, key)
}

// AddAnswered stores that something is done under a key, in the transaction that does it.
func (tx *Tx) AddAnswered(ctx context.Context, a Answered) error {
	return tx.exec(ctx, "key "+a.Key, `insert into answered (`+answeredColumns+`) values ($1,$2,$3,$4,$5,$6,$7)`,
		a.Identity, a.Key, a.Digest, a.About, moment(a.At), a.Status, a.Body)
}

// SetAnswer stores the answer, if just this was done under the key and has none.
func (tx *Tx) SetAnswer(ctx context.Context, identity, key, digest string, status int, body string) error {
	_, err := tx.ExecContext(ctx, `update answered set status=$1, body=$2 where identity=$3 and key=$4 and digest=$5 and status=0`, status, body, identity, key, digest)
	return err
}

// ForgetAnswered drops what was done before that moment.
func (tx *Tx) ForgetAnswered(ctx context.Context, before time.Time) error {
	_, err := tx.ExecContext(ctx, `delete from answered where at < $1`, moment(before))
	return err
}
