package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/config"
)

func (s *site) setup(login, kind string, apply bool) (audit.Outcome, error) {
	bare := s.mapping
	bare.Projects = nil
	return audit.Setup{Site: bare, Project: "ACC", Type: kind, Rest: s.rest(login), Directory: s.directory(), Webhook: "https://lessor.example/hooks/jira/acme", Apply: apply,
		Now: func() time.Time { return s.now }}.Run(s.t.Context())
}

// steps are those of that kind, each with its lines.
func steps(o audit.Outcome, do audit.Doing) (list []string) {
	for _, s := range o.Steps {
		if s.Do == do {
			list = append(list, s.What+"\n"+strings.Join(s.Lines, "\n"))
		}
	}
	return list
}

// TestSetupFindsWhatIsThere: of a site that has everything, the mapping follows whole.
func TestSetupFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.walk()
	s.sim.ForgetCalls()
	o, err := s.setup("lessor", "Get access", false)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.writes(); n != 0 {
		t.Errorf("a dry run wrote %d times", n)
	}
	there := steps(o, audit.There)
	for _, want := range []string{`request type "Get access"`, "offers all 3 entitlements", "(Term) says for how long", "(For whom) can say whom", "(Start) can say from when", "labels lessor-next"} {
		mustHold(t, "step that is there", there, want)
	}
	hand := steps(o, audit.ByHand)
	mustHold(t, "step by hand", hand, "a webhook", "https://lessor.example/hooks/jira/acme", "JQL: project = ACC", "webhook_secret_ref")
	mustHold(t, "step by hand", hand, "close ways around", `"Fast track"`, `"Set active"`)
	// The mapping reads, and says the same as the one written by hand.
	got := s.load(o.Mapping)
	want, p := s.mapping.Projects[0], got.Projects[0]
	if len(got.Projects) != 1 || p.Key != "ACC" || !p.Desk || p.Milestones != want.Milestones || !p.Votes.Approvals {
		t.Errorf("the mapping is\n%s", o.Mapping)
	}
	is, should := p.RequestTypes[0], want.RequestTypes[0]
	if access.Digest(is) != access.Digest(should) {
		t.Errorf("the type is %+v, want %+v", is, should)
	}
}

// load reads a mapping as the server would, in a folder whose catalog is the site's.
func (s *site) load(mapping string) config.JiraSite {
	s.t.Helper()
	dir := s.t.TempDir()
	var people, catalog strings.Builder
	for _, p := range s.people {
		people.WriteString("  - {id: " + p.ID + ", kind: person, name: " + p.ID + ", accounts: {acme: \"" + p.Accounts["acme"] + "\"}}\n")
	}
	systems := map[string]bool{}
	for _, e := range s.catalog {
		system, _, _ := strings.Cut(e.ID, ":")
		systems[system] = true
		catalog.WriteString("  - {id: \"" + e.ID + "\", name: \"" + e.Name + "\", object: \"" + e.ID + "\", owners: [olga], class: " + e.Class + ", max_term: " + e.MaxTerm.String() + "}\n")
	}
	var list strings.Builder
	for id := range systems {
		list.WriteString("  - {id: " + id + ", name: " + id + ", connector: scim, owner: olga, settings: {url: \"https://t.example\", token_ref: \"env:T\"}}\n")
	}
	if err := os.Mkdir(filepath.Join(dir, "policy"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	for name, text := range map[string]string{"lessor.yaml": "listen: 127.0.0.1:0\n", "directory.yaml": "identities:\n" + people.String(), "catalog.yaml": "systems:\n" + list.String() + "entitlements:\n" + catalog.String(), "jira.yaml": mapping} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	c, err := config.Load(dir)
	if err != nil {
		s.t.Fatalf("the proposed mapping does not read: %v\n%s", err, mapping)
	}
	return c.Jira[0]
}

// TestSetupTwice: the second run changes nothing.
func TestSetupTwice(t *testing.T) {
	t.Parallel()
	s := open(t)
	const kind = "Database access"
	o, err := s.setup("ada", kind, false)
	if err != nil || s.writes() != 0 {
		t.Fatalf("dry: %d writes, %v", s.writes(), err)
	}
	mustHold(t, "step that would be made", steps(o, audit.Would), kind, "Service Request")
	if strings.Contains(o.Mapping, kind) && !strings.Contains(o.Mapping, `id: "0"`) {
		t.Errorf("a type that is not there has an id:\n%s", o.Mapping)
	}
	if o, err = s.setup("ada", kind, true); err != nil {
		t.Fatal(err)
	}
	mustHold(t, "step that was made", steps(o, audit.Made), kind)
	made := s.writes()
	if _, id := s.sim.RequestTypeID("ACC", kind); made != 1 || id == "" {
		t.Errorf("%d writes made type %q", made, id)
	}
	// What the form lacks is said, with the exact options.
	hand := steps(o, audit.ByHand)
	mustHold(t, "step by hand", hand, "what is asked for", "prod-db:admin", "prod-db:read", "wiki:editors")
	mustHold(t, "step by hand", hand, "for how long", "8h", "30d")
	again, err := s.setup("ada", kind, true)
	if err != nil || s.writes() != made {
		t.Errorf("the second run wrote %d times: %v", s.writes()-made, err)
	}
	if len(steps(again, audit.Made)) != 0 {
		t.Errorf("the second run made %q", steps(again, audit.Made))
	}
	mustHold(t, "step that is there", steps(again, audit.There), kind)
}

// TestSetupByATokenThatMayNot says so, and goes on.
func TestSetupByATokenThatMayNot(t *testing.T) {
	t.Parallel()
	s := open(t, least)
	o, err := s.setup("lessor", "Database access", true)
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, "step by hand", steps(o, audit.ByHand), `"Database access"`, "--token-ref")
	if _, id := s.sim.RequestTypeID("ACC", "Database access"); id != "" {
		t.Error("it was made")
	}
}

func TestSetupOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := open(t)
	_, err := audit.Setup{Site: s.mapping, Project: "NONE", Type: "x", Rest: s.rest("ada"), Directory: s.directory(), Now: func() time.Time { return s.now }}.Run(t.Context())
	if !errors.Is(err, access.ErrNotFound) {
		t.Errorf("of no project: %v", err)
	}
}

