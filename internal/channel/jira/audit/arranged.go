package audit

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
)

// lenient decodes a field; one of an odd type is as good as none.
func lenient[T any](raw json.RawMessage) T {
	var v T
	if json.Unmarshal(raw, &v) != nil {
		var none T
		return none
	}
	return v
}

// wall finds who may browse a project. Only those who administer it may ask.
func (l *look) wall(ctx context.Context, y *yard) {
	scheme, err := try(ctx, l, func() ([]rest.Permitted, error) { return l.Rest.PermissionScheme(ctx, y.Key) })
	if err != nil {
		l.missed("who may browse "+y.Key+" (an administrator's token can read it: --token-ref)", err)
		return
	}
	roles, err := try(ctx, l, func() ([]rest.Role, error) { return l.Rest.Roles(ctx, y.Key) })
	if err != nil {
		l.missed("roles of "+y.Key, err)
	}
	y.browse = []string{}
	for _, p := range scheme {
		if p.Permission != "BROWSE_PROJECTS" {
			continue
		}
		y.browse = append(y.browse, holderName(p.Holder, roles))
		if p.Holder.Kind == "projectRole" {
			l.members(ctx, y, p.Holder.Value, roles)
		}
	}
	slices.Sort(y.browse)
	y.browse = slices.Compact(y.browse)
}

// holderName says who a holder is, in words.
func holderName(h rest.Holder, roles []rest.Role) string {
	switch h.Kind {
	case "anyone":
		return "anybody, signed in or not"
	case "applicationRole":
		return "everybody with a licence"
	case "projectRole":
		for _, r := range roles {
			if r.ID == h.Value {
				return "role " + r.Name
			}
		}
	}
	return strings.TrimSpace(h.Kind + " " + h.Value)
}

func (l *look) members(ctx context.Context, y *yard, role string, roles []rest.Role) {
	name := holderName(rest.Holder{Kind: "projectRole", Value: role}, roles)
	list, err := try(ctx, l, func() ([]rest.Member, error) { return l.Rest.Members(ctx, y.Key, role) })
	if err != nil {
		l.missed("who is in "+name+" of "+y.Key, err)
	}
	if l.Site.Kind == config.JiraDataCenter && len(list) > 0 {
		l.miss("which identities are in %s of %s: Data Center names its members by login, which changes, and not by key", name, y.Key)
	}
	for _, m := range list {
		switch {
		case m.Group:
			y.browse = append(y.browse, name+" through group "+m.Name)
		case l.Site.Kind == config.JiraDataCenter:
			y.browse = append(y.browse, name+", "+m.Name)
		default:
			y.roles = append(y.roles, member{strings.TrimPrefix(name, "role "), m.ID, m.Name})
		}
	}
}

// levels finds who is in each security level.
func (l *look) levels(ctx context.Context, y *yard) {
	w := Wall{Project: y.Key, Browsers: y.browse, Configured: y.SecurityLevel}
	list, err := try(ctx, l, func() ([]rest.SecurityLevel, error) { return l.Rest.SecurityLevels(ctx, y.Key) })
	if err != nil {
		l.missed("security levels of "+y.Key, err)
	}
	roles, _ := try(ctx, l, func() ([]rest.Role, error) { return l.Rest.Roles(ctx, y.Key) }) // for names only
	for _, s := range list {
		one := Level{Ref: Ref{s.ID, s.Name}, Ours: y.levels[s.ID]}
		holders, err := try(ctx, l, func() ([]rest.Holder, error) { return l.Rest.LevelMembers(ctx, s.ID) })
		if err != nil {
			one.Unread = true
			l.missed("who is in security level "+s.Name, err)
		}
		for _, h := range holders {
			one.Holders = append(one.Holders, holderName(h, roles))
		}
		w.Levels = append(w.Levels, one)
	}
	l.walls = append(l.walls, w)
}

