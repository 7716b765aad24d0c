package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// An agent holds nothing longer than its sponsor does: its grants end no later than
// the last of the sponsor's for the same entitlement, and when that ends sooner, or
// moves its end, so do they, in the same transaction.

// sponsored tells until when the sponsor of an agent holds an entitlement; held is
// false where it does not hold it now, or the identity is no agent.
func (d *deed) sponsored(ctx context.Context, identity, entitlement string) (until time.Time, held bool, err error) {
	dir := d.world.Directory
	id, _ := dir.Identity(identity)
	if id.Kind != access.Agent || id.Sponsor == "" {
		return until, false, nil
	}
	grants, err := d.OpenGrantsOfOne(ctx, dir.IdentitiesOf(id.Sponsor), entitlement)
	for _, g := range grants {
		if g.LiveAt(d.now) && g.End.After(until) {
			until, held = g.End, true
		}
	}
	return until, held, err
}

// SaveGrant stores a grant as every deed does, and keeps what agents hold within what
// their sponsor does. Where time alone has ended it, theirs have ended by themselves.
func (d *deed) SaveGrant(ctx context.Context, from access.GrantState, g access.Grant) error {
	if err := d.Tx.SaveGrant(ctx, from, g); err != nil {
		return err
	}
	if g.Ended == access.EndExpired {
		return nil
	}
	agents := d.world.Directory.SponsoredBy(g.Identity)
	if len(agents) == 0 {
		return nil
	}
	open, err := d.OpenGrantsOfOne(ctx, agents, g.Entitlement)
	if err != nil {
		return err
	}
	for _, a := range open {
		if err := d.bound(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

// bound ends or shortens what an agent holds beyond its sponsor.
func (d *deed) bound(ctx context.Context, g access.Grant) error {
	until, held, err := d.sponsored(ctx, g.Identity, g.Entitlement)
	if err != nil {
		return err
	}
	if !held {
		id, _ := d.world.Directory.Identity(g.Identity)
		return d.finish(ctx, g, access.EndEligibilityLost, fmt.Sprintf("its sponsor %s no longer holds %s", id.Sponsor, g.Entitlement))
	}
	return d.shorten(ctx, g, until)
}

// shorten moves the end of a grant earlier, if that is earlier.
func (d *deed) shorten(ctx context.Context, g access.Grant, by time.Time) error {
	next, ev, moved := g.Shorten(d.now, by)
	if !moved {
		return nil
	}
	if err := d.SaveGrant(ctx, g.State, next); err != nil {
		return err
	}
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	job, err := d.Assignment(ctx, g.Assignment)
	if err != nil {
		return err
	}
	return d.dueAt(ctx, job, next.End)
}

// fresh reads an agent's grant anew: what was read before may have ended, or be
// shorter, by a deed on its sponsor's in the same transaction.
func (d *deed) fresh(ctx context.Context, g access.Grant) (access.Grant, error) {
	if id, _ := d.world.Directory.Identity(g.Identity); id.Kind != access.Agent {
		return g, nil
	}
	return d.Grant(ctx, g.ID)
}
