package engine

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// SweepJob asks that every open grant be held against the directory.
type SweepJob struct{}

// Kind implements river.JobArgs.
func (SweepJob) Kind() string { return "sweep" }

// sweepBatch is how many grants one transaction looks at.
const sweepBatch = 500

// Swept is what a sweep did.
type Swept struct {
	Ended     int // grants ended because their holder or entitlement is no more
	Shortened int // grants that would have outlasted their holder
}

// Sweep holds every open grant against the directory in force: the grant of
// somebody who has left, or of an entitlement that is no more, ends now, and no
// grant outlasts its holder's own end. It is run whenever the directory may have
// changed, and may run twice: what is done is not done again.
func (e *Engine) Sweep(ctx context.Context) (total Swept, err error) {
	for before := ""; ; {
		var page []access.Grant
		var swept Swept
		err := e.do(ctx, "sweep", access.Clock, func(d *deed) error {
			swept = Swept{}
			if page, err = d.GrantsOf(ctx, nil, true, before, sweepBatch); err != nil {
				return err
			}
			for _, g := range page {
				if err := d.sweep(ctx, g, &swept); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total.Ended, total.Shortened = total.Ended+swept.Ended, total.Shortened+swept.Shortened
		if len(page) < sweepBatch {
			return total, nil
		}
		before = page[len(page)-1].ID
	}
}

func (d *deed) sweep(ctx context.Context, g access.Grant, swept *Swept) error {
	id, known := d.world.Directory.Identity(g.Identity)
	person, _ := d.world.Directory.Identity(d.world.Directory.PersonOf(g.Identity))
	switch _, ok := d.world.Directory.Entitlement(g.Entitlement); {
	case !known || !id.ActiveAt(d.now) || !person.ActiveAt(d.now):
		swept.Ended++
		return d.finish(ctx, g, access.EndLeaver, g.Identity+" is no longer active")
	case !ok:
		swept.Ended++
		return d.finish(ctx, g, access.EndEligibilityLost, g.Entitlement+" is no longer in the catalog")
	}
	next, ev, moved := g.Shorten(d.now, earlier(id.End, person.End))
	if !moved {
		return nil
	}
	swept.Shortened++
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

// Stranded lists what holds access at systems the catalog no longer knows: no
// connector could remove it. Whoever serves must not begin, nor take such a catalog in.
func (e *Engine) Stranded(ctx context.Context, known func(system string) bool) (list []string, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		systems, err := tx.SystemsInUse(ctx)
		for _, s := range systems {
			if !known(s.System) {
				list = append(list, fmt.Sprintf("%s: %d assignments are not seen absent there", s.System, s.Count))
			}
		}
		return err
	})
	return list, err
}

// Bereft lists open grants whose entitlement or holder the given directory no
// longer has: taking it in would end them, which somebody must mean (revoke
// them first, or mark the holder inactive).
func (e *Engine) Bereft(ctx context.Context, dir *access.Directory) (list []string, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		for before := ""; ; {
			page, err := tx.GrantsOf(ctx, nil, true, before, sweepBatch)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, g := range page {
				before = g.ID
				if _, ok := dir.Entitlement(g.Entitlement); !ok {
					list = append(list, fmt.Sprintf("grant %s of %s: entitlement %s is gone from the catalog", g.ID, g.Identity, g.Entitlement))
				}
				if _, ok := dir.Identity(g.Identity); !ok {
					list = append(list, fmt.Sprintf("grant %s of %s: the identity is gone from the directory; mark it inactive instead", g.ID, g.Identity))
				}
			}
		}
	})
	return list, err
}
