package audit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/engine"
)

// story is what Lessor knows of a ticket: asked for by paul, and granted or not.
func story(i jirasim.Ticket, entitlement string, grantedAt time.Time) engine.TicketStory {
	id := "jira:acme:" + i.ID
	r := access.Request{ID: "rq-" + i.ID, State: access.Pending, Requester: "paul", Beneficiary: "paul", Ticket: id, Term: access.Term(8 * time.Hour), At: i.Created, Items: []access.Item{{Entitlement: entitlement}}}
	s := engine.Story{Request: r}
	if !grantedAt.IsZero() {
		s.Request.State = access.Approved
		s.Grants = []engine.Holding{{Grant: access.Grant{ID: "gr-" + i.ID, Request: r.ID, Identity: "paul", Entitlement: entitlement, State: access.Live, At: grantedAt, Start: grantedAt, Seen: grantedAt, End: grantedAt.Add(8 * time.Hour), Term: r.Term}}}
	}
	return engine.TicketStory{Ticket: access.Ticket{ID: id, Key: i.Key, State: access.Linked, Requests: []string{r.ID}, Identity: "paul"}, Came: []engine.Story{s}}
}

// audit runs one by somebody's token.
func (s *site) audit(login string, stories []engine.TicketStory, change ...func(*audit.Audit)) (audit.Report, error) {
	a := audit.Audit{Site: s.mapping, Rest: s.rest(login), Directory: s.directory(), Stories: stories, Since: s.now.Add(-30 * 24 * time.Hour), Most: 100,
		MayKnow: func(id string, r access.Request) bool { return id == r.Beneficiary || id == "olga" }, Now: func() time.Time { return s.now }, Wait: noWait}
	for _, do := range change {
		do(&a)
	}
	return a.Run(s.t.Context())
}

func mustHold(t *testing.T, what string, list []string, words ...string) {
	t.Helper()
	if !slices.ContainsFunc(list, func(have string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(have, w) })
	}) {
		t.Errorf("no %s with %q in:\n%s", what, words, strings.Join(list, "\n"))
	}
}

func flaws(r audit.Report) (list []string) {
	for _, f := range r.Workflow {
		list = append(list, f.Kind+": "+f.What)
	}
	return list
}

