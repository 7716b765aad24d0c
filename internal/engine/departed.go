package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// leavings holds what is stored of those who have left against the directory in force:
// of whom, and of what they answered for, something is still to be done. It is part of
// each sweep, so that a leaving that no verb and no feed told of is not missed, nor
// what is written to be somebody's who has left already.
type leavings struct {
	gone    []string            // persons who have left and of whom that is not known, or not done
	back    []string            // of whom it is known, and who are active again
	forced  []string            // persons who have left long ago and answer for something that nobody decides
	charges map[string][]string // by person
	moot    []access.Handover   // that decide nothing any more
	known   map[string]access.Departure
}

// Departed does what follows for everybody who has left by what the directory says, as
// far as it is not done yet.
func (e *Engine) Departed(ctx context.Context) (left int, err error) {
	l, err := e.leavings(ctx)
	if err != nil {
		return 0, err
	}
	for _, person := range l.back {
		if err := e.backAgain(ctx, person); err != nil {
			return left, err
		}
	}
	// Those first who answered for something.
	gone := slices.Concat(l.forced, l.gone)
	slices.SortStableFunc(gone, func(a, b string) int { return cmp.Compare(len(l.charges[b]), len(l.charges[a])) })
	left = min(len(gone), mostLeavers)
	if err := e.leaveAll(ctx, gone[:left]); err != nil {
		return 0, err
	}
	if left < len(gone) {
		if err := e.do(ctx, "more leavers", access.Clock, func(d *deed) error { return d.Enqueue(ctx, SweepJob{}, nil) }); err != nil {
			return left, err
		}
	}
	if err := e.deputiesAgain(ctx); err != nil {
		return left, err
	}
	for some := range slices.Chunk(l.moot, leaveAt) {
		if err := e.do(ctx, "moot", access.Clock, func(d *deed) error {
			for _, h := range some {
				if err := d.moot(ctx, h.ID, "nothing of it is "+h.From+"'s any more"); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return left, err
		}
	}
	return left, nil
}

func (e *Engine) leavings(ctx context.Context) (l leavings, err error) {
	dir, now := e.World().Directory, e.Now().UTC()
	var undecided []access.Handover
	if err := e.DB.Read(ctx, func(tx *store.Tx) error {
		known, err := tx.Departures(ctx)
		l.known = make(map[string]access.Departure, len(known))
		for _, dep := range known {
			l.known[dep.Person] = dep
		}
		if err == nil {
			undecided, err = tx.HandoversSought(ctx, store.HandoversSought{Undecided: true, Limit: 1 << 30})
		}
		return err
	}); err != nil {
		return l, err
	}
	l.charges = dir.Charges(now)
	// 1. Who has left, and who is back.
	for _, id := range dir.Identities() {
		i, _ := dir.Identity(id)
		if i.Kind != access.Person || i.Same != "" {
			continue
		}
		dep, known := l.known[id]
		switch left := known && dep.Back.IsZero(); {
		case i.GoneAt(now) && (!left || dep.Done.IsZero()):
			l.gone = append(l.gone, id)
		case left && i.ActiveAt(now):
			l.back = append(l.back, id)
		}
	}
	// 2. What of theirs nobody decides, and what needs no decision any more.
	decides := map[string]bool{}
	for _, h := range undecided {
		decides[h.Subject] = true
		if kind, _ := h.What(); kind != "findings" && !slices.Contains(l.charges[h.From], h.Subject) {
			l.moot = append(l.moot, h)
		}
	}
	for person, dep := range l.known {
		undecided := func(subject string) bool { return !decides[subject] }
		if i, ok := dir.Identity(person); ok && i.GoneAt(now) && dep.Back.IsZero() && !dep.Done.IsZero() && slices.ContainsFunc(l.charges[person], undecided) {
			l.forced = append(l.forced, person)
		}
	}
	slices.Sort(l.forced)
	return l, nil
}

// backAgain remembers that somebody is active again. Nothing comes back with them:
// what ended has ended, and what was handed over is others'.
func (e *Engine) backAgain(ctx context.Context, person string) error {
	return e.do(ctx, "back again", access.Clock, func(d *deed) error { return d.backAgain(ctx, person) })
}

func (d *deed) backAgain(ctx context.Context, person string) error {
	if !d.active(person) {
		return nil
	}
	dep, err := d.Departure(ctx, person)
	if errors.Is(err, access.ErrNotFound) || err == nil && !dep.Back.IsZero() {
		return nil
	} else if err != nil {
		return err
	}
	dep.Back = d.now
	if err := d.saveDeparture(ctx, dep, "back"); err != nil {
		return err
	}
	list, err := d.HandoversFrom(ctx, person)
	if err != nil {
		return err
	}
	for _, h := range list {
		if h.Undecided() {
			if err := d.moot(ctx, h.ID, person+" is back and answers for it again"); err != nil {
				return err
			}
		}
	}
	return nil
}

// deputyGone is the finding that somebody's deputy has left. Its subject is that somebody.
const deputyGone = "deputy_gone"

// withoutDeputy has whoever a leaver was the deputy of know that they need another one.
func (d *deed) withoutDeputy(ctx context.Context, person string) error {
	for _, id := range d.world.Directory.DeputisesFor(person) {
		if !d.active(id) {
			continue
		}
		if err := d.finding(ctx, access.Finding{Kind: deputyGone, Subject: id, Owner: id, DueAt: d.now.Add(d.world.Lifecycle.Said().Due),
			Text: fmt.Sprintf("%s, the deputy of %s, has left: while %s is away only the manager answers. Have another deputy written in the directory.", person, id, id)}); err != nil {
			return err
		}
	}
	return nil
}

// deputiesAgain closes the findings of those who have another deputy, or none, or have left themselves.
func (e *Engine) deputiesAgain(ctx context.Context) error {
	return e.do(ctx, "deputies again", access.Clock, func(d *deed) error {
		open, err := d.OpenFindings(ctx, deputyGone)
		if err != nil {
			return err
		}
		for _, f := range open {
			who, _ := d.world.Directory.Identity(f.Subject)
			if deputy, ok := d.world.Directory.Identity(who.Deputy); ok && deputy.GoneAt(d.now) && d.active(f.Subject) {
				continue
			}
			if err := d.settleFinding(ctx, f.Kind, f.Subject, "it is another deputy's, or nobody's"); err != nil {
				return err
			}
		}
		return nil
	})
}

// moot closes a handover that nobody has to decide any more.
func (d *deed) moot(ctx context.Context, id, note string) error {
	h, err := d.Handover(ctx, id)
	if err != nil || !h.Undecided() {
		return err
	}
	return d.moveHandover(ctx, h, access.HandoverMoot, note)
}
