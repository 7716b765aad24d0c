package jirasim

import (
	"slices"
	"strings"
)

func (c *call) status(st *Status) obj {
	return obj{"self": c.rest("/status/" + st.ID), "description": "", "iconUrl": c.s.url + "/", "name": st.Name, "id": st.ID, "statusCategory": c.category(st.Category)}
}

func (c *call) category(cat Category) obj {
	id, color, name := 2, "blue-gray", "To Do"
	switch cat {
	case InProgress:
		id, color, name = 4, "yellow", "In Progress"
	case Done:
		id, color, name = 3, "green", "Done"
	}
	return obj{"self": c.rest("/statuscategory/" + itoa(id)), "id": id, "key": string(cat), "colorName": color, "name": name}
}

func (c *call) typeBean(id string) obj {
	n := find(c.s.types, id)
	return obj{"self": c.rest("/issuetype/" + n.id), "id": n.id, "description": "", "name": n.name, "subtask": false, "avatarId": 10318,
		"iconUrl": c.s.url + "/secure/viewavatar?size=xsmall&avatarId=10318&avatarType=issuetype"}
}

func (c *call) projectRef(p *project) obj {
	out := obj{"self": c.rest("/project/" + p.ID), "id": p.ID, "key": p.Key, "name": p.Name, "projectTypeKey": p.Type, "avatarUrls": c.projectAvatars(p)}
	if !c.dc {
		out["simplified"] = false
	}
	return out
}

func (c *call) projectAvatars(p *project) obj {
	out := obj{}
	for size, word := range map[string]string{"48x48": "large", "24x24": "small", "16x16": "xsmall", "32x32": "medium"} {
		out[size] = c.s.url + "/secure/projectavatar?size=" + word + "&pid=" + p.ID
	}
	return out
}

// field renders one field of an issue.
func (c *call) fieldOf(f *Field, i *issue) any {
	switch f.Kind {
	case approvalsKind:
		if len(i.approvals) == 0 {
			return nil
		}
		out := list{}
		for _, ap := range i.approvals {
			out = append(out, c.approvalBean(i, ap))
		}
		return out
	case requestTypeKind:
		return c.requestTypeValue(i)
	case fixedKind:
		return c.fixedField(f, i)
	}
	return c.show(f, i)
}

func (c *call) fixedField(f *Field, i *issue) any {
	switch f.ID {
	case "creator":
		return c.userRef(i.creator)
	case "project":
		return c.projectRef(i.project)
	case "issuetype":
		return c.typeBean(i.kind)
	case "status":
		return c.status(i.status)
	case "created":
		return when(i.created)
	case "updated":
		return when(i.updated)
	case "resolutiondate":
		return when(i.resolved)
	case "statuscategorychangedate":
		return when(i.categorized)
	case "comment":
		all := c.comments(i)
		return obj{"comments": all, "maxResults": len(all), "total": len(all), "startAt": 0}
	case "attachment":
		out := list{}
		for _, a := range i.attachments {
			out = append(out, c.attachmentBean(a))
		}
		return out
	case "watches":
		return c.watches(i)
	case "votes":
		return obj{"self": c.rest("/issue/" + i.key + "/votes"), "votes": 0, "hasVoted": false}
	case "worklog":
		return obj{"startAt": 0, "maxResults": 20, "total": 0, "worklogs": list{}}
	case "issuelinks", "subtasks", "fixVersions", "versions":
		return list{}
	case "workratio":
		return -1
	case "timetracking":
		return obj{}
	case "progress", "aggregateprogress":
		return obj{"progress": 0, "total": 0}
	}
	return nil // times that nobody logs
}

// chosen are the fields a list of names asks for.
func (c *call) chosen(names []string, otherwise string) []*Field {
	if len(names) == 0 {
		names = []string{otherwise}
	}
	all := slices.Contains(names, "*all") || !slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, "-") })
	nav := slices.Contains(names, "*navigable")
	out := []*Field(nil)
	for _, f := range c.s.fields {
		named := slices.ContainsFunc(names, func(n string) bool { return n == f.ID || strings.EqualFold(n, f.Name) })
		navigable := nav && f.ID != "comment" && f.ID != "attachment" && f.ID != "worklog" && f.ID != "timetracking"
		if (all || nav && navigable || named) && !slices.Contains(names, "-"+f.ID) {
			out = append(out, f)
		}
	}
	return out
}

