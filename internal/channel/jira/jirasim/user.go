package jirasim

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// AddUser makes an account.
func (s *Sim) AddUser(u User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.addUser(u); err != nil {
		return err
	}
	s.note(nil, "user management", "User created", "USER", u.AccountID, u.Name)
	return nil
}

// EditUser changes an account as an administrator would: its name, groups,
// whether it is active, gone, or shows its address.
func (s *Sim) EditUser(accountID string, change func(*User)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(accountID)
	if u == nil {
		return fmt.Errorf("jirasim: no user %q", accountID)
	}
	next := *u
	next.Groups = slices.Clone(u.Groups)
	change(&next)
	next.AccountID = u.AccountID
	for _, g := range next.Groups {
		s.group(g)
	}
	*u = next
	s.note(nil, "user management", "User updated", "USER", u.AccountID, u.Name)
	return nil
}

func (c *call) avatars() obj {
	out := obj{}
	for _, size := range []string{"48", "24", "16", "32"} {
		out[size+"x"+size] = c.s.url + "/secure/useravatar?size=" + size
	}
	return out
}

// userRef is a user as answers name one (UserDetails). One that cannot be
// resolved has Jira's fallback values, which must never match anybody.
func (c *call) userRef(accountID string) any {
	if accountID == "" {
		return nil
	}
	u := c.s.user(accountID)
	if u == nil || u.Gone {
		if c.dc {
			return obj{"self": c.rest("/user?username=" + url.QueryEscape(accountID)), "name": accountID, "key": accountID,
				"avatarUrls": c.avatars(), "displayName": accountID, "active": false}
		}
		return obj{"self": c.rest("/user?accountId=unknown"), "accountId": "unknown", "accountType": "unknown",
			"avatarUrls": c.avatars(), "displayName": "Former user", "active": false}
	}
	out := obj{"avatarUrls": c.avatars(), "displayName": u.Name, "active": !u.Inactive, "timeZone": u.Zone}
	if c.dc {
		out["self"], out["name"], out["key"] = c.rest("/user?username="+url.QueryEscape(u.Login)), u.Login, u.Key
		out["emailAddress"] = u.Email
		return out
	}
	out["self"], out["accountId"], out["accountType"] = c.rest("/user?accountId="+url.QueryEscape(u.AccountID)), u.AccountID, string(u.Kind)
	if u.Email != "" && (u.EmailSeen || c.who == u) {
		out["emailAddress"] = u.Email
	}
	return out
}

func userID(u *User) string {
	if u == nil {
		return ""
	}
	return u.AccountID
}

// fullUser is the User bean, with what expand asks for.
func (c *call) fullUser(u *User) obj {
	out := c.userRef(u.AccountID).(obj)
	if u.Gone {
		return out
	}
	out["locale"] = "en_US"
	if u.Kind == App && !c.dc {
		out["appType"] = "service"
	}
	out["expand"] = "groups,applicationRoles"
	groups := list{}
	if c.expands("groups") {
		for _, g := range u.Groups {
			groups = append(groups, c.groupName(c.s.group(g)))
		}
	}
	out["groups"] = obj{"size": len(u.Groups), "items": groups}
	out["applicationRoles"] = obj{"size": 1, "items": list{}}
	return out
}

// deskUser is a user as the service desk paths name one.
func (c *call) deskUser(accountID string) any {
	u := c.s.user(accountID)
	self := c.s.url + "/rest/api/2/user?accountId=" + url.QueryEscape(accountID)
	if u == nil || u.Gone {
		return obj{"accountId": "unknown", "displayName": "Former user", "active": false,
			"_links": obj{"self": c.s.url + "/rest/api/2/user?accountId=unknown", "jiraRest": c.s.url + "/rest/api/2/user?accountId=unknown", "avatarUrls": c.avatars()}}
	}
	out := obj{"displayName": u.Name, "active": !u.Inactive, "timeZone": u.Zone}
	if c.dc {
		self = c.s.url + "/rest/api/2/user?username=" + url.QueryEscape(u.Login)
		out["name"], out["key"], out["emailAddress"] = u.Login, u.Key, u.Email
	} else {
		out["accountId"] = u.AccountID
		if u.Email != "" && (u.EmailSeen || c.who == u) {
			out["emailAddress"] = u.Email
		}
	}
	out["_links"] = obj{"self": self, "jiraRest": self, "avatarUrls": c.avatars()}
	return out
}

