package audit_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/secret"
)

// least gives Lessor's account what it needs and nothing else.
func least(s *jirasim.Site) {
	for i := range s.Users {
		if s.Users[i].AccountID == jirasim.ExampleBot {
			s.Users[i].Groups = []string{"integrations"}
		}
	}
	s.Global["USER_PICKER"] = append(s.Global["USER_PICKER"], "integrations")
	grants := s.Permissions[0].Grants
	for key, holders := range grants {
		grants[key] = slices.DeleteFunc(slices.Clone(holders), func(h jirasim.Holder) bool { return h.Parameter == "integrations" })
	}
	for _, key := range []string{"BROWSE_PROJECTS", "ADD_COMMENTS", "EDIT_ISSUES", "ASSIGN_ISSUES", "LINK_ISSUES", "TRANSITION_ISSUES", "SERVICEDESK_AGENT"} {
		grants[key] = append(grants[key], jirasim.Holder{Type: "group", Parameter: "integrations"})
	}
}

// without takes a permission from Lessor's account.
func without(key string) func(*jirasim.Site) {
	return func(s *jirasim.Site) {
		least(s)
		grants := s.Permissions[0].Grants
		grants[key] = slices.DeleteFunc(grants[key], func(h jirasim.Holder) bool { return h.Parameter == "integrations" })
	}
}

func (s *site) doctor(change ...func(*audit.Doctor)) audit.Checkup {
	d := audit.Doctor{Site: s.mapping, Rest: s.rest("lessor"), Directory: s.directory(), Secret: opened, Now: func() time.Time { return s.now }}
	for _, do := range change {
		do(&d)
	}
	return d.Examine(s.t.Context())
}

// has fails unless a check of that mark says each of the words.
func has(t *testing.T, c audit.Checkup, mark audit.Mark, words ...string) {
	t.Helper()
	for _, k := range c.Checks {
		if k.Mark == mark && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(k.What, w) }) {
			return
		}
	}
	t.Errorf("nothing %s about %q in:\n%s", mark, words, said(c))
}

func said(c audit.Checkup) string {
	var b strings.Builder
	for _, k := range c.Checks {
		b.WriteString(string(k.Mark) + "\t" + k.About + "\t" + k.What + "\n")
	}
	return b.String()
}

// TestASoundSite: the least token, the right mapping, one ticket in each status.
func TestASoundSite(t *testing.T) {
	t.Parallel()
	s := open(t, least)
	s.walk()
	s.sim.ForgetCalls()
	c := s.doctor()
	if c.Ailing() != 0 || c.Overfed() != 0 {
		t.Errorf("%d ailing, %d in excess:\n%s", c.Ailing(), c.Overfed(), said(c))
	}
	has(t, c, audit.Fine, "7 needed permissions")
	has(t, c, audit.Fine, "3 of 3 accounts")
	has(t, c, audit.Fine, "request.channel.type")
	for _, move := range []string{`"Waiting for approval" (waiting) to "Being granted"`, `"Being granted" (granting) to "Active"`, `"Active" (active) to "Removed"`, `"Waiting for approval" (waiting) to "Refused"`} {
		has(t, c, audit.Fine, move)
	}
	if n := s.writes(); n != 0 {
		t.Errorf("an examination wrote %d times", n)
	}
}

// walk brings a ticket to each of the statuses that Lessor moves tickets from.
func (s *site) walk() {
	s.t.Helper()
	s.raise(jirasim.ExamplePerson, "wiki:editors", "first")
	for _, moves := range [][]string{{"Fast track"}, {"Fast track", "Activate"}} {
		i := s.raise(jirasim.ExamplePerson, "wiki:editors", "next")
		for _, m := range moves {
			s.does(s.sim.As(jirasim.ExampleAgent).Transition(i.ID, m))
		}
	}
}

