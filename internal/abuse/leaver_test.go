package abuse

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

func (d *door) leaves(who string) {
	d.t.Helper()
	if _, err := d.as("sara").Leave(d.t.Context(), who, "the contract is over"); err != nil {
		d.t.Fatal(err)
	}
}

// toHandOver finds what a leaving forced, by its subject.
func (d *door) toHandOver(from, subject string) access.Handover {
	d.t.Helper()
	l, err := d.as("sara").Leaving(d.t.Context(), from)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, h := range l.Decisions {
		if h.Subject == subject {
			return h
		}
	}
	d.t.Fatalf("nothing is to be decided of %s: %+v", subject, l.Decisions)
	return access.Handover{}
}

// What a leaver answered for comes to nobody by their own hand: not to the leaver in any
// guise, nor to whoever holds it, and to one person once.
func TestAB22_LeaversHandoverToThemselves(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.granted("ada", engine.Ask{Entitlements: []string{"dir:lobby"}})
		d.leaves("eve")
		bot := d.toHandOver("eve", "identity robot")
		for who, want := range map[string]int{"eve": http.StatusUnauthorized, "eve.2": http.StatusUnauthorized, "robot": http.StatusNotFound, "bob": http.StatusNotFound, "sara": http.StatusForbidden} {
			_, err := d.as(who).DecideHandover(t.Context(), bot.ID, "accept", "it is mine")
			wantStatus(t, who+" accepts", err, want)
		}
		for _, to := range []string{"eve", "eve.2", "robot", "xena"} {
			_, err := d.as("sara").OfferHandover(t.Context(), bot.ID, to, "")
			wantStatus(t, "an offer to "+to, err, http.StatusForbidden)
		}
		var accepted atomic.Int32
		var both sync.WaitGroup
		for range 4 {
			both.Go(func() {
				if _, err := d.as("mia").DecideHandover(t.Context(), bot.ID, "accept", "ours"); err == nil {
					accepted.Add(1)
				}
			})
		}
		if both.Wait(); accepted.Load() != 1 {
			t.Errorf("accepted %d times", accepted.Load())
		}
		d.leaves("owen")
		_, err := d.as("sara").OfferHandover(t.Context(), d.toHandOver("owen", "entitlement dir:lobby").ID, "ada", "")
		wantStatus(t, "an offer to whoever holds it", err, http.StatusForbidden)
	})
}

// Who has left and is back under the same name has nothing back, under no identity, and
// is asked like anybody.
func TestAB26_WhoIsBackHasNothingBack(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
		second := d.granted("eve.2", engine.Ask{Entitlements: []string{"dir:lobby"}})
		asked := d.ask("eve", engine.Ask{Entitlements: []string{"dir:pay"}})
		d.Work()
		d.leaves("eve.2")
		wantStatus(t, "the leaver takes the word back", d.as("eve").Rejoin(t.Context(), "eve", "I am back"), http.StatusUnauthorized)
		wantStatus(t, "their manager does", d.as("mia").Rejoin(t.Context(), "eve", "she is back"), http.StatusForbidden)
		if err := d.as("sara").Rejoin(t.Context(), "eve", "she is back"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Engine.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.Work()
		if d.Grant(g.ID).State != access.Ended || d.Grant(second.ID).State != access.Ended || d.Request(asked.ID).State != access.Cancelled || len(d.Held("dir")) != 0 {
			t.Errorf("held %v", d.Held("dir"))
		}
		if _, err := d.as("mia").Vote(t.Context(), engine.Ballot{Request: asked.ID, Digest: asked.Digest, Verdict: access.Approve}); err == nil {
			t.Error("an old request is approved")
		}
		if r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}}); r.State != access.Pending {
			t.Errorf("asked anew it is %s", r.State)
		}
	})
}

// The grace of a mover is no time in which to ask for more of it, nor does going back and
// asking again make the old grant last.
func TestAB44_MoverAsksWithinTheGrace(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		to := func(department string) {
			d.Change(func(c *enginetest.Company) {
				i := c.People["eve"]
				i.Department = department
				c.People["eve"] = i
			})
			if _, err := d.Engine.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		d.Change(func(c *enginetest.Company) {
			e := c.Entitlements["dir:wiki"]
			e.MaxTerm, e.MaxTotal = 1000*hour, 0
			c.Entitlements["dir:wiki"] = e
			c.Rules["sales.cedar"] = "@id(\"wiki-sales\")\n@reason(\"For sales.\")\nforbid (principal, action == Action::\"request\", resource in Entitlement::\"dir:wiki\")\nunless { resource.beneficiary.department == \"sales\" };\n"
		})
		to("sales")
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 900 * hour}, "mia")
		d.Work()
		waits := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 900 * hour})
		to("legal")
		end := d.Now().Add(7 * 24 * time.Hour)
		// 1. What waited is not granted there, and neither is what is asked there.
		if r, err := d.vote("mia", waits); err == nil && r.Items[0].Grant != "" {
			t.Error("what was asked at the old place is granted at the new one")
		}
		if r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}}); r.State != access.Denied {
			t.Errorf("asked within the grace it is %s", r.State)
		}
		// 2. Back again, the old one ends as it would.
		to("sales")
		if d.Advance(8 * 24 * time.Hour); !d.Grant(g.ID).End.Equal(end) || d.Targets["dir"].Holds("eve", "wiki") {
			t.Errorf("ends %s, want %s; held %v", d.Grant(g.ID).End, end, d.Held("dir"))
		}
	})
}
