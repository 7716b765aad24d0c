package jirasim

import (
	"slices"
	"strings"
)

// exits are the transitions u may take from where the issue is. With all set,
// those whose conditions u fails are there too.
//
// In a service project the two transitions of an approval step are kept for the
// approval itself. Every further one, and those from any status, stay open to
// whoever may transition issues: that is how Jira is.
func (s *Sim) exits(u *User, i *issue, all bool) (out []Transition) {
	if !s.holds(u, "TRANSITION_ISSUES", i.project, i) {
		return nil
	}
	for _, t := range i.project.flow.Transitions {
		if len(t.From) > 0 && !slices.Contains(t.From, i.status.ID) {
			continue
		}
		if all || s.mayTake(u, i, t) {
			out = append(out, t)
		}
	}
	return out
}

func (s *Sim) mayTake(u *User, i *issue, t Transition) bool {
	if a := i.step(); a != nil && (t.ID == a.Approve || t.ID == a.Decline) {
		return false
	}
	return !t.Agents || s.agent(u, i.project)
}

// step is the approval that stands on the issue's status, if Jira enforces it:
// nothing is enforced outside a service project, whatever workflow it shares.
func (i *issue) step() *ApprovalStep {
	if i.project.desk == nil {
		return nil
	}
	for n, a := range i.project.flow.Approvals {
		if a.Status == i.status.ID {
			return &i.project.flow.Approvals[n]
		}
	}
	return nil
}

// setStatus puts the issue into a status and gives the change.
func (c *call) setStatus(i *issue, to *Status) changeItem {
	it := changeItem{field: "status", typ: "jira", fieldID: "status", from: i.status.ID, fromString: i.status.Name, to: to.ID, toString: to.Name}
	if n := c.s.localised["status"]; n != "" {
		it.field = n
	}
	if to.Category != i.status.Category {
		i.categorized = c.now
	}
	i.status, i.since = to, c.now
	i.statuses = append(i.statuses, span{to, c.now})
	return it
}

// take moves the issue along t, with the fields of its screen.
func (c *call) take(i *issue, t *Transition, sets map[string]any) {
	items := []changeItem{}
	to := c.s.world.status(t.To)
	var result any
	switch {
	case t.Resolution != "":
		result = t.Resolution
	case to.Category == Done:
		result = i.values["resolution"]
	}
	f := c.s.field("resolution")
	if !same(i.values[f.ID], result) {
		items = append(items, c.item(f, i.project, i.values[f.ID], result))
		i.values[f.ID] = result
		i.resolved = c.now
		if result == nil {
			i.resolved = noTime
		}
	}
	for _, f := range c.s.fields {
		if v, named := sets[f.ID]; named && !same(i.values[f.ID], v) {
			items = append(items, c.item(f, i.project, i.values[f.ID], v))
			i.values[f.ID] = v
			c.follow(i, f)
		}
	}
	items = append(items, c.setStatus(i, to))
	c.arrive(i)
	c.record(i, items, "issue_generic")
}

// screenOf gives the fields a transition's screen takes, and which it requires.
func (t *Transition) screen() (fields, required []string) {
	for _, f := range t.Fields {
		id, star := strings.CutPrefix(f, "*")
		fields = append(fields, id)
		if star {
			required = append(required, id)
		}
	}
	return fields, required
}

// --- operations

func (c *call) transitionBean(i *issue, t Transition) obj {
	fields, required := t.screen()
	out := obj{
		"id": t.ID, "name": t.Name, "to": c.status(c.s.world.status(t.To)), "hasScreen": len(fields) > 0,
		"isGlobal": len(t.From) == 0, "isInitial": false, "isAvailable": c.s.mayTake(c.who, i, t), "isConditional": t.Agents || i.enforces(t), "looped": t.To == i.status.ID,
	}
	if c.expands("transitions.fields") {
		metas := obj{}
		for _, id := range fields {
			metas[id] = c.fieldMeta(c.s.field(id), i.project, slices.Contains(required, id))
		}
		out["fields"] = metas
	}
	return out
}

// enforces says whether the approval of the issue's status keeps t to itself.
func (i *issue) enforces(t Transition) bool {
	a := i.step()
	return a != nil && (t.ID == a.Approve || t.ID == a.Decline)
}

func (c *call) getTransitions() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, t := range c.s.exits(c.who, i, c.query("includeUnavailableTransitions") == "true") {
		if only := c.query("transitionId"); only == "" || only == t.ID {
			out = append(out, c.transitionBean(i, t))
		}
	}
	return ok(obj{"expand": "transitions", "transitions": out})
}

func (c *call) doTransition() (reply, error) {
	// 1. What is asked.
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	var in update
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	id, _ := in.Transition["id"].(string)
	if id == "" {
		return reply{}, refuse(400, "Missing 'transition' identifier")
	}
	// 2. Whether the caller may.
	n := slices.IndexFunc(c.s.exits(c.who, i, false), func(t Transition) bool { return t.ID == id })
	if n < 0 {
		return reply{}, refuse(400, "It seems that you have tried to perform a workflow operation that is not valid for the current state of this issue. "+
			"The likely cause is that somebody has changed the issue recently, please look at the issue history for details.")
	}
	t := i.project.flow.transition(id)
	fields, required := t.screen()
	sets, notes, err := c.sets(i.project, i, in, fields)
	if err != nil {
		return reply{}, err
	}
	for _, f := range required {
		if v, given := sets[f]; (!given || v == nil) && i.values[f] == nil {
			return reply{}, invalid(f, c.s.field(f).Name+" is required.")
		}
	}
	// 3. The deed.
	c.take(i, t, sets)
	c.addNotes(i, notes)
	return none()
}
