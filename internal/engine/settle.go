package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Outcome is what the reconciler did and saw for one task.
type Outcome struct {
	Assignment string
	Fence      int64
	Sent       bool      // a change was sent
	Unanswered bool      // … and not answered: it may still take effect
	Answer     string    // what the target answered; a hint
	Looked     bool      // the look succeeded
	Away       bool      // … or it was not answered at all, not even by a refusal
	LookAt     time.Time // when it began
	Direct     bool
	Effective  bool
	Path       string
	Residual   []string
	Sessions   int           // still open after those that could be ended were
	Until      time.Time     // … that cannot be ended, and last no longer than this
	Trouble    string        // what stood in the way, if anything did
	Wait       time.Duration // how long the target wants to be left alone
}

// Settle takes what was seen. Whoever no longer holds the lease settles
// nothing (rule 3), and a look taken while a call could still land settles
// nothing either (rule 2); what was seen is believed over what was answered.
// It returns how many outcomes were refused because their lease was gone. Many are
// settled in several transactions, as they are claimed; those of the last are as good
// as lost where one fails: their leases run out, and they are looked at anew.
func (e *Engine) Settle(ctx context.Context, holder string, outcomes []Outcome) (refused int, err error) {
	mute := !slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Looked })
	turn := ctx
	for some := range slices.Chunk(outcomes, inTurn) {
		n, probes, err := e.settleSome(turn, holder, some, mute)
		if refused += n; err != nil {
			return refused, err
		}
		mute = mute && !probes // one of a batch is enough
		turn = store.GoingOn(ctx)
	}
	return refused, nil
}

// settleSome settles some of a batch. If it is mute no look of it was answered, and one of
// them is to be the next: probes says that one is.
func (e *Engine) settleSome(ctx context.Context, holder string, outcomes []Outcome, mute bool) (refused int, probes bool, err error) {
	err = e.do(ctx, "settle", access.Clock, func(d *deed) error {
		refused = 0
		ids := make([]string, len(outcomes))
		of := map[string]Outcome{}
		for i, o := range outcomes {
			ids[i], of[o.Assignment] = o.Assignment, o
		}
		jobs, err := d.Assignments(ctx, ids)
		if err != nil {
			return err
		}
		open, err := d.OpenGrants(ctx, ids)
		if err != nil {
			return err
		}
		found, err := d.OpenAbout(ctx, foundUnderWay, ids)
		if err != nil {
			return err
		}
		s := &settling{deed: d, found: found, mute: mute}
		if err := s.lastEnds(ctx, outcomes); err != nil {
			return err
		}
		mine := slices.DeleteFunc(slices.Clone(jobs), func(j store.Job) bool { return !j.Work.MaySettle(holder, of[j.ID].Fence, d.now) })
		refused = len(jobs) - len(mine)
		if err := s.feel(ctx, mine, of); err != nil {
			return err
		}
		var looked time.Time
		blind := ""
		for _, job := range mine {
			o := of[job.ID]
			if err := s.settle(ctx, job, o, open[job.ID]); err != nil {
				return err
			}
			if o.Looked {
				looked = later(looked, o.LookAt)
			}
			if o.Looked && job.Work.Blind {
				blind = job.System
			}
		}
		if err := s.recovered(ctx, looked); err != nil {
			return err
		}
		if s.sick == nil {
			s.again = cmp.Or(s.again, blind)
		}
		probes = s.probe
		return s.hastenBlind(ctx)
	})
	return refused, probes, err
}

// settling is the settling of one batch.
type settling struct {
	*deed
	found map[string][]access.Finding // by assignment: what of foundUnderWay is open about it
	ends  map[string]time.Time        // by assignment: when its last reason ended; for whoever watches
	mute  bool                        // no look was answered, and none of the batch is a probe yet
	sick  *access.Sick                // the system is; nil: it is not
	probe bool                        // one of them is the next look, soon
	again string                      // the system that has answered a look again
}

// foundUnderWay is what is found of an assignment that is not as it is wanted.
var foundUnderWay = []string{"late_removal", "late_provisioning", "seen_again", "drift"}

