package powers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// Every rule is well formed, and a role with every right of its system makes a
// graph in which every rule leads somewhere.
func TestRules(t *testing.T) {
	t.Parallel()
	if len(Rules) != 8 {
		t.Fatal(len(Rules), "systems")
	}
	for system, rules := range Rules {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			var ids []string
			for _, r := range rules {
				ids = append(ids, r.ID)
				if !strings.HasPrefix(r.ID, system+".") || len(r.Needs) == 0 || len(r.Then) == 0 || r.Doc == "" || slices.ContainsFunc(r.Needs, func(n []string) bool { return len(n) == 0 }) {
					t.Errorf("%+v", r)
				}
				if found, ok := FindRule(r.ID); !ok || found.ID != r.ID {
					t.Errorf("%s is not found", r.ID)
				}
			}
			slices.Sort(ids)
			if len(slices.Compact(ids)) != len(rules) {
				t.Error("an id stands twice")
			}
			all := Role{System: system, ID: "all", Name: "All", Class: "standard", Allows: func(string) []On { return []On{{"x", "x"}, {"x", "x"}} }}
			g, err := New(Config{Parts: Analyse(nil, all)})
			if err != nil {
				t.Fatal(err)
			}
			c := closure(t, g, system+":all")
			if c.Reached != "privileged" || !c.Gap || len(c.Paths) == 0 {
				t.Errorf("%+v", c)
			}
			for _, r := range rules {
				if r.Can != "" && !slices.ContainsFunc(c.Powers, func(n Node) bool { return strings.HasPrefix(n.ID, r.ID+"@x") }) {
					t.Errorf("%s led nowhere", r.ID)
				}
			}
			if c := closure(t, mustNew(t, Analyse(nil, Role{System: system, ID: "none", Name: "None", Class: "standard", Allows: func(string) []On { return nil }})), system+":none"); c.Gap || len(c.Paths) > 0 {
				t.Errorf("nothing leads to %+v", c)
			}
		})
	}
}

