package policy_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// AB-36: who gains by a change of rules, directory or catalog is known of each way in
// which one can.
func TestAB36WhoGainsByAChangeOfFiles(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	type company struct {
		people []access.Identity
		groups []access.GroupMembers
		ents   []access.Entitlement
		rules  string
	}
	side := func(change func(*company)) policy.Side {
		t.Helper()
		c := company{
			people: []access.Identity{{ID: "ann", Kind: access.Person}, {ID: "bob", Kind: access.Person, Manager: "mia"}, {ID: "mia", Kind: access.Person},
				{ID: "sam", Kind: access.Person}, {ID: "sam.2", Kind: access.Person, Same: "sam"}, {ID: "bot", Kind: access.Workload, Owner: "mia"}},
			groups: []access.GroupMembers{{ID: "security", Members: []string{"mia"}}, {ID: "desk", Members: []string{"sam"}}},
			ents: []access.Entitlement{{ID: "work:wiki", System: "work", Object: "wiki", Owners: []string{"mia"}, Class: "standard", MaxTerm: access.Term(24 * time.Hour)},
				{ID: "work:root", System: "work", Object: "root", Owners: []string{"mia"}, Class: "privileged", MaxTerm: access.Term(24 * time.Hour)}},
			rules: `@id("ask") @needs("owner, security") permit (principal, action == Action::"request", resource);
`,
		}
		change(&c)
		set, err := policy.Load(fstest.MapFS{"rules.cedar": {Data: []byte(c.rules)}})
		if err != nil {
			t.Fatal(err)
		}
		return policy.Side{Rules: set, Directory: access.NewDirectory(c.people, c.groups, []access.System{{ID: "work", Owner: "mia"}}, c.ents, nil)}
	}
	before := side(func(*company) {})
	for name, c := range map[string]struct {
		change func(*company)
		who    string // who gains, and nobody else of these
		what   string
	}{
		"nothing":           {func(*company) {}, "", ""},
		"a group":           {func(c *company) { c.groups[0].Members = []string{"mia", "sam"} }, "sam", "is in security"},
		"a second identity": {func(c *company) { c.groups[0].Members = []string{"mia", "sam.2"} }, "sam", "is in security"},
		"an owner":          {func(c *company) { c.ents[1].Owners = []string{"mia", "sam"} }, "sam", "answers for work:root"},
		"a manager":         {func(c *company) { c.people[1].Manager = "sam" }, "sam", "is above bob"},
		"a workload":        {func(c *company) { c.people[5].Owner = "sam" }, "sam", "answers for bot"},
		"a guise":           {func(c *company) { c.people[4].Same = "" }, "sam", "is no longer the same person as sam.2"},
		"a rule for oneself": {func(c *company) {
			c.rules = strings.Replace(c.rules, "resource);", `resource) unless { principal == Identity::"sam" && resource in Entitlement::"work:root" };
@id("mine") @needs("none") permit (principal == Identity::"sam", action == Action::"request", resource in Entitlement::"work:root");`, 1)
		}, "sam", "asks with less for work:root"},
		"a vote": {func(c *company) {
			c.rules += `@id("votes") permit (principal in Group::"desk", action == Action::"approve", resource);
@id("sees") permit (principal, action == Action::"view", resource);`
		}, "sam", "may vote on work:root, work:wiki"},
		"a rule for everybody": {func(c *company) { c.rules = strings.Replace(c.rules, "owner, security", "owner", 1) }, "", ""},
		"a group of everybody": {func(c *company) {
			c.groups = append(c.groups, access.GroupMembers{ID: "all", Members: []string{"ann", "bob", "mia", "sam"}})
		}, "", ""},
		"a stricter rule": {func(c *company) { c.rules = strings.Replace(c.rules, "owner, security", "owner, security, manager", 1) }, "", ""},
	} {
		gained := policy.Advantage(before, side(c.change), []string{"ann", "sam"}, now)
		if c.who == "" {
			if len(gained) != 0 {
				t.Errorf("%s: %v", name, gained)
			}
			continue
		}
		if len(gained) != 1 || !slices.Contains(gained[c.who], c.what) {
			t.Errorf("%s: %v, want that %s %s", name, gained, c.who, c.what)
		}
	}
}