// TestAuditOfTheExample looks at a site with all the holes, by an administrator's token.
func TestAuditOfTheExample(t *testing.T) {
	t.Parallel()
	s := open(t)
	agent := s.sim.As(jirasim.ExampleAgent)
	// Three tickets: approved past its approval and labelled harmless; approved as
	// it should be; closed as done though nothing was granted.
	lied := s.raise(jirasim.ExamplePerson, "prod-db:admin", "fix the index")
	s.does(agent.Edit(lied.ID, map[string]any{"labels": []any{"risk-low"}, "Approvers": []any{jirasim.ExampleAgent}, "Request participants": []any{jirasim.ExampleCustomer}}))
	s.now = s.now.Add(10 * time.Minute)
	s.does(agent.Transition(lied.ID, "Fast track"))
	fair := s.raise(jirasim.ExamplePerson, "wiki:editors", "write the handbook")
	s.now = s.now.Add(20 * time.Minute)
	s.does(s.sim.As(jirasim.ExampleOwner).Approve(fair.ID))
	empty := s.raise(jirasim.ExamplePerson, "wiki:editors", "nothing came of it")
	s.does(agent.Transition(empty.ID, "Fast track"))
	s.raise(jirasim.ExamplePerson, "wiki:editors", "still waits")
	gone := jirasim.Ticket{ID: "4711", Key: "ACC-99", Created: noon}
	lost := story(gone, "prod-db:read", noon)
	lost.Ticket.State = access.Missing
	stories := []engine.TicketStory{story(lied, "prod-db:admin", s.now), story(fair, "wiki:editors", s.now), story(empty, "wiki:editors", time.Time{}), lost}
	s.now = s.now.Add(time.Minute)
	s.sim.ForgetCalls()
	r, err := s.audit("ada", stories, func(a *audit.Audit) {
		a.Untied = []access.Request{{ID: "rq-by-api", Beneficiary: "olga", Items: []access.Item{{Entitlement: "prod-db:read", Outcome: access.Granted, Grant: "gr-by-api"}}}}
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.writes(); n != 0 {
		t.Errorf("an audit wrote %d times", n)
	}
	// 1. Labels against risk.
	if r.Tickets != 4 || len(r.Labels.Mislabels) != 1 || r.Labels.Mislabels[0].Ticket != lied.Key || r.Labels.Mislabels[0].Says != "low" {
		t.Errorf("%d tickets, mislabels %+v", r.Tickets, r.Labels.Mislabels)
	}
	mustHold(t, "ticket with no grant", r.Labels.NoGrant, empty.Key, "Being granted")
	mustHold(t, "ticket that was never read", r.Labels.Unread, "ACC-4")
	mustHold(t, "grant with no ticket", r.Labels.NoTicket, "gr-by-api", "prod-db:read of olga")
	mustHold(t, "grant whose ticket is gone", r.Labels.LostTicket, "ACC-99")
	if i := slices.IndexFunc(r.Labels.Scores, func(s audit.Score) bool { return s.Where == "ACC / All open" && s.By == audit.ByLabel }); i < 0 || r.Labels.Scores[i].Under != 1 {
		t.Errorf("scores by queue: %+v", r.Labels.Scores)
	}
	// 2. Visibility against sensitivity.
	if len(r.Sight) != 1 || r.Sight[0].Ticket != lied.Key {
		t.Fatalf("exposures %+v", r.Sight)
	}
	mustHold(t, "who sees it", r.Sight[0].Open, "group")
	mustHold(t, "stranger", r.Sight[0].Strangers, "Carla Customer (nobody in the directory), participant")
	if !strings.Contains(r.Sight[0].Propose, "narrowest level") {
		t.Errorf("proposed: %q", r.Sight[0].Propose)
	}
	// 3. Ways around.
	all := flaws(r)
	mustHold(t, "flaw", all, audit.AnyStatus, `"Set active" leads to "Active"`)
	mustHold(t, "flaw", all, audit.ThirdExit, `"Fast track" leads from "Waiting for approval" to "Being granted"`)
	mustHold(t, "flaw", all, audit.SideExit, `"Ask customer"`)
	mustHold(t, "flaw", all, audit.Shared, "project OPS (software)")
	mustHold(t, "flaw", all, audit.OwnChoice, "Who should approve?")
	mustHold(t, "flaw", all, audit.Swapped, lied.Key, "Agnes Agent")
	mustHold(t, "flaw", all, audit.Bypassed, lied.Key, "Agnes Agent")
	for _, f := range r.Workflow {
		if f.Kind == audit.Bypassed && strings.HasPrefix(f.What, fair.Key) {
			t.Errorf("an answered approval passes for a way around: %s", f.What)
		}
	}
	mustHold(t, "what cannot be read", r.Unread, "automation rules")
	// 4. Speed and scope, apart.
	if len(r.Pace) != 1 || r.Pace[0].Decided != 2 || r.Pace[0].Open != 1 || len(r.Pace[0].SLAs) != 1 {
		t.Errorf("pace %+v", r.Pace)
	}
	if len(r.Scope) != 2 { // the one whose ticket is gone is of no project
		t.Errorf("scope %+v", r.Scope)
	}
}

// TestAuditByLessorsOwnToken: what needs an administrator is said to be unread, and the rest is there.
func TestAuditByLessorsOwnToken(t *testing.T) {
	t.Parallel()
	s := open(t, least)
	i := s.raise(jirasim.ExamplePerson, "prod-db:admin", "fix the index")
	r, err := s.audit("lessor", []engine.TicketStory{story(i, "prod-db:admin", s.now)})
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, "what cannot be read", r.Unread, "who may browse ACC")
	if len(r.Sight) != 1 || !strings.Contains(r.Sight[0].Open[0], "may not read who that is") {
		t.Errorf("exposures %+v", r.Sight)
	}
	mustHold(t, "flaw", flaws(r), audit.ThirdExit)
}

// TestAuditIsPatient waits while Jira wants to be left alone, and gives up on what is no wait.
func TestAuditIsPatient(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.raise(jirasim.ExamplePerson, "wiki:editors", "one")
	limit := jirasim.Limit429(30 * time.Second)
	limit.Path, limit.Times = "/rest/api/3/issue/*", 2
	s.sim.Break(limit)
	waited := time.Duration(0)
	wait := func(a *audit.Audit) {
		a.Wait = func(_ context.Context, d time.Duration) error {
			waited += d
			s.now = s.now.Add(d)
			return nil
		}
	}
	r, err := s.audit("ada", nil, wait)
	if err != nil || r.Tickets != 1 || waited < time.Minute {
		t.Errorf("%d tickets after waiting %s: %v", r.Tickets, waited, err)
	}
	defer s.sim.Break(jirasim.Fault{Status: 401, Times: -1})()
	if _, err := s.audit("ada", nil, wait); !errors.Is(err, rest.ErrDenied) {
		t.Errorf("by a token that is not accepted: %v", err)
	}
}

// TestRecentLooksBackInSteps: the newest are found without paging through all.
func TestRecentLooksBackInSteps(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.now = s.now.Add(-20 * 24 * time.Hour)
	s.raise(jirasim.ExamplePerson, "wiki:editors", "old")
	s.now = noon
	s.raise(jirasim.ExamplePerson, "wiki:editors", "new")
	for most, want := range map[int]struct {
		tickets, searches int
		cut               bool
	}{1: {1, 1, true}, 2: {2, 4, false}, 5: {2, 4, false}} {
		s.sim.ForgetCalls()
		r, err := s.audit("ada", nil, func(a *audit.Audit) { a.Most = most })
		searches := 0
		for _, c := range s.sim.Calls() {
			if c.Path == "/rest/api/3/search/jql" {
				searches++
			}
		}
		if err != nil || r.Tickets != want.tickets || r.Cut != want.cut || searches != want.searches {
			t.Errorf("most %d: %d tickets, cut %t, %d searches: %v", most, r.Tickets, r.Cut, searches, err)
		}
	}
}

// TestAuditSaysThatItWasCut: a bound is never silent.
func TestAuditSaysThatItWasCut(t *testing.T) {
	t.Parallel()
	s := open(t)
	for range 5 {
		s.raise(jirasim.ExamplePerson, "wiki:editors", "one of many")
		s.now = s.now.Add(time.Minute)
	}
	r, err := s.audit("ada", nil, func(a *audit.Audit) { a.Most = 4 })
	if err != nil || !r.Cut || r.Tickets != 4 {
		t.Errorf("%d tickets, cut %t: %v", r.Tickets, r.Cut, err)
	}
	mustHold(t, "what was not looked at", r.Unread, "newest 4 tickets")
}
