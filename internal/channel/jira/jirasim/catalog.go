package jirasim

import (
	"slices"
	"strings"
	"time"
)

func (c *call) getFields() (reply, error) {
	out := list{}
	for _, f := range c.s.fields {
		one := obj{"id": f.ID, "key": f.ID, "name": f.Name, "custom": f.system == "", "orderable": f.Kind != fixedKind, "navigable": true, "searchable": true, "schema": f.schema()}
		one["clauseNames"] = list{strings.ToLower(f.Name)}
		if f.system == "" {
			one["clauseNames"] = list{"cf[" + itoa(f.number()) + "]", f.Name}
		}
		if c.dc {
			delete(one, "key")
		}
		out = append(out, one)
	}
	return ok(out)
}

func (c *call) searchFields() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	out := list{}
	kinds, ids, q := c.queries("type"), c.queries("id"), strings.ToLower(c.query("query"))
	for _, f := range c.s.fields {
		kind := "custom"
		if f.system != "" {
			kind = "system"
		}
		if len(kinds) > 0 && !slices.Contains(kinds, kind) || len(ids) > 0 && !slices.Contains(ids, f.ID) || !strings.Contains(strings.ToLower(f.Name), q) {
			continue
		}
		out = append(out, obj{"id": f.ID, "key": f.ID, "name": f.Name, "schema": f.schema(), "description": "", "isLocked": !f.editable(), "screensCount": 1, "contextsCount": 1, "projectsCount": len(c.s.projects), "lastUsed": obj{"type": "NOT_TRACKED"}})
	}
	return c.page(out, 50)
}

func (c *call) getLabels() (reply, error) {
	seen := map[string]bool{}
	for _, i := range c.s.issues {
		if !i.deleted {
			labels, _ := i.values["labels"].([]string)
			for _, l := range labels {
				seen[l] = true
			}
		}
	}
	names := []string{}
	for l := range seen {
		names = append(names, l)
	}
	slices.Sort(names)
	out := list{}
	for _, l := range names {
		out = append(out, l)
	}
	return c.page(out, 1000)
}

func (c *call) getStatuses() (reply, error) {
	out := list{}
	for _, st := range c.s.statuses {
		out = append(out, c.status(st))
	}
	return ok(out)
}

func (c *call) searchStatuses() (reply, error) {
	out, q := list{}, strings.ToLower(c.query("searchString"))
	names := map[Category]string{ToDo: "TODO", InProgress: "IN_PROGRESS", Done: "DONE"}
	p := c.s.world.project(c.query("projectId"))
	for _, st := range c.s.statuses {
		if strings.Contains(strings.ToLower(st.Name), q) && (c.query("statusCategory") == "" || c.query("statusCategory") == names[st.Category]) &&
			(c.query("projectId") == "" || p != nil && slices.Contains(p.flow.statuses, st)) {
			out = append(out, obj{"id": st.ID, "name": st.Name, "description": "", "statusCategory": names[st.Category], "scope": obj{"type": "GLOBAL"}})
		}
	}
	return c.page(out, 200)
}

func (c *call) getTypes() (reply, error) {
	out := list{}
	for _, n := range c.s.types {
		one := c.typeBean(n.id)
		if !c.dc {
			one["hierarchyLevel"] = 0
		}
		out = append(out, one)
	}
	return ok(out)
}

func (c *call) getResolutions() (reply, error) {
	out := list{}
	for _, n := range c.s.results {
		out = append(out, c.resolution(n.id))
	}
	return ok(out)
}

func (c *call) getPriorities() (reply, error) {
	out := list{}
	for n, p := range c.s.priorities {
		one := c.priority(p.id).(obj)
		one["description"], one["statusColor"] = "", "#cfcfcf"
		one["isDefault"] = n == len(c.s.priorities)/2
		ids := c.queries("id")
		if (len(ids) == 0 || slices.Contains(ids, p.id)) && strings.Contains(strings.ToLower(p.name), strings.ToLower(c.query("priorityName"))) {
			out = append(out, one)
		}
	}
	if c.r.URL.Path == "/rest/api/2/priority" {
		return ok(out)
	}
	return c.page(out, 50)
}

