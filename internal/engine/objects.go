package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// ObjectSeen is what a target said of one of its objects at a whole reading.
type ObjectSeen struct {
	Object      string
	Description string
	Powers      []string // of [access.Powers]
	Why         string   // what of the object shows them
}

// ObjectDrift is what a reading of what objects are came to.
type ObjectDrift struct {
	Changed int // say something else than before, or something for the first time
	Gone    int
	Unsaid  int // of the whole catalog: more is said of them than the catalog says; counted where powers changed
}

// ObservedObjects takes what a system says of its objects. Those that the catalog
// does not name are not in our charge. What is said adds to what the catalog says
// from this moment on, and what is said no more adds nothing. Nothing is removed.
func (e *Engine) ObservedObjects(ctx context.Context, system string, at time.Time, seen []ObjectSeen) (drift ObjectDrift, err error) {
	err = e.do(ctx, "observed objects", access.Clock, func(d *deed) error {
		drift = ObjectDrift{}
		at := at.UTC().Truncate(time.Microsecond)
		known, err := d.SaidAt(ctx, system)
		if err != nil || len(known)+len(seen) == 0 {
			return err
		}
		last, err := d.ReadUntil(ctx, objectsOf(system))
		if err != nil || !at.After(last) { // another reading, begun later, was faster
			return err
		}
		if err := d.SetReadUntil(ctx, objectsOf(system), at); err != nil {
			return err
		}
		// 1. What is said now, against what was.
		powers, err := d.keepSaid(ctx, system, at, known, seen, &drift)
		if err != nil || !powers {
			return err
		}
		// 2. What everything can become is to be found out anew, by everybody who decides.
		if err := d.SetSaidPowers(ctx, d.e.ids.next("sp", d.now)); err != nil {
			return err
		}
		// 3. Of what the catalog now says too little, and of what no longer.
		drift.Unsaid, err = d.appraise(ctx)
		return err
	})
	return drift, err
}

// objectsOf names when it was last read what a system's objects are.
func objectsOf(system string) string { return "objects read/" + system }

// keepSaid stores what a reading changes. powers: what is said of powers is among it.
func (d *deed) keepSaid(ctx context.Context, system string, at time.Time, known []access.SaidObject, seen []ObjectSeen, drift *ObjectDrift) (powers bool, err error) {
	list, err := d.said(system, at, seen)
	if err != nil {
		return false, err
	}
	was := make(map[string]access.SaidObject, len(known))
	for _, o := range known {
		was[o.Object] = o
	}
	// 1. What is there.
	for _, is := range list {
		old := was[is.Object]
		delete(was, is.Object)
		if old.Same(is) {
			continue
		}
		drift.Changed++
		powers = powers || !slices.Equal(old.Powers, is.Powers) || (len(is.Powers) > 0 && old.Why != is.Why)
		if err := d.saveSaid(ctx, is, "said"); err != nil {
			return false, err
		}
	}
	// 2. What is gone, or nothing of ours any more.
	for _, old := range known {
		if _, gone := was[old.Object]; !gone || !old.Gone.IsZero() {
			continue
		}
		drift.Gone++
		powers = powers || len(old.Powers) > 0
		if err := d.saveSaid(ctx, access.SaidObject{System: system, Object: old.Object, Since: old.Since, Gone: at}, "gone"); err != nil {
			return false, err
		}
	}
	return powers, nil
}

func (d *deed) saveSaid(ctx context.Context, o access.SaidObject, how string) error {
	if err := d.SetSaid(ctx, o); err != nil {
		return err
	}
	ev := d.event("object." + how)
	ev.To, ev.After = how, o
	return d.tell(ctx, ev)
}

// mostDescribed is how much of a target's description is kept.
const mostDescribed = 500

// said is a reading in our own words: of what the catalog names, each once, in order.
// Of one that is told of twice, all the powers count.
func (d *deed) said(system string, at time.Time, seen []ObjectSeen) (list []access.SaidObject, err error) {
	named := map[string]bool{}
	for _, id := range d.world.Directory.Entitlements() {
		if e, _ := d.world.Directory.Entitlement(id); e.System == system {
			named[e.Object] = true
		}
	}
	for _, s := range slices.SortedStableFunc(slices.Values(seen), func(a, b ObjectSeen) int { return cmp.Compare(a.Object, b.Object) }) {
		if !named[s.Object] {
			continue
		}
		for _, p := range s.Powers {
			if !slices.Contains(access.Powers, p) {
				return nil, fmt.Errorf("%w: %s says of %.100q the power %.50q; there are %s", access.ErrInvalid, system, s.Object, p, strings.Join(access.Powers, ", "))
			}
		}
		o := access.SaidObject{System: system, Object: s.Object, Description: cleaned(strings.Join(strings.Fields(s.Description), " "), mostDescribed),
			Powers: slices.Compact(slices.Sorted(slices.Values(s.Powers))), Since: at}
		if len(o.Powers) > 0 {
			o.Why = plain(strings.Join(strings.Fields(s.Why), " "))
		}
		if n := len(list); n > 0 && list[n-1].Object == o.Object {
			list[n-1].Powers = slices.Compact(slices.Sorted(slices.Values(append(list[n-1].Powers, o.Powers...))))
			list[n-1].Why = cmp.Or(list[n-1].Why, o.Why)
			continue
		}
		list = append(list, o)
	}
	return list, nil
}

// Said is what its target says of an entitlement, to everybody who may look around;
// not found where it has said nothing, or has it no more.
func (e *Engine) Said(ctx context.Context, by access.Actor, entitlement string) (o access.SaidObject, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		ent, ok := d.world.Directory.Entitlement(entitlement)
		if !ok {
			return fmt.Errorf("%w: entitlement %s", access.ErrNotFound, entitlement)
		}
		if o, err = d.Tx.Said(ctx, ent.System, ent.Object); err == nil && !o.Gone.IsZero() {
			o, err = access.SaidObject{}, fmt.Errorf("%w: %s has it no more", access.ErrNotFound, ent.System)
		}
		return err
	})
	return o, err
}
