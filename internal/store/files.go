package store

import (
	"context"
	"errors"

	"github.com/lessor-iam/lessor/internal/access"
)

func scanFiles(s scanner) (f access.Files, err error) {
	err = s.Scan(nested{&f})
	return f, err
}

// AddFiles stores files that were asked for or are in force.
func (tx *Tx) AddFiles(ctx context.Context, f access.Files) error {
	return tx.exec(ctx, "add files "+f.ID, `insert into files (id, digest, in_force_at, confirmed_at, doc) values ($1,$2,$3,$4,$5)`,
		f.ID, f.Digest, moment(f.InForceAt), moment(f.ConfirmedAt), text(f))
}

// SaveFiles stores what became of files nobody had confirmed.
func (tx *Tx) SaveFiles(ctx context.Context, f access.Files) error {
	return tx.exec(ctx, "save files "+f.ID, `update files set in_force_at=$1, confirmed_at=$2, doc=$3 where id=$4 and confirmed_at is null`,
		moment(f.InForceAt), moment(f.ConfirmedAt), text(f), f.ID)
}

// FilesInForce are those that came into force last; ok is false where none were yet.
func (tx *Tx) FilesInForce(ctx context.Context) (f access.Files, ok bool, err error) {
	return tx.anyFiles(ctx, `select doc from files where in_force_at is not null order by in_force_at desc, id desc limit 1`)
}

// FilesConfirmed are those in force that two people confirmed last; ok is false where there are none.
func (tx *Tx) FilesConfirmed(ctx context.Context) (f access.Files, ok bool, err error) {
	return tx.anyFiles(ctx, `select doc from files where in_force_at is not null and confirmed_at is not null order by in_force_at desc, id desc limit 1`)
}

// FilesOfDigest are the newest of that digest, in force or not; ok is false where there are none.
func (tx *Tx) FilesOfDigest(ctx context.Context, digest string) (f access.Files, ok bool, err error) {
	return tx.anyFiles(ctx, `select doc from files where digest = $1 order by id desc limit 1`, digest)
}

// FilesOf reads one.
func (tx *Tx) FilesOf(ctx context.Context, id string) (access.Files, error) {
	return one(ctx, tx, "files "+id, scanFiles, `select doc from files where id=$1`, id)
}

func (tx *Tx) anyFiles(ctx context.Context, query string, args ...any) (f access.Files, ok bool, err error) {
	f, err = one(ctx, tx, "files", scanFiles, query, args...)
	if errors.Is(err, access.ErrNotFound) {
		return access.Files{}, false, nil
	}
	return f, err == nil, err
}

// FilesList lists up to limit with ids below before, newest first.
func (tx *Tx) FilesList(ctx context.Context, before string, limit int) ([]access.Files, error) {
	if before == "" {
		before = "~"
	}
	return all(ctx, tx, scanFiles, `select doc from files where id < $1 order by id desc limit $2`, before, limit)
}
