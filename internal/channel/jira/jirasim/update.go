package jirasim

import (
	"encoding/json"
	"slices"
)

// update is the body of a create, an edit and a transition.
type update struct {
	Fields     map[string]any
	Update     map[string][]map[string]any
	Transition obj
	Properties []struct {
		Key   string
		Value json.RawMessage
	}
}

// sets reads what the body sets into canonical values, and the comments it
// adds. With a screen, only its fields may be named. Every fault is told.
func (c *call) sets(p *project, i *issue, in update, screen []string) (map[string]any, []rich, error) {
	out, notes, bad := map[string]any{}, []rich(nil), map[string]string{}
	for id, raw := range in.Fields {
		if id == "project" || id == "issuetype" {
			if i != nil {
				bad[id] = onScreen(id)
			}
			continue
		}
		f, problem := c.settable(p, i, id, screen)
		if problem == "" {
			out[id], problem = c.parse(f, p, raw)
		}
		if problem == "" {
			problem = c.allowedTo(p, i, f, out[id])
		}
		if problem != "" {
			bad[id] = problem
		}
	}
	for id, ops := range in.Update {
		if _, both := in.Fields[id]; both {
			bad[id] = "Field '" + id + "' cannot appear in both 'fields' and 'update'"
			continue
		}
		if id == "comment" {
			more, problem := c.notes(ops)
			if notes = append(notes, more...); problem != "" {
				bad[id] = problem
			}
			continue
		}
		f, problem := c.settable(p, i, id, screen)
		if problem == "" {
			out[id], problem = c.operate(p, i, f, ops)
		}
		if problem == "" {
			problem = c.allowedTo(p, i, f, out[id])
		}
		if problem != "" {
			bad[id] = problem
		}
	}
	if len(bad) > 0 {
		return nil, nil, &Refusal{Status: 400, Fields: bad}
	}
	return out, notes, nil
}

func onScreen(id string) string {
	return "Field '" + id + "' cannot be set. It is not on the appropriate screen, or unknown."
}

func (c *call) settable(p *project, i *issue, id string, screen []string) (*Field, string) {
	for _, f := range c.s.fields {
		if f.ID != id {
			continue
		}
		if screen != nil && slices.Contains(screen, id) || screen == nil && f.editable() {
			return f, ""
		}
	}
	return nil, onScreen(id)
}

// allowedTo says what the caller lacks to set this field to that.
func (c *call) allowedTo(p *project, i *issue, f *Field, v any) string {
	need := map[string]string{"reporter": "MODIFY_REPORTER", "assignee": "ASSIGN_ISSUES", "security": "SET_ISSUE_SECURITY", "duedate": "SCHEDULE_ISSUES"}[f.ID]
	oneself := f.ID == "reporter" && v == c.who.AccountID
	if need != "" && !c.can(need, p, i) && !oneself {
		return onScreen(f.ID)
	}
	if id, _ := v.(string); f.ID == "assignee" && id != "" && !c.s.holds(c.s.user(id), "ASSIGNABLE_USER", p, i) {
		return "User '" + id + "' cannot be assigned issues."
	}
	return ""
}

// operate applies set, add and remove to what the field holds.
func (c *call) operate(p *project, i *issue, f *Field, ops []map[string]any) (any, string) {
	var v any
	if i != nil {
		v = i.values[f.ID]
	}
	for _, op := range ops {
		for verb, raw := range op {
			if verb == "set" {
				next, problem := c.parse(f, p, raw)
				if problem != "" {
					return nil, problem
				}
				v = next
				continue
			}
			if kinds[f.Kind].typ != "array" || verb != "add" && verb != "remove" {
				return nil, "Field does not support update '" + verb + "'"
			}
			parsed, problem := c.parse(f, p, list{raw})
			if problem != "" {
				return nil, problem
			}
			had, _ := v.([]string)
			v = join(had, parsed.([]string), verb == "add", f.Kind == Labels)
		}
	}
	return v, ""
}

