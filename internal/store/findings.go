package store

import (
	"context"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// SaveFinding writes what an open finding says, whose it is and when it is due over what is stored.
func (tx *Tx) SaveFinding(ctx context.Context, f access.Finding) error {
	return tx.exec(ctx, "save finding "+f.ID, `update finding set owner=$1, body=$2, due_at=$3 where id=$4 and closed_at is null`,
		f.Owner, f.Text, moment(f.DueAt), f.ID)
}

// OpenAbout lists the open findings of any of the kinds about any of the subjects, by subject.
func (tx *Tx) OpenAbout(ctx context.Context, kinds, subjects []string) (map[string][]access.Finding, error) {
	about := map[string][]access.Finding{}
	if len(kinds) == 0 {
		return about, nil
	}
	marks, args := in(kinds)
	for batch := range chunks(subjects) {
		more, rest := inFrom(1+len(kinds), batch)
		list, err := all(ctx, tx, scanFinding, `select `+findingColumns+` from finding where kind in (`+marks+`) and subject in (`+more+`) and closed_at is null order by subject, kind`,
			slices.Concat(args, rest)...)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			about[f.Subject] = append(about[f.Subject], f)
		}
	}
	return about, nil
}
