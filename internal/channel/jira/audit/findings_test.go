package audit_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// office is a site beside an engine that knows its people and what its form offers.
type office struct {
	*site
	*enginetest.Fixture
	t *testing.T
}

func openOffice(t *testing.T) *office {
	t.Helper()
	o := &office{site: open(t), t: t}
	company := enginetest.NewCompany()
	for id, account := range map[string]string{"eve": jirasim.ExamplePerson, "otto": jirasim.ExampleOwner} {
		who := company.People[id]
		who.Accounts = map[string]string{"dir": id, "git": id, "acme": account}
		company.People[id] = who
	}
	for _, e := range o.catalog {
		e.Owners, e.Object = []string{"otto"}, strings.ReplaceAll(e.ID, ":", "-")
		company.Entitlements[e.ID] = e
	}
	o.Fixture = enginetest.Open(t, store.SQLite, func(options *enginetest.Options) { options.Company = company })
	o.now = o.Fixture.Now()
	return o
}

// pass lets time pass for both.
func (o *office) pass(d time.Duration) {
	o.Advance(d)
	o.now = o.Fixture.Now()
}

// carried is a ticket linked to what came of it.
func (o *office) carried(i jirasim.Ticket, requests ...string) {
	o.t.Helper()
	t := access.Ticket{ID: "jira:acme:" + i.ID, Key: i.Key, State: access.Invalid, Requests: requests}
	if len(requests) > 0 {
		t.State = access.Linked
	}
	if _, err := o.Engine.KeepTicket(o.t.Context(), t, "read"); err != nil {
		o.t.Fatal(err)
	}
}

// look audits at a place by somebody's token and tells the engine, as lessor jira audit --open-findings does.
func (o *office) look(at *site, login string, change ...func(*audit.Audit)) (total engine.Audited) {
	o.t.Helper()
	must := func(err error) {
		if err != nil {
			o.t.Helper()
			o.t.Fatal(err)
		}
	}
	anna := o.As("anna")
	anna.Scopes = append(anna.Scopes, engine.ScopeAudit)
	before, err := o.Engine.Audited(o.t.Context(), anna, engine.AuditRun{Source: "jira:acme"})
	must(err)
	stories, err := o.Engine.TicketStories(o.t.Context(), anna, "", 100)
	must(err)
	approved, err := o.Engine.List(o.t.Context(), anna, access.Approved, false, "", 100)
	must(err)
	world := o.Company.World(o.t)
	r, err := at.audit(login, stories, func(a *audit.Audit) {
		a.Directory, a.Again, a.Account = world.Directory, before.Left, jirasim.ExampleBot
		a.MayKnow = func(who string, r access.Request) bool {
			return world.Policy.MayView(world.Directory, o.now, access.Actor{Identity: who}, r).Allow
		}
		for _, r := range approved {
			if r.Ticket == "" && !r.At.Before(a.Since) {
				a.Untied = append(a.Untied, r)
			}
		}
		for _, do := range change {
			do(a)
		}
	})
	must(err)
	runs, err := r.Runs()
	must(err)
	total = before
	for _, run := range runs {
		done, err := o.Engine.Audited(o.t.Context(), anna, run)
		must(err)
		total.Opened, total.Changed, total.Closed = total.Opened+done.Opened, total.Changed+done.Changed, total.Closed+done.Closed
	}
	return total
}

// mustBeOpen fails unless exactly these findings are, each "kind subject" below the site.
func (o *office) mustBeOpen(when string, want ...string) {
	o.t.Helper()
	var have []string
	for _, f := range o.Findings(true) {
		have = append(have, f.Kind+" "+strings.TrimPrefix(f.Subject, "jira:acme:"))
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		o.t.Errorf("%s: open are\n  %s\nwant\n  %s", when, strings.Join(have, "\n  "), strings.Join(want, "\n  "))
	}
}

