package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Asking anew while a grant is live goes on with its chain: the longest total
// term cannot be got round by not saying "extend".
func TestAskingAnewDoesNotBeginANewChain(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		ask := engine.Ask{Entitlements: []string{"dir:root"}, Term: access.Term(4 * time.Hour), Reason: "work"}
		first := f.Granted("eve", ask, "mia", "otto")
		f.Work()
		f.Advance(3 * time.Hour)
		second := f.Granted("eve", ask, "mia", "otto") // 3 h + 4 h of at most 8 h
		if !second.ChainStart.Equal(first.ChainStart) {
			t.Errorf("the second chain began %s, not with the first, %s", second.ChainStart, first.ChainStart)
		}
		f.Advance(3 * time.Hour)
		if r := f.Ask("eve", ask); r.State != access.Denied { // 6 h + 4 h
			t.Errorf("request is %s: %+v", r.State, r.Items)
		}
		f.Advance(5 * time.Hour) // over, and seen gone: a new chain may begin
		third := f.Granted("eve", ask, "mia", "otto")
		if !third.ChainStart.Equal(third.Start) {
			t.Errorf("the third chain began %s, before its grant, %s", third.ChainStart, third.Start)
		}
		f.Check()
	})
}

// A term that reaches the longest total, or the end of a contract, exactly is
// still had when the lane comes to it a moment after the decision.
func TestTheLastMomentIsHad(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	f.Change(func(c *enginetest.Company) {
		root := c.Entitlements["dir:root"]
		root.MaxTotal = root.MaxTerm
		c.Entitlements["dir:root"] = root
	})
	whole := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:root"}, Term: access.Term(4 * time.Hour), Reason: "work"}, "mia", "otto")
	f.Clock.To(f.Company.People["xena"].End.Add(-8 * time.Hour))
	contract := f.Granted("xena", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(8 * time.Hour), Reason: "work"}, "mia", "owen")
	second := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:root"}, Term: access.Term(4 * time.Hour), Reason: "work"}, "mia", "otto")
	f.Clock.Pass(2 * time.Second)
	f.Work()
	for _, id := range []string{contract.ID, second.ID} {
		if g := f.Grant(id); g.State != access.Live {
			t.Errorf("grant of %s to %s is %s (%s)", g.Entitlement, g.Identity, g.State, g.Ended)
		}
	}
	if g := f.Grant(whole.ID); g.Ended != access.EndExpired {
		t.Errorf("what was never claimed in its time is %s (%s)", g.State, g.Ended)
	}
	f.Check()
}
