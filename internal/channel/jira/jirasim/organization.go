package jirasim

import (
	"slices"
	"strings"
)

func (c *call) orgBean(o *Organization) obj {
	return obj{"id": o.ID, "name": o.Name, "scimManaged": false, "_links": obj{"self": c.s.url + desk + "/organization/" + o.ID}}
}

// organization is the one the path names, for agents and its members.
func (c *call) organization() (*Organization, error) {
	for _, o := range c.s.orgs {
		if o.ID == c.arg("org") && (c.anyAgent() || slices.Contains(o.Members, c.who.AccountID)) {
			return o, nil
		}
	}
	return nil, refuse(404, "The organization does not exist.")
}

func (c *call) getOrganizations() (reply, error) {
	out := list{}
	for _, o := range c.s.orgs {
		member := first(c.query("accountId"), "")
		if (c.anyAgent() || slices.Contains(o.Members, c.who.AccountID)) && (member == "" || slices.Contains(o.Members, member)) {
			out = append(out, c.orgBean(o))
		}
	}
	return c.deskPage(out)
}

func (c *call) createOrganization() (reply, error) {
	if !c.anyAgent() {
		return reply{}, refuse(403, "You do not have permission to create organizations.")
	}
	var in struct{ Name string }
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if strings.TrimSpace(in.Name) == "" || len(in.Name) > 200 {
		return reply{}, refuse(400, "A name of at most 200 characters is required.")
	}
	o := &Organization{ID: itoa(c.s.next("organization", 1)), Name: in.Name, props: properties{}}
	c.s.orgs = append(c.s.orgs, o)
	return created(c.orgBean(o))
}

func (c *call) getOrganization() (reply, error) {
	o, err := c.organization()
	if err != nil {
		return reply{}, err
	}
	return ok(c.orgBean(o))
}

func (c *call) deleteOrganization() (reply, error) {
	o, err := c.organization()
	if err != nil {
		return reply{}, err
	}
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You do not have permission to delete organizations.")
	}
	c.s.orgs = slices.DeleteFunc(c.s.orgs, func(x *Organization) bool { return x == o })
	for _, p := range c.s.projects {
		if p.desk != nil {
			p.desk.Organizations = slices.DeleteFunc(p.desk.Organizations, func(id string) bool { return id == o.ID })
		}
	}
	return none()
}

func (c *call) organizationUsers() (reply, error) {
	o, err := c.organization()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, id := range o.Members {
		out = append(out, c.deskUser(id))
	}
	return c.deskPage(out)
}

func (c *call) changeOrganizationUsers() (reply, error) {
	o, err := c.organization()
	if err != nil {
		return reply{}, err
	}
	if !c.anyAgent() {
		return reply{}, refuse(403, "You do not have permission to change the organization.")
	}
	ids, err := c.accounts()
	if err != nil {
		return reply{}, err
	}
	o.Members = join(o.Members, ids, c.r.Method == "POST", false)
	return none()
}

// --- those of a desk

func (c *call) deskOrganizations() (reply, error) {
	p, err := c.deskProject()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, id := range p.desk.Organizations {
		if o := c.s.org(id); o != nil && (c.s.agent(c.who, p) || slices.Contains(o.Members, c.who.AccountID)) {
			out = append(out, c.orgBean(o))
		}
	}
	return c.deskPage(out)
}

func (c *call) changeDeskOrganizations() (reply, error) {
	p, err := c.staffed()
	if err != nil {
		return reply{}, err
	}
	var in struct{ OrganizationID int }
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if c.s.org(itoa(in.OrganizationID)) == nil {
		return reply{}, refuse(404, "The organization does not exist.")
	}
	p.desk.Organizations = join(p.desk.Organizations, []string{itoa(in.OrganizationID)}, c.r.Method == "POST", false)
	return none()
}

func (c *call) deskCustomers() (reply, error) {
	p, err := c.staffed()
	if err != nil {
		return reply{}, err
	}
	out := list{}
	for _, id := range p.desk.Customers {
		if u := c.s.user(id); u != nil && (c.query("query") == "" || u.begins(strings.ToLower(c.query("query")))) {
			out = append(out, c.deskUser(id))
		}
	}
	return c.deskPage(out)
}

func (c *call) changeDeskCustomers() (reply, error) {
	p, err := c.staffed()
	if err != nil {
		return reply{}, err
	}
	ids, err := c.accounts()
	if err != nil {
		return reply{}, err
	}
	p.desk.Customers = join(p.desk.Customers, ids, c.r.Method == "POST", false)
	return none()
}

func (c *call) createCustomer() (reply, error) {
	if !c.can("ADMINISTER", nil, nil) {
		return reply{}, refuse(403, "You do not have permission to create customers.")
	}
	var in struct{ Email, DisplayName, FullName string }
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if !strings.Contains(in.Email, "@") {
		return reply{}, refuse(400, "A valid email address is required.")
	}
	if c.s.named(in.Email, false) != nil {
		if c.query("strictConflictStatusCode") == "true" {
			return reply{}, refuse(409, "An account with that address already exists.")
		}
		return reply{}, refuse(400, "An account with that address already exists.")
	}
	u, err := c.s.customer(in.Email, first(in.DisplayName, in.FullName, in.Email))
	if err != nil {
		return reply{}, err
	}
	return created(c.deskUser(u.AccountID))
}

// customer makes an account for an address, of which nothing is checked.
func (s *Sim) customer(email, name string) (*User, error) {
	if err := s.addUser(User{Name: name, Email: email, Kind: Customer}); err != nil {
		return nil, refuse(400, err.Error())
	}
	return s.users[len(s.users)-1], nil
}
