package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// BenchmarkDue reads the first 1,000 of so many assignments that are all due: a claim
// in a storm costs what it takes, not what waits.
func BenchmarkDue(b *testing.B) {
	for _, d := range []Dialect{SQLite, Postgres} {
		for _, n := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", d, n), func(b *testing.B) {
				db := open(b, d)
				fillHeld(b, db, n)
				for b.Loop() {
					var list []Job
					if err := db.Read(b.Context(), func(tx *Tx) (err error) {
						list, err = tx.Due(b.Context(), "dir", noon.Add(1<<20*time.Second), 1000)
						return err
					}); err != nil || len(list) != 1000 || list[0].ID != "as-000000" {
						b.Fatal(len(list), err)
					}
				}
			})
		}
	}
}

// fillHeld stores so many assignments that are held, one more due each second.
func fillHeld(b *testing.B, db *DB, n int) {
	b.Helper()
	for from := 0; from < n; from += 5_000 {
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
}

// BenchmarkNextDue asks when the next work is due among 100,000 assignments
// that are held and end some day: a lane asks it whenever it wakes.
func BenchmarkNextDue(b *testing.B) {
	for _, d := range []Dialect{SQLite, Postgres} {
		b.Run(string(d), func(b *testing.B) {
			db := open(b, d)
			fillHeld(b, db, 100_000)
			if d == Postgres { // as it does by itself, a little later
				if _, err := db.write.ExecContext(b.Context(), "vacuum analyze assignment"); err != nil {
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
