package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Change is what somebody is told of one event: what it is about and when it
// was, and nothing of what it says. Whoever wants that asks for the noun.
type Change struct {
	Kind    string    `json:"kind" doc:"of the event, such as request.approved"`
	At      time.Time `json:"at"`
	Request string    `json:"request,omitempty"`
	Grant   string    `json:"grant,omitempty"`
	Finding string    `json:"finding,omitempty"`
}

// News is one event with what it takes to say who may know of it: read once for
// everybody who listens.
type News struct {
	Seq     int64 // its place in the log
	changes []told
}

// told is one change, and the requests that whoever hears of it may know of.
type told struct {
	Change
	about   []access.Request
	finding access.Finding // zero: it is of none
}

// Pulse is another text whenever an event was written or placed in the log; size
// is how many are placed.
func (e *Engine) Pulse(ctx context.Context) (mark string, size int64, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		last, err := tx.LastEvent(ctx)
		if err != nil {
			return err
		}
		head, err := tx.LastCheckpoint(ctx)
		mark, size = fmt.Sprintf("%s %d", last, head.Size), head.Size
		return err
	})
	return mark, size, err
}

// News reads up to limit events from a place in the log on, in its order. What is
// written and not placed yet is none: places have no gap that is filled later, so
// that whoever goes on after the last one has missed nothing.
func (e *Engine) News(ctx context.Context, from int64, limit int) (list []News, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		d := &deed{Tx: tx, e: e, now: e.Now().UTC(), by: access.Clock, world: e.World()}
		events, err := tx.Events(ctx, from, limit)
		if err != nil {
			return err
		}
		requests := map[string]access.Request{}
		for _, ev := range events {
			n := News{Seq: ev.Seq}
			if n.changes, err = d.newsOf(ctx, ev, requests); err != nil {
				return fmt.Errorf("event %s: %w", ev.ID, err)
			}
			list = append(list, n)
		}
		return nil
	})
	return list, err
}

// newsOf is what one event tells to anybody at all. What it is of and cannot be
// read tells nobody anything.
func (d *deed) newsOf(ctx context.Context, ev store.Event, requests map[string]access.Request) (list []told, err error) {
	c := Change{Kind: ev.Kind, At: ev.At, Request: ev.Request, Grant: ev.Grant}
	// 1. A finding is its owner's and not those's whose access it tells of.
	if ev.Finding != "" {
		f, err := d.Tx.Finding(ctx, ev.Finding)
		if errors.Is(err, access.ErrNotFound) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		t := told{Change: Change{Kind: ev.Kind, At: ev.At, Finding: f.ID}, finding: f}
		if slices.Contains(access.AuditKinds, f.Kind) {
			m, err := d.matterOf(ctx, f)
			if errors.Is(err, access.ErrNotFound) {
				return nil, nil
			} else if err != nil {
				return nil, err
			}
			t.about = m.requests
		}
		return []told{t}, nil
	}
	// 2. What was seen of an assignment is told of the grants it has.
	of := []Change{c}
	if ev.Request == "" && ev.Grant == "" && ev.Assignment != "" {
		if of, err = d.reasonsOf(ctx, c, ev.Assignment); err != nil {
			return nil, err
		}
	}
	// 3. Who may know of a grant may know of its request.
	for _, c := range of {
		if c.Request == "" && c.Grant != "" {
			g, err := d.Tx.Grant(ctx, c.Grant)
			if errors.Is(err, access.ErrNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
			c.Request = g.Request
		}
		if c.Request == "" {
			continue
		}
		r, known := requests[c.Request]
		if !known {
			if r, err = d.Tx.Request(ctx, c.Request); errors.Is(err, access.ErrNotFound) {
				continue
			} else if err != nil {
				return nil, err
			}
			requests[c.Request] = r
		}
		list = append(list, told{Change: c, about: []access.Request{r}})
	}
	return list, nil
}

// reasonsOf is a change of an assignment as one of each grant that is a reason for
// it; where none is left, of the one that ended last.
func (d *deed) reasonsOf(ctx context.Context, c Change, assignment string) (list []Change, err error) {
	grants, err := d.GrantsAt(ctx, assignment)
	if err != nil || len(grants) == 0 {
		return nil, err
	}
	open := slices.DeleteFunc(slices.Clone(grants), func(g access.Grant) bool { return g.State == access.Ended })
	if len(open) == 0 {
		open = []access.Grant{slices.MaxFunc(grants, func(a, b access.Grant) int { return a.EndedAt.Compare(b.EndedAt) })}
	}
	for _, g := range open {
		c.Request, c.Grant = g.Request, g.ID
		list = append(list, c)
	}
	return list, nil
}

// Hears is what of an event the actor may know of now: as the lists of requests,
// grants and findings have it.
func (e *Engine) Hears(by access.Actor, n News) (list []Change) {
	if len(n.changes) == 0 || e.MayLook(by) != nil {
		return nil
	}
	world, now := e.World(), e.Now().UTC()
	groups := world.Directory.GroupsOf(by.Identity)
	oversees := slices.Contains(groups, "security") || slices.Contains(groups, "auditors")
	for _, t := range n.changes {
		if t.Finding != "" && !oversees && t.finding.Owner != by.Identity {
			continue
		}
		if !slices.ContainsFunc(t.about, func(r access.Request) bool { return !world.Policy.MayView(world.Directory, now, by, r).Allow }) {
			list = append(list, t.Change)
		}
	}
	return list
}
