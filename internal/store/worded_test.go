package store

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What people have to do about an answer of SQLite's is said in words; its own stay behind them.
func TestAnswersOfSQLiteInWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "lessor.db")
	db, err := Open(t.Context(), "sqlite:"+name)
	if err != nil {
		t.Fatal(err)
	}
	says := func(what string, err error, words, raw string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(err.Error(), raw) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// 1. Somebody has a shell on it, in the middle of a change.
	other, err := sql.Open("sqlite", "file:"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	shell, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shell.ExecContext(t.Context(), "begin immediate"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.write.ExecContext(t.Context(), "pragma busy_timeout = 10"); err != nil {
		t.Fatal(err)
	}
	says("locked", db.Write(t.Context(), func(*Tx) error { return nil }), "locked by another program", "SQLITE_BUSY")
	if _, err := shell.ExecContext(t.Context(), "rollback"); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(*Tx) error { return nil }); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// 2. It is another file.
	if err := os.WriteFile(filepath.Join(dir, "text.db"), []byte(strings.Repeat("this is no database\n", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err := Open(t.Context(), "sqlite:"+filepath.Join(dir, "text.db")); err == nil {
		t.Error("opened", db.Close())
	} else {
		says("opened", err, "is not one of SQLite's", "(26)")
	}
	read, err := Inspect(t.Context(), "sqlite:"+filepath.Join(dir, "text.db"))
	if err == nil {
		err = read.Read(t.Context(), func(tx *Tx) error { _, err := tx.LastCheckpoint(context.WithoutCancel(t.Context())); return err })
		defer read.Close()
	}
	says("read", err, "is not one of SQLite's", "(26)")
}
