package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func rotating(id, credential string, generation int64) Rotating {
	return Rotating{Rotation: access.Rotation{ID: id, Credential: credential, System: "dir", Account: "robot", Kind: "password", Store: "files", Ref: "pay/db",
		Cause: access.CauseScheduled, By: "lessor", State: access.RotationDue, Generation: generation, Renew: true, Overlap: access.Term(time.Minute),
		At: noon, Olds: []access.OldCredential{{Generation: generation - 1, Native: "n", Mark: "m"}}},
		Work: access.Work{Due: noon, Fence: 2, Attempts: 1, Since: noon, Told: 1, Trouble: "t"}}
}

// What is written is read back; of one credential one is open, its numbers only grow,
// and who writes over what has moved on writes nothing.
func TestRotations(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			was := rotating("ro-1", "pay", 4)
			got, err := tx.Rotation(ctx, "ro-1")
			same(t, "rotation", got, err, was)
			next := was
			next.State, next.Generation, next.Work.Holder, next.Work.LeaseUntil, next.Work.Fence = access.RotationIssuing, 5, "h", noon.Add(time.Minute), 3
			must(t, tx.SaveRotation(ctx, was, next))
			if err := tx.SaveRotation(ctx, was, next); !errors.Is(err, access.ErrConflict) {
				t.Errorf("saved over another: %v", err)
			}
			got, err = tx.Rotation(ctx, "ro-1")
			same(t, "saved", got, err, next)
			due, err := tx.DueRotations(ctx, "dir", noon, 10)
			same(t, "due while leased", due, err, nil)
			due, err = tx.DueRotations(ctx, "dir", noon.Add(time.Minute), 10)
			same(t, "due", due, err, []Rotating{next})
			at, ok, err := tx.NextRotation(ctx, "dir")
			same(t, "next", at, err, noon.Add(time.Minute))
			if _, none, err := tx.NextRotation(ctx, "git"); !ok || none || err != nil {
				t.Errorf("%t, %t, %v", ok, none, err)
			}
			return nil
		}))
		for what, r := range map[string]Rotating{"a second open one": rotating("ro-2", "pay", 6), "a number twice": rotating("ro-3", "pay", 5)} {
			if err := write(t, db, func(ctx context.Context, tx *Tx) error { return tx.AddRotation(ctx, r) }); err == nil {
				t.Errorf("%s is stored", what)
			}
		}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			was, err := tx.Rotation(ctx, "ro-1")
			must(t, err)
			over := was
			over.State, over.Work = access.RotationDropped, access.Work{Fence: was.Work.Fence}
			must(t, tx.SaveRotation(ctx, was, over))
			newer, other := rotating("ro-2", "pay", 6), rotating("ro-0", "log", 1)
			must(t, errors.Join(tx.AddRotation(ctx, newer), tx.AddRotation(ctx, other)))
			list, err := tx.NewestRotations(ctx)
			same(t, "newest", list, err, []Rotating{other, newer})
			list, err = tx.RotationsOf(ctx, "pay", 10)
			same(t, "of one", list, err, []Rotating{newer, over})
			list, err = tx.OpenRotations(ctx, "dir")
			same(t, "open", list, err, []Rotating{other, newer})
			list, err = tx.RotationsAfter(ctx, "ro-1", 10)
			same(t, "after", list, err, []Rotating{newer})
			return nil
		}))
	})
}