// TestHolesBecomeFindingsAndMendedOnesClose goes from a site with all the holes to one without.
func TestHolesBecomeFindingsAndMendedOnesClose(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	agent := o.sim.As(jirasim.ExampleAgent)
	// 1. A ticket that lies, was meddled with and shown around; one that says done; one that waits; a grant past the desk.
	lied := o.raise(jirasim.ExamplePerson, "prod-db:admin", "zebra password=hunter2222")
	o.does(agent.Edit(lied.ID, map[string]any{"labels": []any{"risk-low"}, "Approvers": []any{jirasim.ExampleAgent}, "Request participants": []any{jirasim.ExampleCustomer}}))
	granted := o.Granted("eve", engine.Ask{Entitlements: []string{"prod-db:admin"}, Term: access.Term(4 * time.Hour), Reason: "work", Ticket: "jira:acme:" + lied.ID}, "mia", "otto")
	o.carried(lied, granted.Request)
	empty := o.raise(jirasim.ExamplePerson, "wiki:editors", "nothing came of it")
	o.carried(empty)
	o.pass(10 * time.Minute)
	o.does(agent.Transition(lied.ID, "Fast track"))
	o.does(agent.Transition(empty.ID, "Fast track"))
	o.raise(jirasim.ExamplePerson, "wiki:editors", "still waits")
	loose := o.Granted("bob", engine.Ask{Entitlements: []string{"prod-db:read"}, Term: access.Term(4 * time.Hour), Reason: "work"}, "mia", "otto")
	elsewhere := o.Granted("bob", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: access.Term(4 * time.Hour), Reason: "the form does not offer it"})
	o.pass(time.Minute)
	// 2. Lessor's own token cannot tell the ways of others from its own.
	ticketFindings := []string{
		access.LabelBelowRisk + " " + lied.ID, access.TicketShowsTooMuch + " " + lied.ID, access.ApproversChanged + " " + lied.ID, access.WorkflowHole + " " + lied.ID,
		access.TicketWithoutGrant + " " + empty.ID, access.WorkflowHole + " " + empty.ID, access.GrantWithoutTicket + " " + loose.ID,
	}
	byAnyToken := append(slices.Clone(ticketFindings), access.WorkflowHole+" ACC/"+audit.Shared, access.WorkflowHole+" ACC/"+audit.OwnChoice)
	own := func(a *audit.Audit) { a.Own = true }
	o.look(o.site, "lessor", own)
	o.mustBeOpen("by Lessor's own token", byAnyToken...)
	// 3. An agent's can; and Lessor's own closes nothing of it. Again is the same.
	all := append(slices.Clone(byAnyToken), access.WorkflowHole+" ACC/"+audit.AnyStatus, access.WorkflowHole+" ACC/"+audit.ThirdExit)
	o.look(o.site, "agnes")
	o.mustBeOpen("by an agent's token", all...)
	if a := o.look(o.site, "lessor", own); a.Opened+a.Changed+a.Closed != 0 {
		t.Errorf("looked at again by another token: %+v", a)
	}
	o.mustBeOpen("again", all...)
	if slices.ContainsFunc(o.Findings(false), func(f access.Finding) bool { return strings.Contains(f.Subject, elsewhere.ID) }) {
		t.Error("a grant of what no form offers needs no ticket")
	}
	// 4. Whose they are; and what people wrote is in none of them.
	for _, f := range o.Findings(true) {
		owner := "security"
		if strings.HasSuffix(f.Subject, lied.ID) || strings.HasSuffix(f.Subject, loose.ID) {
			owner = "otto"
		}
		if f.Owner != owner {
			t.Errorf("%s of %s is %s's, want %s's", f.Kind, f.Subject, f.Owner, owner)
		}
		for _, word := range []string{"zebra", "hunter", "came of it", "Agnes", "Carla", "Paul"} {
			if strings.Contains(f.Text, word) {
				t.Errorf("%s says %q: %s", f.Kind, word, f.Text)
			}
		}
	}
	// 5. What could not be looked at is not mended.
	mend := o.sim.Break(jirasim.Fault{Status: http.StatusForbidden, Path: "/rest/servicedeskapi/request/*/participant", Times: -1})
	o.does(agent.Edit(lied.ID, map[string]any{"Request participants": []any{}, "security": "Staff"}))
	o.look(o.site, "agnes")
	o.mustBeOpen("with participants unread", all...)
	mend()
	o.does(agent.Edit(lied.ID, map[string]any{"Request participants": []any{jirasim.ExampleCustomer}, "security": nil}))
	// 6. Long after, out of every window, the grants over: what still lies is still found, what is past is not.
	o.pass(40 * 24 * time.Hour)
	o.look(o.site, "agnes")
	past := []string{access.ApproversChanged + " " + lied.ID, access.WorkflowHole + " " + lied.ID, access.GrantWithoutTicket + " " + loose.ID}
	all = slices.DeleteFunc(all, func(s string) bool { return slices.Contains(past, s) })
	o.mustBeOpen("long after", all...)
	// 7. Tickets mended.
	o.does(agent.Edit(lied.ID, map[string]any{"labels": []any{}, "priority": map[string]any{"name": "High"}, "Request participants": []any{}, "security": "Staff"}))
	o.does(agent.Transition(empty.ID, "Ask again"))
	o.look(o.site, "agnes")
	ways := []string{access.WorkflowHole + " ACC/" + audit.AnyStatus, access.WorkflowHole + " ACC/" + audit.ThirdExit, access.WorkflowHole + " ACC/" + audit.Shared, access.WorkflowHole + " ACC/" + audit.OwnChoice}
	o.mustBeOpen("tickets mended", ways...)
	// 8. The workflow mended.
	sound := open(t, mended)
	sound.now = o.now
	waits, err := sound.sim.As(jirasim.ExamplePerson).Raise("ACC", "Get access", map[string]any{"summary": "waits", "Entitlements": []any{"wiki:editors"}, "Term": "8 hours"})
	o.does(err)
	o.does(sound.sim.As(jirasim.ExampleAgent).Edit(waits.ID, map[string]any{"priority": map[string]any{"name": "High"}, "security": "Staff"})) // it has the first one's id
	o.look(sound, "agnes")
	o.mustBeOpen("workflow mended")
	for _, f := range o.Findings(false) {
		if f.Resolution != "no longer seen by the audit of jira:acme" && f.Resolution != "the grant has ended" {
			t.Errorf("%s closed because %q", f.Kind, f.Resolution)
		}
	}
	o.Check()
}

