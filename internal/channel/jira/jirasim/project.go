package jirasim

import (
	"slices"
	"strings"
)

// visible is the project the path names, if the caller may browse it.
func (c *call) visible() (*project, error) {
	p := c.s.world.project(c.arg("project"))
	if p == nil || !c.can("BROWSE_PROJECTS", p, nil) && !c.can("ADMINISTER", nil, nil) {
		return nil, refuse(404, "No project could be found with key '"+c.arg("project")+"'.")
	}
	return p, nil
}

func (c *call) projectBean(p *project, full bool) obj {
	out := c.projectRef(p)
	out["expand"] = "description,lead,issueTypes,url,projectKeys,permissions,insight"
	if !c.dc {
		out["style"], out["isPrivate"], out["properties"] = "classic", false, obj{}
	}
	if full || c.expands("lead") {
		if p.Lead != "" {
			out["lead"] = c.userRef(p.Lead)
		}
	}
	if !full {
		return out
	}
	out["description"], out["assigneeType"] = "", "UNASSIGNED"
	types, parts, roles := list{}, list{}, obj{}
	for _, id := range p.types {
		types = append(types, c.typeBean(id))
	}
	for _, n := range p.parts {
		parts = append(parts, c.component(n))
	}
	for _, r := range c.s.roles {
		roles[r.name] = c.rest("/project/" + p.ID + "/role/" + r.id)
	}
	out["issueTypes"], out["components"], out["roles"], out["versions"] = types, parts, roles, list{}
	return out
}

func (c *call) searchProjects() (reply, error) {
	out, q := list{}, strings.ToLower(c.query("query"))
	ids, keys, kinds := c.queries("id"), c.queries("keys"), c.queries("typeKey")
	for _, p := range c.s.projects {
		if !c.can("BROWSE_PROJECTS", p, nil) || len(ids) > 0 && !slices.Contains(ids, p.ID) || len(keys) > 0 && !slices.Contains(keys, p.Key) ||
			len(kinds) > 0 && !slices.Contains(kinds, p.Type) || !strings.Contains(strings.ToLower(p.Key+" "+p.Name), q) {
			continue
		}
		if c.query("action") == "create" && !c.can("CREATE_ISSUES", p, nil) || c.query("action") == "edit" && !c.can("ADMINISTER_PROJECTS", p, nil) {
			continue
		}
		out = append(out, c.projectBean(p, false))
	}
	return c.page(out, 50)
}

func (c *call) allProjects() (reply, error) {
	out := list{}
	for _, p := range c.s.projects {
		if c.can("BROWSE_PROJECTS", p, nil) {
			out = append(out, c.projectBean(p, false))
		}
	}
	return ok(out)
}

func (c *call) getProject() (reply, error) {
	p, err := c.visible()
	if err != nil {
		return reply{}, err
	}
	return ok(c.projectBean(p, true))
}

func (c *call) projectStatuses() (reply, error) {
	p, err := c.visible()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, id := range p.types {
		statuses := list{}
		for _, st := range p.flow.statuses {
			statuses = append(statuses, c.status(st))
		}
		out = append(out, obj{"self": c.rest("/issuetype/" + id), "id": id, "name": find(c.s.types, id).name, "subtask": false, "statuses": statuses})
	}
	return ok(out)
}

// --- roles

func (c *call) projectRoles() (reply, error) {
	p, err := c.visible()
	if err != nil {
		return reply{}, err
	}
	out := obj{}
	for _, r := range c.s.roles {
		out[r.name] = c.rest("/project/" + p.ID + "/role/" + r.id)
	}
	return ok(out)
}

func (c *call) roleBean(p *project, r *named) obj {
	self := c.rest("/role/" + r.id)
	actors, n := list{}, atoi(r.id)*10
	if p != nil {
		self = c.rest("/project/" + p.ID + "/role/" + r.id)
		for _, id := range p.Roles[r.id].Users {
			if u := c.s.user(id); u != nil {
				n++
				one := obj{"id": n, "displayName": u.Name, "type": "atlassian-user-role-actor", "actorUser": obj{"accountId": id}}
				if c.dc {
					one["name"] = u.Login
					delete(one, "actorUser")
				}
				actors = append(actors, one)
			}
		}
		for _, name := range p.Roles[r.id].Groups {
			g := c.s.group(name)
			n++
			actors = append(actors, obj{"id": n, "displayName": g.name, "name": g.name, "type": "atlassian-group-role-actor", "actorGroup": obj{"name": g.name, "displayName": g.name, "groupId": g.id}})
		}
	}
	return obj{"self": self, "id": atoi(r.id), "name": r.name, "description": "", "actors": actors}
}

func (c *call) projectRole() (*project, *named, error) {
	p, err := c.visible()
	if err != nil {
		return nil, nil, err
	}
	for n, r := range c.s.roles {
		if r.id == c.arg("id") {
			return p, &c.s.roles[n], nil
		}
	}
	return nil, nil, refuse(404, "Can not find a project role with id "+c.arg("id")+".")
}

func (c *call) getProjectRole() (reply, error) {
	p, r, err := c.projectRole()
	if err != nil {
		return reply{}, err
	}
	if !c.can("ADMINISTER_PROJECTS", p, nil) && !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(404, "You do not have permission to see the roles of this project.")
	}
	return ok(c.roleBean(p, r))
}

