package store

import (
	"context"

	"github.com/lessor-iam/lessor/internal/access"
)

const haltColumns = `id, reason, body, at, ended_at, ended_by, note`

func scanHalt(s scanner) (h access.Halt, err error) {
	err = s.Scan(&h.ID, &h.Reason, &h.Text, at{&h.At}, at{&h.EndedAt}, nested{&h.EndedBy}, &h.Note)
	return h, err
}

// AddHalt stores one that has begun. A second one for its reason is [access.ErrConflict]
// or refused by the database.
func (tx *Tx) AddHalt(ctx context.Context, h access.Halt) error {
	return tx.exec(ctx, "add halt "+h.ID, `insert into halt (`+haltColumns+`) values ($1,$2,$3,$4,$5,$6,$7)`,
		h.ID, string(h.Reason), h.Text, moment(h.At), moment(h.EndedAt), text(h.EndedBy), h.Note)
}

// EndHalt stores the end of one that is open.
func (tx *Tx) EndHalt(ctx context.Context, h access.Halt) error {
	return tx.exec(ctx, "end halt "+h.ID, `update halt set ended_at=$1, ended_by=$2, note=$3 where id=$4 and ended_at is null`,
		moment(h.EndedAt), text(h.EndedBy), h.Note, h.ID)
}

// OpenHalts lists those that are not over, in order of reason.
func (tx *Tx) OpenHalts(ctx context.Context) ([]access.Halt, error) {
	return all(ctx, tx, scanHalt, `select `+haltColumns+` from halt where ended_at is null order by reason`)
}

// Halts lists up to limit with ids below before, newest first.
func (tx *Tx) Halts(ctx context.Context, before string, limit int) ([]access.Halt, error) {
	if before == "" {
		before = "~"
	}
	return all(ctx, tx, scanHalt, `select `+haltColumns+` from halt where id < $1 order by id desc limit $2`, before, limit)
}

// Halt reads one.
func (tx *Tx) Halt(ctx context.Context, id string) (access.Halt, error) {
	return one(ctx, tx, "halt "+id, scanHalt, `select `+haltColumns+` from halt where id=$1`, id)
}
