package audit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/secret"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// site is a stand-in's site, its mapping, and a directory whose people have accounts there.
type site struct {
	t       *testing.T
	sim     *jirasim.Sim
	url     string
	now     time.Time
	mapping config.JiraSite
	people  []access.Identity
	catalog []access.Entitlement
}

// open serves the example's site, changed or not.
func open(t *testing.T, change ...func(*jirasim.Site)) *site {
	t.Helper()
	s := &site{t: t, now: noon}
	there := jirasim.Example()
	for _, do := range change {
		do(&there)
	}
	handler := http.Handler(nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	s.url = server.URL
	var err error
	if s.sim, err = jirasim.New(jirasim.Config{URL: server.URL, Site: there, Now: func() time.Time { return s.now }}); err != nil {
		t.Fatal(err)
	}
	handler = s.sim
	for id, account := range map[string]string{"paul": jirasim.ExamplePerson, "olga": jirasim.ExampleOwner, "sina": jirasim.ExampleSecurity} {
		s.people = append(s.people, access.Identity{ID: id, Kind: access.Person, Name: id, Accounts: map[string]string{"acme": account}})
	}
	for _, e := range []access.Entitlement{
		{ID: "wiki:editors", Name: "Wiki", Class: "standard", Powers: []string{"read", "write"}, MaxTerm: access.Term(30 * 24 * time.Hour)},
		{ID: "prod-db:read", Name: "Read production", Class: "privileged", Powers: []string{"read"}, MaxTerm: access.Term(24 * time.Hour)},
		{ID: "prod-db:admin", Name: "Administer production", Class: "privileged", Powers: []string{"admin"}, MaxTerm: access.Term(8 * time.Hour)},
	} {
		e.Owners, e.System = []string{"olga"}, "dir"
		s.catalog = append(s.catalog, e)
	}
	s.mapping = s.example()
	return s
}

// rest is a way to the site by somebody's token.
func (s *site) rest(login string) rest.Site {
	s.t.Helper()
	r, err := rest.New(rest.Config{Kind: rest.Cloud, Base: s.url, Email: login + "@example.com", Token: func() string { return "token-" + login }, Now: func() time.Time { return s.now }})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *site) directory() *access.Directory {
	return access.NewDirectory(s.people, nil, nil, s.catalog, nil)
}

func (s *site) status(name string) string {
	s.t.Helper()
	types, err := s.rest("ada").Statuses(s.t.Context(), "ACC")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, of := range types {
		for _, st := range of.Statuses {
			if st.Name == name {
				return st.ID
			}
		}
	}
	s.t.Fatalf("no status %q", name)
	return ""
}

// example reads "Get access" of project ACC.
func (s *site) example() config.JiraSite {
	_, kind := s.sim.RequestTypeID("ACC", "Get access")
	ent, term := s.sim.FieldID("Entitlements"), s.sim.FieldID("Term")
	options := map[string]config.JiraChoice{}
	for _, e := range s.catalog {
		options[s.sim.OptionID(ent, e.ID)] = config.JiraChoice{Entitlement: e.ID}
	}
	return config.JiraSite{ID: "acme", URL: s.url, Kind: config.JiraCloud, User: "lessor@example.com", TokenRef: "file:token", WebhookSecretRef: "file:hook", Poll: time.Minute, Owner: "olga", Portal: "https://lessor.example",
		Projects: []config.JiraProject{{Key: "ACC", Desk: true, WhenMoved: config.JiraComment, Votes: config.JiraVotes{Approvals: true},
			Milestones: config.JiraMilestones{Waiting: s.status("Waiting for approval"), Granting: s.status("Being granted"), Active: s.status("Active"), Removed: s.status("Removed"), Refused: s.status("Refused")},
			RequestTypes: []config.JiraRequestType{{ID: kind, Entitlements: config.JiraOptions{Field: ent, Options: options}, Beneficiary: s.sim.FieldID("For whom"),
				Term: config.JiraTerm{Field: term, Options: map[string]access.Term{s.sim.OptionID(term, "8 hours"): access.Term(8 * time.Hour), s.sim.OptionID(term, "1 day"): access.Term(24 * time.Hour),
					s.sim.OptionID(term, "30 days"): access.Term(30 * 24 * time.Hour)}},
				Start: s.sim.FieldID("Start"), Reason: "summary"}}}}}
}

// raise opens a ticket in the portal.
func (s *site) raise(account, entitlement, summary string) jirasim.Ticket {
	s.t.Helper()
	i, err := s.sim.As(account).Raise("ACC", "Get access", map[string]any{"summary": summary, "Entitlements": []any{entitlement}, "Term": "8 hours",
		"Approvers": []any{jirasim.ExampleOwner}})
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// does fails the test if somebody's deed does.
func (s *site) does(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// writes counts the calls that changed something, or would have.
func (s *site) writes() (n int) {
	for _, c := range s.sim.Calls() {
		if c.Method != http.MethodGet && c.Path != "/rest/api/3/search/jql" {
			n++
		}
	}
	return n
}

func opened(string) (secret.Value, error) { return secret.New("0123456789abcdef0123456789abcdef"), nil }

func noWait(context.Context, time.Duration) error { return nil }
