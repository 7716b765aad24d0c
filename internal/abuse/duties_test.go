package abuse

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// A label says "standard" or "open" of what lets its holder hand out access:
// the powers are believed, not the label.
func TestAB50_PowerUnderAHarmlessLabel(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"open", "standard", "internal"} {
		for _, powers := range [][]string{{"grant"}, {"admin"}, {"read", "grant"}, {"admin", "grant"}} {
			t.Run(fmt.Sprintf("%s %v", class, powers), func(t *testing.T) {
				each(t, func(t *testing.T, d *door) {
					set := func(c *enginetest.Company) {
						e := c.Entitlements["dir:lobby"]
						e.Class, e.Powers = class, powers
						c.Entitlements["dir:lobby"] = e
						c.Rules["lax.cedar"] = `@id("lax") @needs("none") permit (principal, action == Action::"request", resource);`
						delete(c.Rules, "request.cedar")
					}
					d.Change(set)
					// 1. It needs what a privileged one needs, and for hours at most.
					r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:lobby"}})
					if dec := r.Items[0].Decision; r.State != access.Pending || len(dec.Stages) != 2 || dec.MaxTerm != 8*hour {
						t.Fatalf("%s, stages %v for at most %s", r.State, dec.Stages, dec.MaxTerm)
					}
					if long := d.ask("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: 9 * hour}); long.State != access.Denied {
						t.Errorf("for nine hours: %s", long.State)
					}
					if r = d.approve("mia", r); r.State != access.Pending {
						t.Errorf("%s by one vote", r.State)
					}
					// 2. Where somebody took that rule away, it is still never had without anybody's approval:
					// what hands out access needs whoever answers for that, by a rule nobody can take away.
					want := access.Denied
					if slices.Contains(powers, "grant") {
						want = access.Pending
					}
					d.Change(func(c *enginetest.Company) {
						c.Rules["oblige.cedar"] = `@id("oblige-nothing") @needs("none") permit (principal, action == Action::"oblige", resource);`
					})
					for _, who := range []string{"bob", "robot", "otto", "sara"} {
						if r := d.ask(who, engine.Ask{Entitlements: []string{"dir:lobby"}}); r.State != want {
							t.Errorf("%s asks for it unattended: %s, want %s", who, r.State, want)
						}
					}
					d.Work()
					if held := d.Held("dir"); len(held) != 0 {
						t.Errorf("held: %v", held)
					}
				})
			})
		}
	}
}

// An external person may have power only while somebody answers for it.
func TestAB50_PowerOfAnExternalPerson(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			e := c.Entitlements["dir:lobby"]
			e.Powers = []string{"grant"}
			c.Entitlements["dir:lobby"] = e
			change(c, "xena", func(i *access.Identity) { i.Sponsor = "zoe" }) // who has left
		})
		if r := d.ask("xena", engine.Ask{Entitlements: []string{"dir:lobby"}}); r.State != access.Denied {
			t.Errorf("xena, whose sponsor has left: %s", r.State)
		}
	})
}

