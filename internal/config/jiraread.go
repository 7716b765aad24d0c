package config

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

var (
	siteKeys = []string{"id", "url", "kind", "user", "token_ref", "webhook_secret_ref", "poll", "reread", "audit", "owner", "portal", "projects"}

	projectKeys = []string{"key", "service_desk", "request_types", "milestones", "votes", "when_moved",
		"revoke_on_close", "closed", "security_level"}
	requestTypeKeys = []string{"id", "entitlements", "beneficiary", "term", "start", "reason"}
	milestoneKeys   = []string{"waiting", "granting", "active", "removed", "refused"}

	jiraKinds = []string{string(JiraCloud), string(JiraDataCenter)}
	jiraMoves = []string{string(JiraPutBack), string(JiraComment)}
	verdicts  = []string{string(access.Approve), string(access.Deny)}
)

var (
	fieldForm   = regexp.MustCompile(`^customfield_[1-9][0-9]{0,17}$`)
	projectForm = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,9}$`)
)

const bundlePrefix = "bundle:"

// What a Jira file says, each entry with its place.
type (
	site struct {
		JiraSite
		projects []project
		f        fields
	}
	project struct {
		JiraProject
		types    []requestType
		statuses []use // milestones, then votes
		closed   []item
		f        fields
	}
	requestType struct {
		JiraRequestType
		choices []option
		terms   []timed
		uses    []use
		f       fields
	}
	// timed is one term that can be asked for; a fixed one is no option and has no id.
	timed struct {
		option
		term access.Term
	}
	// use is what one field or status is for.
	use struct {
		id, purpose string
		vote        bool
		at          mark
	}
)

func (d *files) readJira(file string, text []byte) {
	if f, ok := d.sections(file, text, jiraSections); ok {
		each(f, "sites", "a site", siteKeys, d.readSite)
	}
}

func (d *files) readSite(f fields) {
	s := site{f: f, JiraSite: JiraSite{
		ID:               f.required("id", "a site"),
		URL:              f.address("url"),
		Kind:             JiraKind(f.oneOf("kind", "", jiraKinds)),
		User:             f.text("user"),
		TokenRef:         d.reference(f, "token_ref", ""),
		WebhookSecretRef: d.reference(f, "webhook_secret_ref", ""),
		Poll:             f.duration("poll", time.Minute, 5*time.Second, time.Hour),
		Reread:           f.duration("reread", time.Hour, 5*time.Minute, 24*time.Hour),
		Audit:            f.duration("audit", 0, time.Hour, 30*24*time.Hour),
		Owner:            f.required("owner", "a site"),
		Portal:           f.address("portal"),
	}}
	f.needs("a site", "url", "kind", "token_ref")
	every(f, "projects", "a project", projectKeys, func(f fields) {
		p := readProject(f)
		s.projects, s.Projects = append(s.projects, p), append(s.Projects, p.JiraProject)
	})
	if f.none("projects") {
		f.problem("projects", "a site needs projects: at least one whose tickets are read")
	}
	d.sites = append(d.sites, s)
}

func readProject(f fields) project {
	p := project{f: f, closed: f.texts("closed"), JiraProject: JiraProject{
		Key:           f.required("key", "a project"),
		Desk:          f.flag("service_desk"),
		WhenMoved:     JiraMove(f.oneOf("when_moved", string(JiraComment), jiraMoves)),
		RevokeOnClose: f.flag("revoke_on_close"),
		SecurityLevel: f.number("security_level"),
	}}
	if p.Key != "" && !projectForm.MatchString(p.Key) {
		f.problem("key", "key must be 2 to 10 of A-Z, 0-9 and underscore, and begin with a letter")
	}
	p.Closed = plainTexts(p.closed)
	for _, c := range p.closed {
		f.r.checkNumber(c.at, "an entry of closed", c.text)
	}
	every(f, "request_types", "a request type", requestTypeKeys, func(f fields) {
		t := readRequestType(f)
		p.types, p.RequestTypes = append(p.types, t), append(p.RequestTypes, t.JiraRequestType)
	})
	if f.none("request_types") {
		f.problem("request_types", "a project needs request_types: at least one")
	}
	p.readMilestones()
	p.readVotes()
	return p
}

func (p *project) readMilestones() {
	f, ok := p.f.within("milestones", milestoneKeys)
	if !ok {
		return
	}
	status := func(key string) string {
		id := f.number(key)
		if id != "" {
			p.statuses = append(p.statuses, use{id: id, purpose: key, at: f.at(key)})
		}
		return id
	}
	p.Milestones = JiraMilestones{Waiting: status("waiting"), Granting: status("granting"), Active: status("active"),
		Removed: status("removed"), Refused: status("refused")}
}

func (p *project) readVotes() {
	f, ok := p.f.within("votes", []string{"approvals", "statuses"})
	if !ok {
		return
	}
	p.Votes = JiraVotes{Approvals: f.flag("approvals"), Statuses: map[string]access.Verdict{}}
	if p.Votes.Approvals && !p.Desk {
		f.problem("approvals", "approvals are a service desk's: set service_desk: true, or name statuses that are votes")
	}
	for _, o := range f.options("statuses", "votes") {
		if !slices.Contains(verdicts, o.text) {
			f.r.problem(o.at, "a vote must be approve or deny%s", f.r.instead(o.text, slices.Values(verdicts)))
			continue
		}
		p.Votes.Statuses[o.id] = access.Verdict(o.text)
		p.statuses = append(p.statuses, use{id: o.id, purpose: o.text, vote: true, at: o.at})
	}
}

func readRequestType(f fields) requestType {
	t := requestType{f: f}
	f.needs("a request type", "id", "entitlements", "term", "reason")
	t.ID = f.number("id")
	t.readEntitlements()
	t.readTerm()
	t.Beneficiary = t.field(f, "beneficiary", "beneficiary")
	t.Start = t.field(f, "start", "start")
	t.Reason = t.field(f, "reason", "reason", "summary", "description")
	return t
}

func (t *requestType) readEntitlements() {
	f, ok := t.f.within("entitlements", []string{"field", "options"})
	if !ok {
		return
	}
	f.needs("entitlements", "field", "options")
	t.Entitlements = JiraOptions{Field: t.field(f, "field", "entitlements"), Options: map[string]JiraChoice{}}
	t.choices = f.options("options", "entitlements")
	for _, o := range t.choices {
		choice := JiraChoice{Entitlement: o.text}
		if name, is := strings.CutPrefix(o.text, bundlePrefix); is {
			choice = JiraChoice{Bundle: name}
		}
		t.Entitlements.Options[o.id] = choice
	}
}

func (t *requestType) readTerm() {
	f, ok := t.f.within("term", []string{"field", "options", "fixed"})
	switch {
	case !ok:
		return
	case f.has("fixed") && (f.has("field") || f.has("options")):
		f.problem("fixed", "term has fixed and a field: keep one")
		return
	case f.has("fixed"):
		t.Term.Fixed = f.term("fixed", 0)
		t.terms = append(t.terms, timed{option{at: f.at("fixed")}, t.Term.Fixed})
		return
	case !f.has("field") && !f.has("options"):
		f.r.problem(f.here(), "term needs fixed, or field and options")
		return
	}
	f.needs("term", "field", "options")
	t.Term = JiraTerm{Field: t.field(f, "field", "term"), Options: map[string]access.Term{}}
	for _, o := range f.options("options", "terms") {
		term, err := access.ParseTerm(o.text)
		if err != nil {
			f.r.problem(o.at, "an option: %s", reason(err))
			continue
		}
		t.Term.Options[o.id], t.terms = term, append(t.terms, timed{o, term})
	}
}

// field reads the id of a field, and keeps what the field is for.
func (t *requestType) field(f fields, key, purpose string, texts ...string) string {
	text, ok := f.read(key)
	switch {
	case !ok:
		return ""
	case !fieldForm.MatchString(text) && !slices.Contains(texts, text):
		also := strings.Join(append(slices.Clone(texts), "customfield_N"), " or ")
		f.problem(key, "%s must be the id of a field, not its name: %s", key, also)
		return ""
	}
	t.uses = append(t.uses, use{id: text, purpose: purpose, at: f.at(key)})
	return text
}
