package audit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
)

var (
	wiki = access.Entitlement{ID: "wiki:editors", Class: "standard", Powers: []string{"read", "write"}}
	db   = access.Entitlement{ID: "prod-db:admin", Class: "privileged", Powers: []string{"admin"}}
	pay  = access.Entitlement{ID: "erp:pay", Class: "standard", Powers: []string{"write"}, Conflicts: []string{"erp:audit"}}
	root = access.Entitlement{ID: "iam:grant", Class: "standard", Powers: []string{"grant"}}
)

func granted(list ...access.Entitlement) (out []audit.Grant) {
	for _, e := range list {
		out = append(out, audit.Grant{ID: "gr-" + e.ID, Identity: "paul", Entitlement: e, Term: 8 * time.Hour, Start: noon, End: noon.Add(4 * time.Hour)})
	}
	return out
}

// AB-11: whatever a ticket says of its risk, what was granted says how risky it was.
func TestAB11LabelsAgainstRisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		ticket audit.Ticket
		says   string // of a mislabel; empty: none
		why    string
	}{
		{"a label that lies low", audit.Ticket{Labels: []string{"risk-low"}, Granted: granted(db)}, "low", "class privileged, power admin"},
		{"a component that lies low", audit.Ticket{Components: []string{"Routine work"}, Granted: granted(db)}, "low", "prod-db:admin"},
		{"a priority that lies low", audit.Ticket{Priority: "Lowest", Granted: granted(pay)}, "low", "conflicts with erp:audit"},
		{"nothing said", audit.Ticket{Summary: "month end", Granted: granted(root)}, "nothing", "power grant"},
		{"our own label says nothing", audit.Ticket{Labels: []string{"lessor-next-approver", "lessor-next-high"}, Granted: granted(db)}, "nothing", "prod-db:admin"},
		{"said in the summary", audit.Ticket{Summary: "I need ADMIN, please", Granted: granted(db)}, "", ""},
		{"high outweighs low", audit.Ticket{Labels: []string{"risk-low", "risk:high"}, Granted: granted(db)}, "", ""},
		{"cried wolf", audit.Ticket{Priority: "Highest", Granted: granted(wiki)}, "high", "class standard"},
		{"low and low", audit.Ticket{Priority: "Low", Granted: granted(wiki)}, "", ""},
		{"part of a word is no word", audit.Ticket{Summary: "highway flow productive", Granted: granted(wiki)}, "", ""},
		{"one of two is risky", audit.Ticket{Labels: []string{"low"}, Granted: granted(wiki, db)}, "low", "prod-db:admin"},
		{"asked and not granted counts nowhere", audit.Ticket{Labels: []string{"low"}, Asked: []access.Entitlement{db}}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.ticket.Key, c.ticket.Project, c.ticket.State = "ACC-1", "ACC", access.Linked
			got := audit.LabelsOf([]audit.Ticket{c.ticket}, nil, func(audit.Ticket) bool { return false }).Mislabels
			switch {
			case c.says == "" && len(got) == 0:
			case c.says == "" || len(got) != 1:
				t.Errorf("mislabels %+v, want one that says %q", got, c.says)
			case got[0].Says != c.says || !strings.Contains(strings.Join(got[0].Granted, "\n"), c.why):
				t.Errorf("mislabel %+v, want %q because of %q", got[0], c.says, c.why)
			}
		})
	}
}

func TestScores(t *testing.T) {
	t.Parallel()
	of := func(label string, queue string, e access.Entitlement) audit.Ticket {
		return audit.Ticket{Project: "ACC", State: access.Linked, Labels: []string{label}, Queues: []string{queue}, Granted: granted(e)}
	}
	got := audit.LabelsOf([]audit.Ticket{of("high", "a", db), of("high", "a", wiki), of("low", "a", db), of("none", "b", db), of("none", "b", wiki)}, nil, func(audit.Ticket) bool { return false })
	find := func(where string, by audit.Source) audit.Score {
		i := slices.IndexFunc(got.Scores, func(s audit.Score) bool { return s.Where == where && s.By == by })
		if i < 0 {
			t.Fatalf("no score of %s by %s", where, by)
		}
		return got.Scores[i]
	}
	all := find("ACC", audit.ByLabel)
	if all.Tickets != 5 || all.Risky != 3 || all.Hit != 1 || all.False != 1 || all.Under != 1 || all.Silent != 1 || *all.Precision != 0.5 || *all.Recall != 1.0/3 {
		t.Errorf("of all: %+v", all)
	}
	if a := find("ACC / a", audit.AnySource); *a.Precision != 0.5 || *a.Recall != 0.5 {
		t.Errorf("of a: %+v", a)
	}
	if b := find("ACC / b", audit.AnySource); b.Precision != nil || b.Recall == nil || *b.Recall != 0 {
		t.Errorf("of b, where nothing said high: %+v", b)
	}
	if none := find("ACC", audit.ByPart); none.Precision != nil || *none.Recall != 0 {
		t.Errorf("by components, which nobody used: %+v", none)
	}
	if got.Scores[0].Where != "ACC" || got.Scores[0].By != audit.AnySource {
		t.Errorf("the first is %+v", got.Scores[0])
	}
}

