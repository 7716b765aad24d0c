package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// BenchmarkNextDue asks when the next work is due among 100,000 assignments
// that are held and end some day: a lane asks it whenever it wakes.
func BenchmarkNextDue(b *testing.B) {
	for _, d := range []Dialect{SQLite, Postgres} {
		b.Run(string(d), func(b *testing.B) {
			db := open(b, d)
			for from := 0; from < 100_000; from += 5_000 {
				if err := db.Write(b.Context(), func(tx *Tx) error {
					for i := from; i < from+5_000; i++ {
						was := job(fmt.Sprintf("as-%06d", i))
						was.Work = access.Work{Due: noon.Add(time.Duration(i+1) * time.Second)}
						held := was
						held.State = access.Held
						if err := errors.Join(tx.AddAssignment(b.Context(), was), tx.SaveJob(b.Context(), was, held)); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
			}
			ask := func(ctx context.Context) (next time.Time, ok bool, err error) {
				err = db.Read(ctx, func(tx *Tx) (err error) { next, ok, err = tx.NextDue(ctx, "dir"); return err })
				return next, ok, err
			}
			for b.Loop() {
				if next, ok, err := ask(b.Context()); err != nil || !ok || !next.Equal(noon.Add(time.Second)) {
					b.Fatal(next, ok, err)
				}
			}
		})
	}
}