// changeRole adds, sets or removes a role's actors.
func (c *call) changeRole() (reply, error) {
	p, r, err := c.projectRole()
	if err != nil {
		return reply{}, err
	}
	if !c.can("ADMINISTER_PROJECTS", p, nil) && !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(404, "You do not have permission to change the roles of this project.")
	}
	now := p.Roles[r.id]
	switch c.r.Method {
	case "DELETE":
		now.Users = slices.DeleteFunc(slices.Clone(now.Users), func(id string) bool { return id == c.query("user") })
		now.Groups = slices.DeleteFunc(slices.Clone(now.Groups), func(g string) bool { return g == c.query("group") || c.s.group(g).id == c.query("groupId") })
	case "POST":
		var in struct{ User, Group, GroupID []string }
		if err := c.read(&in); err != nil {
			return reply{}, err
		}
		now.Users, now.Groups = append(slices.Clone(now.Users), in.User...), append(slices.Clone(now.Groups), c.groupNames(in.Group, in.GroupID)...)
	default:
		var in struct{ CategorisedActors map[string][]string }
		if err := c.read(&in); err != nil {
			return reply{}, err
		}
		now = Actors{Users: in.CategorisedActors["atlassian-user-role-actor"], Groups: c.groupNames(in.CategorisedActors["atlassian-group-role-actor"], in.CategorisedActors["atlassian-group-role-actor-id"])}
	}
	for _, id := range now.Users {
		if c.s.user(id) == nil {
			return reply{}, refuse(400, "We can't find '"+id+"' in any accessible user directory.")
		}
	}
	p.Roles[r.id] = now
	c.s.note(c.who, "projects", "Project roles changed", "PROJECT", p.Key, r.name)
	if c.r.Method == "DELETE" {
		return none()
	}
	return ok(c.roleBean(p, r))
}

func (c *call) groupNames(names, ids []string) (out []string) {
	for _, g := range c.s.groups {
		if slices.Contains(names, g.name) || slices.Contains(ids, g.id) {
			out = append(out, g.name)
		}
	}
	return out
}

func (c *call) getRoles() (reply, error) {
	out := list{}
	for n := range c.s.roles {
		out = append(out, c.roleBean(nil, &c.s.roles[n]))
	}
	return ok(out)
}

func (c *call) getRole() (reply, error) {
	for n, r := range c.s.roles {
		if r.id == c.arg("id") {
			return ok(c.roleBean(nil, &c.s.roles[n]))
		}
	}
	return reply{}, refuse(404, "Can not find a project role with id "+c.arg("id")+".")
}

// --- security and permissions

func (c *call) levelBean(l *SecurityLevel) obj {
	out := c.securityLevel(l)
	if !c.dc {
		out["isDefault"], out["issueSecuritySchemeId"] = l.Default, l.scheme.ID
	}
	return out
}

func (c *call) projectLevels() (reply, error) {
	p, err := c.visible()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	if p.security != nil && c.can("SET_ISSUE_SECURITY", p, nil) {
		for n := range p.security.Levels {
			if c.s.among(c.who, p.security.Levels[n].Holders, p, nil) {
				out = append(out, c.levelBean(&p.security.Levels[n]))
			}
		}
	}
	return ok(obj{"levels": out})
}

func (c *call) securityScheme(sc *SecurityScheme) obj {
	levels := list{}
	out := obj{"self": c.rest("/issuesecurityschemes/" + sc.ID), "id": atoi(sc.ID), "name": sc.Name, "description": ""}
	for n := range sc.Levels {
		levels = append(levels, c.levelBean(&sc.Levels[n]))
		if sc.Levels[n].Default {
			out["defaultSecurityLevelId"] = atoi(sc.Levels[n].ID)
		}
	}
	out["levels"] = levels
	return out
}

func (c *call) projectSecurity() (reply, error) {
	p, err := c.visible()
	switch {
	case err != nil:
		return reply{}, err
	case !c.can("ADMINISTER_PROJECTS", p, nil) && !c.can("ADMINISTER", nil, nil):
		return reply{}, refuse(403, "You do not have permission to administer this project.")
	case p.security == nil:
		return reply{}, refuse(404, "The project has no issue security scheme.")
	}
	return ok(c.securityScheme(p.security))
}

func (c *call) projectPermissions() (reply, error) {
	p, err := c.visible()
	switch {
	case err != nil:
		return reply{}, err
	case !c.can("ADMINISTER_PROJECTS", p, nil) && !c.can("ADMINISTER", nil, nil):
		return reply{}, refuse(403, "You do not have permission to administer this project.")
	}
	return ok(c.permissionScheme(p.scheme))
}

func (c *call) securitySchemes() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	out := list{}
	for _, sc := range c.s.security {
		one := c.securityScheme(sc)
		delete(one, "levels")
		out = append(out, one)
	}
	return ok(obj{"issueSecuritySchemes": out})
}

func (c *call) oneSecurityScheme() (reply, error) {
	for _, sc := range c.s.security {
		if sc.ID == c.arg("id") && c.can("ADMINISTER", nil, nil) {
			return ok(c.securityScheme(sc))
		}
	}
	return reply{}, refuse(403, "The scheme does not exist or you do not have permission to see it.")
}

func (c *call) oneLevel() (reply, error) {
	l := c.s.level(c.arg("id"))
	if l == nil {
		return reply{}, refuse(404, "The security level with id '"+c.arg("id")+"' does not exist.")
	}
	return ok(c.levelBean(l))
}

func (c *call) levelMembers() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	out, n, levels, schemes := list{}, 10000, c.queries("levelId"), c.queries("schemeId")
	for _, sc := range c.s.security {
		for _, l := range sc.Levels {
			for _, h := range l.Holders {
				n++
				if (len(levels) == 0 || slices.Contains(levels, l.ID)) && (len(schemes) == 0 || slices.Contains(schemes, sc.ID)) {
					out = append(out, obj{"id": itoa(n), "issueSecurityLevelId": l.ID, "issueSecuritySchemeId": sc.ID, "holder": c.holder(h)})
				}
			}
		}
	}
	return c.page(out, 50)
}
