package abuse

import (
	"net/http"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// botContract is one that leaves nothing open.
func botContract() access.Contract {
	return access.Contract{Purpose: "to see what it gets", Environment: "test", Systems: []string{"dir"}, RotateEvery: 24 * hour, ReviewEvery: 24 * hour, RetiresWhen: "never"}
}

// An account that nobody has written down, with what it holds, is not for whoever is
// first: not for oneself, nor through a friend who accepts; and programs register nobody.
func TestAB67_AnotherOnesWorkload(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		if _, err := d.Engine.ObservedAccounts(t.Context(), "dir", d.Now(), []engine.AccountSeen{{Name: "svc-pay", ID: "1"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Engine.Observed(t.Context(), engine.Reading{System: "dir", At: d.Now(), Objects: []string{"pay"}, Holdings: []engine.Held{{Account: "svc-pay", Object: "pay"}}}); err != nil {
			t.Fatal(err)
		}
		claim := func(owner string) engine.NewWorkload {
			return engine.NewWorkload{ID: "mine", Name: "Mine", Owner: owner, Accounts: map[string]string{"dir": "svc-pay"}, Contract: botContract(), Reason: "it is mine"}
		}
		for _, c := range []struct{ by, owner string }{{"eve", "eve"}, {"eve", "bob"}, {"mia", "eve"}, {"otto", "otto"}, {"sara", "sara"}, {"sara", ""},
			{"robot", "eve"}, {"pilot", "eve"}, {"xena", "xena"}} {
			_, err := d.as(c.by).RegisterWorkload(t.Context(), claim(c.owner))
			wantStatus(t, c.by+" claims it for "+c.owner, err, http.StatusForbidden)
		}
		// Somebody else's account, or oneself's, is no workload's.
		for _, account := range []string{"bob", "owen"} {
			w := claim("owen")
			w.Accounts = map[string]string{"dir": account}
			_, err := d.as("owen").RegisterWorkload(t.Context(), w)
			wantStatus(t, "the account of "+account, err, http.StatusConflict)
		}
		// What was offered is accepted by its owner alone, and by nobody in his name.
		r, err := d.as("sara").RegisterWorkload(t.Context(), claim("eve"))
		if err != nil {
			t.Fatal(err)
		}
		for _, by := range []string{"bob", "robot", "pilot", "owen"} {
			if _, err := d.as(by).AcceptWorkload(t.Context(), r.ID); err == nil {
				t.Errorf("%s accepts for eve", by)
			}
		}
		if d.WorldAt(d.Now()).Directory.HasIdentity("mine") {
			t.Error("it is there before its owner accepts")
		}
		if _, err := d.as("eve").AcceptWorkload(t.Context(), r.ID); err != nil {
			t.Fatal(err)
		}
		// To own it gives nothing: beyond its contract it is denied, within it others decide.
		if r := d.ask("eve", engine.Ask{Entitlements: []string{"git:deploy"}, Beneficiary: "mine"}); r.State != access.Denied {
			t.Errorf("beyond its contract: %s", r.State)
		}
		p := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Beneficiary: "mine"})
		d.uncounted("eve", p)
		if p = d.Request(p.ID); p.State != access.Pending {
			t.Errorf("within it: %s", p.State)
		}
		// Others neither change nor end it, nor learn that it is there.
		for _, by := range []string{"bob", "pilot", "nora"} {
			if _, err := d.as(by).RetireWorkload(t.Context(), "mine", "for fun"); err == nil {
				t.Errorf("%s retires it", by)
			}
		}
		_, err = d.as("bob").Workload(t.Context(), "mine")
		wantStatus(t, "bob looks", err, http.StatusNotFound)
	})
}

// An agent gets no more than its sponsor, no longer, and decides nothing.
func TestAB22_AgentBeyondItsSponsor(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			g := c.Groups["security"]
			g.Members = append(g.Members, "pilot")
			c.Groups["security"] = g
		})
		ask := engine.Ask{Entitlements: []string{"dir:wiki"}, Ticket: "jira:ACC-1", Term: 20 * hour}
		for _, what := range []string{"dir:wiki", "dir:root", "git:deploy", "dir:lobby"} {
			a := ask
			a.Entitlements = []string{what}
			a.Term = hour
			if r := d.ask("pilot", a); r.State != access.Denied {
				t.Errorf("%s, which its sponsor does not hold: %s", what, r.State)
			}
		}
		// Its sponsor holds it for two hours, and gives it back before.
		eves := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour}))
		pilots := d.approve("owen", d.ask("pilot", ask))
		d.Work()
		mine, its := d.Grant(eves.Items[0].Grant), d.Grant(pilots.Items[0].Grant)
		if its.End.After(mine.End) {
			t.Errorf("it ends %s, after its sponsor's %s", its.End, mine.End)
		}
		if err := d.Engine.Return(t.Context(), d.As("eve"), mine.ID, "done"); err != nil {
			t.Fatal(err)
		}
		if its = d.Grant(its.ID); its.State != access.Ended {
			t.Errorf("its sponsor holds it no more, and it is %s", its.State)
		}
		// It asked while its sponsor held it, and is approved after.
		again := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour}))
		late := d.ask("pilot", ask)
		if err := d.Engine.Return(t.Context(), d.As("eve"), again.Items[0].Grant, "done"); err != nil {
			t.Fatal(err)
		}
		if late = d.approve("owen", late); late.State != access.Denied {
			t.Errorf("approved after its sponsor gave it back: %s", late.State)
		}
		// It has no vote.
		other := d.ask("bob", engine.Ask{Entitlements: []string{"git:deploy"}})
		d.uncounted("pilot", other)
		_, err := d.as("pilot").Delegate(t.Context(), engine.Delegating{To: "bob", End: d.Now().Add(time.Hour), Reason: "instead of me"})
		if err == nil {
			t.Error("an agent delegates")
		}
		d.Work()
		d.CheckQuiet()
	})
}
