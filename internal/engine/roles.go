package engine

import (
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// In is the same world with another snapshot of the same directory: what the catalog's
// entitlements can become stays, and who is led where is found out anew.
func (w World) In(dir *access.Directory) World {
	w.Directory, w.ways = dir, newWays(dir, w.Policy)
	return w
}

// rolesOf lists the roles of Lessor itself that any of these has in force, whether or
// not anybody granted them: whoever the files name is kept apart like everybody else.
func rolesOf(dir *access.Directory, whose []string, except string) (held []string) {
	for _, id := range whose {
		for _, role := range dir.RolesOf(id) {
			if role != except {
				held = append(held, role)
			}
		}
	}
	return held
}

// chargeRoles adds to what is held the roles in force of which a duty is about.
func (w World) chargeRoles(about map[string]bool, held map[string]map[string]bool, implies map[string][]string) {
	for _, id := range w.Directory.Identities() {
		for _, role := range w.Directory.RolesOf(id) {
			r, _ := w.powers.Reach(role)
			if !about[role] && !slices.ContainsFunc(r.Implied, func(id string) bool { return about[id] }) {
				continue
			}
			implies[role] = r.Implied
			for _, person := range w.Directory.Hands(id) {
				if held[person] == nil {
					held[person] = map[string]bool{}
				}
				held[person][role] = true
			}
		}
	}
}
