package jirasim

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

func (c *call) person(accountID string) string {
	if u := c.s.user(accountID); u != nil {
		return u.Name
	}
	return "nobody"
}

func (c *call) listView(v *view) int {
	v.Title = "Tickets"
	all := []*issue{}
	for _, i := range c.s.issues {
		if c.s.sees(c.who, i) || c.s.opens(c.who, i) {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b *issue) int { return cmp.Compare(b.id, a.id) })
	for _, i := range all {
		summary, _ := i.values["summary"].(string)
		reporter, _ := i.values["reporter"].(string)
		v.Tickets = append(v.Tickets, row{i.key, summary, i.status.Name, c.person(reporter)})
	}
	for _, p := range c.s.projects {
		if !c.s.raises(c.who, p) {
			continue
		}
		for _, rt := range p.desk.RequestTypes {
			if rt.Restricted && !c.s.agent(c.who, p) {
				continue
			}
			ft := formType{Project: p.Key, Name: rt.Name, Help: rt.Help}
			for _, rf := range rt.Fields {
				if !rf.Hidden {
					in := c.input(c.s.field(rf.Field), p, nil)
					in.Label, in.Required = rf.Label, rf.Required
					ft.Fields = append(ft.Fields, in)
				}
			}
			v.Types = append(v.Types, ft)
		}
	}
	return http.StatusOK
}

// input is a form's field for f, filled with what i has.
func (c *call) input(f *Field, p *project, i *issue) input {
	in := input{ID: f.ID, Label: f.Name, Long: f.Kind == Rich, Many: kinds[f.Kind].typ == "array" && f.Kind != Labels}
	has := []string{}
	if i != nil {
		switch v := i.values[f.ID].(type) {
		case string:
			has, in.Value = []string{v}, v
		case []string:
			has, in.Value = v, strings.Join(v, " ")
		case rich:
			in.Value = v.wiki
		}
	}
	pick := func(id, name string) {
		in.Choices = append(in.Choices, choice{ID: id, Name: name, Chosen: slices.Contains(has, id)})
	}
	switch f.Kind {
	case Select, MultiSelect:
		for _, o := range f.Options {
			pick(o.ID, o.Value)
		}
	case UserPick, UsersPick, participantsKind:
		for _, u := range c.s.users {
			if !u.Gone && !u.Inactive {
				pick(u.AccountID, u.Name)
			}
		}
	case PriorityOf:
		for _, n := range c.s.priorities {
			pick(n.id, n.name)
		}
	case Components:
		for _, n := range p.parts {
			pick(n.id, n.name)
		}
	case SecurityOf:
		if p.security != nil {
			for _, l := range p.security.Levels {
				pick(l.ID, l.Name)
			}
		}
	case GroupsPick:
		for _, g := range c.s.groups {
			pick(g.id, g.name)
		}
	case organizationsKind:
		for _, o := range c.s.orgs {
			pick(o.ID, o.Name)
		}
	}
	return in
}

// ticketView is one ticket, with no more of it than the user may see.
func (c *call) ticketView(v *view, key string) int {
	i := c.s.lookup(key)
	if i == nil || !c.s.sees(c.who, i) && !c.s.opens(c.who, i) {
		return http.StatusNotFound
	}
	t := c.ticket(i)
	v.Title, v.Key, v.Status, v.Reporter, v.Assignee = t.Key, t.Key, t.Status, c.person(t.Reporter), c.person(t.Assignee)
	v.Summary, _ = i.values["summary"].(string)
	v.Channel = strings.Trim(strings.TrimPrefix(string(i.props["request.channel.type"]), `{"value":`), `"}`)
	exits := c.s.exits(c.who, i, false)
	if c.s.opens(c.who, i) {
		exits = append(exits, c.customerExits(i)...)
	}
	seen := map[string]bool{}
	for _, e := range exits {
		if !seen[e.ID] {
			v.Exits = append(v.Exits, struct{ ID, Name, To string }{e.ID, e.Name, c.s.world.status(e.To).Name})
		}
		seen[e.ID] = true
	}
	for n, ap := range i.approvals {
		v.MayAnswer = v.MayAnswer || i.canAnswer(ap, c.who)
		a := t.Approvals[n]
		a.Votes = map[string]string{}
		for _, vt := range ap.votes {
			a.Votes[c.person(vt.who)] = vt.decision
		}
		v.Approvals = append(v.Approvals, a)
	}
	for _, p := range c.s.projects {
		if p != i.project {
			v.Projects = append(v.Projects, p.Key)
		}
	}
	if c.can("EDIT_ISSUES", i.project, i) {
		for _, f := range c.s.fields {
			if f.editable() {
				v.Fields = append(v.Fields, c.input(f, i.project, i))
			}
		}
	}
	for n, cm := range i.comments {
		if c.opensComment(i, cm) || c.s.sees(c.who, i) && c.readable(i, cm) {
			note := t.Comments[n]
			note.Author = c.person(note.Author)
			v.Comments = append(v.Comments, note)
		}
	}
	v.Links = t.Links
	for _, ch := range t.Changes {
		ch.Author = c.person(ch.Author)
		v.Changes = append(v.Changes, ch)
	}
	return http.StatusOK
}
