package store

import (
	"fmt"
	"testing"
)

// What was refused for want of room is told from what was refused otherwise: by
// SQLite's own word, and by PostgreSQL's code, which a function raises here.
func TestIsFull(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		fills := []string{"pragma max_page_count = 1", "create table more (what blob)", "insert into more values (zeroblob(1000000))"}
		if db.Dialect == Postgres {
			fills = []string{"do $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$"}
		}
		fill := func(stmts ...string) error {
			return db.Write(t.Context(), func(tx *Tx) error {
				for _, s := range stmts {
					if _, err := tx.ExecContext(t.Context(), s); err != nil {
						return fmt.Errorf("%s: %w", s, err)
					}
				}
				return nil
			})
		}
		if err := fill(fills...); !IsFull(err) {
			t.Errorf("no room: %v", err)
		}
		if err := fill("insert into nowhere values (1)"); err == nil || IsFull(err) {
			t.Errorf("no such table: %v", err)
		}
		if IsFull(nil) {
			t.Error("nothing is wrong, and it is full")
		}
	})
}
