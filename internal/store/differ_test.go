package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// Two databases, of either kind, are told apart row by row: what is missing, changed
// and extra, whatever letters its key has; and nothing of that is left once it is mended.
func TestDifferences(t *testing.T) {
	each(t, func(t *testing.T, a *DB) {
		for _, d := range []Dialect{SQLite, Postgres} {
			b := open(t, d)
			fill := func(db *DB, level int, ids ...string) {
				must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
					for _, id := range ids {
						f := access.Finding{ID: id + string(d), Kind: "drift", Subject: id + string(d), Owner: "owen", Text: "t", OpenedAt: noon, DueAt: noon}
						if err := tx.AddFinding(ctx, f); err != nil {
							return err
						}
					}
					return tx.SetTile(ctx, level, 1, []byte{9, 0})
				}))
			}
			fill(a, 1, "a", "B", "ö", "z", "é")
			fill(b, 1, "a", "B", "b", "z")
			must(t, write(t, b, func(ctx context.Context, tx *Tx) error {
				_, err := tx.ExecContext(ctx, "update finding set owner = 'otto' where id = $1", "z"+string(d))
				return err
			}))
			found := func(table string) (list []string) {
				must(t, a.Read(t.Context(), func(from *Tx) error {
					return b.Read(t.Context(), func(to *Tx) error {
						return Differences(t.Context(), from, to, table, Settled{}, func(d Difference, row []any) error {
							list = append(list, fmt.Sprintf("%s %v", d, row[0]))
							return nil
						})
					})
				}))
				return list
			}
			if got, want := found("finding"), []string{"extra b" + string(d), "changed z" + string(d), "missing é" + string(d), "missing ö" + string(d)}; d == SQLite && !slices.Equal(got, want) {
				t.Errorf("to %s: %v, want %v", d, got, want)
			}
			if got := found("tile"); len(got) != 0 {
				t.Errorf("tiles: %v", got)
			}
			mend(t, a, b, "finding")
			if got := found("finding"); len(got) != 0 {
				t.Errorf("mended, to %s there is left: %v", d, got)
			}
		}
	})
}

func mend(t *testing.T, a, b *DB, table string) {
	t.Helper()
	must(t, a.Read(t.Context(), func(from *Tx) error {
		var put, take [][]any
		if err := b.Read(t.Context(), func(to *Tx) error {
			return Differences(t.Context(), from, to, table, Settled{}, func(d Difference, row []any) error {
				if d == Extra {
					take = append(take, row)
				} else {
					put = append(put, row)
				}
				return nil
			})
		}); err != nil {
			return err
		}
		return write(t, b, func(ctx context.Context, tx *Tx) error {
			if err := tx.Take(ctx, table, take); err != nil {
				return err
			}
			return tx.Put(ctx, table, put)
		})
	}))
}
