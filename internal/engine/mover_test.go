package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// long gives entitlements a term that outlasts every grace.
func long(f *enginetest.Fixture, ids ...string) {
	f.Change(func(c *enginetest.Company) {
		for _, id := range ids {
			e := c.Entitlements[id]
			e.MaxTerm, e.MaxTotal = 1000*hour, 0
			c.Entitlements[id] = e
		}
	})
}

// moves changes somebody in the files, and sweeps.
func moves(t *testing.T, f *enginetest.Fixture, id string, do func(*access.Identity)) {
	t.Helper()
	f.Change(func(c *enginetest.Company) {
		i := c.People[id]
		do(&i)
		c.People[id] = i
	})
	sweep(t, f)
}

// onlySales is a rule that keeps the reports in one department.
const onlySales = `@id("reports-sales")
@reason("Reports are for sales.")
forbid (principal, action == Action::"request", resource in Entitlement::"dir:reports")
unless { resource.beneficiary.department == "sales" };
`

// What the new place would not give ends after the grace, whatever is done meanwhile;
// what it gives as well stays.
func TestMoverKeepsWhatTheNewPlaceGives(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		long(f, "dir:reports", "dir:lobby")
		f.Change(func(c *enginetest.Company) { c.Rules["sales.cedar"] = onlySales })
		moves(t, f, "eve", func(i *access.Identity) { i.Department = "sales" })
		gone := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 900 * hour}, "mia")
		stays := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: 900 * hour})
		f.Work()
		end := f.Grant(stays.ID).End
		sweep(t, f)
		if f.Grant(gone.ID).End.Before(f.Now().Add(800 * hour.D())) {
			t.Fatal("shortened without a move")
		}
		moves(t, f, "eve", func(i *access.Identity) { i.Department = "legal" })
		grace := f.Now().Add(7 * 24 * time.Hour)
		if g := f.Grant(gone.ID); !g.End.Equal(grace) || g.State != access.Live {
			t.Fatalf("ends %s, want %s", g.End, grace)
		}
		if g := f.Grant(stays.ID); !g.End.Equal(end) {
			t.Errorf("what is allowed still ends %s, not %s", g.End, end)
		}
		told := func(who string) bool {
			return slices.ContainsFunc(f.Notices(), func(n engine.Notice) bool {
				return slices.Contains(n.To, who) && strings.Contains(n.Text, "Moving back brings nothing back") && strings.Contains(n.Text, "dir:reports")
			})
		}
		if !told("eve") || !told("mia") {
			t.Errorf("notices %+v", f.Notices())
		}
		// The grace is not used to ask anew, and moving back makes no end later.
		if r := f.Ask("eve", ask("dir:reports")); r.State != access.Denied {
			t.Errorf("asked anew from the new place, it is %s", r.State)
		}
		moves(t, f, "eve", func(i *access.Identity) { i.Department = "sales" })
		if g := f.Grant(gone.ID); !g.End.Equal(grace) {
			t.Errorf("moved back, it ends %s", g.End)
		}
		f.Advance(7 * 24 * time.Hour)
		if g := f.Grant(gone.ID); g.State != access.Ended || f.Targets["dir"].Holds("eve", "reports") || !f.Targets["dir"].Holds("eve", "lobby") {
			t.Errorf("after the grace it is %s; held %v", g.State, f.Held("dir"))
		}
	})
}

// What others approved waits for the new manager's word: kept, revoked, or ended by silence.
func TestMoverIsKeptOrRevoked(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		long(f, "dir:wiki", "dir:reports", "dir:pay")
		of := map[string]access.Grant{}
		for _, id := range []string{"dir:wiki", "dir:reports", "dir:pay"} {
			of[id] = f.Granted("eve", engine.Ask{Entitlements: []string{id}, Term: 900 * hour}, "mia")
		}
		f.Work()
		moves(t, f, "eve", func(i *access.Identity) { i.Manager = "otto" })
		found := map[string]access.Finding{}
		for _, x := range f.Findings(true) {
			if x.Kind == "mover_review" && x.Owner == "otto" {
				found[x.Subject] = x
			}
		}
		if len(found) != 3 {
			t.Fatalf("findings %+v", f.Findings(true))
		}
		// 1. Kept by the new manager, and not by whoever holds it.
		m := engine.Remedy{Finding: found[of["dir:wiki"].ID].ID, Reason: "she still writes it"}
		if err := f.Engine.Accept(t.Context(), f.As("eve"), m); err == nil {
			t.Error("eve keeps it herself")
		}
		if err := f.Engine.Accept(t.Context(), f.As("otto"), m); err != nil {
			t.Fatal(err)
		}
		// 2. Revoked by them.
		if err := f.Engine.Revoke(t.Context(), f.As("otto"), of["dir:reports"].ID, "not here"); err != nil {
			t.Fatal(err)
		}
		sweep(t, f)
		// 3. Silence denies.
		f.Advance(7 * 24 * time.Hour)
		sweep(t, f)
		for id, want := range map[string]access.GrantState{"dir:wiki": access.Live, "dir:reports": access.Ended, "dir:pay": access.Ended} {
			if g := f.Grant(of[id].ID); g.State != want {
				t.Errorf("%s is %s (%s)", id, g.State, g.Ended)
			}
		}
		if g := f.Grant(of["dir:pay"].ID); g.Ended != access.EndReview || f.Targets["dir"].Holds("eve", "pay") {
			t.Errorf("unanswered it ended for %q", g.Ended)
		}
		if slices.ContainsFunc(f.Findings(true), func(x access.Finding) bool { return x.Kind == "mover_review" }) {
			t.Errorf("still open: %+v", f.Findings(true))
		}
		// Nothing more comes of it.
		if sweep(t, f); len(f.Findings(true)) != 0 {
			t.Errorf("findings %+v", f.Findings(true))
		}
	})
}

