package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// LineageJob asks what an account made while it held the assignment's access,
// which is gone now. Each time it was seen gone is asked about by itself: a reading
// that is under way began too early for it.
type LineageJob struct {
	Assignment string `json:"assignment"`
	Receipt    string `json:"receipt,omitempty"` // of the look that saw it gone
}

// Kind implements river.JobArgs.
func (LineageJob) Kind() string { return "lineage" }

// leftBehind is the finding that a grant is over and what its holder made under it is not.
const leftBehind = "left_behind"

// TraceSeen is one thing that somebody made or handed out, as a reading saw it.
type TraceSeen struct {
	By   string // an account, or an object whose holders act as it
	What string
	At   time.Time // when, where the system remembers it
}

// makes tells whether holders of the entitlement can make more of it than their
// own: then what they made is asked about when they no longer hold it.
func makes(ent access.Entitlement) bool {
	return ent.Class == "privileged" || slices.Contains(ent.Powers, "admin") || slices.Contains(ent.Powers, "grant")
}

// traceLater asks what was made under access that was just seen gone: nothing more
// can be made by it from here on.
func (d *deed) traceLater(ctx context.Context, job store.Job) error {
	ent, ok := d.world.Directory.Entitlement(job.Entitlement)
	if ok && !makes(ent) {
		return nil
	}
	return d.Enqueue(ctx, LineageJob{job.ID, job.Receipt}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: sequenceOnce.ByState}})
}

// Traced takes a reading of what everybody made at a system and is still there.
// What is new is dated, what is gone is forgotten, and findings that wait for it
// are brought up to date.
func (e *Engine) Traced(ctx context.Context, system string, at time.Time, seen []TraceSeen) error {
	return e.do(ctx, "traced", access.Clock, func(d *deed) error {
		if err := d.keepTraces(ctx, system, at, nil, seen); err != nil {
			return err
		}
		open, err := d.OpenFindings(ctx, leftBehind)
		if err != nil {
			return err
		}
		for _, f := range open {
			g, err := d.Grant(ctx, f.Subject)
			if err != nil {
				return err
			}
			job, err := d.Assignment(ctx, g.Assignment)
			if err != nil {
				return err
			}
			if job.System != system {
				continue
			}
			if _, err := d.tellLeft(ctx, g, job); err != nil {
				return err
			}
		}
		return nil
	})
}

// LeftBehind takes a reading of what the account of an assignment made, begun after
// its access was seen gone, and holds it against each of its grants that ended and
// was not asked about before: what came while the grant lasted is a finding, and the
// grant is not closed until that is settled. It returns how many things those are.
//
// A grant whose access may have been there while this was read is not asked about by it.
// If that is gone since, the error has it read again.
func (e *Engine) LeftBehind(ctx context.Context, assignment string, at time.Time, seen []TraceSeen) (left int, err error) {
	err = e.do(ctx, "left behind", access.Clock, func(d *deed) error {
		left = 0
		job, err := d.Assignment(ctx, assignment)
		if err != nil {
			return err
		}
		if err := d.keepTraces(ctx, job.System, at, []string{job.Account, job.Object}, seen); err != nil {
			return err
		}
		grants, err := d.GrantsAt(ctx, assignment)
		if err != nil {
			return err
		}
		looks, err := d.Receipts(ctx, assignment)
		if err != nil {
			return err
		}
		for _, g := range grants {
			asked, err := d.Tx.ReadUntil(ctx, lineageOf(g))
			if err != nil {
				return err
			}
			if g.State != access.Ended || g.Seen.IsZero() || !asked.IsZero() {
				continue
			}
			switch gone := job.State == access.Absent; {
			case goneBetween(looks, g.EndedAt, at), gone && !at.Before(g.EndedAt) && !at.Before(job.SeenAt):
			case gone:
				return fmt.Errorf("%w: what was made under grant %s was read before its access was seen gone", access.ErrConflict, g.ID)
			default: // it is asked about once it is gone
				continue
			}
			if err := d.Tx.SetReadUntil(ctx, lineageOf(g), at); err != nil {
				return err
			}
			n, err := d.tellLeft(ctx, g, job)
			if err != nil {
				return err
			}
			left += n
		}
		return nil
	})
	return left, err
}

