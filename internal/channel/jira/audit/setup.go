package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
)

// Doing is what becomes of one step of a set-up.
type Doing string

const (
	There  Doing = "there"   // already as it should be
	Would  Doing = "would"   // it would be made, if told to
	Made   Doing = "made"    // it was made now
	ByHand Doing = "by hand" // no token can do it, or not this one
)

// Step is one thing a site needs.
type Step struct {
	Do    Doing    `json:"do"`
	What  string   `json:"what"`
	Lines []string `json:"lines,omitempty"` // exactly what, or where
}

// Setup is what is asked of a site. Every field but Type, Own and Apply is needed.
type Setup struct {
	Site      config.JiraSite // its projects may be missing: they are what is being set up
	Project   string          // key
	Type      string          // name of the request type, or of the issue type elsewhere than at a desk; empty: the mapped one
	Rest      rest.Site
	Directory *access.Directory
	Webhook   string // where Jira is to send webhooks
	Now       func() time.Time
	Own       bool // the token is the one that Lessor itself works with
	Apply     bool
}

// Outcome is every step, and the mapping that follows from what is there.
type Outcome struct {
	Site    string `json:"site"`
	Project string `json:"project"`
	Steps   []Step `json:"steps"`
	Mapping string `json:"mapping"` // a jira.yaml; what is still missing in it is said in comments
}

// ByHandLeft counts what somebody has to do.
func (o Outcome) ByHandLeft() (n int) {
	for _, s := range o.Steps {
		if s.Do == ByHand {
			n++
		}
	}
	return n
}

// build is one set-up under way.
type build struct {
	Setup
	mapped string // id of the type that is mapped already, where none is asked for by name
	out    Outcome
	found  found
}

// found is what is there of what a mapping names.
type found struct {
	desk     string
	isDesk   bool
	kind     string              // id of the request or issue type
	form     []rest.RequestField // of it
	statuses []rest.Status
	levels   []rest.SecurityLevel
	ent      rest.RequestField
	entOf    map[string]config.JiraChoice // option id -> what it asks for
	term     rest.RequestField
	termOf   map[string]access.Term
	who      rest.RequestField
	start    rest.RequestField
}

func (b *build) step(do Doing, lines []string, format string, args ...any) {
	b.out.Steps = append(b.out.Steps, Step{do, fmt.Sprintf(format, args...), lines})
}

// Run makes what a token may make, if told to, and says what is left. Run again,
// it makes nothing: everything is looked for first.
func (s Setup) Run(ctx context.Context) (Outcome, error) {
	b := &build{Setup: s, out: Outcome{Site: s.Site.ID, Project: s.Project}}
	b.mapped = s.mappedType()
	if b.Type == "" && b.mapped == "" {
		b.Type = "Get access"
	}
	// 1. The project and its type of request.
	if err := b.project(ctx); err != nil {
		return b.out, err
	}
	if err := b.requestType(ctx); err != nil {
		return b.out, err
	}
	// 2. What the form must ask, and the choices it must offer.
	if err := b.fields(ctx); err != nil {
		return b.out, err
	}
	// 3. Where tickets go, who sees them, and how word of them comes here.
	if err := b.workflow(ctx); err != nil {
		return b.out, err
	}
	b.webhook()
	b.step(There, nil, "labels lessor-next-approver, lessor-next-lessor and lessor-next-nobody need no making: Jira takes them as they come")
	// 4. The mapping that follows.
	b.out.Mapping = b.mapping()
	return b.out, nil
}

// mappedType is the type that is mapped already, where none is asked for by name.
func (s Setup) mappedType() string {
	i := slices.IndexFunc(s.Site.Projects, func(p config.JiraProject) bool { return p.Key == s.Project })
	if s.Type != "" || i < 0 {
		return ""
	}
	return s.Site.Projects[i].RequestTypes[0].ID
}

func (b *build) project(ctx context.Context) error {
	projects, err := b.Rest.Projects(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(projects, func(p rest.Project) bool { return p.Key == b.Project })
	if i < 0 {
		return fmt.Errorf("%w: there is no project %s, or the token may not see it; make a service project in Jira, and give the token's account Browse Projects there", access.ErrNotFound, b.Project)
	}
	b.found.isDesk = projects[i].Kind == "service_desk"
	b.step(There, nil, "project %s (%s), of the kind %s", b.Project, projects[i].Name, projects[i].Kind)
	if !b.found.isDesk {
		b.step(ByHand, []string{"Jira enforces no approval outside of a service project, and has no internal comments there"}, "consider a service project for %s", b.Project)
		return nil
	}
	desks, err := b.Rest.Desks(ctx)
	if err != nil {
		return err
	}
	d := slices.IndexFunc(desks, func(d rest.ServiceDesk) bool { return d.ProjectKey == b.Project })
	if d < 0 {
		return fmt.Errorf("%w: project %s has no service desk that the token may see; give its account a place in the desk's team", access.ErrNotFound, b.Project)
	}
	b.found.desk = desks[d].ID
	return nil
}

// requestType finds the type by the mapping's id or by name, and makes it where
// that is what is wanted and the token may.
func (b *build) requestType(ctx context.Context) error {
	types, err := b.Rest.Statuses(ctx, b.Project)
	if err != nil {
		return err
	}
	if !b.found.isDesk {
		for _, t := range types {
			if t.Type.ID == b.mapped || t.Type.Name == b.Type {
				b.found.kind, b.found.statuses, b.Type = t.Type.ID, t.Statuses, t.Type.Name
				b.step(There, nil, "issue type %q (%s)", t.Type.Name, t.Type.ID)
				return nil
			}
		}
		b.step(ByHand, []string{"Project settings > Issue types"}, "make an issue type %q", b.Type)
		return nil
	}
	list, err := b.Rest.RequestTypes(ctx, b.found.desk)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(t rest.RequestType) bool { return t.ID == b.mapped || t.Name == b.Type })
	of := issueType(types, list)
	if i >= 0 {
		b.step(There, nil, "request type %q (%s)", list[i].Name, list[i].ID)
		b.found.kind, of.ID, b.Type = list[i].ID, list[i].IssueType, list[i].Name
	} else if b.mapped != "" {
		b.step(ByHand, []string{"correct its id in jira.yaml, or name one: --type NAME"}, "there is no request type %s, which is mapped", b.mapped)
	} else if err := b.makeType(ctx, of); err != nil {
		return err
	}
	for _, t := range types {
		if t.Type.ID == of.ID {
			b.found.statuses = t.Statuses
		}
	}
	return nil
}

