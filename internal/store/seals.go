package store

import (
	"context"

	"github.com/lessor-iam/lessor/internal/access"
)

func scanSeal(s scanner) (v access.Seal, err error) {
	err = s.Scan(nested{&v})
	return v, err
}

// AddSeal stores a new one.
func (tx *Tx) AddSeal(ctx context.Context, s access.Seal) error {
	return tx.exec(ctx, "add seal "+s.ID, `insert into seal (id, system, account, state, keeper, keeper2, until_at, settled_by, doc) values ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
		s.ID, s.System, s.Account, string(s.State), s.Custodians[0], s.Custodians[1], moment(s.Until), s.SettledBy, text(s))
}

// SaveSeal stores one that was in that state.
func (tx *Tx) SaveSeal(ctx context.Context, s access.Seal, was access.SealState) error {
	return tx.exec(ctx, "save seal "+s.ID, `update seal set state=$1, settled_by=$2, doc=$3 where id=$4 and state=$5`,
		string(s.State), s.SettledBy, text(s), s.ID, string(was))
}

// TheSeal reads one by id.
func (tx *Tx) TheSeal(ctx context.Context, id string) (access.Seal, error) {
	return one(ctx, tx, "seal "+id, scanSeal, `select doc from seal where id=$1`, id)
}

// SealsAt lists those that stand at a system, whole or broken, in order.
func (tx *Tx) SealsAt(ctx context.Context, system string) ([]access.Seal, error) {
	return all(ctx, tx, scanSeal, `select doc from seal where system=$1 and state in ('whole', 'broken') order by account`, system)
}

// Seals lists up to limit with ids below before, newest first.
func (tx *Tx) Seals(ctx context.Context, before string, limit int) ([]access.Seal, error) {
	if before == "" {
		before = "~"
	}
	return all(ctx, tx, scanSeal, `select doc from seal where id < $1 order by id desc limit $2`, before, limit)
}