// flow puts together what shows of the workflow.
func (l *look) flow(ctx context.Context, y *yard) error {
	m := y.Milestones
	f := Flow{Project: y.Key, Desk: y.Desk, Own: l.Own}
	for _, id := range append([]string{m.Granting, m.Active}, y.Closed...) {
		if id != "" && id != m.Refused && id != m.Removed {
			f.Granting = append(f.Granting, id)
		}
	}
	for id, verdict := range y.Votes.Statuses {
		if verdict == access.Approve {
			f.Granting = append(f.Granting, id)
		}
	}
	// 1. Which status waits for approval: the mapping says.
	types, err := try(ctx, l, func() ([]rest.TypeStatuses, error) { return l.Rest.Statuses(ctx, y.Key) })
	if err != nil {
		return err
	}
	for _, t := range types {
		for _, s := range t.Statuses {
			if s.ID == m.Waiting && m.Waiting != "" {
				f.Approval = Ref{s.ID, s.Name}
			}
		}
	}
	if f.Approval.ID == "" {
		l.miss("ways around an approval in %s: no milestone waiting is mapped, so which status waits for approval is not known", y.Key)
	}
	// 2. The moves that tickets showed.
	for _, s := range y.samples {
		from := Ref{s.issue.Status.ID, s.issue.Status.Name}
		f.Looked = append(f.Looked, from)
		for _, t := range s.moves {
			f.Exits = append(f.Exits, Exit{From: from, To: Ref{t.To.ID, t.To.Name}, Name: t.Name, Any: t.Global})
		}
	}
	if f.Approval.ID != "" && !slices.ContainsFunc(f.Looked, func(r Ref) bool { return r.ID == f.Approval.ID }) {
		l.miss("ways out of %q in %s: no recent ticket is there", f.Approval.Name, y.Key)
	}
	if l.Site.Kind == config.JiraDataCenter {
		l.miss("whether a transition of %s leads from any status: Data Center does not say", y.Key)
	}
	// 3. Who names the approvers, and who shares the status.
	l.pickers(ctx, y, &f)
	l.share(ctx, y, &f)
	l.flows = append(l.flows, f)
	return nil
}

// pickers finds the fields that name people.
func (l *look) pickers(ctx context.Context, y *yard, f *Flow) {
	var forWhom []string
	for _, t := range y.RequestTypes {
		forWhom = append(forWhom, t.Beneficiary)
	}
	isPicker := func(id, schema string) bool {
		return fits(schema, []string{"userpicker", "multiuserpicker"}) && !slices.Contains(forWhom, id)
	}
	for _, field := range l.fields {
		if isPicker(field.ID, field.Schema) {
			f.Pickers = append(f.Pickers, field.ID)
		}
	}
	if !y.Desk {
		return
	}
	for _, t := range y.RequestTypes {
		form, err := try(ctx, l, func() ([]rest.RequestField, error) { return l.Rest.RequestFields(ctx, y.desk, t.ID) })
		if err != nil {
			l.missed("form "+t.ID+" of "+y.Key, err)
			f.blind = append(f.blind, OwnChoice)
		}
		for _, field := range form {
			if field.Visible && isPicker(field.ID, field.Schema) {
				f.Forms = append(f.Forms, Form{Type: y.types[t.ID], Field: field.ID, Name: field.Name})
			}
		}
	}
}

// mostSharers bounds how many other projects are looked at for the approval status.
const mostSharers = 200

func (l *look) share(ctx context.Context, y *yard, f *Flow) {
	approval := f.Approval
	if approval.ID == "" {
		f.blind = append(f.blind, Shared)
		return
	}
	projects, err := try(ctx, l, func() ([]rest.Project, error) { return l.Rest.Projects(ctx) })
	if err != nil {
		l.missed("other projects that share a status", err)
		f.blind = append(f.blind, Shared)
	}
	looked := 0
	for _, p := range projects {
		if p.Kind == "service_desk" || p.Key == y.Key || p.Simplified {
			continue
		}
		if looked++; looked > mostSharers {
			l.miss("projects after the first %d, for the status %q", mostSharers, approval.Name)
			f.blind = append(f.blind, Shared)
			return
		}
		types, err := try(ctx, l, func() ([]rest.TypeStatuses, error) { return l.Rest.Statuses(ctx, p.Key) })
		if err != nil && !errors.Is(err, rest.ErrMissing) {
			l.missed("statuses of "+p.Key, err)
			f.blind = append(f.blind, Shared)
		}
		if slices.ContainsFunc(types, func(t rest.TypeStatuses) bool {
			return slices.ContainsFunc(t.Statuses, func(s rest.Status) bool { return s.ID == approval.ID })
		}) {
			l.sharers[y.Key] = append(l.sharers[y.Key], Sharer{p.Key, p.Kind, approval.Name})
		}
	}
}
