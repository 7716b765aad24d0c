package jirasim

import (
	"html"
	"slices"
	"strings"
)

func (c *call) browseUsers() error {
	if !c.can("USER_PICKER", nil, nil) && !c.can("ADMINISTER", nil, nil) {
		return refuse(403, "You do not have permission to browse users and groups.")
	}
	return nil
}

func (c *call) bulkGroups() (reply, error) {
	if err := c.browseUsers(); err != nil {
		return reply{}, err
	}
	ids, names, out := c.queries("groupId"), c.queries("groupName"), list{}
	for _, g := range c.s.groups {
		if len(ids)+len(names) == 0 || slices.Contains(ids, g.id) || slices.Contains(names, g.name) {
			out = append(out, obj{"groupId": g.id, "name": g.name})
		}
	}
	return c.page(out, 50)
}

func (c *call) pickGroups() (reply, error) {
	q, out, total := c.query("query"), list{}, 0
	for _, g := range c.s.groups {
		if !strings.Contains(strings.ToLower(g.name), strings.ToLower(q)) || slices.Contains(c.queries("exclude"), g.name) || slices.Contains(c.queries("excludeId"), g.id) {
			continue
		}
		if !c.can("USER_PICKER", nil, nil) && g.name != q {
			continue
		}
		if total++; len(out) < c.number("maxResults", 20) {
			out = append(out, obj{"name": g.name, "groupId": g.id, "html": html.EscapeString(g.name), "labels": list{}})
		}
	}
	return ok(obj{"header": "Showing " + itoa(len(out)) + " of " + itoa(total) + " matching groups", "total": total, "groups": out})
}

// namedGroup is the group the query names.
func (c *call) namedGroup() (*group, error) {
	id, name := c.query("groupId"), c.query("groupname")
	if id == "" && name == "" {
		return nil, refuse(400, "Either 'groupname' or 'groupId' is required.")
	}
	for _, g := range c.s.groups {
		if g.id == id || id == "" && g.name == name {
			return g, nil
		}
	}
	return nil, refuse(404, "The group '"+first(name, id)+"' does not exist.")
}

func (c *call) groupMembers() (reply, error) {
	if err := c.browseUsers(); err != nil {
		return reply{}, err
	}
	g, err := c.namedGroup()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, u := range c.s.users {
		if slices.Contains(u.Groups, g.name) && (!u.Inactive || c.query("includeInactiveUsers") == "true") {
			out = append(out, c.userRef(u.AccountID))
		}
	}
	return c.page(out, 50)
}

func (c *call) addToGroup() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	g, err := c.namedGroup()
	if err != nil {
		return reply{}, err
	}
	var in struct{ AccountID, Name string }
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	u := c.s.user(in.AccountID)
	if c.dc {
		u = c.s.userBy(in.Name, "")
	}
	if u == nil {
		return reply{}, refuse(404, "The user does not exist.")
	}
	if slices.Contains(u.Groups, g.name) {
		return reply{}, refuse(400, "Cannot add user. User is already a member of '"+g.name+"'")
	}
	u.Groups = append(u.Groups, g.name)
	c.s.note(c.who, "group management", "User added to group", "GROUP", g.name, u.AccountID)
	out := c.groupName(g)
	out["expand"] = "users"
	return created(out)
}

func (c *call) removeFromGroup() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You are not authorized to perform this operation. Administrator privileges are required.")
	}
	g, err := c.namedGroup()
	if err != nil {
		return reply{}, err
	}
	u := c.s.user(c.query("accountId"))
	if c.dc {
		u = c.s.userBy(c.query("username"), "")
	}
	if u == nil || !slices.Contains(u.Groups, g.name) {
		return reply{}, refuse(404, "The user is not a member of '"+g.name+"'.")
	}
	u.Groups = slices.DeleteFunc(u.Groups, func(n string) bool { return n == g.name })
	c.s.note(c.who, "group management", "User removed from group", "GROUP", g.name, u.AccountID)
	return reply{status: 200, body: obj{}}, nil
}