func TestTicketsAndGrantsWithoutEachOther(t *testing.T) {
	t.Parallel()
	got := audit.LabelsOf([]audit.Ticket{
		{Key: "ACC-1", State: access.Linked, Status: audit.Status{Name: "Done"}},
		{Key: "ACC-2", State: access.Linked, Status: audit.Status{Name: "Waiting"}},
		{Key: "ACC-3", Status: audit.Status{Name: "Done"}},
		{Key: "ACC-4", State: access.Missing, Gone: true, Granted: granted(db)},
		{Key: "ACC-5", State: access.Linked, Status: audit.Status{Name: "Done"}, Granted: granted(wiki)},
	}, granted(wiki), func(t audit.Ticket) bool { return t.Status.Name == "Done" })
	for _, c := range []struct {
		what string
		list []string
		want string
	}{{"no grant", got.NoGrant, "ACC-1"}, {"unread", got.Unread, "ACC-3"}, {"lost ticket", got.LostTicket, "ACC-4"}, {"no ticket", got.NoTicket, "wiki:editors of paul"}} {
		if len(c.list) != 1 || !strings.Contains(c.list[0], c.want) {
			t.Errorf("%s: %q, want one with %q", c.what, c.list, c.want)
		}
	}
}

func TestSightAgainstSensitivity(t *testing.T) {
	t.Parallel()
	staff, secret := audit.Level{Ref: audit.Ref{ID: "1", Name: "Staff"}, Holders: []string{"role Desk", "reporter"}}, audit.Level{Ref: audit.Ref{ID: "2", Name: "Secret"}, Holders: []string{"group security"}}
	ours := staff
	ours.Ours = true
	mine := audit.Viewer{Name: "Paul", Identity: "paul", How: "reporter", May: true}
	stranger := audit.Viewer{Name: "Carla", How: "participant"}
	for _, c := range []struct {
		name    string
		ticket  audit.Ticket
		wall    audit.Wall
		exposed bool
		words   []string // of what is open, who is a stranger, and what is proposed
	}{
		{"of an ordinary one all may know", audit.Ticket{Granted: granted(wiki), Viewers: []audit.Viewer{stranger}}, audit.Wall{}, false, nil},
		{"open to all who browse", audit.Ticket{Granted: granted(db)}, audit.Wall{Browsers: []string{"group all-staff"}}, true, []string{"group all-staff", "issue security scheme"}},
		{"who browses cannot be read", audit.Ticket{Granted: granted(db)}, audit.Wall{}, true, []string{"may not read who that is"}},
		{"the configured level", audit.Ticket{Granted: granted(db)}, audit.Wall{Levels: []audit.Level{staff, secret}, Configured: "1"}, true, []string{`"Staff" (1), as security_level says`}},
		{"the configured level is not there", audit.Ticket{Granted: granted(db)}, audit.Wall{Levels: []audit.Level{staff}, Configured: "9"}, true, []string{"set security_level to a level the project has"}},
		{"a level that may hide it from Lessor is not proposed", audit.Ticket{Granted: granted(db)}, audit.Wall{Levels: []audit.Level{ours, secret}}, true, []string{`set level "Staff" (1: role Desk, reporter)`}},
		{"which level holds Lessor is not known", audit.Ticket{Granted: granted(db)}, audit.Wall{Levels: []audit.Level{staff, secret}}, true, []string{"narrowest level that Lessor's account is in", `"Staff" (1)`, `"Secret" (2)`}},
		{"behind a level, and all may know", audit.Ticket{Granted: granted(db), Level: audit.Ref{ID: "1", Name: "Staff"}, Viewers: []audit.Viewer{mine}}, audit.Wall{}, false, nil},
		{"behind a level, and a stranger takes part", audit.Ticket{Granted: granted(db), Level: audit.Ref{ID: "1", Name: "Staff"}, Viewers: []audit.Viewer{mine, stranger, stranger}}, audit.Wall{}, true, []string{"Carla (nobody in the directory), participant", "take out who may not know"}},
		{"asked for is enough", audit.Ticket{Asked: []access.Entitlement{db}}, audit.Wall{}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.ticket.Key, c.ticket.Project, c.wall.Project = "ACC-1", "ACC", "ACC"
			got := audit.SightOf([]audit.Ticket{c.ticket}, []audit.Wall{c.wall})
			if (len(got) == 1) != c.exposed {
				t.Fatalf("exposures %+v", got)
			}
			if !c.exposed {
				return
			}
			text := strings.Join(slices.Concat(got[0].Open, got[0].Strangers, []string{got[0].Propose}), "\n")
			for _, w := range c.words {
				if !strings.Contains(text, w) {
					t.Errorf("%q is not in:\n%s", w, text)
				}
			}
			if len(got[0].Strangers) > 1 {
				t.Errorf("said twice: %v", got[0].Strangers)
			}
		})
	}
}