func join(had, with []string, add, sorted bool) []string {
	out := slices.DeleteFunc(slices.Clone(had), func(s string) bool { return slices.Contains(with, s) })
	if add {
		out = append(slices.Clone(had), slices.DeleteFunc(slices.Clone(with), func(s string) bool { return slices.Contains(had, s) })...)
	}
	if sorted {
		slices.Sort(out)
	}
	return out
}

func (c *call) notes(ops []map[string]any) (out []rich, problem string) {
	for _, op := range ops {
		add, _ := op["add"].(obj)
		v, problem := c.parseRich(add["body"])
		if problem != "" || v == nil {
			return nil, "Comment body is not valid!"
		}
		out = append(out, v.(rich))
	}
	return out, ""
}

func (c *call) addNotes(i *issue, notes []rich) {
	for _, n := range notes {
		c.comment(i, n, true, nil)
	}
}

// --- operations

func (c *call) createIssue() (reply, error) {
	// 1. Where, and of which type.
	var in update
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	bad := map[string]string{}
	p := c.projectOf(in.Fields["project"])
	if p == nil {
		bad["project"] = "Specify a valid project ID or key"
	} else if !c.can("CREATE_ISSUES", p, nil) {
		bad["project"] = "You cannot create issues in this project."
	}
	kind := c.typeOf(in.Fields["issuetype"], p)
	if in.Fields["issuetype"] == nil {
		bad["issuetype"] = "Specify an issue type"
	} else if kind == "" && p != nil {
		bad["issuetype"] = "Specify a valid issue type"
	}
	if len(bad) > 0 {
		return reply{}, &Refusal{Status: 400, Fields: bad}
	}
	// 2. What is in it.
	sets, notes, err := c.sets(p, nil, in, nil)
	if err != nil {
		return reply{}, err
	}
	if sets["summary"] == nil {
		return reply{}, invalid("summary", "You must specify a summary of the issue.")
	}
	for _, pr := range in.Properties {
		if err := checkProperty(pr.Key, pr.Value); err != nil {
			return reply{}, err
		}
	}
	// 3. The deed.
	i := c.make(p, kind, sets, nil, "")
	c.addNotes(i, notes)
	for _, pr := range in.Properties {
		i.props.set(pr.Key, pr.Value)
	}
	return created(obj{"id": itoa(i.id), "key": i.key, "self": c.rest("/issue/" + itoa(i.id))})
}

func (c *call) projectOf(raw any) *project {
	o, _ := raw.(obj)
	for _, key := range []string{"id", "key"} {
		if ref := str(o[key]); ref != "" {
			if p := c.s.world.project(ref); p != nil && c.can("BROWSE_PROJECTS", p, nil) {
				return p
			}
		}
	}
	return nil
}

func (c *call) typeOf(raw any, p *project) string {
	o, _ := raw.(obj)
	n := find(c.s.types, first(str(o["id"]), str(o["name"])))
	if n == nil || p == nil || !slices.Contains(p.types, n.id) {
		return ""
	}
	return n.id
}

func (c *call) editIssue() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	var in update
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if !c.can("EDIT_ISSUES", i.project, i) {
		return reply{}, refuse(403, "You do not have permission to edit issues in this project.")
	}
	sets, notes, err := c.sets(i.project, i, in, nil)
	if err != nil {
		return reply{}, err
	}
	for _, pr := range in.Properties {
		if err := checkProperty(pr.Key, pr.Value); err != nil {
			return reply{}, err
		}
	}
	c.edit(i, sets)
	c.addNotes(i, notes)
	for _, pr := range in.Properties {
		i.props.set(pr.Key, pr.Value)
	}
	if c.query("returnIssue") == "true" {
		return ok(c.issueBean(i, nil))
	}
	return none()
}

func (c *call) deleteIssue() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	if !c.can("DELETE_ISSUES", i.project, i) {
		return reply{}, refuse(403, "You do not have permission to delete issues in this project.")
	}
	c.remove(i)
	return none()
}

func (c *call) assignIssue() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	var in obj
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	v, problem := c.parseUser(in)
	if problem != "" {
		return reply{}, invalid("assignee", problem)
	}
	id, _ := v.(string)
	if err := c.assign(i, id); err != nil {
		return reply{}, err
	}
	return none()
}
