package engine_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Whoever wrote or changed what is asked does not approve it, at any door, however
// the request is edited afterwards; somebody else may.
func TestAB23_MakerIsNoChecker(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		ask := engine.Ask{Entitlements: []string{"dir:reports"}, Term: access.Term(time.Hour), Reason: "figures", Makers: []string{"mia", "eve"}}
		r := f.Ask("eve", ask)
		if r.State != access.Denied || !slices.Equal(r.Makers, []string{"mia"}) {
			t.Fatalf("made by the only one who could approve it: %s, made by %v", r.State, r.Makers)
		}
		ask.Makers = nil
		r = f.Ask("eve", ask)
		ask.Makers = []string{"ada"}
		r, err := f.Engine.Edit(t.Context(), f.As("eve"), r.ID, r.Digest, ask)
		if err != nil || !slices.Equal(r.Makers, []string{"ada"}) || f.Request(r.ID).Makers[0] != "ada" {
			t.Fatalf("edited: %+v, %v", r, err)
		}
		// The requester's own edit does not take a hand out of it, and a new maker is a new revision.
		was := r
		ask.Makers = nil
		if r, err = f.Engine.Edit(t.Context(), f.As("eve"), r.ID, r.Digest, ask); err != nil || !slices.Equal(r.Makers, []string{"ada"}) || r.Digest == was.Digest {
			t.Errorf("edited again: %+v, %v", r, err)
		}
		f.Approve("mia", r)
		f.Change(func(c *enginetest.Company) {
			eve := c.People["eve"]
			eve.Manager = "ada"
			c.People["eve"] = eve
		})
		ask.Entitlements, ask.Makers = []string{"dir:wiki"}, []string{"mia"}
		r = f.Ask("eve", ask)
		ask.Makers = []string{"ada"}
		if r, err = f.Engine.Edit(t.Context(), f.As("eve"), r.ID, r.Digest, ask); err != nil || r.State != access.Denied {
			t.Errorf("changed by all who could approve it: %s, %v", r.State, err)
		}
		if _, err := f.Engine.Vote(t.Context(), f.As("ada"), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err == nil || errors.Is(err, access.ErrInvalid) {
			t.Errorf("its maker voted: %v", err)
		}
		f.Work()
		f.CheckQuiet()
	})
}
