package postgres

import (
	"context"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		connectortest.Run(t, func(t *testing.T) connectortest.Target { return newTarget(t, w) })
	})
}

// mark ends the names of objects: accounts and objects share one name space, and
// the suite uses one name for both.
const mark = "§"

func newTarget(t testing.TB, w *world) connectortest.Target {
	p := newProxy(t, w)
	cfg := w.config()
	cfg.URL = "postgres://" + p.address + "/" + issuing
	c := connect(t, cfg)
	c.page = 20
	return connectortest.Target{
		Connector: c,
		Account: func(t testing.TB, name string) string { // without a password: the server takes its time over one
			w.Exec(t, "create role "+quoted(name)+" login")
			w.rotates(t, name)
			return name
		},
		DropAccount: w.drop,
		Object:      func(t testing.TB, name string) string { return w.object(t, name+mark) },
		DropObject:  w.drop,
		Put:         w.put,
		Members:     w.members,
		Nest:        func(t testing.TB, outer, inner string) { w.Exec(t, "grant "+quoted(outer)+" to "+quoted(inner)) },
		Rename: func(t testing.TB, account, name string) string {
			w.Exec(t, "alter role "+quoted(account)+" rename to "+quoted(name))
			return name
		},
		Open: func(t testing.TB, account, object string) connectortest.Session {
			w.Exec(t, "alter role "+quoted(account)+" password '"+accountSecret+"'")
			conn := w.session(t, account, "set role "+quoted(object))
			return connectortest.Session{
				Alive: func() bool { return conn.Ping(context.Background()) == nil },
				Leave: func() { _ = conn.Close(context.Background()) },
			}
		},
		Enter:     w.enter,
		Break:     p.fail,
		NameLimit: 63 - len(mark), // the server cuts longer ones off
		Hostile: []string{
			`"`, `""`, `"."`, `a"b""c`, `x" to postgres; --`, `"; RESET ROLE; --`, `current_user`, `session_user`, `CURRENT_ROLE`, `Public`,
			`user`, `all`, `$1`, `$$`, `$x$ $x$`, `E'\x22'`, `U&"\0022"`, `/* x`, `*/`, `--`, `\'`, `a` + "\r\n" + `b`, "\u00a0nbsp", "ﬁ", "\u212a", "ß",
		},
	}
}
