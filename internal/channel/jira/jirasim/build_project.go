package jirasim

import (
	"slices"
	"strings"
)

func (b *builder) statusID(where, name string) string {
	st := b.w.status(name)
	if st == nil {
		b.fail("%s: no status %q", where, name)
		return ""
	}
	return st.ID
}

// workflow resolves names of statuses, fields and transitions to ids.
func (b *builder) workflow(given Workflow) {
	where := "workflow " + given.Name
	f := &workflow{Workflow: given}
	f.Transitions, f.Approvals = nil, nil
	f.Start = b.statusID(where, given.Start)
	use := func(id string) {
		if st := b.w.status(id); st != nil && !slices.Contains(f.statuses, st) {
			f.statuses = append(f.statuses, st)
		}
	}
	use(f.Start)
	for _, t := range given.Transitions {
		t.ID = b.id(t.ID, "transition of "+given.Name, 11)
		if slices.ContainsFunc(f.Transitions, func(o Transition) bool { return o.ID == t.ID }) {
			b.fail("%s: two transitions have the id %s", where, t.ID)
		}
		from := []string(nil)
		for _, n := range t.From {
			from = append(from, b.statusID(where, n))
		}
		t.From, t.To = from, b.statusID(where, t.To)
		t.Fields = b.screen(where, t.Fields)
		if r := find(b.w.results, t.Resolution); t.Resolution != "" && r == nil {
			b.fail("%s: no resolution %q", where, t.Resolution)
		} else if r != nil {
			t.Resolution = r.id
		}
		for _, id := range append(from, t.To) {
			use(id)
		}
		f.Transitions = append(f.Transitions, t)
	}
	for _, a := range given.Approvals {
		a.Status = b.statusID(where, a.Status)
		if fd := b.w.field(a.Field); fd == nil {
			b.fail("%s: no field %q", where, a.Field)
		} else {
			a.Field = fd.ID
		}
		for _, name := range []*string{&a.Approve, &a.Decline} {
			t := f.transition(*name)
			if t == nil {
				b.fail("%s: no transition %q for its approval", where, *name)
				continue
			}
			*name = t.ID
		}
		f.Approvals = append(f.Approvals, a)
	}
	if b.w.workflows[f.Name] != nil || f.Name == "" {
		b.fail("workflow %q: names are required and unique", f.Name)
	}
	b.w.workflows[f.Name] = f
}

func (b *builder) screen(where string, fields []string) (out []string) {
	for _, n := range fields {
		name, star := strings.CutPrefix(n, "*")
		fd := b.w.field(name)
		switch {
		case fd == nil:
			b.fail("%s: no field %q", where, name)
		case star:
			out = append(out, "*"+fd.ID)
		default:
			out = append(out, fd.ID)
		}
	}
	return out
}

// transition by id or name.
func (f *workflow) transition(ref string) *Transition {
	for i, t := range f.Transitions {
		if t.ID == ref || t.Name == ref {
			return &f.Transitions[i]
		}
	}
	return nil
}

func (b *builder) schemes(site Site) {
	for _, sc := range site.Security {
		sc.ID = b.id(sc.ID, "securityscheme", 10000)
		sc.Levels = slices.Clone(sc.Levels)
		for i := range sc.Levels {
			sc.Levels[i].ID = b.id(sc.Levels[i].ID, "securitylevel", 10020)
			sc.Levels[i].scheme = &sc
			b.holders("security level "+sc.Levels[i].Name, sc.Levels[i].Holders)
		}
		b.w.security = append(b.w.security, &sc)
	}
	for _, sc := range site.Permissions {
		sc.ID = b.id(sc.ID, "permissionscheme", 10000)
		for _, perm := range sorted(sc.Grants) {
			holders := sc.Grants[perm]
			if !slices.ContainsFunc(permissions, func(p permission) bool { return p.key == perm && !p.global }) {
				b.fail("permission scheme %q: no project permission %q", sc.Name, perm)
			}
			b.holders("permission "+perm, holders)
		}
		b.w.schemes = append(b.w.schemes, &sc)
	}
}

func (b *builder) holders(where string, holders []Holder) {
	for _, h := range holders {
		ok := true
		switch h.Type {
		case "group":
			b.w.group(h.Parameter)
		case "projectRole":
			ok = find(b.w.roles, h.Parameter) != nil
		case "user":
			ok = b.w.user(h.Parameter) != nil
		case "userCustomField":
			ok = b.w.field(h.Parameter) != nil
		case "reporter", "assignee", "projectLead", "anyone", "applicationRole":
		default:
			ok = false
		}
		if !ok {
			b.fail("%s: no holder %s %q", where, h.Type, h.Parameter)
		}
	}
}

