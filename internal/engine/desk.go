package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// ScopeAdmin lets an actor have rules, directory and catalog read anew, and nothing else.
const ScopeAdmin = "admin"

// ScopeAudit lets somebody in security or auditors say what an audit saw.
const ScopeAudit = "audit"

// Desk returns up to limit pending requests with ids below before, newest
// first, that wait for a vote this actor has authority to cast, however
// strongly it is known: a weak sign-in may read what it cannot answer yet.
func (e *Engine) Desk(ctx context.Context, by access.Actor, before string, limit int) (list []access.Request, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		list, _, err = d.desk(ctx, Only{}, Page{before, limit}, 0)
		return err
	})
	return list, err
}

// awaits tells whether any open stage of the request could be answered by the actor.
func (d *deed) awaits(ctx context.Context, r access.Request) (bool, error) {
	for i, it := range r.Items {
		if it.Outcome != access.Undecided {
			continue
		}
		votes, err := d.standing(ctx, r, it.Entitlement)
		if err != nil {
			return false, err
		}
		f, err := d.facts(ctx, r, i, votes)
		if err != nil {
			return false, err
		}
		voter := d.by
		voter.Strength = it.Decision.StepUp
		for _, st := range it.Decision.Stages {
			if filled(st, votes) {
				continue
			}
			if dec, _ := d.world.Policy.MayAnswer(f, voter, st.Name); dec.Allow {
				return true, nil
			}
		}
	}
	return false, nil
}

// MayLook refuses an actor whose sign-in is not good for looking.
func (e *Engine) MayLook(by access.Actor) error { return scoped(by, ScopeView) }

// MayAdminister refuses an actor whose sign-in is not good for administering.
func (e *Engine) MayAdminister(by access.Actor) error { return scoped(by, ScopeAdmin) }

func scoped(by access.Actor, s string) error {
	if !slices.Contains(by.Scopes, s) {
		return fmt.Errorf("%w: this sign-in is not good for %q", access.ErrDenied, s)
	}
	return nil
}
