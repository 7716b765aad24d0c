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
