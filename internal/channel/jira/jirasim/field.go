package jirasim

import (
	"strconv"
	"strings"
)

// shape is how a kind of field looks in a schema.
type shape struct{ typ, items, custom string }

const customTypes = "com.atlassian.jira.plugin.system.customfieldtypes:"

var kinds = map[Kind]shape{
	Text: {"string", "", customTypes + "textfield"}, Rich: {"string", "", customTypes + "textarea"},
	Select: {"option", "", customTypes + "select"}, MultiSelect: {"array", "option", customTypes + "multiselect"},
	UserPick: {"user", "", customTypes + "userpicker"}, UsersPick: {"array", "user", customTypes + "multiuserpicker"},
	GroupsPick: {"array", "group", customTypes + "multigrouppicker"},
	Date:       {"date", "", customTypes + "datepicker"}, DateTime: {"datetime", "", customTypes + "datetime"},
	Number: {"number", "", customTypes + "float"}, Labels: {"array", "string", customTypes + "labels"},
	Components: {"array", "component", ""}, PriorityOf: {"priority", "", ""},
	SecurityOf: {"securitylevel", "", ""}, Resolution: {"resolution", "", ""},
	approvalsKind:     {"sd-approvals", "", "com.atlassian.servicedesk.approvals-plugin:sd-approvals"},
	requestTypeKind:   {"sd-customerrequesttype", "", "com.atlassian.servicedesk:vp-origin"},
	participantsKind:  {"array", "user", "com.atlassian.servicedesk:sd-request-participants"},
	organizationsKind: {"array", "sd-customerorganization", "com.atlassian.servicedesk:sd-customer-organizations"},
}

// systemFields are there on every site. Those of fixedKind are read-only.
var systemFields = []Field{
	{ID: "summary", Name: "Summary", Kind: Text, system: "summary"},
	{ID: "description", Name: "Description", Kind: Rich, system: "description"},
	{ID: "environment", Name: "Environment", Kind: Rich, system: "environment"},
	{ID: "priority", Name: "Priority", Kind: PriorityOf, system: "priority"},
	{ID: "labels", Name: "Labels", Kind: Labels, system: "labels"},
	{ID: "components", Name: "Components", Kind: Components, system: "components"},
	{ID: "assignee", Name: "Assignee", Kind: UserPick, system: "assignee"},
	{ID: "reporter", Name: "Reporter", Kind: UserPick, system: "reporter"},
	{ID: "duedate", Name: "Due date", Kind: Date, system: "duedate"},
	{ID: "security", Name: "Security Level", Kind: SecurityOf, system: "security"},
	{ID: "resolution", Name: "Resolution", Kind: Resolution, system: "resolution"},
	{ID: "creator", Name: "Creator", Kind: fixedKind, system: "creator", fixed: "user"},
	{ID: "project", Name: "Project", Kind: fixedKind, system: "project", fixed: "project"},
	{ID: "issuetype", Name: "Issue Type", Kind: fixedKind, system: "issuetype", fixed: "issuetype"},
	{ID: "status", Name: "Status", Kind: fixedKind, system: "status", fixed: "status"},
	{ID: "created", Name: "Created", Kind: fixedKind, system: "created", fixed: "datetime"},
	{ID: "updated", Name: "Updated", Kind: fixedKind, system: "updated", fixed: "datetime"},
	{ID: "resolutiondate", Name: "Resolved", Kind: fixedKind, system: "resolutiondate", fixed: "datetime"},
	{ID: "statuscategorychangedate", Name: "Status Category Changed", Kind: fixedKind, system: "statuscategorychangedate", fixed: "datetime"},
	{ID: "lastViewed", Name: "Last Viewed", Kind: fixedKind, system: "lastViewed", fixed: "datetime"},
	{ID: "comment", Name: "Comment", Kind: fixedKind, system: "comment", fixed: "comments-page"},
	{ID: "attachment", Name: "Attachment", Kind: fixedKind, system: "attachment", fixed: "array"},
	{ID: "watches", Name: "Watchers", Kind: fixedKind, system: "watches", fixed: "watches"},
	{ID: "votes", Name: "Votes", Kind: fixedKind, system: "votes", fixed: "votes"},
	{ID: "worklog", Name: "Log Work", Kind: fixedKind, system: "worklog", fixed: "array"},
	{ID: "issuelinks", Name: "Linked Issues", Kind: fixedKind, system: "issuelinks", fixed: "array"},
	{ID: "subtasks", Name: "Sub-tasks", Kind: fixedKind, system: "subtasks", fixed: "array"},
	{ID: "fixVersions", Name: "Fix versions", Kind: fixedKind, system: "fixVersions", fixed: "array"},
	{ID: "versions", Name: "Affects versions", Kind: fixedKind, system: "versions", fixed: "array"},
	{ID: "workratio", Name: "Work Ratio", Kind: fixedKind, system: "workratio", fixed: "number"},
	{ID: "timespent", Name: "Time Spent", Kind: fixedKind, system: "timespent", fixed: "number"},
	{ID: "timeestimate", Name: "Remaining Estimate", Kind: fixedKind, system: "timeestimate", fixed: "number"},
	{ID: "timeoriginalestimate", Name: "Original estimate", Kind: fixedKind, system: "timeoriginalestimate", fixed: "number"},
	{ID: "aggregatetimespent", Name: "Σ Time Spent", Kind: fixedKind, system: "aggregatetimespent", fixed: "number"},
	{ID: "aggregatetimeestimate", Name: "Σ Remaining Estimate", Kind: fixedKind, system: "aggregatetimeestimate", fixed: "number"},
	{ID: "aggregatetimeoriginalestimate", Name: "Σ Original Estimate", Kind: fixedKind, system: "aggregatetimeoriginalestimate", fixed: "number"},
	{ID: "timetracking", Name: "Time tracking", Kind: fixedKind, system: "timetracking", fixed: "timetracking"},
	{ID: "progress", Name: "Progress", Kind: fixedKind, system: "progress", fixed: "progress"},
	{ID: "aggregateprogress", Name: "Σ Progress", Kind: fixedKind, system: "aggregateprogress", fixed: "progress"},
}

