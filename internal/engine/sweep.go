package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// SweepJob asks that every open grant be held against the directory, or those of some.
type SweepJob struct {
	Identities []string `json:"identities,omitempty"` // none: everybody
}

// Kind implements river.JobArgs.
func (SweepJob) Kind() string { return "sweep" }

// sweepBatch is how many grants one transaction looks at.
const sweepBatch = 500

// What the files no longer have is taken for a mistake until this time is over:
// a file that was not mounted at a restart must not end everybody's access, and
// a definition that was deleted must not leave access that nobody answers for.
const bereftFor = 24 * time.Hour

// definitionGone is the finding that open grants are of something the files no longer have.
const definitionGone = "definition_gone"

// Swept is what a sweep did.
type Swept struct {
	Ended     int      // grants ended because their holder or entitlement is no more
	Shortened int      // grants that would have outlasted their holder
	Bereft    []string // what open grants are of and the files no longer have
}

// Sweep holds every open grant against the directory in force: the grant of
// somebody who has left ends now, and no grant outlasts its holder's own end.
// What the files no longer have at all becomes a finding first; if it is not put
// back by the finding's due date, its grants end too. Meanwhile they end as they
// would, and can be revoked. It is run whenever the directory may have changed,
// and may run twice: what is done is not done again.
func (e *Engine) Sweep(ctx context.Context) (total Swept, err error) {
	if total, err = e.sweepAll(ctx, nil); err != nil {
		return total, err
	}
	gone := make(map[string]bool, len(total.Bereft))
	for _, what := range total.Bereft {
		gone[what] = true
	}
	if err := e.foundAgain(ctx, gone); err != nil {
		return total, err
	}
	if _, err := e.Departed(ctx); err != nil {
		return total, err
	}
	if _, err := e.OverdueHandovers(ctx); err != nil {
		return total, err
	}
	if err := e.FeedsGone(ctx); err != nil {
		return total, err
	}
	if err := e.moverReviews(ctx); err != nil {
		return total, err
	}
	if err := e.forgetCredentials(ctx); err != nil {
		return total, err
	}
	_, err = e.Birthrights(ctx, nil)
	return total, err
}

// SweepOf does so with the grants of these alone, who have just left or moved: they do
// not wait until those of everybody have been looked through.
func (e *Engine) SweepOf(ctx context.Context, identities []string) (Swept, error) {
	if len(identities) == 0 {
		return Swept{}, nil
	}
	swept, err := e.sweepAll(ctx, identities)
	if err != nil {
		return swept, err
	}
	for _, id := range identities {
		dir := e.World().Directory
		if i, ok := dir.Identity(id); ok && i.Kind == access.Person && i.Same == "" {
			if _, err := e.LeaveOn(ctx, id); err != nil { // of whoever has not left it does nothing
				return swept, err
			}
			if err := e.backAgain(ctx, id); err != nil { // of whoever has never left neither
				return swept, err
			}
		}
	}
	_, err = e.Birthrights(ctx, identities)
	return swept, err
}

func (e *Engine) sweepAll(ctx context.Context, identities []string) (total Swept, err error) {
	gone := map[string]bool{}
	for before := ""; ; {
		var page []access.Grant
		var swept Swept
		err := e.do(ctx, "sweep", access.Clock, func(d *deed) error {
			swept = Swept{}
			if page, err = d.GrantsOf(ctx, identities, true, before, sweepBatch); err != nil {
				return err
			}
			for _, g := range page {
				if err := d.sweep(ctx, g, &swept); err != nil {
					return err
				}
			}
			return d.movers(ctx, page)
		})
		if err != nil {
			return total, err
		}
		total.Ended, total.Shortened = total.Ended+swept.Ended, total.Shortened+swept.Shortened
		for _, what := range swept.Bereft {
			gone[what] = true
		}
		if len(page) < sweepBatch {
			break
		}
		before = page[len(page)-1].ID
	}
	total.Bereft = slices.Sorted(maps.Keys(gone))
	return total, nil
}

