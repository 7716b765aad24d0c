package jirasim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// issue is one ticket. Its id never changes; its key does when it is moved.
type issue struct {
	id      int
	key     string
	project *project
	kind    string // issue type id
	status  *Status
	values  map[string]any // canonical, by field id; see parse
	creator string

	created, updated   time.Time
	since, categorized time.Time // of the status, of its category
	resolved           time.Time
	statuses           []span

	changes     []*change
	comments    []*comment
	attachments []*attachment
	links       []*remoteLink
	approvals   []*approval
	watchers    []string
	subscribed  map[string]bool
	props       properties
	requestType string
	deleted     bool

	index []indexed // what search knows, oldest first
}

// span is a time an issue spent in a status.
type span struct {
	status *Status
	from   time.Time
}

const notFound = "Issue does not exist or you do not have permission to see it."

var digits = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// lookup finds an issue by id, or by any key it ever had.
func (s *Sim) lookup(ref string) *issue {
	id := s.keys[ref]
	if digits.MatchString(ref) {
		id, _ = strconv.Atoi(ref)
	}
	if i := s.issues[id]; i != nil && !i.deleted {
		return i
	}
	return nil
}

// issue is the one ref names, if the caller may see it: missing and hidden are
// the same answer.
func (c *call) issue(ref string) (*issue, error) {
	if i := c.s.lookup(ref); i != nil && c.s.sees(c.who, i) {
		return i, nil
	}
	return nil, refuse(404, notFound)
}

// make brings an issue into the world: checked by its caller.
func (c *call) make(p *project, kind string, values map[string]any, rt *RequestType, channel string) *issue {
	// 1. The issue.
	p.last++
	i := &issue{
		id: c.s.next("issue", 10000), key: p.Key + "-" + strconv.Itoa(p.last), project: p, kind: kind,
		status: c.s.world.status(p.flow.Start), values: values, creator: c.who.AccountID,
		created: c.now, updated: c.now, since: c.now, categorized: c.now,
		subscribed: map[string]bool{}, props: properties{},
	}
	i.statuses = []span{{i.status, c.now}}
	if i.values["priority"] == nil {
		i.values["priority"] = c.s.priorities[len(c.s.priorities)/2].id
	}
	if i.values["reporter"] == nil {
		i.values["reporter"] = c.who.AccountID
	}
	if p.security != nil && i.values["security"] == nil {
		for _, l := range p.security.Levels {
			if l.Default {
				i.values["security"] = l.ID
			}
		}
	}
	c.s.issues[i.id], c.s.keys[i.key] = i, i.id
	// 2. The request, where it is one.
	if rt != nil {
		i.requestType = rt.ID
		i.props.set("request.channel.type", []byte(`{"value":"`+channel+`"}`))
	}
	c.arrive(i)
	c.touch(i)
	// 3. Tell of it, with what was set as changes from nothing.
	items := []changeItem{}
	for _, f := range c.s.fields {
		if v := i.values[f.ID]; f.editable() && v != nil && !same(nil, v) {
			items = append(items, c.item(f, p, nil, v))
		}
	}
	items = append(items, changeItem{field: "Status", typ: "jira", fieldID: "status", to: i.status.ID, toString: i.status.Name})
	c.tell(event{name: "jira:issue_created", typ: "issue_created", issue: i, change: &change{id: c.s.next("change", 10000), items: items}})
	return i
}

// edit sets fields. The values are canonical and checked.
func (c *call) edit(i *issue, sets map[string]any) {
	items := []changeItem{}
	for _, f := range c.s.fields {
		v, named := sets[f.ID]
		if !named || same(i.values[f.ID], v) {
			continue
		}
		items = append(items, c.item(f, i.project, i.values[f.ID], v))
		i.values[f.ID] = v
		c.follow(i, f)
	}
	if len(items) == 0 {
		return
	}
	typ := "issue_updated"
	if len(items) == 1 && items[0].fieldID == "assignee" {
		typ = "issue_assigned"
	}
	c.record(i, items, typ)
}

// record writes one entry of the changelog and tells of it.
func (c *call) record(i *issue, items []changeItem, typ string) {
	ch := &change{id: c.s.next("change", 10000), by: c.who.AccountID, at: c.now, items: items}
	i.changes = append(i.changes, ch)
	c.touch(i)
	c.tell(event{name: "jira:issue_updated", typ: typ, issue: i, change: ch})
}

// touch notes that the issue changed, for search too.
func (c *call) touch(i *issue) {
	i.updated = c.now
	c.s.reindex(i, c.now)
}

// remove deletes an issue for good.
func (c *call) remove(i *issue) {
	c.tell(event{name: "jira:issue_deleted", issue: i})
	i.deleted = true
	c.touch(i)
	c.s.note(c.who, "issue", "Issue deleted", "ISSUE", strconv.Itoa(i.id), i.key)
}

// move takes an issue to another project: a new key, the same id. What the
// other project does not know (status, level, components, request) is let go.
func (c *call) move(i *issue, to *project) error {
	if to == i.project {
		return refuse(400, "The issue is already in project "+to.Key+".")
	}
	from, oldKey := i.project, i.key
	to.last++
	i.key, i.project = to.Key+"-"+strconv.Itoa(to.last), to
	c.s.keys[i.key] = i.id
	items := []changeItem{
		{field: "project", typ: "jira", fieldID: "project", from: from.ID, fromString: from.Name, to: to.ID, toString: to.Name},
		{field: "Key", typ: "jira", fromString: oldKey, toString: i.key},
	}
	if from.flow != to.flow {
		items = append(items, changeItem{field: "Workflow", typ: "jira", fromString: from.flow.Name, toString: to.flow.Name})
	}
	if !slices.Contains(to.types, i.kind) {
		items = append(items, changeItem{field: "issuetype", typ: "jira", fieldID: "issuetype", from: i.kind, fromString: find(c.s.types, i.kind).name,
			to: to.types[0], toString: find(c.s.types, to.types[0]).name})
		i.kind = to.types[0]
	}
	if !slices.Contains(to.flow.statuses, i.status) {
		items = append(items, c.setStatus(i, c.s.world.status(to.flow.Start)))
	}
	if from.security != to.security && i.values["security"] != nil {
		f := c.s.field("security")
		items = append(items, c.item(f, from, i.values["security"], nil))
		delete(i.values, "security")
	}
	delete(i.values, "components")
	i.requestType = ""
	c.record(i, items, "issue_moved")
	return nil
}

// assign, as an operation of its own, needs ASSIGN_ISSUES and an assignable user.
func (c *call) assign(i *issue, accountID string) error {
	if !c.can("ASSIGN_ISSUES", i.project, i) {
		return refuse(403, "You do not have permission to assign issues.")
	}
	if accountID != "" && !c.s.holds(c.s.user(accountID), "ASSIGNABLE_USER", i.project, i) {
		return invalid("assignee", fmt.Sprintf("User '%s' cannot be assigned issues.", accountID))
	}
	var v any
	if accountID != "" {
		v = accountID
	}
	c.edit(i, map[string]any{"assignee": v})
	return nil
}