// TestEachNeedIsMissed takes one permission away at a time.
func TestEachNeedIsMissed(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"ADD_COMMENTS", "EDIT_ISSUES", "ASSIGN_ISSUES", "LINK_ISSUES", "TRANSITION_ISSUES", "SERVICEDESK_AGENT"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			has(t, open(t, without(key)).doctor(), audit.Missing, key, "without it")
		})
	}
	t.Run("BROWSE_PROJECTS", func(t *testing.T) {
		t.Parallel()
		has(t, open(t, without("BROWSE_PROJECTS")).doctor(), audit.Missing, "there is no project ACC")
	})
}

// TestExcessIsNamed: the example's account can do more than it needs.
func TestExcessIsNamed(t *testing.T) {
	t.Parallel()
	c := open(t).doctor()
	for _, key := range []string{"SET_ISSUE_SECURITY", "MOVE_ISSUES", "MODIFY_REPORTER", "CREATE_ISSUES", "SCHEDULE_ISSUES", "DELETE_OWN_COMMENTS"} {
		has(t, c, audit.Excess, key, "not needed")
	}
	s := open(t)
	s.does(s.sim.EditUser(jirasim.ExampleBot, func(u *jirasim.User) { u.Groups = append(u.Groups, "site-admins") }))
	c = s.doctor()
	has(t, c, audit.Excess, "(ADMINISTER)")
	if i := slices.IndexFunc(c.Checks, func(k audit.Check) bool { return strings.Contains(k.What, "(ADMINISTER)") }); i >= 0 && c.Checks[i].Mend == "" {
		t.Error("how to take it away is not said")
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	project := func(s *site) *config.JiraProject { return &s.mapping.Projects[0] }
	for _, c := range []struct {
		name   string
		change func(*site)
		mark   audit.Mark
		words  []string
	}{
		{"project", func(s *site) { project(s).Key = "NONE" }, audit.Missing, []string{"no project NONE"}},
		{"kind of project", func(s *site) { project(s).Desk = false; project(s).Votes.Approvals = false }, audit.Wrong, []string{"service_desk is false"}},
		{"status", func(s *site) { project(s).Milestones.Active = "99" }, audit.Missing, []string{"no status 99", "milestone active"}},
		{"vote", func(s *site) { project(s).Votes.Statuses = map[string]access.Verdict{"98": access.Approve} }, audit.Missing, []string{"no status 98", "vote to approve"}},
		{"closed", func(s *site) { project(s).Closed = []string{"97"} }, audit.Missing, []string{"no status 97"}},
		{"request type", func(s *site) { project(s).RequestTypes[0].ID = "4711" }, audit.Missing, []string{"no request type 4711"}},
		{"field", func(s *site) { project(s).RequestTypes[0].Start = "customfield_4" }, audit.Missing, []string{"no field customfield_4", "from when"}},
		{"kind of field", func(s *site) { project(s).RequestTypes[0].Start = s.sim.FieldID("Risk") }, audit.Wrong, []string{"(Risk)", "cannot say from when"}},
		{"field off the form", func(s *site) { project(s).RequestTypes[0].Reason = s.sim.FieldID("Risk") }, audit.Missing, []string{"not on its form"}},
		{"option", func(s *site) {
			project(s).RequestTypes[0].Entitlements.Options["7"] = config.JiraChoice{Entitlement: "x:y"}
		}, audit.Missing, []string{"no option 7"}},
		{"option nobody maps", func(s *site) {
			delete(project(s).RequestTypes[0].Term.Options, s.sim.OptionID(s.sim.FieldID("Term"), "30 days"))
		}, audit.Note, []string{"30 days", "nothing maps it"}},
		{"security level", func(s *site) { project(s).SecurityLevel = s.sim.SecurityLevelID("Security only") }, audit.Missing, []string{"no security level"}},
		{"way to a milestone", func(s *site) { project(s).Milestones.Refused = s.status("Removed"); project(s).Milestones.Removed = "" }, audit.Missing, []string{`from "Waiting for approval"`, `"Removed"`}},
		{"unknown account", func(s *site) { s.people[0].Accounts = map[string]string{"acme": "5b10nobody"} }, audit.Wrong, []string{"does not know account 5b10nobody"}},
		{"deleted account", func(s *site) { s.people[0].Accounts = map[string]string{"acme": jirasim.ExampleGone} }, audit.Wrong, []string{"does not know account"}},
		{"inactive account", func(s *site) {
			s.does(s.sim.EditUser(jirasim.ExampleOwner, func(u *jirasim.User) { u.Inactive = true }))
		}, audit.Wrong, []string{"of olga is inactive"}},
		{"an app's account", func(s *site) { s.people[0].Accounts = map[string]string{"acme": jirasim.ExampleBot} }, audit.Wrong, []string{"is an app's"}},
		{"an account of two", func(s *site) { s.people[0].Accounts, s.people[1].Accounts = s.people[2].Accounts, s.people[2].Accounts }, audit.Wrong, []string{"several people"}},
		{"nobody's accounts", func(s *site) { s.people = nil }, audit.Missing, []string{"nobody in the directory"}},
		{"no webhook secret", func(s *site) { s.mapping.WebhookSecretRef = "" }, audit.Missing, []string{"no webhook is accepted"}},
		{"kind of site", func(s *site) { s.mapping.Kind = config.JiraDataCenter }, audit.Wrong, []string{"kind is data-center"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			s.walk()
			c.change(s)
			got := s.doctor()
			has(t, got, c.mark, c.words...)
			if c.mark != audit.Note && got.Ailing() == 0 {
				t.Error("the site passes for sound")
			}
		})
	}
}

// TestWhatCannotBeLookedAt: each way Jira can fail is said for what it is.
func TestWhatCannotBeLookedAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault jirasim.Fault
		words string
	}{
		{"limited", jirasim.Limit429(90 * time.Second), "left alone for 1m"},
		{"refused token", jirasim.Fault{Status: http.StatusUnauthorized}, "the token is not accepted"},
		{"denied", jirasim.Fault{Status: http.StatusForbidden}, "the token may not do that"},
		{"unreachable", jirasim.Fault{Cut: true}, "Jira cannot be reached"},
		{"another server", jirasim.Fault{Status: http.StatusOK, Body: "<html>sign in</html>"}, "what answers is no Jira"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			c.fault.Times = -1
			defer s.sim.Break(c.fault)()
			got := s.doctor()
			has(t, got, audit.Failed, "Jira does not say whose token this is", c.words)
			if got.Ailing() != 1 || len(got.Checks) != 1 {
				t.Errorf("it goes on without an account:\n%s", said(got))
			}
		})
	}
	t.Run("no token", func(t *testing.T) {
		t.Parallel()
		got := open(t).doctor(func(d *audit.Doctor) {
			d.Secret = func(string) (secret.Value, error) { return secret.Value{}, errors.New("file:token: no such file") }
		})
		has(t, got, audit.Missing, "the token cannot be read")
	})
	t.Run("clock", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		got := s.doctor(func(d *audit.Doctor) { d.Now = func() time.Time { return s.now.Add(-10 * time.Minute) } })
		has(t, got, audit.Wrong, "10m0s apart")
	})
	t.Run("short secret", func(t *testing.T) {
		t.Parallel()
		got := open(t).doctor(func(d *audit.Doctor) {
			d.Secret = func(string) (secret.Value, error) { return secret.New("short"), nil }
		})
		has(t, got, audit.Wrong, "shorter than 16")
	})
	t.Run("somebody's own account", func(t *testing.T) {
		t.Parallel()
		s := open(t)
		got := s.doctor(func(d *audit.Doctor) { d.Rest = s.rest("olga") })
		has(t, got, audit.Wrong, "that of olga in the directory")
	})
}
