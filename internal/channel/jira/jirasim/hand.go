package jirasim

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Hand is somebody at work in the site, with no more permission than they
// have. What they do is done at once, and told to webhooks as ever.
type Hand struct {
	s   *Sim
	who string
}

// As is the hand of a user.
func (s *Sim) As(accountID string) *Hand { return &Hand{s, accountID} }

// Rule is an automation rule that acts as a user: the history shows that
// person, and nothing in it tells the two apart.
func (s *Sim) Rule(accountID string) *Hand { return &Hand{s, accountID} }

// do runs one deed as the hand's user, under the lock.
func (h *Hand) do(deed func(*call) error) error {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	u := h.s.user(h.who)
	if u == nil || u.Gone || u.Inactive {
		return refuse(401, "no such user: "+h.who)
	}
	return deed(&call{s: h.s, who: u, v: 2, now: h.s.now()})
}

// on runs a deed on an issue the hand can see, as an issue or as a request.
func (h *Hand) on(ref string, deed func(*call, *issue) error) error {
	return h.do(func(c *call) error {
		i := c.s.lookup(ref)
		if i == nil || !c.s.sees(c.who, i) && !c.s.opens(c.who, i) {
			return refuse(404, notFound)
		}
		return deed(c, i)
	})
}

// fields reads values given by field id or name, in JSON or in short: an
// option by its value or id, a user by account id.
func (c *call) fields(given map[string]any) (map[string]any, error) {
	text, err := json.Marshal(given)
	if err != nil {
		return nil, refuse(400, err.Error())
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	plain, out := map[string]any{}, map[string]any{}
	if err := d.Decode(&plain); err != nil {
		return nil, refuse(400, err.Error())
	}
	for ref, v := range plain {
		f := c.s.field(ref)
		if f == nil {
			return nil, invalid(ref, onScreen(ref))
		}
		out[f.ID] = f.long(v)
	}
	return out, nil
}

func (f *Field) long(v any) any {
	key := ""
	switch f.Kind {
	case Select, MultiSelect:
		key = "value"
	case UserPick, UsersPick, participantsKind:
		key = "accountId"
	case Components, PriorityOf, SecurityOf, GroupsPick, organizationsKind:
		key = "name"
	default:
		return v
	}
	switch x := v.(type) {
	case string:
		return obj{key: x}
	case list:
		out := list{}
		for _, one := range x {
			out = append(out, f.long(one))
		}
		return out
	}
	return v
}

// Create makes an issue, as in the agents' view.
func (h *Hand) Create(projectKey, issueType string, fields map[string]any) (t Ticket, err error) {
	err = h.do(func(c *call) error {
		p := c.s.world.project(projectKey)
		if p == nil || !c.can("CREATE_ISSUES", p, nil) {
			return invalid("project", "You cannot create issues in this project.")
		}
		kind := find(c.s.types, issueType)
		if kind == nil || !slices.Contains(p.types, kind.id) {
			return invalid("issuetype", "Specify a valid issue type")
		}
		values, err := c.fields(fields)
		if err != nil {
			return err
		}
		sets, _, err := c.sets(p, nil, update{Fields: values}, nil)
		if err != nil {
			return err
		}
		if sets["summary"] == nil {
			return invalid("summary", "You must specify a summary of the issue.")
		}
		t = c.ticket(c.make(p, kind.id, sets, nil, ""))
		return nil
	})
	return t, err
}

// Raise makes a request through the portal.
func (h *Hand) Raise(projectKey, requestType string, fields map[string]any) (t Ticket, err error) {
	err = h.do(func(c *call) error {
		i, err := c.raiseBy(projectKey, requestType, fields, "portal")
		if err == nil {
			t = c.ticket(i)
		}
		return err
	})
	return t, err
}

func (c *call) raiseBy(projectKey, requestType string, fields map[string]any, channel string) (*issue, error) {
	p := c.s.world.project(projectKey)
	if p == nil || p.desk == nil || p.desk.requestType(requestType) == nil {
		return nil, refuse(400, "The request type does not exist.")
	}
	values, err := c.fields(fields)
	if err != nil {
		return nil, err
	}
	return c.raise(raising{ServiceDeskID: p.desk.ID, RequestTypeID: p.desk.requestType(requestType).ID, RequestFieldValues: values}, channel)
}

// Mail is a message to a desk's address: whoever its From names becomes the
// reporter, checked by nobody, and an unknown one becomes a customer.
func (s *Sim) Mail(projectKey, requestType, from, subject, body string) (Ticket, error) {
	return s.unproven(projectKey, requestType, "email", from, map[string]any{"summary": subject, "description": body})
}

// Anonymous is a request from the open portal, with an address that anybody
// could have typed.
func (s *Sim) Anonymous(projectKey, requestType, address string, fields map[string]any) (Ticket, error) {
	return s.unproven(projectKey, requestType, "anonymousportal", address, fields)
}

func (s *Sim) unproven(projectKey, requestType, channel, address string, fields map[string]any) (t Ticket, err error) {
	s.mu.Lock()
	u := s.named(address, false)
	if u == nil {
		u, err = s.customer(address, address)
	}
	p := s.world.project(projectKey)
	if err == nil && p != nil && p.desk != nil && !s.raises(u, p) {
		p.desk.Customers = append(p.desk.Customers, u.AccountID)
	}
	s.mu.Unlock()
	if err != nil {
		return Ticket{}, err
	}
	err = s.As(u.AccountID).do(func(c *call) error {
		i, err := c.raiseBy(projectKey, requestType, fields, channel)
		if err == nil {
			t = c.ticket(i)
		}
		return err
	})
	return t, err
}

// Edit sets fields of an issue.
func (h *Hand) Edit(ref string, fields map[string]any) error {
	return h.on(ref, func(c *call, i *issue) error {
		if !c.can("EDIT_ISSUES", i.project, i) {
			return refuse(403, "You do not have permission to edit issues in this project.")
		}
		values, err := c.fields(fields)
		if err != nil {
			return err
		}
		sets, _, err := c.sets(i.project, i, update{Fields: values}, nil)
		if err == nil {
			c.edit(i, sets)
		}
		return err
	})
}

// Transition takes an exit, by id or name, that the hand may take.
func (h *Hand) Transition(ref, exit string) error {
	return h.on(ref, func(c *call, i *issue) error {
		open := c.s.exits(c.who, i, false)
		if c.s.opens(c.who, i) {
			open = append(open, c.customerExits(i)...)
		}
		for _, t := range open {
			if t.ID == exit || t.Name == exit {
				c.take(i, i.project.flow.transition(t.ID), nil)
				return nil
			}
		}
		return refuse(400, "The transition '"+exit+"' is not open to "+c.who.Name+" from "+i.status.Name+".")
	})
}

// Comment says something, for customers to see or not. Internally is for
// agents; elsewhere than on a request there is no difference.
func (h *Hand) Comment(ref, text string, public bool) error {
	return h.on(ref, func(c *call, i *issue) error {
		if !public && !c.s.agent(c.who, i.project) {
			return refuse(403, "You do not have permission to add internal comments.")
		}
		if strings.TrimSpace(text) == "" {
			return invalid("comment", "Comment body can not be empty!")
		}
		c.comment(i, rich{docOf(text), text}, public, nil)
		return nil
	})
}

// Approve and Decline answer the request's open approval.
func (h *Hand) Approve(ref string) error { return h.answer(ref, "approve") }
func (h *Hand) Decline(ref string) error { return h.answer(ref, "decline") }

func (h *Hand) answer(ref, decision string) error {
	return h.on(ref, func(c *call, i *issue) error {
		if len(i.approvals) == 0 {
			return refuse(404, "The request has no approval.")
		}
		return c.answer(i, i.approvals[len(i.approvals)-1], decision)
	})
}

// Move takes an issue to another project.
func (h *Hand) Move(ref, projectKey string) error {
	return h.on(ref, func(c *call, i *issue) error {
		to := c.s.world.project(projectKey)
		if to == nil || !c.can("MOVE_ISSUES", i.project, i) || !c.can("CREATE_ISSUES", to, nil) {
			return refuse(403, "You do not have permission to move the issue there.")
		}
		return c.move(i, to)
	})
}

// Delete deletes an issue for good.
func (h *Hand) Delete(ref string) error {
	return h.on(ref, func(c *call, i *issue) error {
		if !c.can("DELETE_ISSUES", i.project, i) {
			return refuse(403, "You do not have permission to delete issues in this project.")
		}
		c.remove(i)
		return nil
	})
}

// Assign gives the issue to a user, or to nobody.
func (h *Hand) Assign(ref, accountID string) error {
	return h.on(ref, func(c *call, i *issue) error { return c.assign(i, accountID) })
}

// Attach puts files of these names on the issue.
func (h *Hand) Attach(ref string, names ...string) error {
	return h.on(ref, func(c *call, i *issue) error {
		files := []*attachment{}
		for _, n := range names {
			files = append(files, &attachment{name: n, kind: "application/octet-stream", by: c.who.AccountID, created: c.now, public: true})
		}
		c.attach(i, files)
		return nil
	})
}

// DeleteProject deletes a project and every issue in it. Nobody is told.
func (s *Sim) DeleteProject(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.world.project(key)
	if p == nil {
		return refuse(404, "No project could be found with key '"+key+"'.")
	}
	for _, i := range s.issues {
		if i.project == p && !i.deleted {
			i.deleted = true
			s.reindex(i, s.now())
		}
	}
	s.projects = slices.DeleteFunc(s.projects, func(o *project) bool { return o == p })
	s.note(nil, "projects", "Project deleted", "PROJECT", p.Key, p.Name)
	return nil
}
