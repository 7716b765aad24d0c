package store

import (
	"fmt"
	"path/filepath"
	"testing"
)

func TestStatementsAreCompiledOnceTheyComeOften(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	count := func(add int) (n int) {
		t.Helper()
		err := db.Write(t.Context(), func(tx *Tx) error {
			if err := tx.exec(t.Context(), "count", "insert into tile (level, idx, body) values (1, 2, $1) on conflict (level, idx) do update set body = tile.body + $1", add); err != nil {
				return err
			}
			return tx.QueryRowContext(t.Context(), "select body from tile where level = $1", 1).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i := range 3 * comesOften {
		if n := count(2); n != 2*(i+1) {
			t.Fatalf("after %d times: %d", i+1, n)
		}
	}
	made := db.compiled[db.write].made
	if len(made) != 2 {
		t.Errorf("%d statements are compiled; both should be", len(made))
	}
	// A schema that changes under a compiled statement is no harm to it.
	if err := db.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.Tx.ExecContext(t.Context(), "alter table tile add column more text not null default ''")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if n := count(1); n != 6*comesOften+1 {
		t.Errorf("after a change of the schema: %d", n)
	}
	// Texts without end fill neither table.
	for i := range mostCounted + mostMade*comesOften {
		err := db.Read(t.Context(), func(tx *Tx) error {
			tx.statement(t.Context(), fmt.Sprintf("select %d", i/comesOften))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if s := db.compiled[db.read]; len(s.made) > mostMade || len(s.came) > mostCounted {
		t.Errorf("%d made, %d counted", len(s.made), len(s.came))
	}
}