func TestWorkflowLint(t *testing.T) {
	t.Parallel()
	waiting, granting, refused, asking := audit.Ref{ID: "1", Name: "Waiting"}, audit.Ref{ID: "2", Name: "Granting"}, audit.Ref{ID: "5", Name: "Refused"}, audit.Ref{ID: "6", Name: "Asking"}
	exit := func(name string, from, to audit.Ref, any bool) audit.Exit {
		return audit.Exit{Name: name, From: from, To: to, Any: any}
	}
	at := noon
	for _, c := range []struct {
		name    string
		flow    audit.Flow
		sharers []audit.Sharer
		tickets []audit.Ticket
		kinds   []string
	}{
		{"nothing", audit.Flow{Desk: true}, nil, nil, nil},
		{"from any status", audit.Flow{Desk: true, Exits: []audit.Exit{exit("Set active", asking, granting, true)}}, nil, nil, []string{audit.AnyStatus}},
		{"from any status, seen twice", audit.Flow{Desk: true, Exits: []audit.Exit{exit("Set active", asking, granting, true), exit("Set active", waiting, granting, true)}}, nil, nil, []string{audit.AnyStatus}},
		{"from any status to where nothing is claimed", audit.Flow{Desk: true, Exits: []audit.Exit{exit("Cancel", asking, refused, true)}}, nil, nil, nil},
		{"a third exit", audit.Flow{Desk: true, Exits: []audit.Exit{exit("Fast track", waiting, granting, false)}}, nil, nil, []string{audit.ThirdExit}},
		{"a way out unanswered", audit.Flow{Desk: true, Exits: []audit.Exit{exit("Ask", waiting, asking, false)}}, nil, nil, []string{audit.SideExit}},
		{"a way that leads elsewhere from elsewhere", audit.Flow{Desk: true, Exits: []audit.Exit{exit("Go", asking, granting, false), exit("Stay", waiting, waiting, false)}}, nil, nil, nil},
		{"no service desk", audit.Flow{}, nil, nil, []string{audit.Unenforced}},
		{"a project beside it", audit.Flow{Desk: true}, []audit.Sharer{{"OPS", "software", "Waiting"}}, nil, []string{audit.Shared}},
		{"approvers on the form", audit.Flow{Desk: true, Forms: []audit.Form{{"Get access", "customfield_9", "Approvers"}}}, nil, nil, []string{audit.OwnChoice}},
		{"approvers changed", audit.Flow{Desk: true, Pickers: []string{"customfield_9"}}, nil,
			[]audit.Ticket{{Edits: []audit.Edit{{at, "customfield_9", "Agnes"}, {at, "labels", "Agnes"}}}}, []string{audit.Swapped}},
		{"passed", audit.Flow{Desk: true}, nil, []audit.Ticket{{Moves: []audit.Move{{at, "1", "2", "Agnes", false}}}}, []string{audit.Bypassed}},
		{"passed with an answer", audit.Flow{Desk: true}, nil, []audit.Ticket{{Moves: []audit.Move{{at, "1", "2", "Olga", false}}, Answered: []time.Time{at.Add(-time.Second)}}}, nil},
		{"an answer of another day", audit.Flow{Desk: true}, nil, []audit.Ticket{{Moves: []audit.Move{{at, "1", "2", "Olga", false}}, Answered: []time.Time{at.Add(-24 * time.Hour)}}}, []string{audit.Bypassed}},
		{"moved by Lessor", audit.Flow{Desk: true}, nil, []audit.Ticket{{Moves: []audit.Move{{at, "1", "2", "Lessor", true}}}}, nil},
		{"moved to where nothing is claimed", audit.Flow{Desk: true}, nil, []audit.Ticket{{Moves: []audit.Move{{at, "1", "6", "Agnes", false}, {at, "6", "2", "Agnes", false}}}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.flow.Project, c.flow.Approval, c.flow.Granting = "ACC", waiting, []string{granting.ID}
			for i := range c.tickets {
				c.tickets[i].Project, c.tickets[i].Key = "ACC", "ACC-1"
			}
			var kinds []string
			for _, f := range audit.FlawsOf(c.flow, c.sharers, c.tickets) {
				kinds = append(kinds, f.Kind)
				if f.What == "" || f.Mend == "" || f.Project != "ACC" {
					t.Errorf("flaw %+v", f)
				}
			}
			if !slices.Equal(kinds, c.kinds) {
				t.Errorf("flaws %q, want %q", kinds, c.kinds)
			}
		})
	}
}

