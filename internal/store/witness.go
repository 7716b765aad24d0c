package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Cosignature is what one witness signed of one head of the log.
type Cosignature struct {
	Witness string // its public key
	Size    int64
	Line    string
	At      time.Time // when it was kept
}

func scanCosignature(s scanner) (c Cosignature, err error) {
	err = s.Scan(&c.Witness, &c.Size, &c.Line, at{&c.At})
	return c, err
}

// KeepCosignature stores what a witness signed, in place of what it signed of the same head.
func (tx *Tx) KeepCosignature(ctx context.Context, c Cosignature) error {
	return tx.exec(ctx, "keep cosignature", `insert into cosignature (witness, size, line, at) values ($1,$2,$3,$4)
		on conflict (witness, size) do update set line = excluded.line, at = excluded.at`, c.Witness, c.Size, c.Line, moment(c.At))
}

// LastCosignature reads the newest head that a witness signed; the zero one if there is none.
func (tx *Tx) LastCosignature(ctx context.Context, witness string) (Cosignature, error) {
	c, err := one(ctx, tx, "cosignature", scanCosignature, `select witness, size, line, at from cosignature where witness = $1 order by size desc limit 1`, witness)
	if errors.Is(err, access.ErrNotFound) {
		return Cosignature{}, nil
	}
	return c, err
}

// Cosignatures lists what a witness signed and is kept, the oldest head first.
func (tx *Tx) Cosignatures(ctx context.Context, witness string) ([]Cosignature, error) {
	return all(ctx, tx, scanCosignature, `select witness, size, line, at from cosignature where witness = $1 order by size`, witness)
}

// ForgetCosignatures removes what a witness signed of heads below a size.
func (tx *Tx) ForgetCosignatures(ctx context.Context, witness string, below int64) error {
	if _, err := tx.ExecContext(ctx, `delete from cosignature where witness = $1 and size < $2`, witness, below); err != nil {
		return fmt.Errorf("forget cosignatures: %w", err)
	}
	return nil
}

// CheckpointAt reads the signed head of a size; no such head is [access.ErrNotFound].
func (tx *Tx) CheckpointAt(ctx context.Context, size int64) (Checkpoint, error) {
	return one(ctx, tx, fmt.Sprintf("checkpoint %d", size), scanCheckpoint, `select size, root, note, at from checkpoint where size = $1`, size)
}

// CheckpointAfter reads the first signed head beyond a size; the zero one if there is none.
func (tx *Tx) CheckpointAfter(ctx context.Context, size int64) (Checkpoint, error) {
	c, err := one(ctx, tx, "checkpoint", scanCheckpoint, `select size, root, note, at from checkpoint where size > $1 order by size limit 1`, size)
	if errors.Is(err, access.ErrNotFound) {
		return Checkpoint{}, nil
	}
	return c, err
}

func scanCheckpoint(s scanner) (c Checkpoint, err error) {
	err = s.Scan(&c.Size, &c.Root, &c.Note, at{&c.At})
	return c, err
}

// PlaceOfGrant is the place in the log of the first event about a grant: of its being
// decided. Below zero: it has none yet.
func (tx *Tx) PlaceOfGrant(ctx context.Context, grant string) (int64, error) {
	var seq sql.NullInt64
	err := tx.QueryRowContext(ctx, `select seq from event where grant_id = $1 and grant_id <> '' order by id limit 1`, grant).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && !seq.Valid) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("place of grant %s: %w", grant, err)
	}
	return seq.Int64, nil
}

const logKeyColumns = `id, size, key, says, at`

func scanLogKey(s scanner) (k access.LogKey, err error) {
	err = s.Scan(&k.ID, &k.Size, &k.Key, &k.Says, at{&k.At})
	return k, err
}

// AddLogKey stores that another key has followed.
func (tx *Tx) AddLogKey(ctx context.Context, k access.LogKey) error {
	return tx.exec(ctx, "add log key", `insert into log_key (`+logKeyColumns+`) values ($1,$2,$3,$4,$5)`, k.ID, k.Size, k.Key, k.Says, moment(k.At))
}

// LogKeys lists the keys that followed the log's first one, in their order.
func (tx *Tx) LogKeys(ctx context.Context) ([]access.LogKey, error) {
	return all(ctx, tx, scanLogKey, `select `+logKeyColumns+` from log_key order by size`)
}
