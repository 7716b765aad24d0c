package audit

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
)

// shown are the fields of a ticket that are looked at.
var shown = []string{"project", "issuetype", "status", "summary", "reporter", "labels", "components", "priority", "security", "created"}

// place of a project while it is looked at.
type yard struct {
	config.JiraProject
	desk    string
	types   map[string]string   // request or issue type -> name, of those that are mapped
	queues  map[string][]string // issue id -> names of queues
	browse  []string            // who holds Browse Projects; nil: not readable
	roles   []member            // people in roles that hold it
	levels  map[string]bool     // ids of levels that Lessor's account has read a ticket in
	samples []sample
}

// member is a person in a project's role.
type member struct{ role, account, name string }

// project reads one project's tickets, walls and ways, and those older tickets
// that something was found about before.
func (l *look) project(ctx context.Context, p config.JiraProject, again []string) (cut bool, err error) {
	y := &yard{JiraProject: p, types: map[string]string{}, queues: map[string][]string{}, levels: map[string]bool{}}
	// 1. How it is arranged.
	if err := l.arranged(ctx, y); err != nil {
		return false, err
	}
	l.wall(ctx, y)
	// 2. Its tickets.
	type page struct {
		ids []string
		cut bool
	}
	got, err := try(ctx, l, func() (page, error) {
		ids, cut, err := recent(ctx, l.Rest, l.Now(), l.Since, l.Most, p.Key)
		return page{ids, cut}, err
	})
	if err != nil {
		return false, err
	}
	for _, id := range got.ids {
		if err := l.ticket(ctx, y, id); err != nil {
			return false, err
		}
	}
	newest := len(l.tickets)
	for _, id := range again {
		if !slices.Contains(got.ids, id) {
			if err := l.ticket(ctx, y, id); err != nil {
				return false, err
			}
		}
	}
	l.older, l.tickets = append(l.older, l.tickets[newest:]...), l.tickets[:newest:newest]
	// 3. What was seen on them.
	l.levels(ctx, y)
	return got.cut, l.flow(ctx, y)
}

// arranged finds the desk, the names of the mapped types, and the queues.
func (l *look) arranged(ctx context.Context, y *yard) error {
	if !y.Desk {
		types, err := try(ctx, l, func() ([]rest.TypeStatuses, error) { return l.Rest.Statuses(ctx, y.Key) })
		for _, t := range types {
			y.types[t.Type.ID] = t.Type.Name
		}
		return err
	}
	desks, err := try(ctx, l, func() ([]rest.ServiceDesk, error) { return l.Rest.Desks(ctx) })
	if err != nil {
		return err
	}
	i := slices.IndexFunc(desks, func(d rest.ServiceDesk) bool { return d.ProjectKey == y.Key })
	if i < 0 {
		return &rest.Error{Kind: rest.ErrMissing, Messages: []string{"it has no service desk that the token may see"}}
	}
	y.desk = desks[i].ID
	types, err := try(ctx, l, func() ([]rest.RequestType, error) { return l.Rest.RequestTypes(ctx, y.desk) })
	if err != nil {
		return err
	}
	for _, t := range types {
		y.types[t.ID] = t.Name
	}
	queues, err := try(ctx, l, func() ([]rest.Queue, error) { return l.Rest.Queues(ctx, y.desk) })
	if err != nil {
		l.missed("queues of "+y.Key, err)
	}
	for _, q := range queues {
		ids, err := try(ctx, l, func() ([]string, error) { return l.Rest.Queued(ctx, y.desk, q.ID) })
		if err != nil {
			l.missed("queue "+q.Name+" of "+y.Key, err)
		}
		for _, id := range ids {
			y.queues[id] = append(y.queues[id], q.Name)
		}
	}
	return nil
}

// ticket reads one ticket from both sides, if it is about access.
func (l *look) ticket(ctx context.Context, y *yard, id string) error {
	i, err := try(ctx, l, func() (rest.Issue, error) {
		return l.Rest.Issue(ctx, id, append(slices.Clone(shown), l.orgFields()...)...)
	})
	if errors.Is(err, rest.ErrMissing) {
		return nil // gone meanwhile
	} else if err != nil {
		return err
	}
	// 1. Every ticket shows ways; only those of a mapped type, or that Lessor knows, are about access.
	if y.samples, err = try(ctx, l, func() ([]sample, error) { return sampled(ctx, l.Rest, y.samples, i) }); err != nil {
		return err
	}
	kind := i.Type.ID
	if y.Desk {
		request, err := try(ctx, l, func() (rest.Request, error) { return l.Rest.Request(ctx, id) })
		if err != nil && !errors.Is(err, rest.ErrMissing) {
			return err
		}
		kind = request.Type
	}
	s, known := l.known["jira:"+l.Site.ID+":"+id]
	mapped := slices.ContainsFunc(y.RequestTypes, func(t config.JiraRequestType) bool { return t.ID == kind })
	if !known && !mapped {
		l.off = append(l.off, id)
		return nil
	}
	// 2. As Jira shows it.
	t := Ticket{ID: "jira:" + l.Site.ID + ":" + id, Key: i.Key, Project: y.Key, Type: y.types[kind], Summary: i.Summary, Labels: i.Labels, Priority: i.Priority.Name,
		Status: Status{i.Status.ID, i.Status.Name, i.Status.Category == "done"}, Queues: y.queues[id], Level: Ref{i.Security.ID, i.Security.Name}}
	for _, c := range lenient[[]struct{ Name string }](i.Fields["components"]) {
		t.Components = append(t.Components, c.Name)
	}
	if i.Security.ID != "" {
		y.levels[i.Security.ID] = true
	}
	if l.ours == "" {
		t.blind = append(t.blind, access.WorkflowHole)
	}
	if err := l.history(ctx, y, &t, i); err != nil {
		return err
	}
	// 3. As Lessor knows it.
	l.story(&t, s)
	if len(s.Came) > 0 {
		l.viewers(ctx, y, &t, i, s.Came[len(s.Came)-1].Request)
	}
	l.tickets = append(l.tickets, t)
	return nil
}

