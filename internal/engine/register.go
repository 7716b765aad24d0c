package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Register returns up to limit grants, newest first, with ids below before,
// beside what was last seen: those of one entitlement to its owners, and of it or
// everything to security and auditors. open leaves the ended ones out.
func (e *Engine) Register(ctx context.Context, by access.Actor, entitlement string, open bool, before string, limit int) (list []Holding, err error) {
	err = e.lookAfar(ctx, by, func(d *deed) (err error) {
		if err := d.mayRegister(entitlement); err != nil {
			return err
		}
		list, _, err = d.grantsOf(ctx, store.GrantsSought{Entitlement: entitlement, Open: open}, Only{}, Page{before, limit}, 0)
		return err
	})
	return list, err
}

// mayRegister refuses whoever answers neither for the entitlement nor for everything.
func (d *deed) mayRegister(entitlement string) error {
	dir := d.world.Directory
	groups := dir.GroupsOf(d.by.Identity)
	if slices.Contains(groups, "security") || slices.Contains(groups, "auditors") {
		return nil
	}
	if ent, ok := dir.Entitlement(entitlement); ok && slices.Contains(ent.Owners, dir.PersonOf(d.by.Identity)) {
		return nil
	}
	return fmt.Errorf("%w: who holds what is for owners, security and auditors", access.ErrDenied)
}
