package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Audit holds what a site shows against what Lessor knows. Every field but Again,
// Own and Account is needed.
type Audit struct {
	Site      config.JiraSite
	Rest      rest.Site
	Directory *access.Directory
	Stories   []engine.TicketStory                         // every ticket Lessor knows of
	Again     []string                                     // subjects of this site's open findings: looked at again, however old
	Untied    []access.Request                             // granted, and asked for by another door than a ticket
	MayKnow   func(identity string, r access.Request) bool // by policy
	Since     time.Time                                    // tickets changed after it are looked at
	Most      int                                          // at most so many of them, the newest
	Own       bool                                         // the token is the one that Lessor itself works with
	Account   string                                       // Lessor's own there, where the token is another's; empty: not known
	Now       func() time.Time
	Wait      func(ctx context.Context, d time.Duration) error // while Jira wants to be left alone
}

// Report is what an audit found, and what it could not look at.
type Report struct {
	Site     string     `json:"site"`
	Since    time.Time  `json:"since"`
	At       time.Time  `json:"at"`
	Tickets  int        `json:"tickets"`
	Cut      bool       `json:"cut,omitempty"` // there were more
	Labels   Labels     `json:"labels"`
	Sight    []Exposure `json:"sight"`
	Workflow []Flaw     `json:"workflow"`
	Pace     []Pace     `json:"pace"`
	Scope    []Scope    `json:"scope"`
	Unread   []string   `json:"unread"`
	// Looked is the same for the engine: what was looked at for what, and what is
	// wrong there. A finding is nobody's until it is in the log, so no page shows it.
	Looked []engine.Looked `json:"-"`
}

// look is one audit under way.
type look struct {
	Audit
	self    rest.User
	ours    string // Lessor's own account; empty: not known
	fields  []rest.Field
	known   map[string]engine.TicketStory // by ticket id
	tickets []Ticket
	older   []Ticket // looked at only because something was found there before
	off     []string // ids of issues that are not, or no longer, about access here
	walls   []Wall
	flows   []Flow
	sharers map[string][]Sharer // by project
	unread  []string
}

// Run looks at every mapped project. It changes nothing. What a part could not
// read is said in the report; it fails only if nothing could be read.
func (a Audit) Run(ctx context.Context) (Report, error) {
	l := &look{Audit: a, known: map[string]engine.TicketStory{}, sharers: map[string][]Sharer{}, unread: slices.Clone(Unreadable)}
	for _, s := range a.Stories {
		l.known[s.Ticket.ID] = s
	}
	report := Report{Site: a.Site.ID, Since: a.Since.UTC(), At: a.Now().UTC()}
	// 1. Who looks, and by which fields.
	var err error
	if l.self, err = try(ctx, l, func() (rest.User, error) { return a.Rest.Myself(ctx) }); err != nil {
		return report, err
	}
	if l.ours = a.Account; a.Own {
		l.ours = l.self.ID
	}
	if l.ours == "" {
		l.miss("which moves of tickets were Lessor's own: its account is not known, so it may stand among those who passed an approval")
	}
	if l.fields, err = try(ctx, l, func() ([]rest.Field, error) { return a.Rest.Fields(ctx) }); err != nil {
		return report, err
	}
	// 2. Project by project: tickets, walls, ways.
	again, err := l.again(ctx)
	if err != nil {
		return report, err
	}
	for _, p := range a.Site.Projects {
		cut, err := l.project(ctx, p, again[p.Key])
		if err != nil {
			return report, fmt.Errorf("project %s: %w", p.Key, err)
		}
		report.Cut = report.Cut || cut
	}
	report.Tickets = len(l.tickets)
	if report.Cut {
		l.miss("only the newest %d tickets of a project were looked at", a.Most)
	}
	l.lost()
	// 3. What follows, each question by itself.
	var untied []Grant
	for _, r := range a.Untied {
		untied = append(untied, l.untied(r)...)
	}
	report.Labels = LabelsOf(l.tickets, untied, l.done)
	report.Sight = SightOf(l.tickets, l.walls)
	report.Workflow = []Flaw{}
	for _, f := range l.flows {
		report.Workflow = append(report.Workflow, FlawsOf(f, l.sharers[f.Project], l.tickets)...)
	}
	report.Pace, report.Scope = PaceOf(l.tickets), ScopeOf(l.tickets)
	report.Unread = l.unread
	report.Looked = l.looked(report.Workflow, untied)
	return report, nil
}