// goneBetween tells whether a look from the one moment until the other saw it gone.
func goneBetween(looks []access.Receipt, from, to time.Time) bool {
	return slices.ContainsFunc(looks, func(r access.Receipt) bool { return !r.Held() && !r.At.Before(from) && !r.At.After(to) })
}

// lineageOf names when it was read what was made under a grant.
func lineageOf(g access.Grant) string { return "lineage/" + g.ID }

// keepTraces dates what is new of these, or of everybody, and forgets what is gone.
func (d *deed) keepTraces(ctx context.Context, system string, at time.Time, by []string, seen []TraceSeen) error {
	if len(by) == 0 {
		by = []string{""} // everybody
	}
	var known []store.Trace
	for _, who := range by {
		some, err := d.Traces(ctx, system, who)
		if err != nil {
			return err
		}
		known = append(known, some...)
	}
	is := map[[2]string]bool{}
	var fresh []store.Trace
	for _, t := range seen {
		is[[2]string{t.By, t.What}] = true
		since := at
		if !t.At.IsZero() {
			since = t.At.UTC().Truncate(time.Microsecond)
		}
		fresh = append(fresh, store.Trace{System: system, Account: t.By, What: t.What, Since: since})
	}
	for _, k := range known {
		// What came while this was read another reading, begun later, may have seen.
		if !is[[2]string{k.Account, k.What}] && k.Since.Before(at) {
			if err := d.DropTrace(ctx, k); err != nil {
				return err
			}
		}
	}
	return d.AddTraces(ctx, fresh)
}

// remains lists what came to be while the grant lasted and is still there:
// by the account, or as what it held.
func (d *deed) remains(ctx context.Context, g access.Grant, job store.Job) (list []string, err error) {
	asked, err := d.Tx.ReadUntil(ctx, lineageOf(g))
	if err != nil || asked.IsZero() {
		return nil, err
	}
	for _, who := range []string{job.Account, job.Object} {
		traces, err := d.Traces(ctx, job.System, who)
		if err != nil {
			return nil, err
		}
		for _, t := range traces {
			// Many systems remember the second alone.
			if t.Since.Before(g.Start.Truncate(time.Second)) || t.Since.After(asked) {
				continue
			}
			if who == job.Object {
				t.What += " (as " + plain(job.Object) + ", as which others may act, too)"
			}
			list = append(list, t.What)
		}
	}
	return list, nil
}

// tellLeft opens, renews or closes the finding of what is left behind of a grant.
func (d *deed) tellLeft(ctx context.Context, g access.Grant, job store.Job) (int, error) {
	list, err := d.remains(ctx, g, job)
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return 0, d.settleFinding(ctx, leftBehind, g.ID, "nothing of it is there any more")
	}
	shown := make([]string, 0, mostNamed)
	for _, what := range list[:min(len(list), mostNamed)] {
		shown = append(shown, plain(what))
	}
	text := fmt.Sprintf("Account %s at %s held %s until %s, and %d things it did meanwhile are still there: %s", quoted(job.Account), job.System, g.Entitlement,
		g.EndedAt.Format(time.RFC3339), len(list), strings.Join(shown, "; "))
	if more := len(list) - mostNamed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return len(list), d.renew(ctx, access.Finding{Kind: leftBehind, Subject: g.ID, Owner: g.Owner, DueAt: d.now.Add(7 * 24 * time.Hour),
		Text: text + ". Undo it there, or accept it; the grant is not closed before."}, "some of it is gone")
}

// notClosed counts, for grants that have ended, what is left behind and not settled.
func (d *deed) notClosed(ctx context.Context, grants []access.Grant) (map[string]int, error) {
	counts := map[string]int{}
	for _, g := range grants {
		if g.State != access.Ended || g.Seen.IsZero() {
			continue
		}
		switch _, err := d.OpenFinding(ctx, leftBehind, g.ID); {
		case errors.Is(err, access.ErrNotFound):
			continue
		case err != nil:
			return nil, err
		}
		job, err := d.Assignment(ctx, g.Assignment)
		if err != nil {
			return nil, err
		}
		list, err := d.remains(ctx, g, job)
		if err != nil {
			return nil, err
		}
		counts[g.ID] = len(list)
	}
	return counts, nil
}

// Assignment reads one, for whoever reads what was made under it.
func (e *Engine) Assignment(ctx context.Context, id string) (a access.Assignment, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		job, err := tx.Assignment(ctx, id)
		a = job.Assignment
		return err
	})
	return a, err
}
