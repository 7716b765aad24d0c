package abuse

import (
	"net/http"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// lend delegates through the door.
func (d *door) lend(from, to string) access.Delegation {
	d.t.Helper()
	l, err := d.as(from).Delegate(d.t.Context(), engine.Delegating{To: to, End: d.Now().Add(24 * time.Hour), Reason: "on holiday"})
	if err != nil {
		d.t.Fatalf("%s delegates to %s: %v", from, to, err)
	}
	return l
}

// The approver is talked into delegating to the requester, in every guise of theirs, and
// to whoever reports to them. None of it votes, and another's delegate does.
func TestAB33_AB22_DelegatesOfTheRequestersChoice(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		for _, to := range []string{"eve", "eve.2", "mia", "bob", "nora"} {
			d.lend("otto", to)
		}
		for _, to := range []string{"robot", "pilot", "xena", "zoe", "otto", "mallory"} {
			_, err := d.as("otto").Delegate(t.Context(), engine.Delegating{To: to, End: d.Now().Add(time.Hour), Reason: "x"})
			wantStatus(t, "a delegation to "+to, err, http.StatusBadRequest)
		}
		for _, c := range []struct {
			name     string
			by       string
			ask      engine.Ask
			attacker []string
		}{
			{"the requester", "eve", engine.Ask{}, []string{"eve", "eve.2", "robot", "pilot"}},
			{"for her workload", "eve", engine.Ask{Beneficiary: "robot", Reason: "for the robot"}, []string{"eve", "eve.2", "robot", "pilot"}},
			{"those who report to the requester", "mia", engine.Ask{}, []string{"mia", "mia.2", "bob", "nora", "eve"}},
			{"the beneficiary", "mia", engine.Ask{Beneficiary: "bob", Reason: "on behalf of bob"}, []string{"mia", "bob", "nora", "eve"}},
		} {
			c.ask.Entitlements = []string{"git:deploy"}
			r := d.approve("sara", d.ask(c.by, c.ask))
			for _, who := range c.attacker {
				d.uncounted(who, r)
			}
			if r = d.Request(r.ID); r.State != access.Pending {
				t.Errorf("%s: %s", c.name, r.State)
			}
		}
		// However high whoever asks is above the delegate.
		r := d.approve("sara", d.ask("ada", engine.Ask{Entitlements: []string{"git:deploy"}}))
		for _, who := range []string{"mia", "bob", "eve"} {
			d.uncounted(who, r)
		}
	})
}

// Delegations in a circle, in a chain, of what was lent, and of what is no longer there.
func TestAB33_LoopsChainsAndWhatIsGone(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		for _, l := range [][2]string{{"sven", "sean"}, {"sean", "sven"}, {"otto", "owen"}, {"owen", "anna"}, {"anna", "otto"}} {
			d.lend(l[0], l[1])
		}
		r := d.approve("sara", d.ask("eve", engine.Ask{Entitlements: []string{"git:deploy"}}))
		for _, who := range []string{"anna", "sven", "sean"} { // the delegate's delegate; and a circle of people who do not own it
			d.uncounted(who, r)
		}
		d.Change(func(c *enginetest.Company) { // the delegator's authority goes: so does what was lent
			e := c.Entitlements["git:deploy"]
			e.Owners = []string{"ada"}
			c.Entitlements["git:deploy"] = e
		})
		d.uncounted("owen", r)
		d.Change(func(c *enginetest.Company) {
			e := c.Entitlements["git:deploy"]
			e.Owners = []string{"otto"}
			c.Entitlements["git:deploy"] = e
		})
		if r = d.approve("owen", r); r.State != access.Approved {
			t.Errorf("the delegate himself: %s", r.State)
		}
		d.Clock.Pass(24 * time.Hour)
		late := d.approve("sara", d.ask("bob", engine.Ask{Entitlements: []string{"git:deploy"}}))
		d.uncounted("owen", late) // it is over
		d.Work()
	})
}

// Whoever is away is not outvoted, and nobody makes others be away or ends what is not theirs.
func TestAB33_AbsenceMadeByOthers(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) { change(c, "mia", func(i *access.Identity) { i.Deputy = "bob" }) })
		_, err := d.as("eve").Away(t.Context(), engine.BeingAway{Person: "mia", Until: d.Now().Add(time.Hour)})
		wantStatus(t, "somebody else is said to be away", err, http.StatusForbidden)
		a, err := d.as("mia").Away(t.Context(), engine.BeingAway{Until: d.Now().Add(48 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, "a stranger says she is back", d.as("eve").Back(t.Context(), a.ID, ""), http.StatusNotFound)
		l := d.lend("otto", "owen")
		wantStatus(t, "a stranger ends a delegation", d.as("eve").EndDelegation(t.Context(), l.ID, ""), http.StatusNotFound)
		// The deputy asks for himself while she is away: he is no deputy then, and her manager is asked.
		r := d.ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}})
		d.uncounted("bob", r)
		if r = d.approve("ada", r); r.State != access.Approved {
			t.Errorf("with the manager's vote: %s", r.State)
		}
		d.Work()
	})
}