func (d *deed) sweep(ctx context.Context, g access.Grant, swept *Swept) error {
	// 1. What is no more.
	id, known := d.world.Directory.Identity(g.Identity)
	person, _ := d.world.Directory.Identity(d.world.Directory.PersonOf(g.Identity))
	if known && (!id.ActiveAt(d.now) || !person.ActiveAt(d.now)) {
		swept.Ended++
		if (id.Suspended || person.Suspended) && !id.GoneAt(d.now) && !person.GoneAt(d.now) {
			return d.finish(ctx, g, access.EndEligibilityLost, g.Identity+" is suspended")
		}
		return d.finish(ctx, g, access.EndLeaver, g.Identity+" is no longer active")
	}
	// 2. What nobody said is no more.
	for _, lost := range missing(d.world.Directory, g) {
		over, err := d.bereft(ctx, lost)
		if err != nil {
			return err
		}
		if over {
			swept.Ended++
			return d.finish(ctx, g, lost.why, lost.what+" is no longer in the files")
		}
		swept.Bereft = append(swept.Bereft, lost.what)
	}
	// 3. What would outlast its holder, or an agent's sponsor.
	g, err := d.fresh(ctx, g)
	if err != nil || g.State == access.Ended {
		return err
	}
	if until := earlier(id.Until(), person.Until()); !until.IsZero() && until.Before(g.End) {
		swept.Shortened++
		if err := d.shorten(ctx, g, until); err != nil {
			return err
		}
	}
	if id.Kind != access.Agent {
		return nil
	}
	if g, err = d.fresh(ctx, g); err != nil || g.State == access.Ended {
		return err
	}
	return d.bound(ctx, g)
}

// loss is what a grant is of and a directory does not have.
type loss struct {
	what string // as a finding's subject
	why  access.EndReason
	mend string
}

func missing(dir *access.Directory, g access.Grant) (list []loss) {
	if _, ok := dir.Identity(g.Identity); !ok {
		list = append(list, loss{"identity " + g.Identity, access.EndLeaver, "put it back, marked inactive if it has left"})
	}
	if _, ok := dir.Entitlement(g.Entitlement); !ok {
		list = append(list, loss{"entitlement " + g.Entitlement, access.EndEligibilityLost, "put it back, and revoke its grants first if it is to go"})
	}
	return list
}

// bereft makes sure that a loss is known, and tells whether its time is over.
func (d *deed) bereft(ctx context.Context, lost loss) (over bool, err error) {
	due := d.now.Add(bereftFor)
	if f, err := d.OpenFinding(ctx, definitionGone, lost.what); err == nil {
		return !d.now.Before(f.DueAt), nil
	} else if !errors.Is(err, access.ErrNotFound) {
		return false, err
	}
	text := fmt.Sprintf("Open grants are of %s, which the files no longer have: %s. Their access ends as it would, and in any case at %s.", lost.what, lost.mend, due.Format(time.RFC3339))
	return false, d.finding(ctx, access.Finding{Kind: definitionGone, Subject: lost.what, Owner: "security", DueAt: due, Text: text})
}

// foundAgain closes the findings of what is there again, or has no open grants any more.
func (e *Engine) foundAgain(ctx context.Context, gone map[string]bool) error {
	return e.do(ctx, "found again", access.Clock, func(d *deed) error {
		open, err := d.OpenFindings(ctx, definitionGone)
		if err != nil {
			return err
		}
		for _, f := range open {
			if gone[f.Subject] {
				continue
			}
			if err := d.settleFinding(ctx, f.Kind, f.Subject, "no open grant is without it any more"); err != nil {
				return err
			}
		}
		return nil
	})
}

// Stranded lists what holds access at systems the catalog no longer knows: no
// connector could remove it. Whoever serves must not begin, nor take such a catalog in.
func (e *Engine) Stranded(ctx context.Context, known func(system string) bool) (list []string, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		systems, err := tx.SystemsInUse(ctx)
		for _, s := range systems {
			if !known(s.System) {
				list = append(list, fmt.Sprintf("%s: assignments not seen absent there: %d", s.System, s.Count))
			}
		}
		return err
	})
	return list, err
}

// Bereft lists open grants whose entitlement or holder the directory in force has
// and the given one no longer has: taking it in would strand them, which somebody
// must mean (revoke them first, or mark the holder inactive).
func (e *Engine) Bereft(ctx context.Context, dir *access.Directory) (list []string, err error) {
	now := e.World().Directory
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		for before := ""; ; {
			page, err := tx.GrantsOf(ctx, nil, true, before, sweepBatch)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, g := range page {
				before = g.ID
				was := missing(now, g)
				for _, lost := range missing(dir, g) {
					if !slices.Contains(was, lost) { // what is missing already is no change
						list = append(list, fmt.Sprintf("grant %s of %s to %s: %s is gone from the files; %s", g.ID, g.Entitlement, g.Identity, lost.what, lost.mend))
					}
				}
			}
		}
	})
	return list, err
}
