package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// lend delegates for a day and fails the test if that is an error.
func lend(t *testing.T, f *enginetest.Fixture, from, to string, change ...func(*engine.Delegating)) access.Delegation {
	t.Helper()
	a := engine.Delegating{To: to, End: f.Now().Add(24 * time.Hour), Reason: "on holiday"}
	for _, do := range change {
		do(&a)
	}
	l, err := f.Engine.Delegate(t.Context(), f.As(from), a)
	if err != nil {
		t.Fatalf("%s delegates to %s: %v", from, to, err)
	}
	return l
}

// A delegate answers in the place of whoever delegated, once, and it is said so wherever
// the request is shown.
func TestAB33_Delegation(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		l := lend(t, f, "otto", "owen")
		r := f.Approve("ada", f.Ask("mia", ask("dir:root")))
		story, err := f.Engine.Show(t.Context(), f.As("ada"), r.ID)
		if err != nil || len(story.Waiting) != 1 || len(story.Waiting[0].Others) != 1 || story.Waiting[0].Others[0].Who != "owen" {
			t.Fatalf("who may answer: %+v, %v", story.Waiting, err)
		}
		desk, err := f.Engine.Desk(t.Context(), f.As("owen"), "", 10)
		if err != nil || len(desk) != 1 || desk[0].ID != r.ID {
			t.Fatalf("the desk of the delegate: %+v, %v", desk, err)
		}
		c, err := f.Engine.Case(t.Context(), f.As("owen"), r.ID)
		if err != nil || c.Points[0].Stage != "owner" || c.Points[0].Behalf != (access.Behalf{Of: "otto", How: access.ByDelegation, Ref: l.ID}) {
			t.Fatalf("the case: %+v, %v", c.Points, err)
		}
		isOutcome(t, f.Approve("owen", r), access.Approved, access.Granted)
		_, err = vote(t, f, "otto", r)
		refused(t, "the delegator besides", err, access.ErrGone, "no more votes")
		story, err = f.Engine.Show(t.Context(), f.As("ada"), r.ID)
		if err != nil || !strings.HasPrefix(story.Approvals[1].Basis.Why, "delegate of otto ("+l.ID+")") {
			t.Errorf("the story: %+v, %v", story.Approvals, err)
		}
		f.Work()
		f.CheckQuiet()
	})
}