// TestSetupNamesOptions: what the catalog has and the form does not, and the other way round.
func TestSetupNamesOptions(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.catalog = append(slices.DeleteFunc(s.catalog, func(e access.Entitlement) bool { return e.ID == "prod-db:read" }),
		access.Entitlement{ID: "erp:pay", Name: "Pay", Class: "standard", Owners: []string{"olga"}, MaxTerm: access.Term(time.Hour)})
	o, err := s.setup("lessor", "Get access", false)
	if err != nil {
		t.Fatal(err)
	}
	hand := steps(o, audit.ByHand)
	mustHold(t, "step by hand", hand, "add these options", "erp:pay")
	mustHold(t, "step by hand", hand, "disable these options", "prod-db:read")
	if strings.Contains(o.Mapping, "prod-db:read") {
		t.Errorf("what the catalog does not have is mapped:\n%s", o.Mapping)
	}
}

// TestSetupElsewhereThanAtADesk: Jira enforces nothing there, and that is said.
func TestSetupElsewhereThanAtADesk(t *testing.T) {
	t.Parallel()
	s := open(t)
	bare := s.mapping
	bare.Projects = nil
	o, err := audit.Setup{Site: bare, Project: "OPS", Type: "Task", Rest: s.rest("ada"), Directory: s.directory(), Now: func() time.Time { return s.now }}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, "step by hand", steps(o, audit.ByHand), "consider a service project")
	if !strings.Contains(o.Mapping, "service_desk: false") || strings.Contains(o.Mapping, "approvals") {
		t.Errorf("the mapping is\n%s", o.Mapping)
	}
}

// What Jira's administrators call things cannot write into the mapping.
func TestNamesDoNotBreakTheMapping(t *testing.T) {
	t.Parallel()
	s := open(t, func(there *jirasim.Site) {
		there.Fields[0].Name = "Entitlements\n  - id: evil\r\u2028url: https://evil.example\u202e"
		there.Projects[0].Desk.RequestTypes[0].Fields[1].Field = there.Fields[0].Name
		there.Projects[0].Desk.RequestTypes[0].Fields[1].Label = there.Fields[0].Name
	})
	o, err := s.setup("lessor", "Get access", false)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.load(o.Mapping); got.ID != "acme" || got.URL != s.url {
		t.Errorf("the mapping is of %s at %s", got.ID, got.URL)
	}
}

// TestSetupOfAMappedSite takes the type that is mapped, whatever it is called, and makes no other.
func TestSetupOfAMappedSite(t *testing.T) {
	t.Parallel()
	s := open(t, func(there *jirasim.Site) { there.Projects[0].Desk.RequestTypes[0].Name = "Zugang beantragen" }, func(there *jirasim.Site) {
		there.Projects[0].Desk.RequestTypes[1].Name = "Get access" // an older one, mapped by nobody
	})
	_, s.mapping.Projects[0].RequestTypes[0].ID = s.sim.RequestTypeID("ACC", "Zugang beantragen")
	run := func() audit.Outcome {
		o, err := audit.Setup{Site: s.mapping, Project: "ACC", Rest: s.rest("ada"), Directory: s.directory(), Apply: true, Now: func() time.Time { return s.now }}.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	mustHold(t, "step that is there", steps(run(), audit.There), "Zugang beantragen")
	s.mapping.Projects[0].RequestTypes[0].ID = "4711"
	mustHold(t, "step by hand", steps(run(), audit.ByHand), "4711, which is mapped")
	if n := s.writes(); n != 0 {
		t.Errorf("%d writes", n)
	}
}
