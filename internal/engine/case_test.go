package engine_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// The check says what the deed would: whom it asks, what it clashes with, what
// is held already, and each refusal with the deed's own words.
func TestForeseeingIsTheDeed(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		held := f.Granted("eve", ask("dir:pay"), "mia")
		for _, c := range []struct {
			by    string
			ask   engine.Ask
			item  int
			asked []string // of the first stage
			clash []string
			held  int
		}{
			{"eve", ask("dir:wiki"), 0, []string{"mia", "mia.2"}, nil, 0},
			{"eve", ask("dir:lobby"), 0, nil, nil, 0},
			{"eve", ask("dir:pay"), 0, []string{"mia", "mia.2"}, nil, 1},
			{"eve", ask("dir:audit"), 0, nil, []string{"dir:pay"}, 0},
			{"eve", engine.Ask{Entitlements: []string{"dir:root"}, Term: 5 * hour, Reason: "to do my work"}, 0, nil, nil, 0},
			{"nora", ask("git:deploy"), 0, nil, nil, 0},
			{"ada", ask("dir:wiki"), 0, nil, nil, 0},
		} {
			list, err := f.Engine.Foresee(t.Context(), f.As(c.by), c.ask)
			if err != nil {
				t.Fatal(err)
			}
			o := list[c.item]
			var asked []string
			if len(o.Asked) > 0 {
				asked = o.Asked[0].Approvers
			}
			if !slices.Equal(asked, c.asked) || !slices.Equal(o.Item.Decision.Clashes, c.clash) || len(o.Held) != c.held {
				t.Errorf("%s asking for %v: %+v", c.by, c.ask.Entitlements, o)
			}
			if c.held > 0 && o.Held[0].ID != held.ID {
				t.Errorf("held already: %v", o.Held)
			}
			r := f.Ask(c.by, c.ask)
			if it := r.Items[c.item]; (it.Outcome == access.ItemDenied) != (o.Item.Outcome == access.ItemDenied) || (it.Outcome == access.ItemDenied && it.Why != o.Item.Why) {
				t.Errorf("%s asking for %v: foreseen %s (%s), and it was %s (%s)", c.by, c.ask.Entitlements, o.Item.Outcome, o.Item.Why, it.Outcome, it.Why)
			}
		}
	})
}

// A case tells an approver on what basis they may answer, what peers hold and
// what there was before; to somebody who may not know of it, it is not there.
func TestCaseOfAnApprover(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) {
			for _, id := range []string{"eve", "bob", "nora", "mia"} {
				p := c.People[id]
				p.Department = "finance"
				c.People[id] = p
			}
		})
		f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to do my work", Term: 20 * hour}, "mia")
		old := f.Granted("eve", ask("dir:reports"), "mia")
		f.Advance(2 * time.Hour)
		r := f.Ask("eve", ask("dir:wiki"))
		c, err := f.Engine.Case(t.Context(), f.As("mia"), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		p := c.Points[0]
		if p.Stage != "manager" || !p.Basis.Allow || p.Peers != 3 || p.Holding != 1 || len(p.Clashes) != 0 {
			t.Errorf("the point: %+v", p)
		}
		if len(c.Before) != 1 || c.Before[0].Grant.ID != old.ID || c.Before[0].Grant.State != access.Ended {
			t.Errorf("before: %+v", c.Before)
		}
		// eve may know of it and has no say; owen owns it and this stage is not his.
		for _, who := range []string{"eve", "owen"} {
			c, err := f.Engine.Case(t.Context(), f.As(who), r.ID)
			if err != nil || c.Points[0].Stage != "" || c.Points[0].Basis.Allow || c.Points[0].Basis.Why == "" {
				t.Errorf("%s: %+v, %v", who, c.Points, err)
			}
		}
		if _, err := f.Engine.Case(t.Context(), f.As("bob"), r.ID); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("a stranger: %v", err)
		}
	})
}
