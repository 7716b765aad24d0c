// Package connectortest is the conformance suite of the connector port. A
// connector passes it from a test file of a few lines, against the real system:
//
//	func TestConformance(t *testing.T) { connectortest.Run(t, newTarget) }
//
// What it holds a connector to stands in the room promise; this room only hands
// the promises to Go's tests, and holds none of its own.
package connectortest

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/promise"
)

// Fault is one way in which the line between connector and target fails.
type Fault = promise.Fault

// The faults, as the room promise describes them.
const (
	LostAnswer = promise.LostAnswer
	Lie        = promise.Lie
	Late       = promise.Late
	Refuse     = promise.Refuse
	Down       = promise.Down
)

// Session is an open one, as the target itself knows it.
type Session = promise.Session

// Run holds a connector to every promise of the port, one subtest a promise.
// newTarget is called once in each; the targets may share one server, for no
// subtest uses the names of another, and whatever else a server holds is left alone.
func Run(t *testing.T, newTarget func(t *testing.T) Target) {
	t.Helper()
	for _, p := range promise.All() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			p.Hold(t, newTarget(t).in(t))
		})
	}
}

// Target is one real system as the suite uses it. Every function but Connector
// works by the target's own means and fails the test if it cannot.
type Target struct {
	// Connector is what is tested; its line to the target is the one Break breaks.
	Connector connector.Connector
	// Account makes an account under that name and returns its Ref.Account.
	Account func(t testing.TB, name string) string
	// DropAccount deletes it.
	DropAccount func(t testing.TB, account string)
	// Object makes an object under that name, held by nobody (as near to that as
	// the target allows), and returns its Ref.Object.
	Object func(t testing.TB, name string) string
	// DropObject deletes it.
	DropObject func(t testing.TB, object string)
	// Put makes the accounts hold the object, in as few operations as it likes.
	Put func(t testing.TB, object string, accounts ...string)
	// Members lists who holds the object directly, as Ref.Account, sorted;
	// whatever the target keeps there to satisfy its own schema is left out.
	Members func(t testing.TB, object string) []string
	// Nest makes every holder of inner hold outer too, by the target's own
	// nesting. Nil where the target has none.
	Nest func(t testing.TB, outer, inner string)
	// Rename gives the account another name and returns what its Ref.Account is then.
	// Nil where none can be renamed.
	Rename func(t testing.TB, account, name string) string
	// Open opens a session in which the account, which holds the object, uses it; it is
	// over when the test is. Nil where the connector has no sessions.
	Open func(t testing.TB, account, object string) Session
	// Enter tells whether the worth of a credential of that kind lets in as the account.
	// Nil where the connector issues none.
	Enter func(t testing.TB, account, kind string, worth []byte) bool
	// Scopes are what an order asks for, in the target's words, where its credentials have any.
	Scopes []string
	// Break makes the line fail that way until mend is called. After mend every
	// held-back write has taken effect.
	Break func(t testing.TB, f Fault) (mend func())
	// Hostile are names that try to break out of the target's own syntax, beside
	// the suite's own. Each must be usable as account and as object name.
	Hostile []string
	// Large is how many holders the large-object test uses; 0 means 2,000.
	Large int
	// NameLimit is the most bytes a name may have at this target; longer ones of
	// the suite's own are left out. 0 means 1,000.
	NameLimit int
	// Rings says that Nest may be used in a circle.
	Rings bool
	// Patience bounds the wait for what a target does by and by: to end a session, to
	// tell of a change. 0 means a minute.
	Patience time.Duration
}

// in is the target in the hands of one test.
func (g Target) in(t *testing.T) promise.Target {
	in := promise.Target{
		Connector:   g.Connector,
		Account:     func(name string) string { t.Helper(); return g.Account(t, name) },
		DropAccount: func(account string) { t.Helper(); g.DropAccount(t, account) },
		Object:      func(name string) string { t.Helper(); return g.Object(t, name) },
		DropObject:  func(object string) { t.Helper(); g.DropObject(t, object) },
		Put:         func(object string, accounts ...string) { t.Helper(); g.Put(t, object, accounts...) },
		Members:     func(object string) []string { t.Helper(); return g.Members(t, object) },
		Break:       func(f Fault) func() { t.Helper(); return g.Break(t, f) },
		Hostile:     g.Hostile, Large: g.Large, NameLimit: g.NameLimit, Rings: g.Rings, Patience: g.Patience,
	}
	if g.Nest != nil {
		in.Nest = func(outer, inner string) { t.Helper(); g.Nest(t, outer, inner) }
	}
	if g.Rename != nil {
		in.Rename = func(account, name string) string { t.Helper(); return g.Rename(t, account, name) }
	}
	if g.Open != nil {
		in.Open = func(account, object string) Session { t.Helper(); return g.Open(t, account, object) }
	}
	if in.Scopes = g.Scopes; g.Enter != nil {
		in.Enter = func(account, kind string, worth []byte) bool { t.Helper(); return g.Enter(t, account, kind, worth) }
	}
	return in
}