// history reads how a ticket came to where it is, and its clocks.
func (l *look) history(ctx context.Context, y *yard, t *Ticket, i rest.Issue) error {
	changes, err := try(ctx, l, func() ([]rest.Change, error) { return l.Rest.Changes(ctx, i.ID) })
	if err != nil {
		l.missed("history of "+i.Key, err)
		t.blind = append(t.blind, access.ApproversChanged, access.WorkflowHole)
	}
	for _, ch := range changes {
		for _, it := range ch.Items {
			switch {
			case it.Field == "status" || it.Field == "" && it.Name == "status":
				t.Moves = append(t.Moves, Move{At: ch.At, From: it.From, To: it.To, By: ch.Author.Name, Ours: l.ours != "" && ch.Author.ID == l.ours})
			case it.Field != "":
				t.Edits = append(t.Edits, Edit{At: ch.At, Field: it.Field, By: ch.Author.Name})
			}
		}
	}
	if !y.Desk {
		return nil
	}
	approvals, err := try(ctx, l, func() ([]rest.Approval, error) { return l.Rest.Approvals(ctx, i.ID) })
	if err != nil && !errors.Is(err, rest.ErrMissing) {
		l.missed("approvals of "+i.Key, err)
		t.blind = append(t.blind, access.WorkflowHole)
	}
	for _, a := range approvals {
		if !a.Completed.IsZero() {
			t.Answered = append(t.Answered, a.Completed)
		}
	}
	clocks, err := try(ctx, l, func() ([]rest.Metric, error) { return l.Rest.SLA(ctx, i.ID) })
	if err != nil && !errors.Is(err, rest.ErrMissing) {
		l.missed("SLAs of "+i.Key, err)
	}
	for _, m := range clocks {
		t.Clocks = append(t.Clocks, clocksOf(m)...)
	}
	return nil
}

func clocksOf(m rest.Metric) (list []Clock) {
	for _, c := range m.Done {
		list = append(list, Clock{Name: m.Name, Breached: c.Breached, Elapsed: c.Elapsed})
	}
	if m.Running != nil {
		list = append(list, Clock{Name: m.Name, Running: true, Breached: m.Running.Breached, Elapsed: m.Running.Elapsed})
	}
	return list
}

// orgFields are the fields that share a request with organisations.
func (l *look) orgFields() (ids []string) {
	for _, f := range l.fields {
		if strings.HasSuffix(f.Schema, ":sd-customer-organizations") {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// viewers are the people who see a ticket, as far as the token can tell.
func (l *look) viewers(ctx context.Context, y *yard, t *Ticket, i rest.Issue, r access.Request) {
	add := func(u rest.User, how string) {
		v := Viewer{Name: u.Name, How: how}
		if u.Known() {
			v.Identity, _ = l.Directory.ByAccount(l.Site.ID, u.ID)
		}
		v.May = v.Identity != "" && l.MayKnow(v.Identity, r) || u.ID == l.self.ID || u.ID == l.ours
		t.Viewers = append(t.Viewers, v)
	}
	if i.Reporter.ID != "" {
		add(i.Reporter, "reporter")
	}
	if y.Desk {
		people, err := try(ctx, l, func() ([]rest.User, error) { return l.Rest.Participants(ctx, i.ID) })
		if err != nil && !errors.Is(err, rest.ErrMissing) {
			l.missed("participants of "+i.Key, err)
			t.blind = append(t.blind, access.TicketShowsTooMuch)
		}
		for _, u := range people {
			add(u, "participant")
		}
	}
	for _, f := range l.orgFields() {
		for _, o := range lenient[[]struct{ Name string }](i.Fields[f]) {
			t.Viewers = append(t.Viewers, Viewer{Name: o.Name, How: "shared with the organisation"})
		}
	}
	if t.Level.ID == "" {
		for _, m := range y.roles {
			add(rest.User{ID: m.account, Name: m.name}, "role "+m.role)
		}
	}
}
