package report

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// Continues holds the stored log against a head of it that was kept elsewhere:
// a signed note that somebody outside wrote down. A database can be restored
// from an old copy or rewritten with its own key and still agree with itself;
// only what was kept outside shows it. The error says which of the two it was.
func Continues(ctx context.Context, db *store.DB, vkey, earlier string) error {
	return db.Read(ctx, func(tx *store.Tx) error {
		keys, err := engine.LogKeys(ctx, tx, vkey)
		if err != nil {
			return fmt.Errorf("the log's keys: %w", err)
		}
		old, err := keys.OpenCheckpoint(earlier, evidence.AllowCosignatures())
		if err != nil {
			return fmt.Errorf("the head that was kept: %w", err)
		}
		row, err := tx.LastCheckpoint(ctx)
		if err != nil {
			return err
		}
		if row.Size < old.Size {
			return fmt.Errorf("%w: the log was cut back: its key signed %d events, and it has %d", access.ErrConflict, old.Size, row.Size)
		}
		root, err := evidence.Root(ctx, engine.Tiles{Tx: tx}, old.Size)
		if err != nil {
			return fmt.Errorf("the log at %d events: %w", old.Size, err)
		}
		if root != old.Root {
			return fmt.Errorf("%w: the log was rewritten: its first %d events are not those its key signed", access.ErrConflict, old.Size)
		}
		return nil
	})
}
