// Package policytest makes a company and rules of any size for tests and
// benchmarks of policy, the same ones for every engine that is measured. It is
// made by arithmetic from a seed, so a failure is the same failure everywhere.
package policytest

import (
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Now is the moment at which everything in a World is asked.
var Now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Depth is how deep the groups of a World are nested.
const Depth = 8

// Picker picks by arithmetic (splitmix64): equal seeds pick alike.
type Picker uint64

// N returns a number from 0 up to n, without n.
func (p *Picker) N(n int) int {
	*p += 0x9e3779b97f4a7c15
	z := uint64(*p)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return int((z ^ (z >> 31)) % uint64(n))
}

// OneIn is true once in n.
func (p *Picker) OneIn(n int) bool { return p.N(n) == 0 }

// World is a company: people with managers, workloads with owners, groups nested
// Depth deep, entitlements of three classes.
type World struct {
	Directory    *access.Directory
	People       int
	Entitlements int
	pick         Picker
}

// Person, Group and Entitlement are the ids of the nth.
func Person(n int) string      { return fmt.Sprintf("p%05d", n) }
func Group(n int) string       { return fmt.Sprintf("g%03d", n) }
func Entitlement(n int) string { return fmt.Sprintf("s%d:e%04d", n%12, n) }

// groups is a full binary tree of Depth levels: a group contains its two halves.
const groups = 1<<Depth - 1

// teams are small flat groups, six people each, that approve for their applications.
const teams = 50

// New makes a company of that many people and entitlements.
func New(seed uint64, people, entitlements int) *World {
	w := &World{People: people, Entitlements: entitlements, pick: Picker(seed)}
	members := make([]access.GroupMembers, groups)
	for g := range members {
		members[g].ID = Group(g)
		if g*2+2 < groups {
			members[g].Groups = []string{Group(g*2 + 1), Group(g*2 + 2)}
		}
	}
	var ids []access.Identity
	for n := range people {
		i := access.Identity{ID: Person(n), Kind: access.Person, Name: "Person " + Person(n), Department: fmt.Sprintf("d%d", n%9)}
		if n > 0 {
			i.Manager = Person(n / 10)
		}
		switch {
		case n%50 == 13:
			i.Kind, i.Owner = access.Workload, Person(n/10)
		case n%50 == 14:
			i.Kind, i.Owner, i.Sponsor = access.Agent, Person(n/10), Person(n/10)
		case n%50 == 15:
			i.External, i.Sponsor = true, Person(n/10)
		case n%50 == 16:
			i.Inactive = true
		case n%50 == 17:
			i.Same = Person(n - 1)
		case n%50 == 18:
			i.End = Now.Add(2 * time.Hour)
		}
		ids = append(ids, i)
		for range 3 { // three leaves: up to 3*Depth groups once closed
			leaf := groups/2 + w.pick.N(groups/2+1)
			members[leaf].Members = append(members[leaf].Members, i.ID)
		}
	}
	security := access.GroupMembers{ID: "security"}
	for n := range 8 {
		security.Members = append(security.Members, Person(n*10%people))
	}
	for n := range teams {
		team := access.GroupMembers{ID: fmt.Sprintf("team%02d", n)}
		for range 6 {
			team.Members = append(team.Members, Person(w.pick.N(people)))
		}
		members = append(members, team)
	}
	members = append(members, security, access.GroupMembers{ID: "auditors", Members: []string{Person(0)}})
	w.Directory = access.NewDirectory(ids, members, nil, w.entitlements(), nil)
	return w
}

func (w *World) entitlements() []access.Entitlement {
	classes := []string{"standard", "standard", "privileged", "third-party"}
	ents := make([]access.Entitlement, w.Entitlements)
	for n := range ents {
		id := Entitlement(n)
		system, _, _ := strings.Cut(id, ":")
		ents[n] = access.Entitlement{ID: id, System: system, Object: id, Name: id, Class: classes[n%4],
			Owners: []string{Person(w.pick.N(w.People)), Person(w.pick.N(w.People))}, MaxTerm: access.Term(24 * time.Hour), Powers: []string{"read"}}
		if n%3 == 0 {
			ents[n].MaxTotal = access.Term(72 * time.Hour)
		}
		if n%11 == 0 && n > 0 {
			ents[n].Conflicts = []string{Entitlement(n - 1)}
		}
		if n%5 == 0 {
			ents[n].Powers = []string{"admin", "write"}
		}
	}
	return ents
}

// Ask makes the facts of one random question: mostly sensible, sometimes not.
func (w *World) Ask(p *Picker) policy.Facts {
	e := p.N(w.Entitlements)
	f := policy.Facts{Now: Now, Directory: w.Directory, Item: access.Item{Entitlement: Entitlement(e)}}
	f.Request = access.Request{ID: "r", Revision: 1, Digest: "d", Requester: Person(p.N(w.People)), Term: access.Term(time.Duration(1+p.N(10)) * time.Hour)}
	f.Request.Beneficiary = f.Request.Requester
	if p.OneIn(4) {
		f.Request.Beneficiary = Person(p.N(w.People))
		if b, _ := w.Directory.Identity(f.Request.Beneficiary); p.OneIn(2) && b.Manager != "" {
			f.Request.Requester = b.Manager
		}
	}
	if p.OneIn(20) {
		f.Request.Term = access.Term(30 * time.Hour)
	}
	if p.OneIn(10) {
		f.Request.Extends, f.ChainFor = "g", access.Term(time.Duration(p.N(80))*time.Hour)
	}
	for range 15 {
		f.Held = append(f.Held, Entitlement(p.N(w.Entitlements)))
	}
	if p.OneIn(10) && e > 0 {
		f.Held = append(f.Held, Entitlement(e-1))
	}
	return f
}

// Spec is one rule of a generated folder, so that each engine can write it its own way.
type Spec struct {
	ID          string
	Forbid      bool
	Question    string // request or approve
	Entitlement string // bound to; "" if bound to the group alone
	Group       string // the principal is in it
	Class       string // for rules bound to the group alone
	LongestHour int    // of a request; 0: any
	Department  string // of the beneficiary, for forbids
	Needs       string // of request permits
}

// Rules makes n rules beside the shipped defaults: what teams write for their own applications.
func (w *World) Rules(n int) []Spec {
	p := Picker(7)
	out := make([]Spec, n)
	for i := range out {
		r := Spec{ID: fmt.Sprintf("app-%04d", i), Question: policy.QuestionRequest, Entitlement: Entitlement(p.N(w.Entitlements)), Group: Group(p.N(groups))}
		switch i % 10 {
		case 0:
			r.Question, r.Group = policy.QuestionApprove, fmt.Sprintf("team%02d", p.N(teams))
		case 1:
			r.Forbid, r.Department, r.Group = true, fmt.Sprintf("d%d", p.N(9)), ""
		case 2:
			r.Entitlement, r.Class, r.Needs = "", "standard", "owner"
		case 3:
			r.Needs, r.LongestHour = "manager, security", 4
		default:
			r.Needs, r.LongestHour = "owner", 8
		}
		out[i] = r
	}
	return out
}

// Cedar writes the rule for this engine.
func (r Spec) Cedar() string {
	var b strings.Builder
	fmt.Fprintf(&b, "@id(%q)\n", r.ID)
	if r.Needs != "" {
		fmt.Fprintf(&b, "@needs(%q)\n", r.Needs)
	}
	effect, principal, resource := "permit", "principal", "resource"
	if r.Forbid {
		effect = "forbid"
	}
	if r.Group != "" {
		principal = fmt.Sprintf("principal in Group::%q", r.Group)
	}
	if r.Entitlement != "" {
		resource = fmt.Sprintf("resource in Entitlement::%q", r.Entitlement)
	}
	fmt.Fprintf(&b, "%s (%s, action == Action::%q, %s)", effect, principal, r.Question, resource)
	var when []string
	if r.Class != "" {
		when = append(when, fmt.Sprintf("resource.entitlement.class == %q", r.Class))
	}
	if r.LongestHour != 0 {
		when = append(when, fmt.Sprintf("resource.term <= duration(\"%dh\")", r.LongestHour))
	}
	if r.Department != "" {
		when = append(when, fmt.Sprintf("resource.beneficiary.department == %q", r.Department))
	}
	if r.Question == policy.QuestionApprove {
		when = append(when, `context.stage == "owner"`)
	}
	if len(when) > 0 {
		fmt.Fprintf(&b, "\nwhen { %s }", strings.Join(when, " && "))
	}
	b.WriteString(";\n")
	return b.String()
}

// defaults is how many shipped default rules there are.
func defaults() int {
	n := 0
	for _, r := range must(policy.Load(nil)).Rules() {
		if !r.Guard {
			n++
		}
	}
	return n
}

// Teams are the rules of teams in a folder of n rules, beside the shipped defaults.
func (w *World) Teams(n int) []Spec { return w.Rules(max(n-defaults(), 0)) }

// Load loads the guards, the shipped defaults and as many rules of teams as make n without the guards.
func (w *World) Load(n int) *policy.Set {
	folder := fstest.MapFS{}
	for _, name := range []string{"request.cedar", "oblige.cedar", "approve.cedar", "view.cedar", "revoke.cedar", "settle.cedar", "rotate.cedar", "retire.cedar", "compromised.cedar"} {
		text, err := fs.ReadFile(policy.Defaults(), name)
		if err != nil {
			panic(err)
		}
		folder[name] = &fstest.MapFile{Data: text}
	}
	var b strings.Builder
	for _, r := range w.Teams(n) {
		b.WriteString(r.Cedar())
	}
	folder["teams.cedar"] = &fstest.MapFile{Data: []byte(b.String())}
	return must(policy.Load(folder))
}

func must(s *policy.Set, err error) *policy.Set {
	if err != nil {
		panic(err)
	}
	return s
}
