package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// auditor is somebody whose token is good for saying what an audit saw.
func auditor(f *enginetest.Fixture, who string) access.Actor {
	a := f.As(who)
	a.Scopes = append(a.Scopes, engine.ScopeAudit)
	return a
}

// looked is one subject of the site acme, by kind and what is wrong.
func looked(subject string, pairs ...string) engine.Looked {
	l := engine.Looked{Subject: "jira:acme:" + subject, For: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		l.For[pairs[i]] = pairs[i+1]
	}
	return l
}

func runOf(list ...engine.Looked) engine.AuditRun {
	return engine.AuditRun{Source: "jira:acme", Looked: list}
}

// ticketOf links a ticket of acme to a request.
func ticketOf(t *testing.T, f *enginetest.Fixture, number, request string) {
	t.Helper()
	if _, err := f.Engine.KeepTicket(t.Context(), access.Ticket{ID: "jira:acme:" + number, Key: "ACC-" + number, State: access.Linked, Requests: []string{request}}, "read"); err != nil {
		t.Fatal(err)
	}
}

// events lists the events about findings, in order.
func events(t *testing.T, f *enginetest.Fixture) (list []access.Event) {
	t.Helper()
	if err := f.DB.Read(t.Context(), func(tx *store.Tx) error {
		all, err := tx.Unsequenced(t.Context(), 10_000)
		for _, e := range all {
			var ev access.Event
			if err := json.Unmarshal(e.Body, &ev); err != nil {
				return err
			}
			if strings.HasPrefix(ev.Kind, "finding.") {
				list = append(list, ev)
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestAuditedOpensChangesAndCloses goes through the life of a source's findings.
func TestAuditedOpensChangesAndCloses(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		const day = 24 * time.Hour
		root := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:root"}, Term: hour, Reason: "work", Ticket: "jira:acme:1"}, "mia", "otto")
		ticketOf(t, f, "1", root.Request)
		lobby := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: 12 * hour, Reason: "work"})
		deploy := f.Ask("bob", engine.Ask{Entitlements: []string{"git:deploy"}, Term: hour, Reason: "work", Ticket: "jira:acme:2"})
		ticketOf(t, f, "2", deploy.ID)
		if err := f.Engine.Find(t.Context(), "ticket_changed", "jira:acme:1", "owen", "of the channel", day); err != nil {
			t.Fatal(err)
		}
		other := engine.AuditRun{Source: "jira:other", Looked: []engine.Looked{{Subject: "jira:other:1", For: map[string]string{access.LabelBelowRisk: "of another source"}}}}
		if _, err := f.Engine.Audited(t.Context(), access.Clock, other); err != nil {
			t.Fatal(err)
		}
		label, hole, loose := access.LabelBelowRisk, access.WorkflowHole, access.GrantWithoutTicket
		full := runOf(looked("1", label, "low"), looked("2", access.ApproversChanged, "changed"), looked("ACC/third exit", hole, "Fast track"), looked(lobby.ID, loose, "no ticket"), looked("77", access.TicketWithoutGrant, "done"))
		for _, step := range []struct {
			name                    string
			after                   time.Duration
			run                     engine.AuditRun
			opened, changed, closed int
			open                    string // what the source has open then
			left                    int
			told                    int // notices
		}{
			{"nothing yet", 0, runOf(), 0, 0, 0, "", 0, 0},
			{"clean", 0, runOf(looked("1", label, "", access.TicketShowsTooMuch, "")), 0, 0, 0, "", 0, 0},
			{"all of it, each owner told once", 0, full, 5, 0, 0, "approvers_changed grant_without_ticket label_below_risk ticket_without_grant workflow_hole", 0, 3},
			{"again", time.Minute, full, 0, 0, 0, "approvers_changed grant_without_ticket label_below_risk ticket_without_grant workflow_hole", 0, 0},
			{"said anew", time.Minute, runOf(looked("1", label, "lower")), 0, 1, 0, "approvers_changed grant_without_ticket label_below_risk ticket_without_grant workflow_hole", 4, 0},
			{"looked at for something else", 0, runOf(looked("1", access.TicketShowsTooMuch, "")), 0, 0, 0, "approvers_changed grant_without_ticket label_below_risk ticket_without_grant workflow_hole", 4, 0},
			{"mended", 0, runOf(looked("1", label, ""), looked("ACC/third exit", hole, "")), 0, 0, 2, "approvers_changed grant_without_ticket ticket_without_grant", 3, 0},
			{"mended twice", 0, runOf(looked("1", label, "")), 0, 0, 0, "approvers_changed grant_without_ticket ticket_without_grant", 3, 0},
			{"back", 0, runOf(looked("1", label, "low")), 1, 0, 0, "approvers_changed grant_without_ticket label_below_risk ticket_without_grant", 3, 1},
			{"a grant that has ended needs no ticket, whoever looks", 12 * time.Hour, runOf(), 0, 0, 1, "approvers_changed label_below_risk ticket_without_grant", 3, 0},
			{"whatever is said", 0, runOf(looked(lobby.ID, loose, "no ticket")), 0, 0, 0, "approvers_changed label_below_risk ticket_without_grant", 3, 0},
			{"nor does one with a ticket", 0, runOf(looked(root.ID, loose, "no ticket")), 0, 0, 0, "approvers_changed label_below_risk ticket_without_grant", 3, 0},
		} {
			f.Advance(step.after)
			told := len(f.Notices())
			a, err := f.Engine.Audited(t.Context(), auditor(f, "anna"), step.run)
			if err != nil || a.Opened != step.opened || a.Changed != step.changed || a.Closed != step.closed || len(a.Left) != step.left {
				t.Fatalf("%s: %+v, %v", step.name, a, err)
			}
			var open []string
			for _, x := range f.Findings(true) {
				if strings.HasPrefix(x.Subject, "jira:acme:") && x.Kind != "ticket_changed" {
					open = append(open, x.Kind)
				}
			}
			slices.Sort(open)
			if got := strings.Join(open, " "); got != step.open {
				t.Errorf("%s: open are %s", step.name, got)
			}
			if n := len(f.Notices()) - told; n != step.told {
				t.Errorf("%s: %d notices, want %d: %+v", step.name, n, step.told, f.Notices()[told:])
			}
		}
		// Whose they were and when due; what others opened stands.
		want := map[string]struct {
			owner string
			due   time.Duration
		}{label: {"otto", day}, access.ApproversChanged: {"otto", 3 * day}, hole: {"security", 7 * day}, loose: {"owen", 7 * day}, access.TicketWithoutGrant: {"security", 7 * day}}
		for _, x := range f.Findings(false) {
			w, ours := want[x.Kind]
			switch {
			case x.Kind == "ticket_changed" || x.Subject == "jira:other:1":
				if !x.ClosedAt.IsZero() {
					t.Errorf("somebody else's was closed: %+v", x)
				}
			case ours && (x.Owner != w.owner || x.DueAt.Sub(x.OpenedAt) != w.due):
				t.Errorf("%s is %s's and due after %s", x.Kind, x.Owner, x.DueAt.Sub(x.OpenedAt))
			case !x.ClosedAt.IsZero() && x.Resolution != "no longer seen by the audit of jira:acme" && x.Resolution != "the grant has ended":
				t.Errorf("closed because %q", x.Resolution)
			}
		}
		// Each move is told, by whom it was.
		moves := map[string]int{}
		for _, ev := range events(t, f) {
			if ev.Actor.Identity == "anna" {
				moves[ev.Kind]++
			}
		}
		if moves["finding.opened"] != 6 || moves["finding.changed"] != 1 || moves["finding.closed"] != 3 {
			t.Errorf("told: %v", moves)
		}
		// And the log tells of every row as it stands.
		if _, err := f.Engine.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := report.Replay(t.Context(), f.DB, f.Signer.VerifierKey(), func(int64, int64) {}); err != nil {
			t.Error(err)
		}
	})
}

// TestAuditedRefuses: whom, and what.
func TestAuditedRefuses(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		long := strings.Repeat("x", 1001)
		good := runOf(looked("1", access.LabelBelowRisk, "low"))
		as := func(who string) access.Actor { return auditor(f, who) }
		f.Change(func(c *enginetest.Company) {
			sven := c.People["sven"]
			sven.Inactive = true
			c.People["sven"] = sven
		})
		for _, c := range []struct {
			name string
			by   access.Actor
			run  engine.AuditRun
			kind error
			says string
		}{
			{"no scope", f.As("sara"), good, access.ErrDenied, "audit"},
			{"the clock's name at another door", access.Actor{Identity: "lessor", Channel: "api", Scopes: []string{engine.ScopeAudit}}, good, access.ErrDenied, "security and auditors"},
			{"an employee", as("eve"), good, access.ErrDenied, "security and auditors"},
			{"an owner", as("otto"), good, access.ErrDenied, "security and auditors"},
			{"somebody who has left", as("sven"), good, access.ErrDenied, "security and auditors"},
			{"another source's subject", as("sara"), engine.AuditRun{Source: "jira:acme", Looked: []engine.Looked{{Subject: "jira:other:1", For: map[string]string{access.LabelBelowRisk: ""}}}}, access.ErrInvalid, "must begin with"},
			{"a source within another", as("sara"), engine.AuditRun{Source: "jira:acme:1"}, access.ErrInvalid, "channel and a site"},
			{"no source", as("sara"), engine.AuditRun{}, access.ErrInvalid, "channel and a site"},
			{"a kind that is not an audit's", as("sara"), runOf(looked("1", "late_removal", "")), access.ErrInvalid, "not a kind"},
			{"the channel's own kind", as("sara"), runOf(looked("1", "workflow_only_approval", "")), access.ErrInvalid, "not a kind"},
			{"twice", as("sara"), runOf(looked("1"), looked("1")), access.ErrInvalid, "twice"},
			{"no subject", as("sara"), runOf(looked("")), access.ErrInvalid, "must begin with"},
			{"a long text", as("sara"), runOf(looked("1", access.LabelBelowRisk, long)), access.ErrInvalid, "longer than"},
			{"a text that moves the cursor", as("sara"), runOf(looked("1", access.LabelBelowRisk, "a\x1b[2Jb")), access.ErrInvalid, "control character"},
			{"a text that runs backwards", as("sara"), runOf(looked("1", access.LabelBelowRisk, "a\u202eb")), access.ErrInvalid, "control character"},
			{"a grant there is not", as("sara"), runOf(looked("gr-none", access.GrantWithoutTicket, "no ticket")), access.ErrNotFound, "gr-none"},
		} {
			_, err := f.Engine.Audited(t.Context(), c.by, c.run)
			refused(t, c.name, err, c.kind, c.says)
		}
		if list := f.Findings(false); len(list) != 0 {
			t.Errorf("findings all the same: %+v", list)
		}
		if _, err := f.Engine.Audited(t.Context(), as("sara"), good); err != nil {
			t.Errorf("what is good: %v", err)
		}
	})
}