// mended is the example without its holes.
func mended(s *jirasim.Site) {
	w := s.Workflows[0]
	w.Transitions = slices.DeleteFunc(slices.Clone(w.Transitions), func(t jirasim.Transition) bool { return t.Name == "Fast track" || t.Name == "Set active" })
	s.Workflows[0] = w
	s.Statuses = append(s.Statuses, jirasim.Status{Name: "To do", Category: jirasim.ToDo}, jirasim.Status{Name: "Gone", Category: jirasim.Done})
	s.Workflows = append(s.Workflows, jirasim.Workflow{Name: "Plain", Start: "To do", Transitions: []jirasim.Transition{{Name: "Finish", From: []string{"To do"}, To: "Gone"}}})
	s.Projects[1].Workflow = "Plain"
	form := &s.Projects[0].Desk.RequestTypes[0]
	form.Fields = slices.DeleteFunc(slices.Clone(form.Fields), func(f jirasim.RequestField) bool { return f.Field == "Approvers" })
}

// TestWhatIsNoLongerAboutAccessCloses: a ticket moved away, a project no longer mapped.
func TestWhatIsNoLongerAboutAccessCloses(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	i := o.raise(jirasim.ExamplePerson, "wiki:editors", "to be moved")
	o.carried(i)
	o.does(o.sim.As(jirasim.ExampleAgent).Transition(i.ID, "Fast track"))
	o.look(o.site, "lessor", func(a *audit.Audit) { a.Own = true })
	ways := []string{access.WorkflowHole + " ACC/" + audit.Shared, access.WorkflowHole + " ACC/" + audit.OwnChoice}
	o.mustBeOpen("at first", append(ways, access.TicketWithoutGrant+" "+i.ID, access.WorkflowHole+" "+i.ID)...)
	o.does(o.sim.As(jirasim.ExampleAgent).Move(i.ID, "OPS"))
	o.look(o.site, "lessor", func(a *audit.Audit) { a.Own = true })
	o.mustBeOpen("moved away", ways...)
	o.look(o.site, "lessor", func(a *audit.Audit) { a.Site.Projects = nil })
	o.mustBeOpen("no longer mapped")
}