func (b *build) makeType(ctx context.Context, of rest.Ref) error {
	if !b.Apply {
		b.step(Would, []string{"of the issue type " + of.Name + " (" + of.ID + ")"}, "request type %q", b.Type)
		return nil
	}
	made, err := b.Rest.AddRequestType(ctx, b.found.desk, rest.NewRequestType{IssueType: of.ID, Name: b.Type,
		Description: "Ask for access to a system. Who approves it is decided by policy.", Help: "Say what you need, for whom, for how long, and why."})
	switch {
	case errors.Is(err, rest.ErrDenied):
		b.step(ByHand, []string{"Project settings > Request types; or run this with an administrator's token: --token-ref"}, "make a request type %q: this token may not", b.Type)
		return nil
	case err != nil:
		return err
	}
	b.step(Made, nil, "request type %q (%s)", made.Name, made.ID)
	b.found.kind = made.ID
	return nil
}

// issueType picks what a new request type is of: the usual one by name, else
// what the desk's others are of.
func issueType(types []rest.TypeStatuses, others []rest.RequestType) rest.Ref {
	for _, t := range types {
		if strings.Contains(strings.ToLower(t.Type.Name), "service request") {
			return t.Type
		}
	}
	for _, t := range types {
		if slices.ContainsFunc(others, func(o rest.RequestType) bool { return o.IssueType == t.Type.ID }) {
			return t.Type
		}
	}
	if len(types) > 0 {
		return types[0].Type
	}
	return rest.Ref{}
}

// workflow names the statuses that milestones need, and the ways to close.
func (b *build) workflow(ctx context.Context) error {
	m, missing := guess(b.found.statuses)
	for _, name := range missing {
		b.step(ByHand, []string{"Workflow > Add status; then a transition to it that only Lessor's account may take"}, "add a status for the milestone %s", name)
	}
	list, err := samples(ctx, b.Rest, b.Now(), b.Project)
	if err != nil {
		return err
	}
	f := Flow{Project: b.Project, Desk: b.found.isDesk, Own: b.Own, Approval: Ref{m.Waiting, nameOf(b.found.statuses, m.Waiting)}}
	for _, id := range []string{m.Granting, m.Active} {
		if id != "" {
			f.Granting = append(f.Granting, id)
		}
	}
	for _, s := range list {
		for _, t := range s.moves {
			f.Exits = append(f.Exits, Exit{From: Ref{s.issue.Status.ID, s.issue.Status.Name}, To: Ref{t.To.ID, t.To.Name}, Name: t.Name, Any: t.Global})
		}
	}
	var ways []string
	for _, flaw := range FlawsOf(f, nil, nil) {
		if flaw.Kind != SideExit {
			ways = append(ways, flaw.What+": "+flaw.Mend)
		}
	}
	if len(ways) > 0 {
		b.step(ByHand, ways, "close ways around the approval")
	}
	if len(list) == 0 {
		b.step(ByHand, []string{"from the status that waits for approval, only the approval's own two transitions and those of Lessor's account", "no transition from any status to one that says approved"}, "check the workflow: there is no ticket yet on which to see its ways")
	}
	b.found.levels, err = b.Rest.SecurityLevels(ctx, b.Project)
	if err != nil && !errors.Is(err, rest.ErrDenied) {
		return err
	}
	if len(b.found.levels) == 0 {
		b.step(ByHand, []string{"Project settings > Issue security: a level with the desk's role, the reporter and Lessor's account; then security_level in jira.yaml"}, "make a security level for tickets about what few may know of, if there are any")
	}
	return nil
}

func nameOf(list []rest.Status, id string) string {
	for _, s := range list {
		if s.ID == id {
			return s.Name
		}
	}
	return ""
}

// webhookEvents are those worth a wake-up; the poller finds the rest.
var webhookEvents = []string{"jira:issue_created", "jira:issue_updated", "jira:issue_deleted", "comment_created"}

func (b *build) webhook() {
	secretLine := "secret: the one that webhook_secret_ref names; make it with: openssl rand -hex 32"
	if b.Site.WebhookSecretRef == "" {
		secretLine = "secret: make one with: openssl rand -hex 32; put it where webhook_secret_ref says, and into Jira"
	}
	b.step(ByHand, []string{"System > WebHooks > Create", "URL: " + b.Webhook, secretLine, "JQL: project = " + b.Project, "events: " + strings.Join(webhookEvents, ", "),
		"leave \"exclude body\" off: an unsigned or empty delivery is refused"}, "a webhook, which no token of this kind can make or see")
}