// What a delegation cannot be, and who can end it.
func TestAB33_DelegationsThatCannotBe(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, c := range []struct {
			by, says string
			change   func(*engine.Delegating)
		}{
			{"otto", "needs an end", func(a *engine.Delegating) { a.End = time.Time{} }},
			{"otto", "at most 30d", func(a *engine.Delegating) { a.End = f.Now().Add(31 * 24 * time.Hour) }},
			{"otto", "not after the start", func(a *engine.Delegating) { a.End = f.Now() }},
			{"otto", "in the past", func(a *engine.Delegating) { a.Start = f.Now().Add(-time.Hour) }},
			{"otto", "to themselves", func(a *engine.Delegating) { a.To = "otto" }},
			{"mia", "to themselves", func(a *engine.Delegating) { a.To = "mia.2" }},
			{"otto", "nobody the directory knows", func(a *engine.Delegating) { a.To = "mallory" }},
			{"otto", "only people answer", func(a *engine.Delegating) { a.To = "robot" }},
			{"otto", "external", func(a *engine.Delegating) { a.To = "xena" }},
			{"otto", "not active", func(a *engine.Delegating) { a.To = "zoe" }},
			{"robot", "only people answer", func(a *engine.Delegating) { a.To = "otto" }},
			{"otto", "no entitlement", func(a *engine.Delegating) { a.Entitlement = "dir:none" }},
			{"otto", "no system", func(a *engine.Delegating) { a.System = "none" }},
			{"otto", "is not at", func(a *engine.Delegating) { a.System, a.Entitlement = "git", "dir:root" }},
			{"otto", "reason is empty", func(a *engine.Delegating) { a.Reason = " " }},
			{"otto", "control character", func(a *engine.Delegating) { a.Reason = "x\x00" }},
		} {
			a := engine.Delegating{To: "owen", End: f.Now().Add(time.Hour), Reason: "on holiday"}
			c.change(&a)
			_, err := f.Engine.Delegate(t.Context(), f.As(c.by), a)
			refused(t, c.says, err, access.ErrInvalid, c.says)
		}
		weak := f.As("otto")
		weak.Scopes = []string{engine.ScopeRequest, engine.ScopeView}
		_, err := f.Engine.Delegate(t.Context(), weak, engine.Delegating{To: "owen", End: f.Now().Add(time.Hour), Reason: "x"})
		refused(t, "a token to ask with", err, access.ErrDenied, "not good for")
		l := lend(t, f, "otto", "owen")
		refused(t, "a stranger ends it", f.Engine.EndDelegation(t.Context(), f.As("eve"), l.ID, ""), access.ErrNotFound, l.ID)
		if err := f.Engine.EndDelegation(t.Context(), f.As("ada"), l.ID, "he is back"); err != nil { // his manager
			t.Fatal(err)
		}
		refused(t, "twice", f.Engine.EndDelegation(t.Context(), f.As("otto"), l.ID, ""), access.ErrGone, "over already")
		for range 20 {
			l = lend(t, f, "otto", "owen")
		}
		_, err = f.Engine.Delegate(t.Context(), f.As("otto"), engine.Delegating{To: "owen", End: f.Now().Add(time.Hour), Reason: "x"})
		refused(t, "one too many", err, access.ErrDenied, "no more than 20")
		for _, who := range []string{"otto", "owen"} {
			c, err := f.Engine.Cover(t.Context(), f.As(who), false)
			if err != nil || len(c.Delegations) != 21 || c.Delegations[0].ID != l.ID {
				t.Errorf("what %s is shown: %d, %v", who, len(c.Delegations), err)
			}
		}
		if c, err := f.Engine.Cover(t.Context(), f.As("eve"), false); err != nil || len(c.Delegations) != 0 {
			t.Errorf("what a stranger is shown: %+v, %v", c, err)
		}
		_, err = f.Engine.Cover(t.Context(), f.As("eve"), true)
		refused(t, "everybody's", err, access.ErrDenied, "for security")
	})
}

// Between the vote and the grant whatever the vote rests on goes: it is void, and the
// stage waits again (law 9).
func TestAB33_AB26_DelegationOverAtTheGrant(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, c := range []struct {
			name string
			lose func(l access.Delegation)
		}{
			{"ended", func(l access.Delegation) {
				if err := f.Engine.EndDelegation(t.Context(), f.As("otto"), l.ID, "back"); err != nil {
					t.Fatal(err)
				}
			}},
			{"over", func(access.Delegation) { f.Clock.Pass(25 * time.Hour) }},
			{"the delegator owns it no longer", func(access.Delegation) {
				f.Change(func(c *enginetest.Company) {
					e := c.Entitlements["dir:root"]
					e.Owners = []string{"owen"}
					c.Entitlements["dir:root"] = e
				})
			}},
			{"the delegator has left", func(access.Delegation) {
				f.Change(func(c *enginetest.Company) {
					e := c.Entitlements["dir:root"]
					e.Owners = []string{"otto", "owen"}
					c.Entitlements["dir:root"] = e
					i := c.People["otto"]
					i.Inactive = true
					c.People["otto"] = i
				})
			}},
		} {
			f.Change(func(company *enginetest.Company) {
				e := company.Entitlements["dir:root"]
				e.Owners = []string{"otto"}
				company.Entitlements["dir:root"] = e
			})
			l := lend(t, f, "otto", "sean")
			r := f.Ask("eve", ask("dir:root"))
			r = f.Approve("sean", r)
			c.lose(l)
			r = f.Approve("mia", r)
			isOutcome(t, r, access.Pending, access.Undecided)
			if got := kinds(f, r.ID, "", ""); !slices.Contains(got, "vote.withdrawn") {
				t.Errorf("%s: %v", c.name, got)
			}
		}
		f.Work()
		f.CheckQuiet()
	})
}