// births gives the fixture rules.
func births(f *enginetest.Fixture, rules ...access.Birthright) {
	f.Change(func(c *enginetest.Company) { c.Lifecycle.Birthrights = rules })
}

func salesWiki() access.Birthright {
	return access.Birthright{ID: "sales-wiki", For: access.Place{Departments: []string{"sales"}}, Entitlements: []string{"dir:wiki"}, Term: 100 * hour, Owner: "owen"}
}

// Whoever comes into a place is granted what is theirs there, once, with an end that is
// renewed; whoever goes keeps it for the grace.
func TestBirthright(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		long(f, "dir:wiki")
		births(f, salesWiki())
		sweep(t, f)
		if len(f.Grants()) != 0 {
			t.Fatalf("grants %+v", f.Grants())
		}
		moves(t, f, "eve", func(i *access.Identity) { i.Department = "sales" })
		f.Work()
		sweep(t, f)
		list := f.Grants()
		if len(list) != 1 || list[0].Identity != "eve" || list[0].Owner != "owen" || len(list[0].Votes) != 0 || !f.Targets["dir"].Holds("eve", "wiki") {
			t.Fatalf("grants %+v", list)
		}
		r := f.Request(list[0].Request)
		names := func(rule access.Rule) bool { return rule.ID == "birthright.sales-wiki" && rule.Author == "owen" }
		if rule, ok := r.Birthright(); !ok || rule != "sales-wiki" || !slices.ContainsFunc(r.Items[0].Decision.Rules, names) {
			t.Errorf("request %+v", r)
		}
		// Renewed in time, without a gap.
		f.Advance(76 * time.Hour)
		sweep(t, f)
		if list := f.Grants(); len(list) != 2 || list[0].End.Before(f.Now().Add(99*time.Hour)) {
			t.Fatalf("grants %+v", list)
		}
		f.Advance(30 * time.Hour)
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("a gap")
		}
		// Gone from the place, it ends after the grace, or as it would.
		f.Change(func(c *enginetest.Company) { c.Lifecycle.Grace = 24 * time.Hour })
		moves(t, f, "eve", func(i *access.Identity) { i.Department = "legal" })
		if g := f.Grants()[0]; !g.End.Equal(f.Now().Add(24 * time.Hour)) {
			t.Errorf("ends %s, now %s", g.End, f.Now())
		}
		f.Advance(25 * time.Hour)
		sweep(t, f)
		if len(f.Grants()) != 2 || f.Targets["dir"].Holds("eve", "wiki") {
			t.Errorf("grants %+v", f.Grants())
		}
	})
}

// A rule lets nobody past what forbids, nor its own owner past anybody, and what was
// revoked is not given again for nothing.
func TestBirthrightIsNoWayRound(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		long(f, "dir:wiki", "dir:root", "dir:audit")
		f.Granted("bob", ask("dir:pay"), "mia")
		everybody := false
		births(f, salesWiki(),
			access.Birthright{ID: "root", For: access.Place{Departments: []string{"sales"}}, Entitlements: []string{"dir:root"}, Term: hour, Owner: "otto"},
			access.Birthright{ID: "audit", For: access.Place{Groups: []string{"auditors"}, External: &everybody}, Entitlements: []string{"dir:audit"}, Term: hour, Owner: "owen"},
			access.Birthright{ID: "clash", For: access.Place{Departments: []string{"books"}}, Entitlements: []string{"dir:audit"}, Term: hour, Owner: "owen"})
		f.Change(func(c *enginetest.Company) {
			for id, place := range map[string]string{"owen": "sales", "eve": "sales", "bob": "books"} {
				i := c.People[id]
				i.Department = place
				c.People[id] = i
			}
		})
		sweep(t, f)
		got := map[string]access.Grant{}
		for _, g := range f.Grants() {
			got[g.Identity+" "+g.Entitlement] = g
		}
		if _, ok := got["eve dir:wiki"]; !ok {
			t.Errorf("eve has no wiki: %+v", got)
		}
		if _, ok := got["anna dir:audit"]; !ok {
			t.Errorf("anna has no audit: %+v", got)
		}
		for _, key := range []string{"owen dir:wiki", "eve dir:root", "owen dir:root", "bob dir:audit"} {
			if _, ok := got[key]; ok {
				t.Errorf("%s was granted", key)
			}
		}
		// The rule's owner waits for his manager like anybody.
		mine, err := f.Engine.Desk(t.Context(), f.As("ada"), "", 10)
		if err != nil || len(mine) != 1 || mine[0].Beneficiary != "owen" {
			t.Errorf("ada's desk: %+v, %v", mine, err)
		}
		if !slices.ContainsFunc(f.Findings(true), func(x access.Finding) bool {
			return x.Kind == "birthright_refused" && x.Subject == "clash dir:audit" && x.Owner == "owen"
		}) {
			t.Errorf("findings %+v", f.Findings(true))
		}
		n := len(f.Grants())
		if err := f.Engine.Revoke(t.Context(), f.As("owen"), got["eve dir:wiki"].ID, "abused"); err != nil {
			t.Fatal(err)
		}
		if sweep(t, f); len(f.Grants()) != n {
			t.Error("what was revoked is given again")
		}
	})
}
