package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// dutiesTogether is the finding that one person holds what a duty keeps apart.
const dutiesTogether = "duties_together"

// DutiesTogether opens a finding for every pair of entitlements that one person
// holds, under every identity and workload or by what they imply, although a duty
// keeps them apart and no exception lets them be together; and closes those of
// pairs that are no more. A new duty, an exception that ended or an owner who took
// over a workload makes such a pair without anybody asking for it.
func (e *Engine) DutiesTogether(ctx context.Context) (pairs int, err error) {
	world, now := e.World(), e.Now().UTC().Truncate(time.Microsecond)
	// 1. Who holds what, of what any duty is about.
	held, implies, err := e.chargedHoldings(ctx, world, now)
	if err != nil {
		return 0, err
	}
	// 2. Which of it may not be together.
	found := map[string]access.Finding{}
	for _, person := range slices.Sorted(maps.Keys(held)) {
		f := policy.Facts{Now: now, Directory: world.Directory, Request: access.Request{Beneficiary: person},
			Held: slices.Sorted(maps.Keys(held[person])), Implies: implies}
		for _, pair := range world.Policy.Violations(f) {
			ent, _ := world.Directory.Entitlement(pair[0])
			subject := fmt.Sprintf("%s: %s with %s", person, pair[0], pair[1])
			found[subject] = access.Finding{Kind: dutiesTogether, Subject: subject, Owner: ent.Owners[0], DueAt: now.Add(7 * 24 * time.Hour),
				Text: fmt.Sprintf("%s holds %s and %s, which a duty keeps apart, and no exception lets them be together. End one of the two, or write an exception with an owner, a reason and an end.", person, pair[0], pair[1])}
		}
	}
	// 3. What is new, and what is no more.
	return len(found), e.do(ctx, "duties together", access.Clock, func(d *deed) error {
		open, err := d.OpenFindings(ctx, dutiesTogether)
		if err != nil {
			return err
		}
		for _, f := range open {
			if _, still := found[f.Subject]; still {
				continue
			}
			if err := d.settleFinding(ctx, dutiesTogether, f.Subject, "the two are no longer together, or an exception lets them be"); err != nil {
				return err
			}
		}
		for _, subject := range slices.Sorted(maps.Keys(found)) {
			if err := d.finding(ctx, found[subject]); err != nil { // once, however often it is found
				return err
			}
		}
		return nil
	})
}

// chargedHoldings lists, for every person, what is held under any of their
// identities and workloads of what a duty is about, by itself or by what it implies.
func (e *Engine) chargedHoldings(ctx context.Context, world World, now time.Time) (held map[string]map[string]bool, implies map[string][]string, err error) {
	held, implies = map[string]map[string]bool{}, map[string][]string{}
	charged := map[string]bool{}
	about := world.Policy.KeptApart(world.Directory)
	if len(about) == 0 {
		return held, implies, nil
	}
	world.chargeRoles(about, held, implies)
	var can *heard
	if err := e.DB.Read(ctx, func(tx *store.Tx) (err error) { can, err = world.heard(ctx, tx); return err }); err != nil {
		return nil, nil, err
	}
	for before := ""; ; {
		var page []access.Grant
		err := e.DB.Read(ctx, func(tx *store.Tx) (err error) {
			page, err = tx.GrantsOf(ctx, nil, true, before, sweepBatch)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		for _, g := range page {
			if !now.Before(g.End) {
				continue
			}
			is, known := charged[g.Entitlement]
			if !known {
				r, _ := can.graph.Reach(g.Entitlement) // what the catalog no longer has is kept apart from nothing
				is = about[g.Entitlement] || slices.ContainsFunc(r.Implied, func(id string) bool { return about[id] })
				charged[g.Entitlement], implies[g.Entitlement] = is, r.Implied
			}
			if !is {
				continue
			}
			for _, person := range world.Directory.Hands(g.Identity) {
				if held[person] == nil {
					held[person] = map[string]bool{}
				}
				held[person][g.Entitlement] = true
			}
		}
		if len(page) < sweepBatch {
			return held, implies, nil
		}
		before = page[len(page)-1].ID
	}
}