func (d *settling) settle(ctx context.Context, was store.Job, o Outcome, grants []access.Grant) error {
	job := was
	if o.Unanswered {
		job.Work = job.Work.Suspect(d.now, d.e.Pace)
	}
	if !o.Looked || !was.Work.Settles(o.LookAt, o.Unanswered) {
		return d.unsettled(ctx, was, job, grants, o)
	}
	// 1. The look, as a record of its own.
	seen := access.Receipt{ID: d.e.ids.next("re", d.now), Assignment: job.ID, At: o.LookAt.UTC().Truncate(time.Microsecond),
		Direct: o.Direct, Effective: o.Effective, Path: o.Path, Residual: o.Residual, Sessions: o.Sessions, Answered: o.Answer}
	if !o.Until.IsZero() {
		seen.Until = o.Until.UTC().Truncate(time.Microsecond)
	}
	seen.Digest = access.Digest(seen)
	// 2. Time may have moved the grants meanwhile; then what was seen meets what is wanted now.
	grants, _, err := d.tick(ctx, grants)
	if err != nil {
		return err
	}
	if grants, err = d.disown(ctx, job, grants, seen); err != nil {
		return err
	}
	next, ev, moved, err := job.Assignment.Settle(access.Wanted(grants, d.now), seen)
	if err != nil {
		return err
	}
	job.Assignment = next
	firsts, err := d.sight(ctx, grants, seen)
	if err != nil {
		return err
	}
	// 3. Looks that changed something are told; a look that confirms is kept as a receipt only.
	if moved || firsts {
		see := d.event("assignment.seen")
		see.At, see.Assignment, see.To, see.Digests.Receipt, see.After = seen.At, job.ID, sawWord(seen), seen.Digest, seen
		if err := d.tell(ctx, see); err != nil {
			return err
		}
	}
	if err := d.AddReceipt(ctx, seen); err != nil {
		return err
	}
	if moved {
		if err := errors.Join(d.tell(ctx, ev), d.mentionAll(ctx, job.ID)); err != nil {
			return err
		}
	}
	return d.released(ctx, was, job, moved, grants, o)
}

// sight records the first sight of access under each live grant; the clock of
// a floating term starts there.
func (d *deed) sight(ctx context.Context, grants []access.Grant, seen access.Receipt) (firsts bool, err error) {
	for i, g := range grants {
		if !seen.Held() || !g.LiveAt(d.now) {
			continue
		}
		if g, err = d.fresh(ctx, g); err != nil {
			return firsts, err
		}
		next, ev, first := g.SeenHeld(seen.At, seen.Digest)
		if !first {
			continue
		}
		firsts, grants[i] = true, next
		if err := d.SaveGrant(ctx, g.State, next); err != nil {
			return firsts, err
		}
		if err := d.tell(ctx, ev); err != nil {
			return firsts, err
		}
	}
	return firsts, nil
}

// released gives the lease back: settled until its grants move it again, or
// under way and due at once if it has just turned round, else after a while.
func (d *settling) released(ctx context.Context, was, job store.Job, moved bool, grants []access.Grant, o Outcome) error {
	next, more := d.nextOf(job.ID, grants)
	if job.State == access.Held || job.State == access.Absent {
		job.Work = job.Work.Done(job.State, d.now, next, more, d.e.Pace)
		if job.State == access.Held && unseen(grants, d.now) {
			job.Work = job.Work.At(d.now) // the look began before the grant did: its own first sight is still to come
		}
		d.wake(job.System, job.Work.Due)
		if err := d.SaveJob(ctx, was, job); err != nil {
			return err
		}
		if moved && job.State == access.Absent {
			d.sawGone(job.Assignment)
			if err := errors.Join(d.traceLater(ctx, job), d.signalGone(ctx, job)); err != nil {
				return err
			}
		}
		return d.quiet(ctx, job)
	}
	if !moved {
		return d.unsettled(ctx, was, job, grants, o)
	}
	job.Work.Holder, job.Work.LeaseUntil, job.Work.Attempts, job.Work.Blind = "", time.Time{}, 0, false
	job.Work.Since, job.Work.Told, job.Work.Confirm, job.Work.Due = d.now, 0, false, d.now
	if was.State == access.Held && job.State == access.Adding {
		if wait, err := d.unsure(ctx, job); err != nil {
			return err
		} else if wait {
			job.Work.Due = d.now.Add(sureWithin)
			if more {
				job.Work = job.Work.At(next) // no longer than its grants' own moments
			}
		}
	}
	d.wake(job.System, job.Work.Due)
	if err := d.SaveJob(ctx, was, job); err != nil {
		return err
	}
	return d.turned(ctx, was, job)
}

// turned opens a finding where reality moved by itself: access that was seen
// gone is there again, or access that was held is gone.
func (d *deed) turned(ctx context.Context, was, job store.Job) error {
	f := access.Finding{Subject: job.ID, Owner: d.ownerOf(job.Entitlement), DueAt: d.now.Add(24 * time.Hour)}
	switch {
	case was.State == access.Absent && job.State == access.Removing:
		return d.seenAgain(ctx, was.Assignment, "")
	case was.State == access.Held && job.State == access.Adding:
		f.Kind, f.Text = "drift", fmt.Sprintf("%s no longer holds %s at %s although a grant is live; it is being added again.", job.Account, job.Entitlement, job.System)
	default:
		return nil
	}
	return d.finding(ctx, f)
}

