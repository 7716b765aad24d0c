package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// Events get their places together, in the order in which they are listed whatever their
// ids say; and none does where one of them has its place or is not there.
func TestEventsArePlacedTogether(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			for _, i := range []int{4, 0, 3, 1, 2} {
				if err := tx.AddEvent(ctx, Event{ID: fmt.Sprintf("ev-%d", i), Kind: "x", At: noon, Body: []byte("{}"), Salt: []byte("s")}); err != nil {
					return err
				}
			}
			return tx.PlaceEvent(ctx, "ev-2", 0)
		}))
		place := func(ids ...string) error {
			return write(t, db, func(ctx context.Context, tx *Tx) error { return tx.PlaceEvents(ctx, ids, 1) })
		}
		for _, ids := range [][]string{{"ev-1", "ev-2"}, {"ev-1", "ev-7"}, {"ev-1", "ev-1"}} {
			if err := place(ids...); !errors.Is(err, access.ErrConflict) {
				t.Errorf("%v: %v", ids, err)
			}
		}
		must(t, place("ev-3", "ev-1", "ev-4"))
		if err := place("ev-3"); !errors.Is(err, access.ErrConflict) {
			t.Errorf("placed twice: %v", err)
		}
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			list, err := tx.Events(t.Context(), 0, 10)
			var is []string
			for _, ev := range list {
				is = append(is, fmt.Sprint(ev.ID, " ", ev.Seq))
			}
			same(t, "places", is, err, []string{"ev-2 0", "ev-3 1", "ev-1 2", "ev-4 3"})
			waiting, err := tx.Unsequenced(t.Context(), 10)
			same(t, "how many wait", len(waiting), err, 1)
			return nil
		}))
	})
}
