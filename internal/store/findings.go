package store

import (
	"context"

	"github.com/lessor-iam/lessor/internal/access"
)

// SaveFinding writes what an open finding says, whose it is and when it is due over what is stored.
func (tx *Tx) SaveFinding(ctx context.Context, f access.Finding) error {
	return tx.exec(ctx, "save finding "+f.ID, `update finding set owner=$1, body=$2, due_at=$3 where id=$4 and closed_at is null`,
		f.Owner, f.Text, moment(f.DueAt), f.ID)
}

// OpenAbout tells which of the subjects have an open finding of any of the kinds.
func (tx *Tx) OpenAbout(ctx context.Context, kinds, subjects []string) (map[string]bool, error) {
	some := map[string]bool{}
	if len(kinds) == 0 || len(subjects) == 0 {
		return some, nil
	}
	marks, args := in(kinds)
	more, rest := inFrom(1+len(kinds), subjects)
	list, err := all(ctx, tx, func(s scanner) (subject string, err error) { return subject, s.Scan(&subject) },
		`select distinct subject from finding where kind in (`+marks+`) and subject in (`+more+`) and closed_at is null`, append(args, rest...)...)
	for _, subject := range list {
		some[subject] = true
	}
	return some, err
}