func (b *builder) project(given Project) {
	where := "project " + given.Key
	p := &project{Project: given}
	if !validKey.MatchString(p.Key) || b.w.project(p.Key) != nil {
		b.fail("%s: keys are two to ten capitals and digits, and unique", where)
	}
	switch p.Type {
	case "service_desk", "software", "business":
	default:
		b.fail("%s: no project type %q", where, p.Type)
	}
	p.ID = b.id(p.ID, "project", 10000)
	for _, t := range given.Types {
		if n := find(b.w.types, t); n == nil {
			b.fail("%s: no issue type %q", where, t)
		} else {
			p.types = append(p.types, n.id)
		}
	}
	if len(given.Types) == 0 {
		for _, n := range b.w.types {
			p.types = append(p.types, n.id)
		}
	}
	if p.flow = b.w.workflows[given.Workflow]; p.flow == nil {
		b.fail("%s: no workflow %q", where, given.Workflow)
	}
	for _, sc := range b.w.schemes {
		if sc.Name == given.Permissions {
			p.scheme = sc
		}
	}
	if p.scheme == nil {
		b.fail("%s: no permission scheme %q", where, given.Permissions)
	}
	for _, sc := range b.w.security {
		if sc.Name == given.Security {
			p.security = sc
		}
	}
	if p.security == nil && given.Security != "" {
		b.fail("%s: no security scheme %q", where, given.Security)
	}
	p.parts = b.list("component", 10000, given.Components, nil)
	p.Roles = map[string]Actors{}
	b.actors(where, p, given.Roles)
	if (given.Desk != nil) != (given.Type == "service_desk") {
		b.fail("%s: a service project, and no other, has a desk", where)
	}
	if given.Desk != nil {
		b.desk(where, p, *given.Desk)
	}
	b.w.projects = append(b.w.projects, p)
}

func (b *builder) actors(where string, p *project, given map[string]Actors) {
	if p.Lead != "" && b.w.user(p.Lead) == nil {
		b.fail("%s: no user %q to lead it", where, p.Lead)
	}
	for _, role := range sorted(given) {
		who := given[role]
		n := find(b.w.roles, role)
		if n == nil {
			b.fail("%s: no role %q", where, role)
			continue
		}
		for _, id := range who.Users {
			if b.w.user(id) == nil {
				b.fail("%s: no user %q in role %q", where, id, role)
			}
		}
		for _, g := range who.Groups {
			b.w.group(g)
		}
		p.Roles[n.id] = Actors{slices.Clone(who.Users), slices.Clone(who.Groups)}
	}
}

func (b *builder) desk(where string, p *project, d Desk) {
	d.ID = b.id(d.ID, "desk", 1)
	types, queues, slas := d.RequestTypes, d.Queues, d.SLAs
	d.RequestTypes, d.Queues, d.SLAs = nil, nil, nil
	for _, rt := range types {
		d.RequestTypes = append(d.RequestTypes, b.requestType(where, p, rt))
	}
	for _, q := range queues {
		q.ID = b.id(q.ID, "queue", 1)
		if _, err := parseJQL(q.JQL); err != nil {
			b.fail("%s: queue %q: %w", where, q.Name, err)
		}
		d.Queues = append(d.Queues, q)
	}
	for _, l := range slas {
		l.ID = b.id(l.ID, "sla", 10030)
		for _, list := range []*[]string{&l.Stop, &l.Pause} {
			ids := []string(nil)
			for _, n := range *list {
				ids = append(ids, b.statusID(where, n))
			}
			*list = ids
		}
		d.SLAs = append(d.SLAs, l)
	}
	for _, id := range d.Customers {
		if b.w.user(id) == nil {
			b.fail("%s: no user %q to be a customer", where, id)
		}
	}
	d.Customers = slices.Clone(d.Customers)
	names := d.Organizations
	d.Organizations = nil
	for _, n := range names {
		o := b.w.org(n)
		if o == nil {
			b.fail("%s: no organization %q", where, n)
			continue
		}
		d.Organizations = append(d.Organizations, o.ID)
	}
	p.desk = &d
}

func (b *builder) requestType(where string, p *project, rt RequestType) RequestType {
	rt.ID, rt.props = b.id(rt.ID, "requesttype", 10), properties{}
	if n := find(b.w.types, rt.Type); n == nil {
		b.fail("%s: request type %q: no issue type %q", where, rt.Name, rt.Type)
	} else {
		rt.Type = n.id
	}
	if rt.Group != "" && find(p.groups, rt.Group) == nil {
		p.groups = append(p.groups, named{b.id("", "requesttypegroup", 1), rt.Group})
	}
	rt.Fields = slices.Clone(rt.Fields)
	for i, rf := range rt.Fields {
		f := b.w.field(rf.Field)
		if f == nil {
			b.fail("%s: request type %q: no field %q", where, rt.Name, rf.Field)
			continue
		}
		rt.Fields[i].Field = f.ID
		if rf.Label == "" {
			rt.Fields[i].Label = f.Name
		}
	}
	return rt
}
