package access

import "slices"

// RolesConnector is the connector of the one system whose entitlements are roles of
// Lessor itself: the object of each is a group of the directory, and whoever holds it
// is in that group.
const RolesConnector = "lessor"

// indexRoles finds the groups whose members hold a role.
func (d *Directory) indexRoles() {
	for _, id := range d.Entitlements() {
		e := d.entitlements[id]
		if d.systems[e.System].Connector == RolesConnector {
			d.roles[e.Object] = append(d.roles[e.Object], id)
		}
	}
}

// RolesOf lists the roles of Lessor that the identity has in force, sorted, by
// whatever way: a grant, a line of the files, a group within the group.
func (d *Directory) RolesOf(id string) (list []string) {
	if len(d.roles) == 0 {
		return nil
	}
	for _, g := range d.closure[id] {
		list = append(list, d.roles[g]...)
	}
	slices.Sort(list)
	return list
}

// RolesSystem is the system of those roles; ok is false where the catalog has none.
func (d *Directory) RolesSystem() (id string, ok bool) {
	for _, id := range d.Systems() {
		if d.systems[id].Connector == RolesConnector {
			return id, true
		}
	}
	return "", false
}

// WithMembers is the same directory with these members in its groups besides:
// another snapshot. Groups and identities that it does not have are left out.
func (d *Directory) WithMembers(more map[string][]string) *Directory {
	with := *d
	groups := slices.Clone(d.groups)
	for n := range groups {
		var known []string
		for _, id := range more[groups[n].ID] {
			if d.HasIdentity(id) {
				known = append(known, id)
			}
		}
		groups[n].Members = slices.Concat(groups[n].Members, known)
	}
	with.closeGroups(groups)
	return &with
}

// HasIdentity tells whether there is such an identity.
func (d *Directory) HasIdentity(id string) bool { _, ok := d.identities[id]; return ok }

// DirectMembers returns every identity in the group itself, sorted. Not to be changed.
func (d *Directory) DirectMembers(group string) []string { return d.members[group] }

// InnerGroups lists every group within the group, at whatever depth, sorted; never itself.
func (d *Directory) InnerGroups(group string) (list []string) {
	seen := map[string]bool{group: true}
	for queue := []string{group}; len(queue) > 0; queue = queue[1:] {
		for _, in := range d.inner[queue[0]] {
			if !seen[in] {
				seen[in] = true
				list, queue = append(list, in), append(queue, in)
			}
		}
	}
	slices.Sort(list)
	return list
}
