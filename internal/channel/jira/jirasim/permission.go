package jirasim

import (
	"slices"
	"strconv"
)

type permission struct {
	id, key, name string
	global        bool
}

// permissions are those this stand-in enforces or reports.
var permissions = []permission{
	{"0", "ADMINISTER", "Administer Jira", true},
	{"27", "USER_PICKER", "Browse users and groups", true},
	{"33", "BULK_CHANGE", "Make bulk changes", true},
	{"22", "CREATE_SHARED_OBJECTS", "Share dashboards and filters", true},
	{"23", "ADMINISTER_PROJECTS", "Administer Projects", false},
	{"10", "BROWSE_PROJECTS", "Browse Projects", false},
	{"11", "CREATE_ISSUES", "Create Issues", false},
	{"12", "EDIT_ISSUES", "Edit Issues", false},
	{"46", "TRANSITION_ISSUES", "Transition Issues", false},
	{"13", "ASSIGN_ISSUES", "Assign Issues", false},
	{"17", "ASSIGNABLE_USER", "Assignable User", false},
	{"14", "RESOLVE_ISSUES", "Resolve Issues", false},
	{"18", "CLOSE_ISSUES", "Close Issues", false},
	{"25", "MOVE_ISSUES", "Move Issues", false},
	{"16", "DELETE_ISSUES", "Delete Issues", false},
	{"28", "SCHEDULE_ISSUES", "Schedule Issues", false},
	{"30", "MODIFY_REPORTER", "Modify Reporter", false},
	{"26", "SET_ISSUE_SECURITY", "Set Issue Security", false},
	{"21", "LINK_ISSUES", "Link Issues", false},
	{"15", "ADD_COMMENTS", "Add Comments", false},
	{"34", "EDIT_ALL_COMMENTS", "Edit All Comments", false},
	{"35", "EDIT_OWN_COMMENTS", "Edit Own Comments", false},
	{"36", "DELETE_ALL_COMMENTS", "Delete All Comments", false},
	{"37", "DELETE_OWN_COMMENTS", "Delete Own Comments", false},
	{"19", "CREATE_ATTACHMENTS", "Create Attachments", false},
	{"38", "DELETE_ALL_ATTACHMENTS", "Delete All Attachments", false},
	{"39", "DELETE_OWN_ATTACHMENTS", "Delete Own Attachments", false},
	{"31", "VIEW_VOTERS_AND_WATCHERS", "View Voters and Watchers", false},
	{"32", "MANAGE_WATCHERS", "Manage Watchers", false},
	{"45", "VIEW_READONLY_WORKFLOW", "View Read-Only Workflow", false},
	{"-1", "SERVICEDESK_AGENT", "Service Desk Agent", false},
}

// holds says whether u has the permission, in p and (where it matters) on i.
func (s *Sim) holds(u *User, perm string, p *project, i *issue) bool {
	if u == nil || u.Gone || u.Inactive {
		return false
	}
	if p == nil {
		for _, g := range s.global[perm] {
			if slices.Contains(u.Groups, g) {
				return true
			}
		}
		return false
	}
	return s.among(u, p.scheme.Grants[perm], p, i)
}

// among says whether u is one of the holders.
func (s *Sim) among(u *User, holders []Holder, p *project, i *issue) bool {
	for _, h := range holders {
		hit := false
		switch h.Type {
		case "anyone":
			hit = true
		case "applicationRole":
			hit = u.Kind == Atlassian || u.Kind == App
		case "group":
			hit = slices.Contains(u.Groups, h.Parameter)
		case "user":
			hit = u.AccountID == h.Parameter
		case "projectLead":
			hit = u.AccountID == p.Lead
		case "projectRole":
			hit = inRole(u, p, find(s.roles, h.Parameter))
		case "reporter", "assignee":
			// In a project's context anybody could be it; on an issue it is known.
			hit = i == nil && perhaps(u) || i != nil && i.values[h.Type] == u.AccountID
		case "userCustomField":
			if f := s.field(h.Parameter); i != nil && f != nil {
				ids, _ := i.values[f.ID].([]string)
				hit = i.values[f.ID] == u.AccountID || slices.Contains(ids, u.AccountID)
			}
		}
		if hit {
			return true
		}
	}
	return false
}

func perhaps(u *User) bool { return u.Kind != Customer }

func inRole(u *User, p *project, role *named) bool {
	if role == nil {
		return false
	}
	a := p.Roles[role.id]
	return slices.Contains(a.Users, u.AccountID) || slices.ContainsFunc(a.Groups, func(g string) bool { return slices.Contains(u.Groups, g) })
}

// can says whether the caller has the permission.
func (c *call) can(perm string, p *project, i *issue) bool { return c.s.holds(c.who, perm, p, i) }

// sees says whether u may see the issue through the platform: browse the
// project, and hold the security level where there is one.
func (s *Sim) sees(u *User, i *issue) bool {
	if i.deleted || !s.holds(u, "BROWSE_PROJECTS", i.project, i) {
		return false
	}
	id, _ := i.values["security"].(string)
	if id == "" {
		return true
	}
	l := s.level(id)
	return l != nil && s.among(u, l.Holders, i.project, i)
}