func (c *call) groupName(g *group) obj {
	if c.dc {
		return obj{"name": g.name, "self": c.rest("/group?groupname=" + url.QueryEscape(g.name))}
	}
	return obj{"name": g.name, "groupId": g.id, "self": c.rest("/group?groupId=" + g.id)}
}

// --- operations

func (c *call) getMyself() (reply, error) { return ok(c.fullUser(c.who)) }

func (c *call) getUser() (reply, error) {
	u, err := c.namedUser()
	if err != nil {
		return reply{}, err
	}
	return ok(c.fullUser(u))
}

// namedUser is the user the query names.
func (c *call) namedUser() (*User, error) {
	var u *User
	if c.dc {
		u = c.s.userBy(c.query("username"), c.query("key"))
	} else if id := c.query("accountId"); id == "" {
		return nil, refuse(400, "The query parameter 'accountId' is required.")
	} else {
		u = c.s.user(id)
	}
	if u == nil || (!c.can("USER_PICKER", nil, nil) && u != c.who) {
		return nil, refuse(404, "Specified user does not exist or you do not have required permissions")
	}
	return u, nil
}

func (c *call) getUserEmail() (reply, error) {
	if c.who.Kind != App {
		return reply{}, refuse(401, "Only approved apps may read addresses.")
	}
	u, err := c.namedUser()
	if err != nil {
		return reply{}, err
	}
	return ok(obj{"accountId": u.AccountID, "email": u.Email})
}

func (c *call) getUserGroups() (reply, error) {
	u, err := c.namedUser()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, g := range u.Groups {
		out = append(out, c.groupName(c.s.group(g)))
	}
	return ok(out)
}

// bulkUsers leaves out, without a word, whoever it does not know.
func (c *call) bulkUsers() (reply, error) {
	ids := c.queries("accountId")
	if len(ids) == 0 {
		return reply{}, refuse(400, "The query parameter 'accountId' is required.")
	}
	out := list{}
	for _, id := range ids {
		if u := c.s.user(id); u != nil {
			out = append(out, c.userRef(id))
		}
	}
	return c.page(out, 10)
}

func (c *call) allUsers() (reply, error) {
	if !c.can("USER_PICKER", nil, nil) {
		return reply{}, refuse(403, "You do not have permission to browse users.")
	}
	out := list{}
	for _, u := range c.s.users {
		out = append(out, c.userRef(u.AccountID))
	}
	return ok(slice(out, c.number("startAt", 0), c.number("maxResults", 50)))
}

func (c *call) searchUsers() (reply, error) {
	q := strings.ToLower(c.query("query"))
	id := c.query("accountId")
	if c.dc {
		q = strings.ToLower(c.query("username"))
	}
	if q == "" && id == "" && c.query("property") == "" {
		return reply{}, refuse(400, "A search query is required: give 'query', 'accountId' or 'property'.")
	}
	out := list{}
	for _, u := range c.s.users {
		if u.Gone || u.Inactive || !c.can("USER_PICKER", nil, nil) {
			continue
		}
		hit := id != "" && u.AccountID == id || q != "" && u.begins(q)
		if hit {
			out = append(out, c.userRef(u.AccountID))
		}
	}
	return ok(slice(out, c.number("startAt", 0), c.number("maxResults", 50)))
}

// begins says whether a word of the name, or the address, begins with q.
func (u *User) begins(q string) bool {
	for _, w := range append(strings.Fields(strings.ToLower(u.Name)), strings.ToLower(u.Email), strings.ToLower(u.Name)) {
		if strings.HasPrefix(w, q) {
			return true
		}
	}
	return false
}

func (c *call) assignableUsers() (reply, error) {
	var p *project
	var i *issue
	if ref := c.query("issueKey") + c.query("issueId"); ref != "" {
		var err error
		if i, err = c.issue(ref); err != nil {
			return reply{}, err
		}
		p = i.project
	} else if p = c.s.world.project(c.query("project")); p == nil || !c.can("BROWSE_PROJECTS", p, nil) {
		return reply{}, refuse(404, "No project could be found with key '"+c.query("project")+"'.")
	}
	out := list{}
	for _, u := range c.s.users {
		if !u.Gone && !u.Inactive && c.s.holds(u, "ASSIGNABLE_USER", p, i) && (c.query("query") == "" || u.begins(strings.ToLower(c.query("query")))) {
			out = append(out, c.userRef(u.AccountID))
		}
	}
	return ok(slice(out, c.number("startAt", 0), c.number("maxResults", 50)))
}
