package jirasim

import (
	"slices"
	"strings"
	"time"
)

// --- status and transitions, as customers have them

func (c *call) getRequestStatus() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	return c.deskPage(c.statusHistory(i))
}

// customerExits are the transitions shown on the portal.
func (c *call) customerExits(i *issue) (out []Transition) {
	for _, t := range i.project.flow.Transitions {
		if t.Portal && (len(t.From) == 0 || slices.Contains(t.From, i.status.ID)) && !i.enforces(t) {
			out = append(out, t)
		}
	}
	return out
}

func (c *call) getRequestTransitions() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, t := range c.customerExits(i) {
		out = append(out, obj{"id": t.ID, "name": t.Name})
	}
	return c.deskPage(out)
}

func (c *call) doRequestTransition() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		ID                string
		AdditionalComment struct{ Body string }
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	n := slices.IndexFunc(c.customerExits(i), func(t Transition) bool { return t.ID == in.ID })
	if n < 0 {
		return reply{}, refuse(400, "The transition is not available to customers, or not from this status.")
	}
	c.take(i, i.project.flow.transition(in.ID), nil)
	if words := strings.TrimSpace(in.AdditionalComment.Body); words != "" {
		c.comment(i, rich{docOf(words), words}, true, nil)
	}
	return none()
}

// --- participants and notifications

func (c *call) getParticipants() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	return c.deskPage(c.participants(i))
}

func (c *call) changeParticipants() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	if !c.s.agent(c.who, i.project) && i.values["reporter"] != c.who.AccountID {
		return reply{}, refuse(403, "You do not have permission to change the participants.")
	}
	ids, err := c.accounts()
	if err != nil {
		return reply{}, err
	}
	f := c.s.fieldOf(participantsKind)
	had, _ := i.values[f.ID].([]string)
	c.edit(i, map[string]any{f.ID: join(had, ids, c.r.Method == "POST", false)})
	return c.deskPage(c.participants(i))
}

// accounts reads a body that names users.
func (c *call) accounts() ([]string, error) {
	var in struct{ AccountIDs, Usernames []string }
	if err := c.read(&in); err != nil {
		return nil, err
	}
	refs := in.AccountIDs
	if c.dc {
		refs = in.Usernames
	}
	if len(refs) == 0 {
		return nil, refuse(400, "At least one user is required.")
	}
	out := []string{}
	for _, ref := range refs {
		u := c.s.named(ref, c.dc)
		if u == nil || u.Gone {
			return nil, refuse(400, "The user "+ref+" does not exist.")
		}
		out = append(out, u.AccountID)
	}
	return out, nil
}

func (c *call) getNotification() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	return ok(obj{"subscribed": i.subscribed[c.who.AccountID]})
}

func (c *call) setNotification() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	i.subscribed[c.who.AccountID] = c.r.Method == "PUT"
	return none()
}

// --- service levels

func (c *call) slas(i *issue) list {
	out := list{}
	for _, l := range i.project.desk.SLAs {
		out = append(out, c.sla(i, l))
	}
	return out
}

// sla measures one goal from creation: one cycle, running or done.
func (c *call) sla(i *issue, l SLA) obj {
	end, paused, stopped := c.now, time.Duration(0), false
	for n, sp := range i.statuses {
		if slices.Contains(l.Stop, sp.status.ID) {
			end, stopped = sp.from, true
			break
		}
		if slices.Contains(l.Pause, sp.status.ID) {
			until := c.now
			if n+1 < len(i.statuses) {
				until = i.statuses[n+1].from
			}
			paused += until.Sub(sp.from)
		}
	}
	goal := time.Duration(l.Goal) * time.Minute
	spent := end.Sub(i.created) - paused
	cycle := obj{"startTime": c.date(i.created), "breached": spent > goal, "goalDuration": lasting(goal), "elapsedTime": lasting(spent), "remainingTime": lasting(goal - spent),
		"breachTime": c.date(i.created.Add(goal + paused))}
	out := obj{"id": l.ID, "name": l.Name, "completedCycles": list{}, "slaDisplayFormat": "NEW_SLA_FORMAT",
		"_links": obj{"self": c.s.url + desk + "/request/" + itoa(i.id) + "/sla/" + l.ID}}
	if stopped {
		cycle["stopTime"] = c.date(end)
		out["completedCycles"] = list{cycle}
	} else {
		cycle["paused"], cycle["withinCalendarHours"] = slices.Contains(l.Pause, i.status.ID), true
		out["ongoingCycle"] = cycle
	}
	return out
}

func lasting(d time.Duration) obj {
	return obj{"millis": d.Milliseconds(), "friendly": itoa(int(d.Hours())) + "h " + itoa(int(d.Minutes())%60) + "m"}
}

func (c *call) getSLAs() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	if !c.s.agent(c.who, i.project) {
		return reply{}, refuse(403, "Only agents may see service levels.")
	}
	return c.deskPage(c.slas(i))
}

func (c *call) getSLA() (reply, error) {
	i, err := c.request()
	if err != nil {
		return reply{}, err
	}
	if !c.s.agent(c.who, i.project) {
		return reply{}, refuse(403, "Only agents may see service levels.")
	}
	for _, l := range i.project.desk.SLAs {
		if l.ID == c.arg("sla") {
			return ok(c.sla(i, l))
		}
	}
	return reply{}, refuse(404, "The service level does not exist.")
}