func mustNew(t *testing.T, p Parts) *Graph {
	t.Helper()
	g, err := New(Config{Parts: p})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// One right more never takes anything away.
func TestRulesAreMonotone(t *testing.T) {
	t.Parallel()
	for system := range Rules {
		held := map[string]bool{}
		before := 0
		for _, right := range append([]string{"nothing any rule knows"}, Rights(system)...) {
			held[right] = true
			p := Analyse(nil, Role{System: system, ID: "r", Name: "R", Version: 15, Allows: func(r string) []On {
				if held[r] {
					return []On{{"x", "x"}}
				}
				return nil
			}})
			c := closure(t, mustNew(t, p), system+":r")
			if n := len(c.Powers) + len(c.Entitlements) + len(c.Identities) + len(c.Gates); n < before {
				t.Errorf("%s: %s took something away", system, right)
			} else {
				before = n
			}
		}
	}
}

// Where another order of classes is used, the worst is its highest.
func TestAnotherOrder(t *testing.T) {
	t.Parallel()
	order := []string{"tier-2", "tier-1", "tier-0"}
	p := Analyse(order, Role{System: "postgres", ID: "ops", Name: "Ops", Class: "tier-2", Version: 15, Allows: onlyThat("CREATEROLE")})
	g, err := New(Config{Classes: order, Parts: p})
	if err != nil {
		t.Fatal(err)
	}
	if class, gap := g.Gap("postgres:ops"); class != "tier-0" || !gap {
		t.Error(class, gap)
	}
}

func directory() *access.Directory {
	e := func(id, class string, powers ...string) access.Entitlement {
		system, name, _ := strings.Cut(id, ":")
		return access.Entitlement{ID: id, System: system, Object: name, Name: strings.ToUpper(name), Class: class, Owners: []string{"olga"}, Powers: powers}
	}
	list := []access.Entitlement{
		e("dir:wiki", "standard", "read", "write"), e("dir:payroll", "privileged", "read"), e("dir:group-admin", "standard", "grant"),
		e("dir:lead", "standard", "grant"), e("dir:console", "standard", "admin"), e("dir:runner", "standard"), e("dir:merge", "standard"), e("dir:bind", "standard"), e("dir:queue", "standard"),
		e("db:root", "privileged", "admin"), e("dir:owner-reset", "standard"), e("dir:key", "standard"),
	}
	list[3].Grants, list[5].Becomes, list[6].Edits, list[7].Edits, list[8].Edits, list[10].Becomes, list[11].Edits =
		[]string{"dir:wiki"}, []string{"bot"}, []string{"policy"}, []string{"connector:db"}, []string{"workflow:acc"}, []string{"olga"}, []string{"log"}
	ids := []access.Identity{{ID: "olga", Kind: access.Person, Name: "Olga Orlov"}, {ID: "bot", Kind: access.Workload, Name: "Build bot", Owner: "olga"}}
	return access.NewDirectory(ids, nil, []access.System{{ID: "dir"}, {ID: "db"}}, list, nil)
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	g := mustNew(t, Catalog(directory(), map[string][]string{"bot": {"db:root"}}, nil))
	for _, c := range []struct {
		id, reached string
		self        bool
		grants      int
		sentence    string
	}{
		{"dir:wiki", "standard", false, 0, ""},
		{"dir:payroll", "privileged", false, 0, ""},
		{"dir:group-admin", "privileged", true, 12, "GROUP-ADMIN can hand out every entitlement of dir, so its holder can give himself PAYROLL"},
		{"dir:lead", "standard", false, 1, "LEAD can hand out access to WIKI, so its holder can give himself WIKI"},
		{"dir:console", "privileged", false, 0, "CONSOLE can administer console"},
		{"dir:runner", "privileged", false, 0, "RUNNER can act as Build bot, who holds ROOT"},
		{"dir:merge", "privileged", true, 12, "MERGE can change Lessor's rules"},
		{"dir:bind", "privileged", false, 1, "BIND can change Lessor's account in db"},
		{"dir:queue", "privileged", false, 0, "QUEUE can change the ticket workflow of acc"},
		{"dir:key", "privileged", false, 0, "KEY can change Lessor's log"},
		{"dir:owner-reset", "privileged", true, 12, "OWNER-RESET can act as Olga Orlov, so its holder can give himself ROOT"},
	} {
		got := closure(t, g, c.id)
		if got.Reached != c.reached || got.SelfGrant != c.self || len(got.Grants) != c.grants || got.Shortest != c.sentence {
			t.Errorf("%s: %q %v, %d grants, %q\nwant %+v", c.id, got.Reached, got.SelfGrant, len(got.Grants), got.Shortest, c)
		}
		for _, p := range got.Paths {
			for _, e := range p.Edges {
				if _, ok := FindRule(e.Rule); !ok {
					t.Errorf("no rule %q", e.Rule)
				}
			}
		}
	}
}

func TestCatalogNamesWhatIsHandedOut(t *testing.T) {
	t.Parallel()
	d := directory()
	c := catalog{d: d}
	for n, want := range []string{"WIKI", "WIKI and WIKI", "WIKI, WIKI and WIKI", "WIKI, WIKI, WIKI and more"} {
		var ids []string
		for range n + 1 {
			ids = append(ids, "dir:wiki")
		}
		if got := c.names(ids); got != want {
			t.Errorf("%d: %q", n+1, got)
		}
	}
}

// A system of 10,000 entitlements with 1,000 who hand it out is no million edges.
func TestCatalogStaysSmall(t *testing.T) {
	t.Parallel()
	var list []access.Entitlement
	for i := range 10_000 {
		e := access.Entitlement{ID: fmt.Sprint("dir:e", i), System: "dir", Object: "o", Name: fmt.Sprint("E", i), Class: "standard"}
		if i%10 == 0 {
			e.Powers = []string{"grant"}
		}
		list = append(list, e)
	}
	p := Catalog(access.NewDirectory(nil, nil, nil, list, nil), nil, nil)
	if len(p.Edges) != 11_000 {
		t.Error(len(p.Edges), "edges")
	}
}