// TestAuditFindingsFollowTheView: an owner whom policy does not let see a request
// is given no finding about it, and sees none that was given before; nor does an
// auditor say what they may not see.
func TestAuditFindingsFollowTheView(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	seen := func(who string) int {
		t.Helper()
		list, err := f.Engine.Findings(t.Context(), f.As(who), true, 1)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	see := func(run engine.AuditRun) {
		t.Helper()
		if _, err := f.Engine.Audited(t.Context(), auditor(f, "sara"), run); err != nil {
			t.Fatal(err)
		}
	}
	wiki := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour, Reason: "work"}, "mia")
	run := runOf(looked(wiki.ID, access.GrantWithoutTicket, "no ticket"))
	see(run)
	for who, want := range map[string]int{"owen": 1, "sara": 1, "anna": 1, "otto": 0, "eve": 0, "mia": 0} {
		if got := seen(who); got != want {
			t.Errorf("%s sees %d findings", who, got)
		}
	}
	f.Change(func(c *enginetest.Company) {
		c.Rules["hide.cedar"] = `@id("hide-wiki")
@reason("Nobody who owns it sees who has it, nor does an auditor.")
forbid (principal, action == Action::"view", resource)
when { resource.entitlement.owners.contains(principal.person) || principal in Group::"auditors" };
`
	})
	for who, want := range map[string]int{"owen": 0, "sara": 1, "anna": 0} {
		if got := seen(who); got != want {
			t.Errorf("under the stricter rule, %s sees %d findings", who, got)
		}
	}
	if _, err := f.Engine.Audited(t.Context(), auditor(f, "anna"), run); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("said by who may not see it: %v", err)
	}
	see(run)
	if list := f.Findings(true); len(list) != 1 || list[0].Owner != "security" {
		t.Errorf("after the next run: %+v", list)
	}
	f.Check()
}

