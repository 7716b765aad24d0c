package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Duties count who has a role of Lessor in force, whether or not it was granted:
// under every identity and workload, and through a group within the group.
func TestDutiesCountRolesInForce(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		role := func(id, group string) access.Entitlement {
			return access.Entitlement{ID: id, System: "git", Object: group, Name: group, Class: "standard", Owners: []string{"otto"}, MaxTerm: 24 * hour}
		}
		f.Change(func(c *enginetest.Company) {
			c.Roles = "git"
			nora := c.People["nora"]
			nora.Accounts = map[string]string{"git": "nora"}
			c.People["nora"] = nora
			c.Entitlements["git:security"], c.Entitlements["git:auditors"] = role("git:security", "security"), role("git:auditors", "auditors")
			c.Groups["security"] = access.GroupMembers{ID: "security", Members: []string{"sara", "sven", "eve.2"}, Groups: []string{"watch"}}
			c.Groups["watch"] = access.GroupMembers{ID: "watch", Members: []string{"bob"}}
			c.Duties = []access.Duty{{ID: "apart", Apart: []string{"git:security", "git:auditors"}, Mode: access.DutyRefuse}}
		})
		clashes := func(who string, want ...string) {
			t.Helper()
			r := f.Ask(who, engine.Ask{Entitlements: []string{"git:auditors"}})
			if got := r.Items[0].Decision.Clashes; !slices.Equal(got, want) || (r.State == access.Denied) != (len(want) > 0) {
				t.Errorf("%s: %s, clashes %v, want %v", who, r.State, got, want)
			}
		}
		// 1. What stands in the files, in any way, keeps from a grant.
		for _, who := range []string{"sara", "eve", "eve.2", "bob"} {
			clashes(who, "git:security")
		}
		clashes("nora")
		// 2. The role itself is no clash with asking for it.
		if r := f.Ask("bob", engine.Ask{Entitlements: []string{"git:security"}}); r.State != access.Pending {
			t.Errorf("bob, who is in security, asks for it by a grant: %s %+v", r.State, r.Items)
		}
		// 3. What the files put together is found, at a moment between two microseconds too;
		// and is over when they no longer do.
		f.Clock.Pass(123 * time.Nanosecond)
		f.Change(func(c *enginetest.Company) {
			c.Groups["auditors"] = access.GroupMembers{ID: "auditors", Members: []string{"anna", "sara"}}
		})
		found := func(want ...string) {
			t.Helper()
			if n, err := f.Engine.DutiesTogether(t.Context()); err != nil || n != len(want) {
				t.Errorf("%d pairs, %v", n, err)
			}
			var open []string
			for _, x := range f.Findings(true) {
				if x.Kind == "duties_together" {
					open = append(open, x.Subject)
				}
			}
			if !slices.Equal(open, want) {
				t.Errorf("open findings %v, want %v", open, want)
			}
			f.Check()
		}
		found("sara: git:auditors with git:security")
		f.Change(func(c *enginetest.Company) {
			c.Groups["auditors"] = access.GroupMembers{ID: "auditors", Members: []string{"anna"}}
		})
		found()
	})
}