// editable says whether an edit or a create may name the field.
func (f *Field) editable() bool {
	switch f.Kind {
	case fixedKind, approvalsKind, requestTypeKind:
		return false
	}
	return f.ID != "resolution"
}

func (f *Field) number() int {
	n, _ := strconv.Atoi(strings.TrimPrefix(f.ID, "customfield_"))
	return n
}

// schema is the field's JsonTypeBean.
func (f *Field) schema() obj {
	if f.Kind == fixedKind {
		return obj{"type": f.fixed, "system": f.system}
	}
	sh := kinds[f.Kind]
	out := obj{"type": sh.typ}
	if sh.items != "" {
		out["items"] = sh.items
	}
	if f.system != "" {
		out["system"] = f.system
	} else {
		out["custom"], out["customId"] = sh.custom, f.number()
	}
	return out
}

// shown is the name a changelog calls the field by.
func (w *world) shown(f *Field) string {
	if n := w.localised[f.ID]; n != "" {
		return n
	}
	if f.system != "" {
		switch f.ID {
		case "components":
			return "Component"
		case "security":
			return "security"
		}
		return f.ID
	}
	return f.Name
}

// allowed lists the values of fields that have a fixed choice.
func (c *call) allowed(f *Field, p *project) list {
	out := list{}
	switch f.Kind {
	case Select, MultiSelect:
		for _, o := range f.Options {
			if !o.Disabled {
				out = append(out, c.option(o.ID, f))
			}
		}
	case PriorityOf:
		for _, n := range c.s.priorities {
			out = append(out, c.priority(n.id))
		}
	case Components:
		for _, n := range p.parts {
			out = append(out, c.component(n))
		}
	case SecurityOf:
		if p.security != nil {
			for _, l := range p.security.Levels {
				out = append(out, c.securityLevel(&l))
			}
		}
	}
	return out
}

// meta is the field's FieldMetadata on a screen of p.
func (c *call) fieldMeta(f *Field, p *project, required bool) obj {
	ops := list{"set"}
	if kinds[f.Kind].typ == "array" {
		ops = list{"add", "set", "remove"}
	}
	out := obj{"key": f.ID, "name": f.Name, "required": required, "operations": ops, "schema": f.schema(), "hasDefaultValue": false}
	if v := c.allowed(f, p); len(v) > 0 {
		out["allowedValues"] = v
	}
	return out
}
