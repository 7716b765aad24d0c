package store

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// An older program that starts on a schema that a newer one has taken further works,
// and leaves the newer one's table of moves as it is: otherwise it would refuse moves
// that only the newer one knows.
func TestAnOlderProgramLeavesTheMovesOfANewerOne(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{SQLite, Postgres} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			ctx, dsn := t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "lessor.db")
			if d == Postgres {
				dsn = testserver.Postgres(t)
			}
			on := func(do func(*DB)) {
				t.Helper()
				db, err := Open(ctx, dsn)
				must(t, err)
				do(db)
				must(t, db.Close())
			}
			guard := func(db *DB) (text string) {
				t.Helper()
				ask := "select sql from sqlite_schema where name = 'handover_moves'"
				if d == Postgres {
					ask = "select prosrc from pg_proc where proname = 'handover_moves'"
				}
				must(t, db.Read(ctx, func(tx *Tx) error { return tx.QueryRowContext(ctx, ask).Scan(&text) }))
				return text
			}
			on(func(db *DB) {
				// What a newer program does: one more step, and one more move.
				_, moves := moveSQL("handover")
				must(t, db.Write(ctx, func(tx *Tx) error {
					for _, stmt := range append(db.guard("handover", "'offered'", moves+", 'decided>mislaid'"), "insert into goose_db_version (version_id, is_applied) values (99999, true)") {
						if _, err := tx.ExecContext(ctx, stmt); err != nil {
							return err
						}
					}
					return nil
				}))
			})
			on(func(db *DB) {
				if text := guard(db); !strings.Contains(text, "mislaid") {
					t.Errorf("the newer one's move is refused: %s", text)
				}
				must(t, db.Write(ctx, func(tx *Tx) error {
					_, err := tx.ExecContext(ctx, "delete from goose_db_version where version_id = 99999")
					return err
				}))
			})
			on(func(db *DB) {
				if text := guard(db); strings.Contains(text, "mislaid") {
					t.Errorf("the moves are not this program's: %s", text)
				}
			})
		})
	}
}
