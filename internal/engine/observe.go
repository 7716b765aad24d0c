package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// InventoryJob asks that a whole system be read.
type InventoryJob struct {
	System string    `json:"system"`
	At     time.Time `json:"at,omitzero"` // the minute it was asked for, where something waits for it
}

// Kind implements river.JobArgs.
func (InventoryJob) Kind() string { return "inventory" }

// Held is one account holding one object, as a whole reading saw it.
type Held struct{ Account, Object string }

// Reading is a whole reading of some objects of a system.
type Reading struct {
	System   string
	At       time.Time // when it began
	Objects  []string  // all that was read
	Part     bool      // there are others that were not
	Holdings []Held
	By       map[Held]string // who gave it, where the system remembers; for people to read
}

// Drift is what a whole reading came to.
type Drift struct {
	Unexpected int  // holdings nobody granted
	Missing    int  // assignments held by what we know, and not in the reading: a look is due
	Again      int  // assignments seen gone, and in the reading: a look is due
	Adopting   int  // of the unexpected ones, asked for on behalf of their holders, now or before
	Removing   int  // … handed to the lane to be removed
	HeldBack   int  // … that rules would remove and a brake does not
	Overtaken  bool // a whole reading begun later was taken first: nothing follows from this one
	Braked     bool // the reading had shrunk too much to be believed; of a part: without a whole one
}

// shrunk is the share of the last reading below which one is not believed: an
// empty answer of a sick system looks like everybody having lost everything.
const shrunk = 0.8

// fewest is how many holdings a reading must have had before shrinking means anything.
const fewest = 20

// mostNamed is how many accounts a finding names.
const mostNamed = 20

// Observed takes a whole reading of some objects of a system. Nothing is granted,
// ended or removed by it: where it differs from what we know, the lane is told to
// look, and what nobody granted becomes a finding with its owner and, where rules
// say so, a request or work for the lane. A reading is never believed over a look.
//
// The comparison is made in a snapshot that holds up nobody: a removal that is due
// does not wait for a million rows to be looked through.
func (e *Engine) Observed(ctx context.Context, r Reading) (drift Drift, err error) {
	var c contradiction
	err = e.DB.Read(ctx, func(tx *store.Tx) (err error) {
		c, err = contradictions(ctx, tx, r)
		return err
	})
	if err != nil {
		return drift, err
	}
	err = e.do(ctx, "observed", access.Clock, func(d *deed) error {
		drift = Drift{}
		if drift.Overtaken, err = d.overtaken(ctx, r); err != nil || drift.Overtaken {
			return err
		}
		// 1. Has it shrunk too much to be believed? Then nothing at all follows.
		if drift.Braked, err = d.measure(ctx, r, c); err != nil || drift.Braked {
			return err
		}
		// 2. Against what we know: whatever it contradicts is looked at. What has been
		// granted since the comparison began is ours; then it is made anew.
		known, err := d.CountAssignments(ctx, r.System, r.part())
		if err != nil {
			return err
		}
		if known != c.known {
			if c, err = contradictions(ctx, d.Tx, r); err != nil {
				return err
			}
		}
		if err := d.sealedAccess(ctx, r, c.strays); err != nil {
			return err
		}
		if err := d.holdOver(ctx, r, &c); err != nil {
			return err
		}
		drift.Missing, drift.Again, drift.Unexpected = len(c.missing), len(c.again), len(c.strays)
		if err := d.lookAgain(ctx, r, c.missing, access.Held); err != nil {
			return err
		}
		if err := d.lookAgain(ctx, r, c.again, access.Absent); err != nil {
			return err
		}
		if err := d.seenAgainIn(ctx, r, c.again); err != nil {
			return err
		}
		// 3. What nobody granted.
		if err := d.strays(ctx, r, c.strays, &drift); err != nil {
			return err
		}
		return d.readInRecovery(ctx, r)
	})
	return drift, err
}

// overtaken tells whether a whole reading that was begun later has been taken, by
// another replica: of two that are under way the older one may end last, and would
// forget what the newer one found. A whole one is taken from now on.
func (d *deed) overtaken(ctx context.Context, r Reading) (bool, error) {
	name, at := "holdings read/"+r.System, r.At.UTC().Truncate(time.Microsecond)
	last, err := d.ReadUntil(ctx, name)
	if err != nil || at.Before(last) || r.Part {
		return at.Before(last), err
	}
	return false, d.SetReadUntil(ctx, name, at)
}

// Strange lists up to limit holdings of a reading that somebody must have given
// behind our back: nobody granted them and they were not there at the first
// reading, or they were seen gone. It changes nothing.
func (e *Engine) Strange(ctx context.Context, r Reading, limit int) (list []Held, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list = nil
		c, err := contradictions(ctx, tx, r)
		if err != nil {
			return err
		}
		before, err := tx.InventoryObjects(ctx, r.System)
		if err != nil {
			return err
		}
		list = append(list, c.back...)
		for _, o := range before {
			for h := range c.strays {
				if h.Object != o.Object {
					continue
				}
				if _, old := slices.BinarySearch(o.Already, h.Account); !old {
					list = append(list, h)
				}
			}
		}
		slices.SortFunc(list, Held.compare)
		list = list[:min(len(list), limit)]
		return nil
	})
	return list, err
}

func (h Held) compare(o Held) int {
	return cmp.Or(cmp.Compare(h.Object, o.Object), cmp.Compare(h.Account, o.Account))
}

