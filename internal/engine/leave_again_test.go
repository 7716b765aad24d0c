package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// change changes somebody in the files, and nothing else happens.
func change(f *enginetest.Fixture, id string, do func(*access.Identity)) {
	f.Change(func(c *enginetest.Company) {
		i := c.People[id]
		do(&i)
		c.People[id] = i
	})
}

// Whoever has left long ago and is written to answer for something answers for nothing:
// it is a decision of others, like what was theirs.
func TestWhatIsGivenToALeaverLater(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		leave(t, f, "eve")
		sweep(t, f)
		f.Advance(time.Hour)
		f.Change(func(c *enginetest.Company) {
			c.People["mill"] = access.Identity{ID: "mill", Kind: access.Workload, Name: "mill", Owner: "eve", Accounts: map[string]string{"dir": "mill"}}
		})
		sweep(t, f)
		if h := decisions(t, f, "eve")["identity mill"]; !h.Undecided() || h.ID == "" {
			t.Errorf("%+v", h)
		}
	})
}

// Somebody who was back for less time than it takes to notice leaves as anybody does.
func TestLeavesAgainAtOnce(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		inactive := func(is bool) { change(f, "eve", func(i *access.Identity) { i.Inactive = is }) }
		inactive(true)
		sweep(t, f)
		inactive(false)
		r := f.Ask("eve", ask("dir:pay"))
		inactive(true)
		if _, err := f.Engine.SweepOf(t.Context(), []string{"eve"}); err != nil { // as a feed asks for
			t.Fatal(err)
		}
		if r = f.Request(r.ID); r.State != access.Cancelled {
			t.Errorf("request is %s", r.State)
		}
	})
}

// Whoever is said to be back answers again for what nobody has taken over, at once.
func TestRejoinedAnswersAgain(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		leave(t, f, "eve")
		bot := decisions(t, f, "eve")["identity robot"]
		if err := f.Engine.Rejoin(t.Context(), f.As("sara"), "eve", "a mistake"); err != nil {
			t.Fatal(err)
		}
		_, err := f.Engine.AcceptHandover(t.Context(), f.As("mia"), bot.ID, "")
		refused(t, "taken from somebody who is back", err, access.ErrGone, "moot")
	})
}

// Their absences end with them, and whose deputy they were hears of it until there is another.
func TestLeaverStandsInForNobody(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		change(f, "bob", func(i *access.Identity) { i.Deputy = "eve" })
		a, err := f.Engine.Away(t.Context(), f.As("eve"), engine.BeingAway{Until: f.Now().Add(48 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		leave(t, f, "eve")
		c, err := f.Engine.Cover(t.Context(), f.As("sara"), true)
		if err != nil || len(c.Absences) != 1 || c.Absences[0].ID != a.ID || c.Absences[0].EndedAt.IsZero() {
			t.Errorf("%+v, %v", c.Absences, err)
		}
		of := func() bool {
			return slices.ContainsFunc(f.Findings(true), func(x access.Finding) bool {
				return x.Kind == "deputy_gone" && x.Subject == "bob" && x.Owner == "bob"
			})
		}
		if sweep(t, f); !of() {
			t.Errorf("findings %+v", f.Findings(true))
		}
		change(f, "bob", func(i *access.Identity) { i.Deputy = "nora" })
		if sweep(t, f); of() {
			t.Error("still open")
		}
	})
}

// Who comes to answer for something is an employee in every guise, and nobody manages
// those who manage them.
func TestWhoTakesOver(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) {
			second := c.People["xena"]
			second.ID, second.Same, second.External, second.Sponsor = "xena.2", "xena", false, ""
			second.Accounts = nil
			c.People["xena.2"] = second
		})
		leave(t, f, "eve")
		bot := decisions(t, f, "eve")["identity robot"]
		_, err := f.Engine.OfferHandover(t.Context(), f.As("sara"), bot.ID, "xena.2", "")
		refused(t, "an external person under another name", err, access.ErrDenied, "employee")
		leave(t, f, "ada")
		_, err = f.Engine.OfferHandover(t.Context(), f.As("sara"), decisions(t, f, "ada")["reports ada"].ID, "bob", "")
		refused(t, "bob, whose manager is one of them", err, access.ErrDenied, "manage each other")
		if _, err = f.Engine.OfferHandover(t.Context(), f.As("sara"), decisions(t, f, "ada")["reports ada"].ID, "owen", ""); err != nil {
			t.Error(err)
		}
	})
}

// A directory that comes with everybody who ever left is gone through in few transactions.
func TestManyLeftLongAgo(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) {
			for n := range 120 {
				id := fmt.Sprintf("old%d", n)
				c.People[id] = access.Identity{ID: id, Kind: access.Person, Name: id, Inactive: true}
			}
			i := c.People["robot"]
			i.Owner = "old99"
			c.People["robot"] = i
		})
		sweep(t, f)
		if h := decisions(t, f, "old99")["identity robot"]; !h.Undecided() || h.ID == "" {
			t.Errorf("%+v", h)
		}
		for _, id := range []string{"old0", "old99", "old119", "zoe"} {
			if l, err := f.Engine.Leaving(t.Context(), f.As("sara"), id); err != nil || l.Left.IsZero() {
				t.Errorf("%s: %+v, %v", id, l, err)
			}
		}
		if n := len(f.Jobs("leave")); n != 0 {
			t.Errorf("%d jobs for what a sweep does again", n)
		}
		n := len(f.Events("", "", ""))
		if sweep(t, f); len(f.Events("", "", "")) != n {
			t.Error("told again")
		}
	})
}

// Moving to and fro gives nobody more time: the first review is due when it was.
func TestMoversReviewIsNotPutOff(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		long(f, "dir:wiki")
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 900 * hour}, "mia")
		f.Work()
		moves(t, f, "eve", func(i *access.Identity) { i.Manager = "otto" })
		for n, boss := range []string{"owen", "otto", "owen"} {
			f.Advance(60 * time.Hour)
			if n < 2 {
				moves(t, f, "eve", func(i *access.Identity) { i.Manager = boss })
			}
		}
		if sweep(t, f); f.Grant(g.ID).State != access.Ended {
			t.Errorf("after %s nobody has kept it, and it is %s", 180*time.Hour, f.Grant(g.ID).State)
		}
	})
}