// Two duties that nobody may hold together, by every way round.
func TestAB52_DutiesTogether(t *testing.T) {
	t.Parallel()
	pay, audit := engine.Ask{Entitlements: []string{"dir:pay"}}, engine.Ask{Entitlements: []string{"dir:audit"}}
	on := func(a engine.Ask, whom string) engine.Ask { a.Beneficiary = whom; return a }
	for _, c := range []struct {
		name          string
		first, second func(d *door) access.Request
	}{
		{"held, then asked for",
			func(d *door) access.Request { return d.approve("mia", d.ask("eve", pay)) },
			func(d *door) access.Request { return d.ask("eve", audit) }},
		{"asked for, then asked for",
			func(d *door) access.Request { return d.ask("eve", pay) },
			func(d *door) access.Request { return d.ask("eve", audit) }},
		{"the other way round",
			func(d *door) access.Request { return d.ask("eve", audit) },
			func(d *door) access.Request { return d.ask("eve", pay) }},
		{"by the second identity",
			func(d *door) access.Request { return d.approve("mia", d.ask("eve", pay)) },
			func(d *door) access.Request { return d.ask("eve.2", audit) }},
		{"by the owned workload",
			func(d *door) access.Request { return d.approve("owen", d.ask("eve", on(pay, "robot"))) },
			func(d *door) access.Request { return d.ask("eve", audit) }},
		{"for the owned workload",
			func(d *door) access.Request { return d.approve("mia", d.ask("eve", pay)) },
			func(d *door) access.Request { return d.ask("eve", on(audit, "robot")) }},
		{"by one workload and another",
			func(d *door) access.Request { return d.ask("eve", on(pay, "robot")) },
			func(d *door) access.Request {
				d.Change(func(c *enginetest.Company) {
					drone := c.People["robot"]
					drone.ID, drone.Accounts = "drone", map[string]string{"dir": "drone"}
					c.People["drone"] = drone
				})
				return d.ask("eve", on(audit, "drone"))
			}},
		{"one begins when the other is over, and they overlap by an hour",
			func(d *door) access.Request {
				return d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:pay"}, Start: d.Now().Add(time.Hour), Term: 2 * hour, Fixed: true}))
			},
			func(d *door) access.Request {
				return d.ask("eve", engine.Ask{Entitlements: []string{"dir:audit"}, Start: d.Now().Add(2 * time.Hour), Term: 2 * hour, Fixed: true})
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				if r := c.first(d); r.State == access.Denied {
					t.Fatalf("the first alone: %+v", r.Items)
				}
				d.Work()
				if r := c.second(d); r.State != access.Denied {
					t.Errorf("the second beside it: %s %+v", r.State, r.Items)
				}
				d.Advance(time.Hour)
				d.CheckQuiet()
			})
		})
	}
}

// In one request, and hidden in a bundle: neither of the two is let through.
func TestAB52_DutiesInOneRequest(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			c.Bundles["toxic"] = access.Bundle{ID: "toxic", Name: "Harmless", Entitlements: []string{"dir:audit", "dir:pay", "dir:wiki"}}
		})
		for name, ask := range map[string]engine.Ask{
			"by name":             {Entitlements: []string{"dir:pay", "dir:audit"}},
			"by bundle":           {Bundle: "toxic"},
			"by bundle and name":  {Bundle: "onboarding", Entitlements: []string{"dir:audit", "dir:pay"}},
			"for a workload":      {Entitlements: []string{"dir:pay", "dir:audit"}, Beneficiary: "robot"},
			"one of them, twice":  {Entitlements: []string{"dir:pay", "dir:pay", "dir:audit"}},
			"for the second self": {Entitlements: []string{"dir:pay", "dir:audit"}, Beneficiary: "eve.2"},
		} {
			r := d.ask("eve", ask)
			for _, it := range r.Items {
				if (it.Entitlement == "dir:pay" || it.Entitlement == "dir:audit") && it.Outcome != access.ItemDenied {
					t.Errorf("%s: %s is %s", name, it.Entitlement, it.Outcome)
				}
			}
			if r.Open() { // what else was asked for is no matter here
				if err := d.as("eve").Cancel(t.Context(), r.ID, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// The duties become a conflict after both were asked for, or while both are
// voted on: the last question is asked of what is so then.
func TestAB52_ConflictBetweenVoteAndGrant(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			for _, id := range []string{"dir:pay", "dir:audit"} {
				e := c.Entitlements[id]
				e.Conflicts = nil
				c.Entitlements[id] = e
			}
		})
		one, two := d.ask("eve", engine.Ask{Entitlements: []string{"dir:pay"}}), d.ask("eve.2", engine.Ask{Entitlements: []string{"dir:audit"}})
		d.Change(func(c *enginetest.Company) {
			for id, other := range map[string]string{"dir:pay": "dir:audit", "dir:audit": "dir:pay"} {
				e := c.Entitlements[id]
				e.Conflicts = []string{other}
				c.Entitlements[id] = e
			}
		})
		granted := 0
		for _, r := range []access.Request{one, two} {
			next, err := d.vote("mia", r)
			if status(err) != http.StatusOK && status(err) != http.StatusForbidden {
				t.Errorf("a vote: %v", err)
			}
			if next.State == access.Approved {
				granted++ // the one that is left once the other is denied
			}
		}
		if granted > 1 {
			t.Error("both are granted")
		}
		d.Work()
		if held := d.Held("dir"); len(held) > 1 {
			t.Errorf("held together: %v", held)
		}
	})
}