func (c *call) fieldsOf(i *issue, fields []*Field) obj {
	out := obj{}
	for _, f := range fields {
		out[f.ID] = c.fieldOf(f, i)
	}
	return out
}

const issueExpand = "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations"

// issueBean is the issue with the fields asked for, all when nothing is.
func (c *call) issueBean(i *issue, names []string) obj {
	fields := c.chosen(names, "*all")
	out := obj{"expand": issueExpand, "id": itoa(i.id), "self": c.rest("/issue/" + itoa(i.id)), "key": i.key, "fields": c.fieldsOf(i, fields)}
	if c.expands("changelog") {
		out["changelog"] = c.embeddedChangelog(i)
	}
	if c.expands("names") {
		out["names"] = fieldNames(fields)
	}
	if c.expands("schema") {
		out["schema"] = fieldSchemas(fields)
	}
	if c.expands("transitions") {
		ts := list{}
		for _, t := range c.s.exits(c.who, i, false) {
			ts = append(ts, c.transitionBean(i, t))
		}
		out["transitions"] = ts
	}
	if c.expands("editmeta") {
		out["editmeta"] = c.editMeta(i)
	}
	if c.expands("operations") {
		out["operations"] = obj{"linkGroups": list{}}
	}
	if c.expands("renderedFields") {
		rendered := obj{}
		for _, f := range fields {
			if v, is := i.values[f.ID].(rich); is {
				rendered[f.ID] = htmlOf(v)
			}
		}
		out["renderedFields"] = rendered
	}
	if wanted := c.queries("properties"); len(wanted) > 0 {
		out["properties"] = i.chosenProperties(wanted)
	}
	return out
}

func (i *issue) chosenProperties(wanted []string) obj {
	out := obj{}
	for _, k := range i.props.sorted() {
		if slices.Contains(wanted, "*all") || slices.Contains(wanted, k) {
			out[k] = i.props[k]
		}
	}
	return out
}

func fieldNames(fields []*Field) obj {
	out := obj{}
	for _, f := range fields {
		out[f.ID] = f.Name
	}
	return out
}

func fieldSchemas(fields []*Field) obj {
	out := obj{}
	for _, f := range fields {
		out[f.ID] = f.schema()
	}
	return out
}

func (c *call) editMeta(i *issue) obj {
	out := obj{}
	if c.can("EDIT_ISSUES", i.project, i) {
		for _, f := range c.s.fields {
			if f.editable() && c.allowedTo(i.project, i, f, nil) == "" {
				out[f.ID] = c.fieldMeta(f, i.project, f.ID == "summary")
			}
		}
	}
	return obj{"fields": out}
}

// --- operations

func (c *call) getIssue() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	return ok(c.issueBean(i, c.queries("fields")))
}

func (c *call) getEditMeta() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	return ok(c.editMeta(i))
}

func (c *call) bulkFetch() (reply, error) {
	var in struct {
		IssueIdsOrKeys, Fields, Expand, Properties []string
		FieldsByKeys                               bool
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if len(in.IssueIdsOrKeys) == 0 || len(in.IssueIdsOrKeys) > 100 {
		return reply{}, refuse(400, "Between 1 and 100 issues can be asked for.")
	}
	c.widen(in.Expand, in.Properties)
	issues, missing := list{}, list{}
	for _, ref := range in.IssueIdsOrKeys {
		if i, err := c.issue(ref); err != nil {
			missing = append(missing, obj{"id": ref, "errorMessage": notFound})
		} else {
			issues = append(issues, c.issueBean(i, in.Fields))
		}
	}
	return ok(obj{"issues": issues, "issueErrors": missing})
}
