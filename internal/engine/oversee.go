package engine

import (
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// MayOversee refuses whoever is neither in security nor in auditors: figures about
// everybody, and about how each approver answered, are theirs.
func (e *Engine) MayOversee(by access.Actor) error {
	if err := scoped(by, ScopeView); err != nil {
		return err
	}
	groups := e.World().Directory.GroupsOf(by.Identity)
	if slices.Contains(groups, "security") || slices.Contains(groups, "auditors") {
		return nil
	}
	return fmt.Errorf("%w: figures about everybody are for security and auditors", access.ErrDenied)
}
