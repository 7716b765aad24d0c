package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Whether somebody holds something is answered from the grant and from what was
// seen, as far as the actor may know, and to nobody without the scope for it.
func TestHolds(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		anna := f.As("anna")
		anna.Scopes = []string{engine.ScopeEvaluate}
		is := func(what string, by access.Actor, want engine.Standing) engine.Hold {
			t.Helper()
			h, err := f.Engine.Holds(t.Context(), by, "eve", "dir:wiki")
			if err != nil || h.Standing != want {
				t.Errorf("%s: %+v, %v; want %d", what, h, err, want)
			}
			return h
		}
		is("nothing", anna, engine.NotGranted)
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		is("granted", anna, engine.NotSeen)
		f.Work()
		if h := is("seen", anna, engine.HeldNow); h.Grant != g.ID || !h.Active || h.Seen.IsZero() || !h.End.Equal(f.Grant(g.ID).End) {
			t.Errorf("it rests on %+v", h)
		}
		bob := f.As("bob")
		bob.Scopes = anna.Scopes
		is("to somebody who may not know", bob, engine.NotGranted)
		_, err := f.Engine.Holds(t.Context(), access.Actor{Identity: "anna", Scopes: []string{engine.ScopeView}}, "eve", "dir:wiki")
		refused(t, "without the scope", err, access.ErrDenied, "evaluate")
		f.Clock.To(f.Grant(g.ID).End)
		is("at its end, before anybody has worked", anna, engine.NotGranted)
	})
}

// CouldAsk says yes exactly where Submit would not say no at once.
func TestCouldAskAgreesWithSubmit(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, by := range []string{"eve", "mia", "bob", "nora", "robot", "xena", "zoe"} {
			for _, whom := range []string{by, "eve", "robot"} {
				for _, e := range []string{"dir:wiki", "dir:root", "dir:lobby", "git:deploy"} {
					actor := f.As(by)
					could, longest, err := f.Engine.CouldAsk(t.Context(), actor, whom, e)
					if err != nil {
						t.Fatal(err)
					}
					a := ask(e)
					a.Beneficiary, a.Term = whom, access.Term(time.Minute)
					r, err := f.Engine.Submit(t.Context(), actor, a)
					if err != nil && !errors.Is(err, access.ErrInvalid) {
						t.Fatal(err)
					}
					if let := err == nil && r.State != access.Denied; let != could {
						t.Errorf("%s could ask for %s for %s: %v; it is %s, %v", by, e, whom, could, r.State, err)
					}
					if could && (longest <= 0 || longest > f.Company.Entitlements[e].MaxTerm) {
						t.Errorf("the longest term of %s is %s", e, longest)
					}
					if r.Open() {
						if err := f.Engine.Cancel(t.Context(), actor, r.ID, ""); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		}
	})
}

// Asked is for whoever asked, and says why policy would not grant it any more.
func TestAsked(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Ask("eve", ask("dir:wiki"))
		for _, who := range []string{"bob", "mia", "anna", "sara"} {
			_, _, _, err := f.Engine.Asked(t.Context(), f.As(who), r.ID, "dir:wiki")
			refused(t, who, err, access.ErrNotFound, "request")
		}
		if _, g, _, err := f.Engine.Asked(t.Context(), f.As("eve"), r.ID, "dir:wiki"); err != nil || g.ID != "" {
			t.Errorf("before it is granted: %+v, %v", g, err)
		}
		f.Approve("mia", r)
		if _, g, lost, err := f.Engine.Asked(t.Context(), f.As("eve"), r.ID, "dir:wiki"); err != nil || g.ID == "" || lost != "" {
			t.Errorf("granted: %+v, %q, %v", g, lost, err)
		}
		f.Change(func(c *enginetest.Company) {
			eve := c.People["eve"]
			eve.Manager = "ada"
			c.People["eve"] = eve
		})
		if _, _, lost, err := f.Engine.Asked(t.Context(), f.As("eve"), r.ID, "dir:wiki"); err != nil || lost == "" {
			t.Errorf("whoever approved it is no longer her manager: %q, %v", lost, err)
		}
	})
}