// What the server's own audit goes by: the tickets of its source, however many
// there are of others, and what was granted without one since a moment.
func TestAuditFacts(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		lobby := engine.Ask{Entitlements: []string{"dir:lobby"}, Term: hour, Reason: "work"}
		f.Granted("bob", lobby) // before that moment
		f.Advance(2 * time.Hour)
		since := f.Now()
		loose := f.Granted("eve", lobby)
		lobby.Ticket = "jira:acme:1"
		tied := f.Granted("bob", lobby)
		ticketOf(t, f, "1", tied.Request)
		for n := range 450 { // more than one reading takes
			if _, err := f.Engine.KeepTicket(t.Context(), access.Ticket{ID: fmt.Sprintf("jira:%s:%d", []string{"a", "acme2", "other"}[n%3], n), State: access.Invalid}, "read"); err != nil {
				t.Fatal(err)
			}
		}
		ticketOf(t, f, "2", tied.Request)
		stories, untied, err := f.Engine.AuditFacts(t.Context(), "jira:acme", since)
		if err != nil || len(stories) != 2 || len(untied) != 1 || untied[0].ID != loose.Request {
			t.Fatalf("%d stories, untied %+v, %v", len(stories), untied, err)
		}
		for _, s := range stories {
			if len(s.Came) != 1 || len(s.Came[0].Grants) != 1 || s.Came[0].Grants[0].Grant.ID != tied.ID {
				t.Errorf("what came of %s: %+v", s.Ticket.ID, s.Came)
			}
		}
	})
}