// Whoever is away keeps their vote, the deputy answers besides, then the manager; and a
// stage of somebody without either waits for them.
func TestAbsence(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) {
			i := c.People["mia"]
			i.Deputy = "owen"
			c.People["mia"] = i
		})
		until := f.Now().Add(7 * 24 * time.Hour)
		_, err := f.Engine.Away(t.Context(), f.As("eve"), engine.BeingAway{Person: "mia", Until: until})
		refused(t, "a subordinate says it", err, access.ErrDenied, "by themselves or by their manager")
		_, err = f.Engine.Away(t.Context(), f.As("mia"), engine.BeingAway{})
		refused(t, "no end", err, access.ErrInvalid, "needs an end")
		a, err := f.Engine.Away(t.Context(), f.As("mia"), engine.BeingAway{Until: until, Reason: "ill"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Engine.Away(t.Context(), f.As("mia"), engine.BeingAway{Until: until})
		refused(t, "twice", err, access.ErrConflict, a.ID)

		// The deputy, not the manager; and the one who is away all the same.
		r := f.Ask("eve", ask("dir:wiki"))
		_, err = vote(t, f, "ada", r)
		refused(t, "the manager", err, access.ErrNotFound, r.ID)
		isOutcome(t, f.Approve("owen", r), access.Approved, access.Granted)
		isOutcome(t, f.Approve("mia", f.Ask("bob", ask("dir:wiki"))), access.Approved, access.Granted)

		// The deputy is away too: the manager.
		b, err := f.Engine.Away(t.Context(), f.As("owen"), engine.BeingAway{Until: until})
		if err != nil {
			t.Fatal(err)
		}
		isOutcome(t, f.Approve("ada", f.Ask("nora", ask("dir:wiki"))), access.Approved, access.Granted)
		f.Clock.Pass(time.Minute)
		if err := f.Engine.Back(t.Context(), f.As("owen"), b.ID, ""); err != nil {
			t.Fatal(err)
		}
		// Back before the grant: the deputy's vote is void and the stage waits.
		a2 := ask("dir:root")
		r = f.Ask("eve", a2)
		r = f.Approve("owen", r)
		f.Clock.Pass(time.Minute)
		if err := f.Engine.Back(t.Context(), f.As("mia"), a.ID, "well again"); err != nil {
			t.Fatal(err)
		}
		r = f.Approve("otto", r)
		isOutcome(t, r, access.Pending, access.Undecided)
		isOutcome(t, f.Approve("mia", r), access.Approved, access.Granted)
		f.Work()
		f.CheckQuiet()
	})
}

// A stage that has waited too long may be answered by the managers besides, told once.
func TestEscalation(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Ask("eve", ask("dir:root")) // manager and owner; privileged: after four hours
		if jobs := f.Jobs(engine.EscalateJob{}.Kind()); len(jobs) != 1 {
			t.Fatalf("%d looks are due", len(jobs))
		}
		for _, hours := range []time.Duration{3, 2, 1} {
			f.Clock.Pass(hours * time.Hour)
			n, err := f.Engine.Escalate(t.Context(), r.ID)
			if want := map[time.Duration]int{2: 2}[hours]; err != nil || n != want {
				t.Fatalf("after %d more hours: %d stages, want %d, %v", hours, n, want, err)
			}
		}
		desk, err := f.Engine.Desk(t.Context(), f.As("ada"), "", 10)
		if err != nil || len(desk) != 1 {
			t.Fatalf("ada's desk: %d, %v", len(desk), err)
		}
		notices := f.Notices()
		if last := notices[len(notices)-1]; !slices.Equal(last.To, []string{"ada"}) || last.Loud == 0 {
			t.Errorf("told: %+v", last)
		}
		// One person is one vote: ada in mia's place, and then not in otto's too.
		r = f.Approve("ada", f.Request(r.ID))
		isOutcome(t, r, access.Pending, access.Undecided)
		_, err = vote(t, f, "ada", r)
		refused(t, "ada for otto too", err, access.ErrDenied, "one vote")
		isOutcome(t, f.Approve("otto", r), access.Approved, access.Granted)
		f.Work()
		f.CheckQuiet()
	})
}
