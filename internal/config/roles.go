package config

import (
	"github.com/lessor-iam/lessor/internal/access"
)

// checkRoles holds that roles of Lessor itself are groups of the directory, and makes
// every identity its own account there.
func (d *files) checkRoles() {
	// 1. There is one Lessor: two systems of it would each take the other's for strange.
	var own *system
	for n := range d.systems {
		s := &d.systems[n]
		switch {
		case s.Connector != access.RolesConnector:
		case own != nil:
			s.f.problem("connector", "there is one system with the connector %s already, at %s", access.RolesConnector, own.f.here())
		default:
			own = s
		}
	}
	if own == nil || own.ID == "" {
		return
	}
	// 2. A role is a group. In a circle each group has the members of all: whose a
	// member is could not be told.
	nest := d.nesting()
	ring := map[string]bool{}
	for n, id := range nest.id {
		ring[id] = ring[id] || nest.ring[n] >= 0
	}
	for n := range d.entitlements {
		e := &d.entitlements[n]
		if e.System != own.ID || e.Object == "" {
			continue
		}
		if _, ok := refer(d, e.f.at("object"), "object", "group", e.Object, d.known.groups); ok && ring[e.Object] {
			e.f.problem("object", "group %q lies in a circle of groups: it cannot be a role", access.Brief(e.Object))
		}
	}
	// 3. Who has a role is an identity, not a name written for it.
	for n := range d.identities {
		i := &d.identities[n]
		if was, named := i.Accounts[own.ID]; named && was != i.ID {
			i.f.problem("accounts", "at %s, which is Lessor itself, the account of %q is its id: leave it out", access.Brief(own.ID), access.Brief(i.ID))
		}
		if i.Accounts == nil {
			i.Accounts = map[string]string{}
		}
		i.Accounts[own.ID] = i.ID
	}
}
