package report

import (
	"context"
	"fmt"
)

// rotations are the changes of generation of credentials; what is under way is due.
func (r *replay) rotations(ctx context.Context) error {
	for after := ""; ; {
		page, err := r.tx.RotationsAfter(ctx, after, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			after = row.ID
			if err := r.compare("rotation "+row.ID, row.Rotation); err != nil {
				return err
			}
			if !row.State.Over() && row.Work.Due.IsZero() {
				return fmt.Errorf("rotation %s is %s, and nothing will go on with it", row.ID, row.State)
			}
		}
	}
}
