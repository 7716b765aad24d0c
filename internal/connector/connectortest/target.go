// Package connectortest is the conformance suite of the connector port. A
// connector passes it from a test file of a few lines, against the real system:
//
//	func TestConformance(t *testing.T) { connectortest.Run(t, newTarget) }
//
// The suite never believes the connector about itself. What is so at the target
// is read by the target's own means ([Target.Members]), and the way between
// connector and target can fail before or after taking effect ([Target.Break]).
package connectortest

import (
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

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
}
