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
	err = e.look(ctx, by, func(d *deed) error {
		if err := d.mayRegister(entitlement); err != nil {
			return err
		}
		page := func(tx *store.Tx) ([]access.Grant, error) { return tx.GrantsOf(ctx, nil, open, before, limit) }
		if entitlement != "" {
			page = func(tx *store.Tx) ([]access.Grant, error) {
				return tx.GrantsWith(ctx, entitlement, open, before, limit)
			}
		}
		// What policy hides even from them takes nobody's place on the page.
		var known []access.Grant
		for len(known) < limit {
			grants, err := page(d.Tx)
			if err != nil {
				return err
			}
			for _, g := range grants {
				before = g.ID
				if len(known) < limit && d.mayKnow(ctx, g) == nil {
					known = append(known, g)
				}
			}
			if len(grants) < limit {
				break
			}
		}
		list, err = d.holdings(ctx, known)
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
