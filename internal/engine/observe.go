package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// InventoryJob asks that a whole system be read.
type InventoryJob struct {
	System string `json:"system"`
}

// Kind implements river.JobArgs.
func (InventoryJob) Kind() string { return "inventory" }

// Held is one account holding one object, as a whole reading saw it.
type Held struct{ Account, Object string }

// Drift is what a whole reading came to.
type Drift struct {
	Unexpected int  // holdings nobody granted
	Missing    int  // assignments held by what we know, and not in the reading: a look is due
	Again      int  // assignments seen gone, and in the reading: a look is due
	Braked     bool // the reading had shrunk too much to be believed
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
// look, and what nobody granted becomes a finding with its owner. A reading is
// never believed over a look.
func (e *Engine) Observed(ctx context.Context, system string, at time.Time, objects []string, seen []Held) (drift Drift, err error) {
	err = e.do(ctx, "observed", access.Clock, func(d *deed) error {
		drift = Drift{}
		// 1. Has it shrunk too much to be believed?
		last, err := d.Count(ctx, "inventory/"+system)
		if err != nil {
			return err
		}
		if last >= fewest && float64(len(seen)) < shrunk*float64(last) {
			drift.Braked = true
			return d.brake(ctx, system, len(seen), last)
		}
		if err := d.settleFinding(ctx, "inventory_shrunk", system, "a whole reading is there again"); err != nil {
			return err
		}
		if err := d.SetCount(ctx, "inventory/"+system, len(seen)); err != nil {
			return err
		}
		// 2. Against what we know.
		known, err := d.AssignmentsOf(ctx, system)
		if err != nil {
			return err
		}
		unexpected, err := d.compare(ctx, at, objects, seen, known, &drift)
		if err != nil {
			return err
		}
		// 3. What nobody granted, one finding an entitlement.
		return d.unexpected(ctx, system, objects, unexpected)
	})
	return drift, err
}

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

// compare makes due whatever the reading contradicts, and returns the accounts
// that hold an object nobody granted them, by object.
func (d *deed) compare(ctx context.Context, at time.Time, objects []string, seen []Held, known []store.Job, drift *Drift) (map[string][]string, error) {
	in := make(map[Held]bool, len(seen))
	for _, h := range seen {
		in[h] = true
	}
	asked := make(map[string]bool, len(objects))
	for _, o := range objects {
		asked[o] = true
	}
	ours := make(map[Held]bool, len(known))
	for _, job := range known {
		h := Held{job.Account, job.Object}
		ours[h] = true
		if job.SeenAt.After(at) || !asked[job.Object] {
			continue // a look newer than the reading knows better
		}
		switch {
		case job.State == access.Held && !in[h]:
			drift.Missing++
		case job.State == access.Absent && in[h]:
			drift.Again++
		default:
			continue
		}
		if err := d.dueAt(ctx, job, d.now); err != nil {
			return nil, err
		}
	}
	list := map[string][]string{}
	for h := range in {
		if !ours[h] {
			drift.Unexpected++
			list[h.Object] = append(list[h.Object], h.Account)
		}
	}
	return list, nil
}

// unexpected opens, renews or closes the finding of each entitlement.
func (d *deed) unexpected(ctx context.Context, system string, objects []string, accounts map[string][]string) error {
	for _, id := range d.world.Directory.Entitlements() {
		ent, _ := d.world.Directory.Entitlement(id)
		if ent.System != system || !slices.Contains(objects, ent.Object) {
			continue
		}
		who := accounts[ent.Object]
		slices.Sort(who)
		if len(who) == 0 {
			if err := d.settleFinding(ctx, "unexpected_access", id, "nobody holds it ungranted any more"); err != nil {
				return err
			}
			continue
		}
		text := fmt.Sprintf("%d accounts hold %s that nobody granted: %s. Ask for it for those who need it, and take it from the others.", len(who), id, d.named(system, who))
		open, err := d.OpenFinding(ctx, "unexpected_access", id)
		if err == nil && open.Text != text {
			err = d.settleFinding(ctx, "unexpected_access", id, "who holds it has changed")
		}
		if err != nil && !errors.Is(err, access.ErrNotFound) {
			return err
		}
		f := access.Finding{Kind: "unexpected_access", Subject: id, Owner: ent.Owners[0], Text: text, DueAt: d.now.Add(7 * 24 * time.Hour)}
		if err := d.finding(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// named lists accounts with who they are, as far as a reader wants to read.
func (d *deed) named(system string, accounts []string) string {
	var parts []string
	for _, a := range accounts[:min(len(accounts), mostNamed)] {
		who := "nobody we know"
		if id, ok := d.world.Directory.ByAccount(system, a); ok {
			who = id
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", a, who))
	}
	if more := len(accounts) - mostNamed; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, ", ")
}