// TestNamesInFindingsAreShort: whatever Jira calls a thing, its finding is taken by the engine, whole and on one line.
func TestNamesInFindingsAreShort(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	const nasty = "\u202eevil\x1b[2J\nname password=hunter2222 "
	sneaky := open(t, func(s *jirasim.Site) {
		for n, tr := range s.Workflows[0].Transitions {
			if tr.Name == "Fast track" || tr.Name == "Set active" {
				s.Workflows[0].Transitions[n].Name = nasty + strings.Repeat("x", 150)
			}
		}
		s.Projects[0].Desk.RequestTypes[0].Fields[6].Label = nasty + strings.Repeat("y", 150)
	})
	sneaky.now = o.now
	sneaky.raise(jirasim.ExamplePerson, "wiki:editors", "waits")
	if a := o.look(sneaky, "agnes"); a.Opened < 4 {
		t.Errorf("opened %d", a.Opened)
	}
	for _, f := range o.Findings(true) {
		if strings.ContainsAny(f.Text, "\n\x1b\u202e") || strings.Contains(f.Text, "hunter") || utf8.RuneCountInString(f.Text) > 900 {
			t.Errorf("%s: %q", f.Kind, f.Text)
		}
	}
}

// TestRunsAreBounded: a long report goes in parts, each small enough for the API, nothing lost or doubled.
func TestRunsAreBounded(t *testing.T) {
	t.Parallel()
	r := audit.Report{Site: "acme"}
	for n := range 1000 {
		r.Looked = append(r.Looked, engine.Looked{Subject: "jira:acme:" + strings.Repeat("1", n%50+1) + "/" + string(rune('a'+n%26)), For: map[string]string{access.LabelBelowRisk: strings.Repeat("é", n%900)}})
	}
	runs, err := r.Runs()
	if err != nil || len(runs) < 5 {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	var all []engine.Looked
	for _, run := range runs {
		raw, err := json.Marshal(run)
		if err != nil || len(raw) > 200<<10 || len(run.Looked) > 500 || run.Source != "jira:acme" {
			t.Errorf("a run of %d bytes and %d subjects: %v", len(raw), len(run.Looked), err)
		}
		all = append(all, run.Looked...)
	}
	if len(all) != len(r.Looked) || !slices.EqualFunc(all, r.Looked, func(a, b engine.Looked) bool { return a.Subject == b.Subject }) {
		t.Errorf("%d subjects of %d", len(all), len(r.Looked))
	}
	if runs, err := (audit.Report{Site: "acme"}).Runs(); err != nil || len(runs) != 0 {
		t.Errorf("of nothing: %v, %v", runs, err)
	}
}

// TestAB11TheMismatchIsAFinding: a label that calls low what the catalog calls
// privileged changes nobody's approval, and becomes a finding of its owner's.
func TestAB11TheMismatchIsAFinding(t *testing.T) {
	t.Parallel()
	o := openOffice(t)
	i := o.raise(jirasim.ExamplePerson, "prod-db:admin", "an index")
	o.does(o.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"labels": []any{"risk-low"}, "security": "Staff"}))
	r := o.Ask("eve", engine.Ask{Entitlements: []string{"prod-db:admin"}, Term: access.Term(4 * time.Hour), Reason: "an index", Ticket: "jira:acme:" + i.ID})
	if r = o.Approve("mia", r); r.State != access.Pending {
		t.Fatalf("with the manager alone it is %s", r.State)
	}
	o.carried(i, r.ID)
	own := func(a *audit.Audit) { a.Own = true }
	o.look(o.site, "lessor", own)
	ways := []string{access.WorkflowHole + " ACC/" + audit.Shared, access.WorkflowHole + " ACC/" + audit.OwnChoice}
	o.mustBeOpen("asked for, and not granted", ways...)
	if r = o.Approve("otto", r); r.State != access.Approved {
		t.Fatalf("with its owner too it is %s", r.State)
	}
	o.look(o.site, "lessor", own)
	o.mustBeOpen("granted", append(ways, access.LabelBelowRisk+" "+i.ID)...)
	for _, f := range o.Findings(true) {
		if f.Kind == access.LabelBelowRisk && (f.Owner != "otto" || f.DueAt.Sub(f.OpenedAt) != 24*time.Hour || !strings.Contains(f.Text, "prod-db:admin: class privileged")) {
			t.Errorf("%+v", f)
		}
	}
	o.Check()
}
