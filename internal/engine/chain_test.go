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
