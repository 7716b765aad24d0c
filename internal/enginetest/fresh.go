package enginetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// DSN names a fresh database of that kind, as the store leaves one that it has made and
// nobody has used yet. It is made once in a process and copied from then on: every step
// that the schema ever took, for each of hundreds of tests, is most of what many of them
// would do. The store opens it as it opens any that is there; that it makes one from
// nothing is shown in its own room.
func DSN(t testing.TB, d store.Dialect) string {
	t.Helper()
	if d == store.Postgres {
		return testserver.PostgresLike(t, made)
	}
	path := filepath.Join(testserver.Memory(t), "lessor.db")
	Fresh(t, path)
	return "sqlite:" + path
}

// Empty names a database of that kind in which there is nothing yet, nor a schema.
func Empty(t testing.TB, d store.Dialect) string {
	t.Helper()
	if d == store.Postgres {
		return testserver.Postgres(t)
	}
	return "sqlite:" + filepath.Join(t.TempDir(), "lessor.db")
}

// Fresh puts a fresh SQLite database there.
func Fresh(t testing.TB, path string) {
	t.Helper()
	file, err := madeFile()
	if err == nil {
		err = os.WriteFile(path, file, 0o600)
	}
	if err != nil {
		t.Fatalf("a fresh database: %v", err)
	}
}

// madeFile is a fresh SQLite database: what its file holds.
var madeFile = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "lessor-fresh-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "lessor.db")
	if err := made("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path) // which is all of it: the last who closes it leaves no log beside it
})

// made has the store make a database.
func made(dsn string) error {
	db, err := store.Open(context.Background(), dsn)
	if err != nil {
		return err
	}
	return db.Close()
}