func (l *look) miss(format string, args ...any) {
	l.unread = append(l.unread, fmt.Sprintf(format, args...))
}

// missed notes that a part could not be read.
func (l *look) missed(what string, err error) {
	reason, _ := plainly(err)
	l.miss("%s: %s", what, reason)
}

// An audit may be patient: nobody waits for it but whoever started it.
const (
	longestWait = 5 * time.Minute
	mostTries   = 6
)

// try does a call, and again once Jira no longer wants to be left alone.
func try[T any](ctx context.Context, l *look, do func() (T, error)) (got T, err error) {
	for range mostTries {
		got, err = do()
		var e *rest.Error
		if !errors.As(err, &e) || e.Wait <= 0 || e.Wait > longestWait {
			return got, err
		}
		if err := l.Wait(ctx, e.Wait); err != nil {
			return got, err
		}
	}
	return got, err
}

// done tells whether a ticket says that access was given.
func (l *look) done(t Ticket) bool {
	for n, f := range l.flows {
		if f.Project == t.Project {
			m := l.Site.Projects[n].Milestones
			return slices.Contains(f.Granting, t.Status.ID) || t.Status.Done && t.Status.ID != m.Refused && t.Status.ID != m.Removed
		}
	}
	return false
}

// lost adds the tickets that Lessor knows and Jira no longer shows.
func (l *look) lost() {
	seen := slices.Concat(l.tickets, l.older)
	for _, s := range l.Stories {
		if s.Ticket.State != access.Missing || slices.ContainsFunc(seen, func(t Ticket) bool { return t.ID == s.Ticket.ID }) {
			continue
		}
		t := Ticket{ID: s.Ticket.ID, Key: s.Ticket.Key, Gone: true}
		l.story(&t, s)
		l.tickets = append(l.tickets, t)
	}
}

// story adds what Lessor knows of a ticket.
func (l *look) story(t *Ticket, s engine.TicketStory) {
	t.State = s.Ticket.State
	t.Granted = l.grantsOf(s)
	if len(s.Came) == 0 {
		return
	}
	first, last := s.Came[0], s.Came[len(s.Came)-1]
	t.AskedAt, t.Decided, t.open = first.Request.At, decidedAt(last), last.Request.Open()
	for _, it := range last.Request.Items {
		t.Asked = append(t.Asked, l.entitlement(it.Entitlement))
	}
}

// decidedAt is when the last word on a request was said, as far as what came of
// it tells; zero if it is open or closed by nobody's decision.
func decidedAt(s engine.Story) (at time.Time) {
	for _, h := range s.Grants {
		if at.IsZero() || h.Grant.At.Before(at) {
			at = h.Grant.At
		}
	}
	if !at.IsZero() || s.Request.State != access.Denied {
		return at
	}
	at = s.Request.At // denied at once, by policy
	for _, v := range s.Approvals {
		if v.At.After(at) {
			at = v.At
		}
	}
	return at
}

func (l *look) grantsOf(s engine.TicketStory) (list []Grant) {
	for _, came := range s.Came {
		for _, h := range came.Grants {
			g := l.grant(h)
			if came.Request.Term != 0 {
				g.Term = came.Request.Term.D()
			}
			list = append(list, g)
		}
	}
	return list
}

// untied are the grants of a request, by name.
func (l *look) untied(r access.Request) (list []Grant) {
	for _, it := range r.Items {
		if it.Grant != "" {
			list = append(list, Grant{ID: it.Grant, Request: r.ID, Identity: r.Beneficiary, Entitlement: l.entitlement(it.Entitlement)})
		}
	}
	return list
}

// entitlement looks one up. Of one that is no longer in the catalog nothing says
// that it was harmless.
func (l *look) entitlement(id string) access.Entitlement {
	e, ok := l.Directory.Entitlement(id)
	if !ok {
		e = access.Entitlement{ID: id, Class: "unknown"}
	}
	return e
}

func (l *look) grant(h engine.Holding) Grant {
	g := Grant{ID: h.Grant.ID, Request: h.Grant.Request, Identity: h.Grant.Identity, Term: h.Grant.Term.D(), Start: h.Grant.Start, End: h.Grant.End}
	g.Entitlement = l.entitlement(h.Grant.Entitlement)
	if !h.Grant.Seen.IsZero() {
		g.Start = h.Grant.Seen
	}
	if !h.Grant.EndedAt.IsZero() {
		g.End = h.Grant.EndedAt
	}
	if g.Term == 0 {
		g.Term = g.End.Sub(g.Start)
	}
	return g
}