var eventNames = []string{"Issue Created", "Issue Updated", "Issue Assigned", "Issue Resolved", "Issue Closed", "Issue Commented", "Issue Reopened", "Issue Deleted", "Issue Moved"}

func (c *call) getEvents() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	out := list{}
	for n, name := range eventNames {
		out = append(out, obj{"id": n + 1, "name": name})
	}
	return ok(out)
}

func (c *call) serverInfo() (reply, error) {
	out := obj{"baseUrl": c.s.url, "displayUrl": c.s.url, "version": "1001.0.0-SNAPSHOT", "versionNumbers": list{1001, 0, 0}, "deploymentType": "Cloud",
		"buildNumber": 100300, "buildDate": "2025-12-01T00:00:00.000+0000", "serverTime": when(c.now), "scmInfo": "0000000000000000000000000000000000000000", "serverTitle": "Jira", "serverTimeZone": "Etc/UTC"}
	if c.dc {
		out["version"], out["versionNumbers"], out["deploymentType"], out["buildNumber"] = "10.3.1", list{10, 3, 1}, "Server", 10030001
		delete(out, "serverTimeZone")
		delete(out, "displayUrl")
	}
	return ok(out)
}

// auditRecord is one line of the site's own log. It is an administrator's, who
// can switch it off: it proves little.
type auditRecord struct {
	id                     int
	at                     time.Time
	who, category, summary string
	kind, object, name     string
}

func (s *Sim) note(who *User, category, summary, kind, object, name string) {
	key := ""
	if who != nil {
		key = who.Key
	}
	s.audit = append(s.audit, auditRecord{s.next("audit", 1), s.now(), key, category, summary, kind, object, name})
}

func (c *call) getAudit() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	from, _ := time.Parse(stamp, c.query("from"))
	out, words := list{}, strings.Fields(strings.ToLower(c.query("filter")))
	for _, a := range slices.Backward(c.s.audit) {
		text := strings.ToLower(a.summary + " " + a.category + " " + a.name + " " + a.object)
		if a.at.Before(from) || slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			continue
		}
		out = append(out, obj{"id": a.id, "summary": a.summary, "category": a.category, "created": when(a.at), "authorKey": a.who, "eventSource": "", "remoteAddress": "",
			"objectItem": obj{"id": a.object, "name": a.name, "typeName": a.kind}, "associatedItems": list{}, "changedValues": list{}})
	}
	start, limit := c.number("offset", 0), min(c.number("limit", 1000), 1000)
	return ok(obj{"offset": start, "limit": limit, "total": len(out), "records": slice(out, start, limit)})
}

// --- what a create may set

func (c *call) metaProject() (*project, error) {
	p := c.s.world.project(c.arg("project"))
	if p == nil || !c.can("CREATE_ISSUES", p, nil) {
		return nil, &Refusal{Status: 400, Messages: []string{"No project could be found with key or id '" + c.arg("project") + "'."}}
	}
	return p, nil
}

func (c *call) createMetaTypes() (reply, error) {
	p, err := c.metaProject()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, id := range p.types {
		one := c.typeBean(id)
		delete(one, "avatarId")
		one["hierarchyLevel"] = 0
		out = append(out, one)
	}
	start, most := c.number("startAt", 0), c.number("maxResults", 50)
	return ok(obj{"issueTypes": slice(out, start, most), "startAt": start, "maxResults": most, "total": len(out)})
}

func (c *call) createMetaFields() (reply, error) {
	p, err := c.metaProject()
	if err != nil {
		return reply{}, err
	}
	if !slices.Contains(p.types, c.arg("type")) {
		return reply{}, refuse(400, "The issue type is not one of the project's.")
	}
	out := list{}
	for _, f := range c.s.fields {
		if f.editable() {
			one := c.fieldMeta(f, p, f.ID == "summary")
			one["fieldId"] = f.ID
			out = append(out, one)
		}
	}
	start, most := c.number("startAt", 0), c.number("maxResults", 50)
	return ok(obj{"fields": slice(out, start, most), "startAt": start, "maxResults": most, "total": len(out)})
}
