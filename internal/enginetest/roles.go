package enginetest

import (
	"os"
	"testing"

	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// open opens a fixture's database. In the long run a fresh PostgreSQL is used as a
// role that owns nothing of it, as servers should: whatever a verb needs and that
// role may not do fails there.
func open(t testing.TB, d store.Dialect, dsn string) (*store.DB, error) {
	t.Helper()
	if dsn != "" {
		return store.Open(t.Context(), dsn)
	}
	if d != store.Postgres || os.Getenv("LESSOR_TEST_LONG") == "" {
		return store.Open(t.Context(), DSN(t, d))
	}
	owner, runs := testserver.PostgresRoles(t)
	own, err := store.Open(t.Context(), owner)
	if err != nil {
		return nil, err
	}
	role, err := store.Role(runs)
	if err == nil {
		err = own.LetUse(t.Context(), role)
	}
	if err := own.Close(); err != nil {
		t.Error(err)
	}
	if err != nil {
		return nil, err
	}
	return store.OpenAs(t.Context(), runs)
}
