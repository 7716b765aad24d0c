package jirasim

import (
	"slices"
	"strings"
)

// raises says whether u may raise requests at the project's desk.
func (s *Sim) raises(u *User, p *project) bool {
	if u.Gone || u.Inactive || p.desk == nil {
		return false
	}
	return p.desk.Open || s.agent(u, p) || slices.Contains(p.desk.Customers, u.AccountID) ||
		inRole(u, p, find(s.roles, "Service Desk Customers")) || slices.ContainsFunc(p.desk.Organizations, func(id string) bool {
		o := s.org(id)
		return o != nil && slices.Contains(o.Members, u.AccountID)
	})
}

func (c *call) anyAgent() bool {
	return c.can("ADMINISTER", nil, nil) || slices.ContainsFunc(c.s.projects, func(p *project) bool { return c.s.agent(c.who, p) })
}

// desk is the service desk the path names, if the caller may use it.
func (c *call) deskProject() (*project, error) {
	p := c.s.deskByID(c.arg("desk"))
	if p == nil || !c.s.raises(c.who, p) {
		return nil, refuse(404, "The service desk does not exist or you do not have permission to see it.")
	}
	return p, nil
}

// staffed is deskProject for agents only.
func (c *call) staffed() (*project, error) {
	p, err := c.deskProject()
	if err == nil && !c.s.agent(c.who, p) {
		err = refuse(403, "You do not have permission to work at this service desk.")
	}
	return p, err
}

func (c *call) deskBean(p *project) obj {
	return obj{"id": p.desk.ID, "projectId": p.ID, "projectName": p.Name, "projectKey": p.Key, "projectTypeKey": p.Type,
		"_links": obj{"self": c.s.url + desk + "/servicedesk/" + p.desk.ID}}
}

func (c *call) getDesks() (reply, error) {
	out := list{}
	for _, p := range c.s.projects {
		if c.s.raises(c.who, p) {
			out = append(out, c.deskBean(p))
		}
	}
	return c.deskPage(out)
}

func (c *call) getDesk() (reply, error) {
	p, err := c.deskProject()
	if err != nil {
		return reply{}, err
	}
	return ok(c.deskBean(p))
}

func (c *call) deskInfo() (reply, error) {
	return ok(obj{"version": "5.12.0-CLOUD", "platformVersion": "1001.0.0-SNAPSHOT", "buildDate": c.date(c.now), "buildChangeSet": "0000000", "isLicensedForUse": true,
		"_links": obj{"self": c.s.url + desk + "/info"}})
}

func (c *call) assets() (reply, error) { return c.deskPage(list{}) }

// --- request types

// typeOf is the request type of an issue of the project, if it is a request.
func (p *project) typeOf(i *issue) *RequestType {
	if p.desk == nil || i.requestType == "" {
		return nil
	}
	return p.desk.requestType(i.requestType)
}

func (c *call) requestType() (*project, *RequestType, error) {
	p, err := c.deskProject()
	if err != nil {
		return nil, nil, err
	}
	for n, rt := range p.desk.RequestTypes {
		if rt.ID == c.arg("requestType") && (!rt.Restricted || c.s.agent(c.who, p)) {
			return p, &p.desk.RequestTypes[n], nil
		}
	}
	return nil, nil, refuse(404, "The request type does not exist.")
}