// agent says whether u works at the project's service desk.
func (s *Sim) agent(u *User, p *project) bool {
	return p.desk != nil && s.holds(u, "SERVICEDESK_AGENT", p, nil)
}

// --- operations

func (c *call) myPermissions() (reply, error) {
	asked := split(c.query("permissions"))
	if len(asked) == 0 && !c.dc {
		return reply{}, refuse(400, "The 'permissions' query parameter is required.")
	}
	var p *project
	var i *issue
	if ref := first(c.query("issueId"), c.query("issueKey")); ref != "" {
		var err error
		if i, err = c.issue(ref); err != nil {
			return reply{}, err
		}
		p = i.project
	} else if ref := first(c.query("projectId"), c.query("projectKey")); ref != "" {
		if p = c.s.world.project(ref); p == nil || !c.can("BROWSE_PROJECTS", p, nil) {
			return reply{}, refuse(404, "No project could be found with key '"+ref+"'.")
		}
	}
	out := obj{}
	for _, key := range asked {
		n := slices.IndexFunc(permissions, func(q permission) bool { return q.key == key })
		if n < 0 {
			return reply{}, refuse(400, "Unrecognized permission: "+key)
		}
		out[key] = c.permission(permissions[n], p, i)
	}
	for _, q := range permissions {
		if len(asked) == 0 {
			out[q.key] = c.permission(q, p, i)
		}
	}
	return ok(obj{"permissions": out})
}

func (c *call) permission(q permission, p *project, i *issue) obj {
	have, typ := false, "PROJECT"
	switch {
	case q.global:
		have, typ = c.can(q.key, nil, nil), "GLOBAL"
	case p != nil:
		have = c.can(q.key, p, i)
	default:
		have = slices.ContainsFunc(c.s.projects, func(p *project) bool { return c.can(q.key, p, nil) })
	}
	return obj{"id": q.id, "key": q.key, "name": q.name, "type": typ, "description": "", "havePermission": have}
}

func (c *call) checkPermissions() (reply, error) {
	var in struct {
		AccountID          string
		GlobalPermissions  []string
		ProjectPermissions []struct {
			Permissions      []string
			Projects, Issues []int
		}
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	u := c.who
	if in.AccountID != "" && in.AccountID != u.AccountID {
		if !c.can("ADMINISTER", nil, nil) {
			return reply{}, refuse(403, "You may only ask for your own permissions.")
		}
		u = c.s.user(in.AccountID)
	}
	globals, grants := list{}, list{}
	for _, key := range in.GlobalPermissions {
		if c.s.holds(u, key, nil, nil) {
			globals = append(globals, key)
		}
	}
	for _, ask := range in.ProjectPermissions {
		for _, key := range ask.Permissions {
			projects, issues := list{}, list{}
			for _, id := range ask.Projects {
				if p := c.s.world.project(strconv.Itoa(id)); p != nil && c.s.holds(u, key, p, nil) {
					projects = append(projects, id)
				}
			}
			for _, id := range ask.Issues {
				if i := c.s.issues[id]; i != nil && c.s.sees(u, i) && c.s.holds(u, key, i.project, i) {
					issues = append(issues, id)
				}
			}
			grants = append(grants, obj{"permission": key, "projects": projects, "issues": issues})
		}
	}
	return ok(obj{"globalPermissions": globals, "projectPermissions": grants})
}

func (c *call) permissionScheme(sc *PermissionScheme) obj {
	out := obj{"id": atoi(sc.ID), "name": sc.Name, "description": "", "self": c.rest("/permissionscheme/" + sc.ID),
		"expand": "permissions,user,group,projectRole,field,all"}
	if !c.expands("permissions") && !c.expands("all") {
		return out
	}
	grants, n := list{}, atoi(sc.ID)*100
	for _, q := range permissions {
		for _, h := range sc.Grants[q.key] {
			n++
			grants = append(grants, obj{"id": n, "self": c.rest("/permissionscheme/" + sc.ID + "/permission/" + strconv.Itoa(n)),
				"permission": q.key, "holder": c.holder(h)})
		}
	}
	out["permissions"] = grants
	return out
}

func (c *call) holder(h Holder) obj {
	out := obj{"type": h.Type}
	switch h.Type {
	case "group":
		g := c.s.group(h.Parameter)
		out["parameter"], out["value"], out["expand"] = g.name, g.id, "group"
	case "projectRole":
		if r := find(c.s.roles, h.Parameter); r != nil {
			out["parameter"], out["value"], out["expand"] = r.id, r.id, "projectRole"
		}
	case "user":
		out["parameter"], out["value"], out["expand"] = h.Parameter, h.Parameter, "user"
	case "userCustomField":
		f := c.s.field(h.Parameter)
		out["parameter"], out["value"], out["expand"] = f.ID, f.ID, "field"
	}
	return out
}

func (c *call) getPermissionScheme() (reply, error) {
	for _, sc := range c.s.schemes {
		if sc.ID == c.arg("schemeId") && slices.ContainsFunc(c.s.projects, func(p *project) bool {
			return p.scheme == sc && c.can("ADMINISTER_PROJECTS", p, nil) || c.can("ADMINISTER", nil, nil)
		}) {
			return ok(c.permissionScheme(sc))
		}
	}
	return reply{}, refuse(404, "The permission scheme does not exist or you do not have permission to see it.")
}
