package audit_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
)

// TestDataCenter looks at the same site through its other face: what it has no
// call for is said.
func TestDataCenter(t *testing.T) {
	t.Parallel()
	s := open(t, least)
	s.walk()
	i := s.raise(jirasim.ExamplePerson, "prod-db:admin", "fix the index")
	server := httptest.NewServer(s.sim.DataCenter())
	t.Cleanup(server.Close)
	way := func(login string) rest.Site {
		r, err := rest.New(rest.Config{Kind: rest.DataCenter, Base: server.URL, Token: func() string { return "token-" + login }, Now: func() time.Time { return s.now }})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	s.mapping.Kind, s.mapping.User, s.mapping.URL = config.JiraDataCenter, "", server.URL
	for n, p := range s.people {
		s.people[n].Accounts = map[string]string{"acme": p.ID} // keys, there
	}
	c := s.doctor(func(d *audit.Doctor) { d.Rest = way("lessor") })
	if c.Ailing() != 0 {
		t.Errorf("a sound site ails:\n%s", said(c))
	}
	r, err := s.audit("", []engine.TicketStory{story(i, "prod-db:admin", s.now)}, func(a *audit.Audit) { a.Rest = way("ada") })
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, "what cannot be read", r.Unread, "Data Center does not say")
	mustHold(t, "flaw", flaws(r), audit.ThirdExit)
	if len(r.Sight) != 1 {
		t.Errorf("exposures %+v", r.Sight)
	}
	bare := s.mapping
	bare.Projects = nil
	o, err := audit.Setup{Site: bare, Project: "ACC", Type: "Get access", Rest: way("lessor"), Directory: s.directory(), Now: func() time.Time { return s.now }}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.load(o.Mapping); got.Kind != config.JiraDataCenter {
		t.Errorf("the mapping is\n%s", o.Mapping)
	}
}