// TestOwnTokenSeesItsOwnWays: a way that only Lessor may take is not told from one
// that all may, so that is said.
func TestOwnTokenSeesItsOwnWays(t *testing.T) {
	t.Parallel()
	f := audit.Flow{Project: "ACC", Desk: true, Approval: audit.Ref{ID: "1"}, Granting: []string{"2"}, Exits: []audit.Exit{{From: audit.Ref{ID: "1"}, To: audit.Ref{ID: "2"}, Name: "Grant"}}}
	for _, own := range []bool{true, false} {
		f.Own = own
		got := audit.FlawsOf(f, nil, nil)
		if len(got) != 1 || strings.Contains(got[0].Mend, "an agent's") != own {
			t.Errorf("own %t: %+v", own, got)
		}
	}
}

// TestSpeedAndScopeStayApart: neither changes with the other.
func TestSpeedAndScopeStayApart(t *testing.T) {
	t.Parallel()
	decided := func(after time.Duration, list ...access.Entitlement) audit.Ticket {
		return audit.Ticket{Project: "ACC", AskedAt: noon, Decided: noon.Add(after), Granted: granted(list...), Clocks: []audit.Clock{{Name: "Time to decision", Breached: after > time.Hour}}}
	}
	open := audit.Ticket{Project: "ACC", AskedAt: noon, Clocks: []audit.Clock{{Name: "Time to decision", Running: true}}}
	tickets := []audit.Ticket{decided(time.Minute, wiki), decided(2*time.Minute, db), decided(3*time.Hour, wiki, db), open}
	pace := audit.PaceOf(tickets)
	if len(pace) != 1 || pace[0].Decided != 3 || pace[0].Open != 1 || pace[0].Median.String() != "2m0s" || pace[0].Slow.String() != "3h0m0s" || pace[0].Slowest.String() != "3h0m0s" ||
		!slices.Equal(pace[0].SLAs, []audit.SLA{{Name: "Time to decision", Met: 2, Breached: 1, Running: 1}}) {
		t.Errorf("pace %+v", pace)
	}
	scope := audit.ScopeOf(tickets)
	if len(scope) != 2 || scope[0].Class != "privileged" || scope[0].Grants != 2 || scope[0].Risky != 2 || scope[1].Risky != 0 || scope[1].Median.String() != "4h0m0s" || scope[1].Asked.String() != "8h0m0s" {
		t.Errorf("scope %+v", scope)
	}
	for i := range tickets {
		tickets[i].Granted = granted(db, db, db)
	}
	if again := audit.PaceOf(tickets); again[0].Median != pace[0].Median || again[0].Slowest != pace[0].Slowest || again[0].Decided != pace[0].Decided {
		t.Errorf("more was granted, and the pace is another: %+v", again)
	}
	before := audit.ScopeOf(tickets)
	for i := range tickets {
		tickets[i].AskedAt = tickets[i].AskedAt.Add(-time.Hour)
	}
	if again := audit.ScopeOf(tickets); !slices.Equal(again, before) || audit.PaceOf(tickets)[0].Median == pace[0].Median {
		t.Errorf("slower, and the scope is another: %+v", again)
	}
}