// measure tells whether a reading has shrunk too much to be believed. A whole one is
// measured by the last whole one, and the next by it. A part is measured by what we
// know of its objects, and changes no measure: what it is short of, a whole reading
// must say, too.
func (d *deed) measure(ctx context.Context, r Reading, c contradiction) (braked bool, err error) {
	if r.Part {
		had := c.held
		before, err := d.InventoryObjects(ctx, r.System)
		for _, o := range before {
			if slices.Contains(r.Objects, o.Object) {
				had += len(o.Stray)
			}
		}
		return tooFew(len(r.Holdings), had), err
	}
	last, err := d.Count(ctx, "inventory/"+r.System)
	if err != nil {
		return false, err
	}
	fresh, err := d.freshlyBack(ctx, r.System)
	if err != nil {
		return false, err
	}
	if tooFew(len(r.Holdings), last) && !fresh {
		return true, d.brake(ctx, r.System, len(r.Holdings), last)
	}
	if err := d.settleFinding(ctx, "inventory_shrunk", r.System, "a whole reading is there again"); err != nil {
		return false, err
	}
	return false, d.SetCount(ctx, "inventory/"+r.System, len(r.Holdings))
}

func tooFew(seen, last int) bool { return last >= fewest && float64(seen) < shrunk*float64(last) }

// brake notes a reading that has shrunk too much. The next one is measured by it:
// what two readings in a row say is believed, and then all that follows is looks.
func (d *deed) brake(ctx context.Context, system string, seen, last int) error {
	if err := d.SetCount(ctx, "inventory/"+system, seen); err != nil {
		return err
	}
	sys, _ := d.world.Directory.System(system)
	return d.finding(ctx, access.Finding{Kind: "inventory_shrunk", Subject: system, Owner: sys.Owner, DueAt: d.now.Add(4 * time.Hour),
		Text: fmt.Sprintf("A reading of %s has %d holdings where the last one had %d. It is not believed; if the next one says the same, every assignment is looked at anew. Nothing is removed or added because of it.", system, seen, last)})
}

// contradiction is where a reading and what we know differ.
type contradiction struct {
	known          int           // how many assignments it was compared with
	held           int           // how many of them are held, of the objects that were read
	missing, again []string      // ids of assignments
	back           []Held        // those seen again
	strays         map[Held]bool // what nobody granted
}

// part is the objects of a reading of some; nil: of all that we know.
func (r Reading) part() []string {
	if r.Part {
		return r.Objects
	}
	return nil
}

// contradictions compares a reading with every assignment of its system.
func contradictions(ctx context.Context, tx *store.Tx, r Reading) (c contradiction, err error) {
	c.strays = make(map[Held]bool, len(r.Holdings))
	for _, h := range r.Holdings {
		c.strays[h] = true
	}
	asked := make(map[string]bool, len(r.Objects))
	for _, o := range r.Objects {
		asked[o] = true
	}
	c.known, err = tx.Standings(ctx, r.System, r.part(), func(s store.Standing) {
		h := Held{s.Account, s.Object}
		in := c.strays[h]
		delete(c.strays, h) // ours
		if s.State == access.Held && asked[s.Object] {
			c.held++
		}
		switch {
		case s.SeenAt.After(r.At) || !asked[s.Object]: // a look newer than the reading knows better
		case s.State == access.Held && !in:
			c.missing = append(c.missing, s.ID)
		case s.State == access.Absent && in:
			c.again, c.back = append(c.again, s.ID), append(c.back, h)
		}
	})
	return c, err
}

// lookAgain makes assignments due that a reading contradicted, but for those that have
// moved or been looked at meanwhile.
func (d *deed) lookAgain(ctx context.Context, r Reading, ids []string, state access.AssignmentState) error {
	n, err := d.LookAgain(ctx, ids, state, r.At, d.now)
	if n > 0 {
		d.wake(r.System, d.now)
	}
	return err
}

// seenAgainIn opens the finding for each of these that is still taken to be gone.
func (d *deed) seenAgainIn(ctx context.Context, r Reading, ids []string) error {
	jobs, err := d.Assignments(ctx, ids)
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if job.State != access.Absent || job.SeenAt.After(r.At) {
			continue
		}
		if err := d.seenAgain(ctx, job.Assignment, r.By[Held{job.Account, job.Object}]); err != nil {
			return err
		}
	}
	return nil
}

// seenAgain opens the finding that access is there again whose removal was seen,
// with the grant that was the last reason for it and, where that is known, who gave
// it back. The revocation re-opens with the look that is due (law 5).
func (d *deed) seenAgain(ctx context.Context, a access.Assignment, by string) error {
	text, err := d.again(ctx, a)
	if err != nil {
		return err
	}
	if by != "" {
		text += " Given by " + plain(by) + "."
	}
	return d.finding(ctx, access.Finding{Kind: "seen_again", Subject: a.ID, Owner: d.ownerOf(a.Entitlement), DueAt: d.now.Add(24 * time.Hour), Text: text})
}

// again says what is held again, and what the last reason for it was.
func (d *deed) again(ctx context.Context, a access.Assignment) (string, error) {
	grants, err := d.GrantsAt(ctx, a.ID)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%s holds %s at %s again after its removal was seen; it is being removed.", a.Account, a.Entitlement, a.System)
	if a.Receipt == "" {
		text = fmt.Sprintf("%s holds %s at %s although no grant of it is live; it is being removed.", a.Account, a.Entitlement, a.System)
	}
	last := access.Grant{}
	for _, g := range grants {
		if g.State == access.Ended && g.EndedAt.After(last.EndedAt) {
			last = g
		}
	}
	if last.ID != "" {
		text += fmt.Sprintf(" Its last grant was %s (%s %s).", last.ID, last.Ended, last.EndedAt.Format(time.RFC3339))
	}
	return text, nil
}
