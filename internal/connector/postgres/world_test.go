package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const svc, svcSecret = "svc-lessor", "svc-91d4"

// What the documentation gives the reader to type: [TestDocumentedAccount] holds
// the two together. The objects' role comes last, once for each.
var (
	accountStatements = []string{
		`CREATE ROLE "svc-lessor" LOGIN NOINHERIT NOCREATEROLE PASSWORD '…';`,
		`GRANT pg_signal_backend, pg_read_all_stats TO "svc-lessor" WITH INHERIT TRUE, SET FALSE;`,
		`GRANT team_ro TO "svc-lessor" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;`,
	}
	accountStatements15 = []string{
		`CREATE ROLE "svc-lessor" LOGIN INHERIT NOCREATEROLE PASSWORD '…';`,
		`GRANT pg_signal_backend, pg_read_all_stats TO "svc-lessor";`,
		`GRANT team_ro TO "svc-lessor" WITH ADMIN OPTION;`,
	}
)

// world is one server with the connector's account on it.
type world struct {
	*testserver.PGTarget
	statements []string
}

var prepared sync.Map // version -> *sync.Once

// open gives the server of that version; the account is made once in a process.
func open(t testing.TB, version string) *world {
	t.Helper()
	w := &world{testserver.PostgresTarget(t, version), accountStatements}
	if version == "15" {
		w.statements = accountStatements15
	}
	once, _ := prepared.LoadOrStore(version, &sync.Once{})
	once.(*sync.Once).Do(func() {
		w.Exec(t, strings.Replace(w.statements[0], "…", svcSecret, 1))
		w.Exec(t, w.statements[1])
	})
	return w
}

// each runs a test against every version.
func each(t *testing.T, do func(t *testing.T, w *world)) {
	t.Parallel()
	for _, version := range testserver.PGTargetVersions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			do(t, open(t, version))
		})
	}
}

func (w *world) modern() bool { return w.Version != "15" }

// config is for a connector as the service account.
func (w *world) config() Config {
	return Config{URL: "postgres://" + w.Address, CA: w.CA, User: svc, Password: func() string { return svcSecret }, Timeout: 20 * time.Second}
}

func connect(t testing.TB, cfg Config) *Connector {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// accountSecret is every account's password.
const accountSecret = "account-5e0c"

// account makes a login role.
func (w *world) account(t testing.TB, name string) string {
	t.Helper()
	w.Exec(t, fmt.Sprintf("create role %s login password '%s'", quoted(name), accountSecret))
	return name
}

// object makes a role that the service account may grant.
func (w *world) object(t testing.TB, name string) string {
	t.Helper()
	w.Exec(t, "create role "+quoted(name))
	w.Exec(t, strings.Replace(w.statements[2], "team_ro", quoted(name), 1))
	return name
}

// put makes accounts members as if the service account had done it.
func (w *world) put(t testing.TB, object string, accounts ...string) {
	t.Helper()
	if len(accounts) == 0 {
		return
	}
	by := ""
	if w.modern() {
		by = " granted by " + quoted(svc)
	}
	names := make([]string, len(accounts))
	for i, a := range accounts {
		names[i] = quoted(a)
	}
	w.Exec(t, "grant "+quoted(object)+" to "+strings.Join(names, ", ")+by)
}

// drop deletes a role and what it granted. Those it is a member of stay.
func (w *world) drop(t testing.TB, name string) {
	t.Helper()
	w.Exec(t, "drop role "+quoted(name))
}

// members lists who is one by anybody's grant, but for the service account.
func (w *world) members(t testing.TB, object string) []string {
	t.Helper()
	rows, err := w.Admin.Query(context.Background(), `select distinct u.rolname::text from pg_auth_members m
		join pg_roles r on r.oid = m.roleid join pg_roles u on u.oid = m.member where r.rolname::text = $1 and u.rolname <> $2`, object, svc)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(slices.Values(list))
}

func ref(account, object string) connector.Ref {
	return connector.Ref{Account: account, Object: object}
}

func add(account, object string) connector.Change {
	return connector.Change{Ref: ref(account, object), Want: true}
}

func remove(account, object string) connector.Change {
	return connector.Change{Ref: ref(account, object)}
}

// look looks at one holding, which must succeed.
func look(t testing.TB, c *Connector, account, object string) connector.Seen {
	t.Helper()
	s := c.Look(t.Context(), []connector.Ref{ref(account, object)})[0]
	if s.Err != nil {
		t.Fatalf("look at %s in %s: %v", account, object, s.Err)
	}
	return s
}

// apply applies changes that must succeed.
func apply(t testing.TB, c *Connector, changes ...connector.Change) {
	t.Helper()
	for _, r := range c.Apply(t.Context(), changes) {
		if r.Err != nil {
			t.Errorf("%v: %v", r.Ref, r.Err)
		}
	}
}
