package jirasim

import (
	"slices"
)

// remoteLink points from an issue to something elsewhere. Its globalId makes a
// repeat an update.
type remoteLink struct {
	id       int
	globalID string
	relation string
	app      obj
	object   obj
}

func (c *call) linkBean(i *issue, l *remoteLink) obj {
	out := obj{"id": l.id, "self": c.rest("/issue/" + i.key + "/remotelink/" + itoa(l.id)), "object": l.object, "application": obj{}}
	if l.globalID != "" {
		out["globalId"] = l.globalID
	}
	if l.relation != "" {
		out["relationship"] = l.relation
	}
	if l.app != nil {
		out["application"] = l.app
	}
	return out
}

// getLinks gives the one link of the globalId asked for, or else all of them.
func (c *call) getLinks() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, l := range i.links {
		if g := c.query("globalId"); g == l.globalID && g != "" {
			return ok(c.linkBean(i, l))
		}
		out = append(out, c.linkBean(i, l))
	}
	if c.query("globalId") != "" {
		return reply{}, refuse(404, "No remote issue link with globalId '"+c.query("globalId")+"' exists on this issue.")
	}
	return ok(out)
}

func (c *call) putLink() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	var in struct {
		GlobalID, Relationship string
		Application, Object    obj
	}
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	bad := map[string]string{}
	if str(in.Object["title"]) == "" {
		bad["title"] = "'title' is required."
	}
	if str(in.Object["url"]) == "" {
		bad["url"] = "'url' is required."
	}
	if len(in.GlobalID) > 255 {
		bad["globalId"] = "'globalId' must be no more than 255 characters."
	}
	if len(bad) > 0 {
		return reply{}, &Refusal{Status: 400, Fields: bad}
	}
	if !c.can("LINK_ISSUES", i.project, i) {
		return reply{}, refuse(403, "You do not have permission to link issues in this project.")
	}
	status, l := 200, (*remoteLink)(nil)
	if n := slices.IndexFunc(i.links, func(l *remoteLink) bool { return in.GlobalID != "" && l.globalID == in.GlobalID }); n >= 0 {
		l = i.links[n]
	} else {
		status, l = 201, &remoteLink{id: c.s.next("remotelink", 10000)}
		i.links = append(i.links, l)
	}
	l.globalID, l.relation, l.app, l.object = in.GlobalID, in.Relationship, in.Application, in.Object
	c.touch(i)
	return reply{status: status, body: obj{"id": l.id, "self": c.rest("/issue/" + i.key + "/remotelink/" + itoa(l.id))}}, nil
}

func (c *call) deleteLink() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	g := c.query("globalId")
	n := slices.IndexFunc(i.links, func(l *remoteLink) bool { return g != "" && l.globalID == g })
	switch {
	case g == "":
		return reply{}, refuse(400, "The query parameter 'globalId' is required.")
	case !c.can("LINK_ISSUES", i.project, i):
		return reply{}, refuse(403, "You do not have permission to link issues in this project.")
	case n < 0:
		return reply{}, refuse(404, "No remote issue link with globalId '"+g+"' exists on this issue.")
	}
	i.links = slices.Delete(i.links, n, n+1)
	c.touch(i)
	return none()
}

// --- watchers

func (c *call) getWatchers() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	out := c.watches(i)
	who := list{}
	if c.can("VIEW_VOTERS_AND_WATCHERS", i.project, i) {
		for _, id := range i.watchers {
			who = append(who, c.userRef(id))
		}
	}
	out["watchers"] = who
	return ok(out)
}

func (c *call) watches(i *issue) obj {
	return obj{"self": c.rest("/issue/" + i.key + "/watchers"), "watchCount": len(i.watchers), "isWatching": slices.Contains(i.watchers, c.who.AccountID)}
}

func (c *call) addWatcher() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	who := ""
	if len(c.body) > 0 {
		if err := c.read(&who); err != nil {
			return reply{}, err
		}
	}
	u := c.s.user(first(who, c.who.AccountID))
	if c.dc && who != "" {
		u = c.s.userBy(who, "")
	}
	switch {
	case u == nil || u.Gone:
		return reply{}, refuse(404, "The user "+who+" does not exist.")
	case u != c.who && !c.can("MANAGE_WATCHERS", i.project, i):
		return reply{}, refuse(403, "You do not have permission to manage watchers.")
	case !c.s.sees(u, i):
		return reply{}, refuse(400, "The user does not have permission to view this issue.")
	}
	if !slices.Contains(i.watchers, u.AccountID) {
		i.watchers = append(i.watchers, u.AccountID)
	}
	return none()
}

func (c *call) removeWatcher() (reply, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return reply{}, err
	}
	u := c.s.user(c.query("accountId"))
	if c.dc {
		u = c.s.userBy(c.query("username"), "")
	}
	switch {
	case u == nil:
		return reply{}, refuse(400, "The query parameter 'accountId' must name a user.")
	case u != c.who && !c.can("MANAGE_WATCHERS", i.project, i):
		return reply{}, refuse(403, "You do not have permission to manage watchers.")
	}
	i.watchers = slices.DeleteFunc(i.watchers, func(id string) bool { return id == u.AccountID })
	return none()
}