// unsettled gives the lease back for another try, for ever, and says so louder
// the longer it lasts (law 5). A target that wants to be left alone is, but no
// longer than the slowest retry; and no back-off sleeps through a grant's own
// start or end, or a target that has recovered would keep access past its end.
func (d *settling) unsettled(ctx context.Context, was, job store.Job, grants []access.Grant, o Outcome) error {
	trouble := cmp.Or(o.Trouble, "the target does not yet show what was asked of it")
	job.Work = job.Work.Release(d.now, d.e.Pace, trouble)
	job.Work.Blind = !o.Looked
	job.Work.Due = later(job.Work.Due, d.now.Add(min(o.Wait, d.e.Pace.SlowestOff)))
	switch {
	case d.mute && d.sick != nil:
		c := claimed{job: job, grants: grants}
		late := d.rest(&c, trouble)
		if err := d.SaveJob(ctx, was, c.job); err != nil || !late {
			return err
		}
		return d.tellLate(ctx, *d.sick, []store.Job{c.job})
	case d.mute && !d.probe && job.State == access.Removing && o.Wait == 0:
		d.probe, job.Work = true, job.Work.Probe(d.now)
	case o.Looked && !o.Unanswered && d.now.Before(job.Work.SuspectUntil):
		job.Work = job.Work.At(job.Work.SuspectUntil) // only an earlier call is waited for
	}
	if next, more := d.nextOf(job.ID, grants); more {
		job.Work = job.Work.At(next)
	}
	told := false
	if !job.Work.Since.IsZero() && d.now.Sub(job.Work.Since) >= patience(job.Work.Told) {
		job.Work.Told++
		told = true
	}
	d.wake(job.System, job.Work.Due)
	if err := d.SaveJob(ctx, was, job); err != nil {
		return err
	}
	if !told {
		return nil
	}
	return d.complain(ctx, job)
}

// mostHastened is how much waits no longer once a target answers again, in one
// transaction; what it is looked at for hastens the next.
const mostHastened = 2000

// hastenBlind has a system that answered no look, and now has, tried again at once:
// that each waited spared a target that was not there. What is refused by one that is
// there waits on.
func (d *settling) hastenBlind(ctx context.Context) error {
	if d.again == "" {
		return nil
	}
	left := mostHastened
	for _, state := range []access.AssignmentState{access.Removing, access.Adding, access.Absent} {
		n, err := d.HastenBlind(ctx, d.again, state, d.now, left)
		if err != nil {
			return err
		}
		if left -= int(n); n > 0 {
			d.wake(d.again, d.now)
		}
	}
	return nil
}

// patience is how long something may be under way before it is told for the
// nth time: after half a minute, and then at intervals that grow to a day.
func patience(told int) time.Duration {
	steps := []time.Duration{30 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 12 * time.Hour}
	if told < len(steps) {
		return steps[told]
	}
	return time.Duration(told-len(steps)+1) * 24 * time.Hour
}

func (d *deed) complain(ctx context.Context, job store.Job) error {
	kind, text := lateness(job)
	owner := d.ownerOf(job.Entitlement)
	d.e.Log.WarnContext(ctx, kind, "assignment", job.ID, "system", job.System, "told", job.Work.Told, "text", text)
	if job.Work.Told == 1 {
		return d.finding(ctx, access.Finding{Kind: kind, Subject: job.ID, Owner: owner, DueAt: d.now.Add(time.Hour), Text: text})
	}
	return d.notice(ctx, Notice{To: []string{owner, "security"}, Subject: kind + ": " + job.ID, Text: text, Loud: job.Work.Told - 1})
}

// lateness says what is late about an assignment that is under way.
func lateness(job store.Job) (kind, text string) {
	kind, text = "late_provisioning", "is still not seen"
	if job.State == access.Removing {
		kind, text = "late_removal", "is still not seen gone"
	}
	return kind, fmt.Sprintf("%s at %s: %s %s since %s (%d tries); last: %s", job.Account, job.System, job.Entitlement, text,
		job.Work.Since.Format(time.RFC3339), job.Work.Attempts, job.Work.Trouble)
}

// quiet closes what was found while the assignment was under way.
func (d *settling) quiet(ctx context.Context, job store.Job) error {
	for _, f := range d.found[job.ID] {
		if err := d.closeFinding(ctx, f, "seen "+string(job.State)); err != nil {
			return err
		}
	}
	return nil
}

func (d *deed) ownerOf(entitlement string) string {
	if e, ok := d.world.Directory.Entitlement(entitlement); ok {
		return e.Owners[0]
	}
	return "security"
}

func sawWord(r access.Receipt) string {
	if r.Held() {
		return "seen held"
	}
	return "seen absent"
}
