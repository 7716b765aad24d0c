package store

import (
	"context"
	"slices"
	"testing"
)

// Events wait in the order in which they were written, whatever clock made their ids, and
// those of one transaction in the order of their ids. SQLite has one process, and one clock.
func TestEventsWaitInTheOrderOfWhatWasDone(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		want := []string{"ev-5", "ev-6", "ev-1", "ev-9", "ev-2"}
		for _, ids := range [][]string{{"ev-6", "ev-5"}, {"ev-1"}, {"ev-9"}, {"ev-2"}} {
			must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
				for _, id := range ids {
					must(t, tx.AddEvent(ctx, Event{ID: id, Kind: "grant.live", Grant: "gr-1", At: noon, Body: []byte(`{}`), Salt: []byte{1}, Seq: -1}))
				}
				return nil
			}))
		}
		if db.Dialect == SQLite {
			slices.Sort(want)
		}
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			for _, limit := range []int{1, 4, 1 << 30} {
				list, err := tx.Unsequenced(t.Context(), limit)
				var got []string
				for _, ev := range list {
					got = append(got, ev.ID)
				}
				if err != nil || !slices.Equal(got, want[:min(limit, len(want))]) {
					t.Errorf("up to %d: %v, %v, want %v", limit, got, err, want)
				}
			}
			return nil
		}))
		// Once they have their places, they are told in the order of these.
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			for seq, id := range want[:3] {
				must(t, tx.PlaceEvent(ctx, id, int64(seq)))
			}
			list, err := tx.EventsAbout(ctx, "", "gr-1", "")
			var got []string
			for _, ev := range list {
				got = append(got, ev.ID)
			}
			then := append(slices.Clone(want[:3]), slices.Sorted(slices.Values(want[3:]))...)
			if err != nil || !slices.Equal(got, then) {
				t.Errorf("about the grant: %v, %v, want %v", got, err, then)
			}
			return nil
		}))
	})
}
