package report

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/store"
)

// Pulse is another text whenever an event was written or the log was signed.
func Pulse(ctx context.Context, db *store.DB) (pulse string, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		last, err := tx.LastEvent(ctx)
		if err != nil {
			return err
		}
		head, err := tx.LastCheckpoint(ctx)
		pulse = fmt.Sprintf("%s %d", last, head.Size)
		return err
	})
	return pulse, err
}
