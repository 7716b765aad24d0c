package abuse

import (
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// leads makes an entitlement of the company lead somewhere.
func leads(id string, to func(*access.Entitlement)) func(*enginetest.Company) {
	return func(c *enginetest.Company) {
		e := c.Entitlements[id]
		to(&e)
		c.Entitlements[id] = e
	}
}

// A standard label on what leads to root: by handing it out, by acting as somebody
// who may, by the rules themselves, and over two steps. It is decided as what it
// reaches, and whoever answers for what it implies is asked.
func TestAB50_WhatItCanBecomeDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change []func(*enginetest.Company)
		stages string // in order of name
		path   string
	}{
		{"hands out root", []func(*enginetest.Company){
			leads("dir:wiki", func(e *access.Entitlement) {
				e.Powers, e.Grants = []string{"read", "grant"}, []string{"dir:root"}
			}),
		}, "implied/dir:1 manager:1 owner:1", "give himself root"},
		{"acts as its owner", []func(*enginetest.Company){
			leads("dir:wiki", func(e *access.Entitlement) { e.Becomes = []string{"otto"} }),
		}, "implied/dir:1 implied/git:1 manager:1 owner:1", "act as otto"},
		{"changes the rules", []func(*enginetest.Company){
			leads("dir:wiki", func(e *access.Entitlement) { e.Edits = []string{"policy"} }),
		}, "manager:1 owner:1", "change Lessor's rules"},
		{"over two steps", []func(*enginetest.Company){
			leads("dir:wiki", func(e *access.Entitlement) {
				e.Powers, e.Grants = []string{"grant"}, []string{"dir:reports"}
			}),
			leads("dir:reports", func(e *access.Entitlement) {
				e.Powers, e.Grants = []string{"grant"}, []string{"dir:root"}
			}),
		}, "implied/dir:1 manager:1 owner:1", "give himself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				d.Change(leads("dir:wiki", func(e *access.Entitlement) { e.Owners = []string{"anna"} })) // who does not own the system
				for _, change := range c.change {
					d.Change(change)
				}
				r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
				dec := r.Items[0].Decision
				var stages []string
				for _, st := range dec.Stages {
					stages = append(stages, st.Name+":"+string(rune('0'+st.Count)))
				}
				if r.State != access.Pending || strings.Join(stages, " ") != c.stages {
					t.Fatalf("%s, stages %v: %s", r.State, stages, r.Items[0].Why)
				}
				if dec.Reach.Declared != "standard" || dec.Reach.Class != "privileged" || !strings.Contains(dec.Reach.Path, c.path) {
					t.Errorf("it reaches %+v, want privileged by %q", dec.Reach, c.path)
				}
				if dec.MaxTerm != 8*hour {
					t.Errorf("for %s at most", dec.MaxTerm)
				}
				// Manager and owner alone are not enough where others answer for what it implies.
				r = d.approve("mia", r)
				r = d.approve("anna", r)
				if implied := strings.Contains(c.stages, "implied"); (r.State == access.Pending) != implied {
					t.Errorf("after manager and owner: %s %+v", r.State, r.Items)
				}
				d.Work()
				d.CheckQuiet()
			})
		})
	}
}

// What an identity holds now is what its holder reaches now: the catalog alone
// would not tell.
func TestAB50_WhatTheRobotHolds(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(leads("dir:wiki", func(e *access.Entitlement) { e.Becomes = []string{"robot"} }))
		d.Change(func(c *enginetest.Company) {
			c.Rules["robots.cedar"] = `@id("robots") @needs("owner") permit (principal, action == Action::"request", resource in Class::"privileged") when { resource.beneficiary.kind == "workload" };`
		})
		if r := d.ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}}); r.Items[0].Decision.Reach.Class != "standard" {
			t.Fatalf("before the robot holds anything: %+v", r.Items[0].Decision.Reach)
		}
		r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}, Beneficiary: "robot", Term: hour})
		for _, voter := range []string{"mia", "otto"} {
			if r.State == access.Pending {
				r = d.approve(voter, r)
			}
		}
		if d.Work(); r.State != access.Approved {
			t.Fatalf("root for the robot: %s %+v", r.State, r.Items)
		}
		r = d.ask("nora", engine.Ask{Entitlements: []string{"dir:wiki"}})
		reach := r.Items[0].Decision.Reach
		if reach.Class != "privileged" || !slices.Contains(reach.Implied, "dir:root") || !strings.Contains(reach.Path, "who holds root") {
			t.Errorf("while the robot holds root: %+v", reach)
		}
		d.CheckQuiet()
	})
}

// Two harmless entitlements, of which one can hand out what conflicts with the other.
func TestAB52_DutiesThroughWhatIsImplied(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(leads("dir:wiki", func(e *access.Entitlement) {
			e.Powers, e.Grants = []string{"grant"}, []string{"dir:audit"}
		}))
		held := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:pay"}}))
		if held.State != access.Approved {
			t.Fatalf("pay alone: %s %+v", held.State, held.Items)
		}
		if r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}}); r.State != access.Denied {
			t.Errorf("what can hand out audit, beside pay: %s %+v", r.State, r.Items)
		}
		d.Work()
		d.CheckQuiet()
	})
}