func (c *call) requestTypeBean(p *project, rt *RequestType) obj {
	groups := list{}
	if n := find(p.groups, rt.Group); n != nil {
		groups = append(groups, n.id)
	}
	restricted := "OPEN"
	if rt.Restricted {
		restricted = "RESTRICTED"
	}
	icons := obj{}
	for size, word := range map[string]string{"48x48": "large", "24x24": "small", "16x16": "xsmall", "32x32": "medium"} {
		icons[size] = c.s.url + "/rest/api/2/universal_avatar/view/type/SD_REQTYPE/avatar/10500?size=" + word
	}
	out := obj{"_expands": list{"field"}, "id": rt.ID, "name": rt.Name, "description": rt.Description, "helpText": rt.Help, "issueTypeId": rt.Type,
		"serviceDeskId": p.desk.ID, "portalId": p.desk.ID, "groupIds": groups, "restrictionStatus": restricted, "canCreateRequest": true,
		"icon":   obj{"id": "10500", "_links": obj{"iconUrls": icons}},
		"_links": obj{"self": c.s.url + desk + "/servicedesk/" + p.desk.ID + "/requesttype/" + rt.ID}}
	if c.expands("field") {
		out["fields"] = c.requestTypeFields(p, rt)
	}
	return out
}

func (c *call) requestTypeFields(p *project, rt *RequestType) obj {
	out := list{}
	for _, rf := range rt.Fields {
		if rf.Hidden && !c.expands("hiddenFields") {
			continue
		}
		f := c.s.field(rf.Field)
		choices := list{}
		for _, o := range f.Options {
			if !o.Disabled {
				choices = append(choices, obj{"value": o.ID, "label": o.Value, "children": list{}})
			}
		}
		if f.Kind == PriorityOf {
			for _, n := range c.s.priorities {
				choices = append(choices, obj{"value": n.id, "label": n.name, "children": list{}})
			}
		}
		out = append(out, obj{"fieldId": f.ID, "name": rf.Label, "description": "", "required": rf.Required, "visible": !rf.Hidden,
			"defaultValues": list{}, "presetValues": list{}, "validValues": choices, "jiraSchema": f.schema()})
	}
	return obj{"requestTypeFields": out, "canRaiseOnBehalfOf": c.s.agent(c.who, p), "canAddRequestParticipants": c.s.agent(c.who, p)}
}

func (c *call) listTypes(p *project) list {
	out, q := list{}, strings.ToLower(c.query("searchQuery"))
	for n, rt := range p.desk.RequestTypes {
		g := find(p.groups, rt.Group)
		if rt.Restricted && !c.s.agent(c.who, p) || !strings.Contains(strings.ToLower(rt.Name+" "+rt.Description), q) ||
			c.query("groupId") != "" && (g == nil || g.id != c.query("groupId")) {
			continue
		}
		out = append(out, c.requestTypeBean(p, &p.desk.RequestTypes[n]))
	}
	return out
}

func (c *call) getAllRequestTypes() (reply, error) {
	out, ids := list{}, c.queries("serviceDeskId")
	for _, p := range c.s.projects {
		if c.s.raises(c.who, p) && (len(ids) == 0 || slices.Contains(ids, p.desk.ID)) {
			out = append(out, c.listTypes(p)...)
		}
	}
	return c.deskPage(out)
}

func (c *call) getRequestTypes() (reply, error) {
	p, err := c.deskProject()
	if err != nil {
		return reply{}, err
	}
	return c.deskPage(c.listTypes(p))
}

func (c *call) getRequestType() (reply, error) {
	p, rt, err := c.requestType()
	if err != nil {
		return reply{}, err
	}
	return ok(c.requestTypeBean(p, rt))
}

func (c *call) getRequestTypeFields() (reply, error) {
	p, rt, err := c.requestType()
	if err != nil {
		return reply{}, err
	}
	return ok(c.requestTypeFields(p, rt))
}

func (c *call) requestTypeGroups() (reply, error) {
	p, err := c.deskProject()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, n := range p.groups {
		out = append(out, obj{"id": n.id, "name": n.name})
	}
	return c.deskPage(out)
}

