package engine

import (
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// MayOversee refuses whoever is neither in security nor in auditors: figures about
// everybody, and about how each approver answered, are theirs.
func (e *Engine) MayOversee(by access.Actor) error {
	all, _, err := e.Oversees(by)
	if err == nil && !all {
		err = fmt.Errorf("%w: figures about everybody are for security and auditors", access.ErrDenied)
	}
	return err
}

// Oversees says whose work the actor may see how it stands: all systems' (security,
// auditors), or those it owns. Whoever owns none is refused.
func (e *Engine) Oversees(by access.Actor) (all bool, systems []string, err error) {
	if err := scoped(by, ScopeView); err != nil {
		return false, nil, err
	}
	dir := e.World().Directory
	groups := dir.GroupsOf(by.Identity)
	all = slices.Contains(groups, "security") || slices.Contains(groups, "auditors")
	for _, id := range dir.Systems() {
		if s, _ := dir.System(id); all || (s.Owner != "" && dir.PersonOf(s.Owner) == dir.PersonOf(by.Identity)) {
			systems = append(systems, id)
		}
	}
	if !all && len(systems) == 0 {
		return false, nil, fmt.Errorf("%w: how systems' work stands is for their owners, security and auditors", access.ErrDenied)
	}
	return all, systems, nil
}
