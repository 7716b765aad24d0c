package enginetest

import (
	"io/fs"
	"maps"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Company is what a fixture's directory and policy are made of. Tests change it
// through [Fixture.Change].
type Company struct {
	People       map[string]access.Identity
	Groups       map[string]access.GroupMembers
	Entitlements map[string]access.Entitlement
	Bundles      map[string]access.Bundle
	Duties       []access.Duty
	Plans        []access.CredentialPlan
	Rules        map[string]string // file name -> Cedar text, beside the shipped guards
	Feeds        []access.Feed     // in order of authority
	Signals      access.Signals    // from whom signals are heard, and who is told
	Roles        string            // the system whose entitlements are roles of Lessor itself; "": none
	Lifecycle    access.Lifecycle
}

// Systems of every company.
var Systems = []string{"dir", "git"}

const hour = access.Term(time.Hour)

// NewCompany returns the company every fixture begins with:
//
//	ada      chief; nobody manages her
//	mia      manager of eve, bob, xena; mia.2 is her second identity
//	owen     owns what is at dir          otto     owns what is at git, and dir:root
//	sara, sven, sean   security           anna     auditor
//	eve      an employee; eve.2 is her second identity, robot her workload, pilot her agent
//	bob      an employee                  nora     an employee without an account at git
//	xena     external, sponsored by mia, until 30 days from Noon
//	zoe      left
//
//	dir:wiki, dir:reports  standard: manager     dir:pay, dir:audit  standard, in conflict
//	dir:lobby              open: nobody          dir:root            privileged: manager and owner, 4h
//	git:deploy             third-party: owner and security
//
// Accounts are named like the identity, objects like the entitlement's name.
func NewCompany() *Company {
	c := &Company{People: map[string]access.Identity{}, Groups: map[string]access.GroupMembers{},
		Entitlements: map[string]access.Entitlement{}, Bundles: map[string]access.Bundle{}, Rules: defaultRules()}
	person := func(id, boss string, change ...func(*access.Identity)) {
		i := access.Identity{ID: id, Kind: access.Person, Name: id, Manager: boss, Accounts: map[string]string{"dir": id, "git": id}}
		for _, do := range change {
			do(&i)
		}
		c.People[id] = i
	}
	person("ada", "")
	person("mia", "ada")
	person("mia.2", "ada", func(i *access.Identity) { i.Same = "mia" })
	for _, id := range []string{"owen", "otto", "sara", "sven", "sean", "anna"} {
		person(id, "ada")
	}
	person("eve", "mia")
	person("eve.2", "mia", func(i *access.Identity) { i.Same = "eve" })
	person("bob", "mia")
	person("nora", "mia", func(i *access.Identity) { i.Accounts = map[string]string{"dir": "nora"} })
	person("robot", "", func(i *access.Identity) { i.Kind, i.Owner = access.Workload, "eve" })
	person("pilot", "", func(i *access.Identity) { i.Kind, i.Owner, i.Sponsor = access.Agent, "eve", "eve" })
	person("xena", "mia", func(i *access.Identity) { i.External, i.Sponsor, i.End = true, "mia", Noon.Add(30*24*time.Hour) })
	person("zoe", "mia", func(i *access.Identity) { i.Inactive = true })
	c.Groups["security"] = access.GroupMembers{ID: "security", Members: []string{"sara", "sven", "sean"}}
	c.Groups["auditors"] = access.GroupMembers{ID: "auditors", Members: []string{"anna"}}

	entitlement := func(system, name, class, owner string, longest, total access.Term, conflicts ...string) {
		id := system + ":" + name
		c.Entitlements[id] = access.Entitlement{ID: id, System: system, Object: name, Name: name, Class: class, Owners: []string{owner},
			MaxTerm: longest, MaxTotal: total, Powers: []string{"read"}, Conflicts: conflicts}
	}
	entitlement("dir", "wiki", "standard", "owen", 24*hour, 72*hour)
	entitlement("dir", "reports", "standard", "owen", 24*hour, 72*hour)
	entitlement("dir", "pay", "standard", "owen", 24*hour, 0, "dir:audit")
	entitlement("dir", "audit", "standard", "owen", 24*hour, 0, "dir:pay")
	entitlement("dir", "lobby", "open", "owen", 12*hour, 0)
	entitlement("dir", "root", "privileged", "otto", 4*hour, 8*hour)
	entitlement("git", "deploy", "third-party", "otto", 24*hour, 0)
	c.Bundles["onboarding"] = access.Bundle{ID: "onboarding", Name: "Onboarding", Entitlements: []string{"dir:reports", "dir:wiki"}}
	return c
}

// openClass lets anybody have what is of the class "open", without approval.
const openClass = `@id("ask-open")
@reason("Anybody may have what is open.")
@needs("none")
permit (principal, action == Action::"request", resource in Class::"open");
`

// defaultRules are the shipped defaults and the rule for the class "open".
func defaultRules() map[string]string {
	rules := map[string]string{"open.cedar": openClass}
	names, err := fs.Glob(policy.Defaults(), "*.cedar")
	if err != nil || len(names) == 0 {
		panic("no shipped defaults")
	}
	for _, n := range names {
		text, err := fs.ReadFile(policy.Defaults(), n)
		if err != nil {
			panic(err)
		}
		rules[n] = string(text)
	}
	return rules
}

// World makes the snapshot that an engine decides by.
func (c *Company) World(t testing.TB) engine.World {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range c.Rules {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	set, err := policy.Load(folder)
	if err != nil {
		t.Fatalf("the company's rules: %v", err)
	}
	var ids []access.Identity
	var groups []access.GroupMembers
	var systems []access.System
	var ents []access.Entitlement
	var bundles []access.Bundle
	for id := range maps.Keys(c.People) {
		ids = append(ids, c.People[id])
	}
	for _, g := range c.Groups {
		groups = append(groups, g)
	}
	for _, s := range Systems {
		by := "memory"
		if s == c.Roles {
			by = access.RolesConnector
		}
		systems = append(systems, access.System{ID: s, Name: s, Connector: by, Owner: "owen"})
	}
	for _, e := range c.Entitlements {
		ents = append(ents, e)
	}
	for _, b := range c.Bundles {
		bundles = append(bundles, b)
	}
	world, _, err := engine.NewWorld(access.NewDirectory(ids, groups, systems, ents, bundles).WithDuties(c.Duties).WithPlans(c.Plans), set, nil)
	if err != nil {
		t.Fatalf("the company's catalog: %v", err)
	}
	world.Lifecycle = c.Lifecycle
	return world
}