func (c *call) createRequestType() (reply, error) {
	p, err := c.deskProject()
	if err != nil {
		return reply{}, err
	}
	if !c.can("ADMINISTER_PROJECTS", p, nil) {
		return reply{}, refuse(403, "You do not have permission to administer this service desk.")
	}
	var in struct{ Name, Description, HelpText, IssueTypeID string }
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if in.Name == "" || !slices.Contains(p.types, in.IssueTypeID) || p.desk.requestType(in.Name) != nil {
		return reply{}, refuse(400, "A new name and one of the project's issue types are required.")
	}
	rt := RequestType{ID: itoa(c.s.next("requesttype", 10)), Name: in.Name, Description: in.Description, Help: in.HelpText, Type: in.IssueTypeID, props: properties{},
		Fields: []RequestField{{Field: "summary", Label: "Summary", Required: true}, {Field: "description", Label: "Description"}}}
	p.desk.RequestTypes = append(p.desk.RequestTypes, rt)
	c.s.note(c.who, "projects", "Request type created", "PROJECT", p.Key, rt.Name)
	return ok(c.requestTypeBean(p, &rt))
}

func (c *call) deleteRequestType() (reply, error) {
	p, rt, err := c.requestType()
	if err != nil {
		return reply{}, err
	}
	if !c.can("ADMINISTER_PROJECTS", p, nil) {
		return reply{}, refuse(403, "You do not have permission to administer this service desk.")
	}
	id := rt.ID
	p.desk.RequestTypes = slices.DeleteFunc(p.desk.RequestTypes, func(o RequestType) bool { return o.ID == id })
	return none()
}

func (c *call) checkTypePermissions() (reply, error) {
	p, err := c.deskProject()
	if err != nil {
		return reply{}, refuse(400, "The service desk does not exist or you do not have permission to see it.")
	}
	var in struct {
		AccountID      string
		RequestTypeIDs []int
		Permissions    []string
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	u := c.s.user(first(in.AccountID, c.who.AccountID))
	if u == nil {
		return reply{}, refuse(400, "The user does not exist.")
	}
	raise, admin := list{}, list{}
	for _, id := range in.RequestTypeIDs {
		rt := p.desk.requestType(itoa(id))
		if rt != nil && c.s.raises(u, p) && (!rt.Restricted || c.s.agent(u, p)) {
			raise = append(raise, id)
		}
		if rt != nil && c.s.holds(u, "ADMINISTER_PROJECTS", p, nil) {
			admin = append(admin, id)
		}
	}
	return ok(obj{"canCreateRequest": raise, "canAdminister": admin})
}

// --- queues

func (c *call) queueBean(p *project, q Queue) obj {
	out := obj{"id": q.ID, "name": q.Name, "jql": q.JQL, "fields": append([]string{}, q.Fields...),
		"_links": obj{"self": c.s.url + desk + "/servicedesk/" + p.desk.ID + "/queue/" + q.ID}}
	if c.query("includeCount") == "true" {
		all, _ := c.search(q.JQL, false, nil)
		out["issueCount"] = len(all)
	}
	return out
}

func (c *call) getQueues() (reply, error) {
	p, err := c.staffed()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, q := range p.desk.Queues {
		out = append(out, c.queueBean(p, q))
	}
	return c.deskPage(out)
}

func (c *call) queue() (*project, Queue, error) {
	p, err := c.staffed()
	if err != nil {
		return nil, Queue{}, err
	}
	for _, q := range p.desk.Queues {
		if q.ID == c.arg("queue") {
			return p, q, nil
		}
	}
	return nil, Queue{}, refuse(404, "The queue does not exist.")
}

func (c *call) getQueue() (reply, error) {
	p, q, err := c.queue()
	if err != nil {
		return reply{}, err
	}
	return ok(c.queueBean(p, q))
}

func (c *call) queueIssues() (reply, error) {
	_, q, err := c.queue()
	if err != nil {
		return reply{}, err
	}
	all, err := c.search(q.JQL, false, nil)
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, i := range all {
		fields := q.Fields
		if len(fields) == 0 {
			fields = []string{"issuetype", "summary", "created", "reporter", "duedate"}
		}
		one := c.issueBean(i, fields)
		delete(one, "expand")
		out = append(out, one)
	}
	return c.deskPage(out)
}
