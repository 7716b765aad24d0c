// Package promise holds every promise of the connector port as a deed that shows
// whether it is kept. The suite for Go tests (connectortest) runs them, and so
// does the command line against a program that somebody else wrote: hence they
// report to a small interface of their own, and no test library comes in here.
//
// It never believes the connector about itself. What is so at the target is read
// by the target's own means ([Target.Members]), and the way between connector
// and target can fail before or after taking effect ([Target.Break]).
package promise

import (
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// T is who is told how it went; a *testing.T is one. Fatal, Fatalf and Skip do
// not return. All may be called concurrently.
type T interface {
	Helper()
	Log(args ...any)
	Logf(format string, args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Skip(args ...any)
}

// Fault is one way in which the line between connector and target fails. All of
// them concern writes only, unless they say otherwise.
type Fault string

const (
	// LostAnswer lets the write take effect and loses the target's answer.
	LostAnswer Fault = "lost answer"
	// Lie answers success and lets nothing take effect.
	Lie Fault = "lie"
	// Late holds the write back until the caller has given up, then lets it take effect.
	Late Fault = "late"
	// Refuse answers that the target will not do it; nothing takes effect.
	Refuse Fault = "refuse"
	// Down answers nothing at all, reads included; no connection can be made.
	Down Fault = "down"
)

// Target is one real system in the hands of one promise. Every function but
// Connector works by the target's own means, and does not return if it cannot.
type Target struct {
	// Connector is what is held to the promise; its line to the target is the one Break breaks.
	Connector connector.Connector
	// Account makes an account under that name and returns its Ref.Account.
	Account func(name string) string
	// DropAccount deletes it.
	DropAccount func(account string)
	// Object makes an object under that name, held by nobody (as near to that as
	// the target allows), and returns its Ref.Object.
	Object func(name string) string
	// DropObject deletes it.
	DropObject func(object string)
	// Put makes the accounts hold the object, in as few operations as it likes.
	Put func(object string, accounts ...string)
	// Members lists who holds the object directly, as Ref.Account, sorted;
	// whatever the target keeps there to satisfy its own schema is left out.
	Members func(object string) []string
	// Nest makes every holder of inner hold outer too, by the target's own
	// nesting. Nil where the target has none.
	Nest func(outer, inner string)
	// Rename gives the account another name and returns what its Ref.Account is then.
	// Nil where none can be renamed.
	Rename func(account, name string) string
	// Open opens a session in which the account, which holds the object, uses it. Nil
	// where the connector has no sessions.
	Open func(account, object string) Session
	// Enter tells whether the worth of a credential of that kind lets in as the account.
	// Nil where the connector issues none.
	Enter func(account, kind string, worth []byte) bool
	// Scopes are what an order asks for, in the target's words, where its credentials have any.
	Scopes []string
	// Break makes the line fail that way until mend is called. After mend every
	// held-back write has taken effect.
	Break func(f Fault) (mend func())
	// Hostile are names that try to break out of the target's own syntax, beside
	// the promises' own. Each must be usable as account and as object name.
	Hostile []string
	// Large is how many holders the large object has; 0 means 2,000.
	Large int
	// NameLimit is the most bytes a name may have at this target; longer ones of
	// the promises' own are left out. 0 means 1,000.
	NameLimit int
	// Rings says that Nest may be used in a circle.
	Rings bool
	// Patience bounds the wait for what a target does by and by: to end a session, to
	// tell of a change. 0 means a minute.
	Patience time.Duration
}

// Session is an open one, as the target itself knows it.
type Session struct {
	// Alive tells whether it is still open.
	Alive func() bool
	// Leave ends it as whoever opened it does.
	Leave func()
}
