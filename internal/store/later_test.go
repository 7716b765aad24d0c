package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// Rows that are added wait for others, and nobody sees that they do: what may read them
// finds them, what goes wrong with one is told, and what is not committed is not there.
func TestRowsThatWaitAreWrittenInTime(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		add := func(ctx context.Context, tx *Tx, from, to int) (err error) {
			for i := from; i < to; i++ {
				err = errors.Join(err, tx.AddEvent(ctx, Event{ID: fmt.Sprintf("ev-%03d", i), Kind: "grant.live", Request: "rq-x", At: noon, Body: []byte("{}"), Salt: []byte{1}}))
			}
			return err
		}
		count := func(ctx context.Context, tx *Tx) int {
			t.Helper()
			list, err := tx.EventsAbout(ctx, "rq-x", "", "")
			must(t, err)
			for i, e := range list {
				if e.ID != fmt.Sprintf("ev-%03d", i) || e.Kind != "grant.live" || e.Seq != -1 {
					t.Errorf("event %d is %+v", i, e)
				}
			}
			return len(list)
		}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			for _, n := range []int{0, 1, 7, 47} {
				if err := add(ctx, tx, count(ctx, tx), n); err != nil {
					return err
				}
				if has := count(ctx, tx); has != n {
					t.Errorf("of %d events %d are read", n, has)
				}
			}
			var total int
			if err := tx.QueryRowContext(ctx, "select count(*) from event").Scan(&total); err != nil || total != 47 {
				t.Errorf("%d are counted, %v", total, err)
			}
			return add(ctx, tx, 47, 50)
		}))
		gone := errors.New("no")
		if err := write(t, db, func(ctx context.Context, tx *Tx) error { return errors.Join(add(ctx, tx, 50, 90), gone) }); !errors.Is(err, gone) {
			t.Errorf("given up: %v", err)
		}
		if err := write(t, db, func(ctx context.Context, tx *Tx) error { return add(ctx, tx, 49, 60) }); err == nil {
			t.Error("an event of the same id was added twice")
		}
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			if n := count(t.Context(), tx); n != 50 {
				t.Errorf("%d events are left of 50", n)
			}
			return nil
		}))
	})
}
