package engine

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// RotationStep is what whoever works on a rotation has brought about, and seen.
type RotationStep string

const (
	NoStep        RotationStep = ""
	StepIssued    RotationStep = "issued"    // the target has the new one; of a chosen worth, it was seen to let in
	StepDelivered RotationStep = "delivered" // consumers get the new one; unless it is still to be set, it was seen to let in
	StepLost      RotationStep = "lost"      // what may have been issued is killed, and was never delivered; or the store is ahead
	StepUsed      RotationStep = "used"      // consumers were seen using the new one
	StepKilled    RotationStep = "killed"    // the old ones were killed, as far as the target answers
	StepProved    RotationStep = "proved"    // one of the old ones was seen to let nobody in
	StepFinished  RotationStep = "finished"  // nothing of the old is left, and consumers have the new one
)

// RotationOutcome is what was done for one rotation.
type RotationOutcome struct {
	Rotation   string
	Fence      int64
	Step       RotationStep
	Native     string        // of what was issued
	Ends       time.Time     // the same
	Above      int64         // of what is lost: the newest generation that the store has
	Used       time.Time     // when consumers used the new one
	Old        int           // which of the old ones is proved dead
	How        string        // … and by what; why it is lost
	Keep       bool          // whoever settles this goes on at once
	Unanswered bool          // something sent may still take effect
	Trouble    string        // what stood in the way, if anything did
	Wait       time.Duration // how long the target or the store wants to be left alone
}

// SettleRotation records a step. Whoever no longer holds the lease records nothing
// (rule 3). The task it returns is the rotation as it stands, under the same lease if
// that was asked for.
func (e *Engine) SettleRotation(ctx context.Context, holder string, o RotationOutcome) (task RotationTask, refused bool, err error) {
	err = e.do(ctx, "settle rotation", access.Clock, func(d *deed) error {
		task, refused = RotationTask{}, false
		was, err := d.Rotation(ctx, o.Rotation)
		if err != nil {
			return err
		}
		if !was.Work.MaySettle(holder, o.Fence, d.now) {
			refused = true
			return nil
		}
		r := was
		if o.Unanswered {
			r.Work = r.Work.Suspect(d.now, d.e.Pace)
		}
		if o.Step == NoStep {
			return d.unturned(ctx, was, r, o)
		}
		next, ev, err := step(r.Rotation, o, d.now, d.cleared(r.Rotation))
		if err != nil {
			return err
		}
		if err := d.tell(ctx, ev); err != nil {
			return err
		}
		r.Rotation = next
		r.Work = d.after(was, r, o)
		task = RotationTask{r.Rotation, r.Work.Fence, r.Work.LeaseUntil}
		if err := d.keepRotation(ctx, was, r); err != nil || !r.State.Over() {
			return err
		}
		return d.rotated(ctx, r.Rotation)
	})
	return task, refused, err
}

// step is what a rotation becomes by what was done.
func step(r access.Rotation, o RotationOutcome, now, clear time.Time) (next access.Rotation, ev access.Event, err error) {
	switch o.Step {
	case StepIssued:
		return r.IssuedAs(now, o.Native, o.Ends.UTC().Truncate(time.Microsecond))
	case StepDelivered:
		return r.DeliveredAt(now)
	case StepLost:
		return r.Lost(now, o.Above, o.How)
	case StepUsed:
		next, ev = r.UsedAt(now, o.Used.UTC().Truncate(time.Microsecond), clear)
		return next, ev, nil
	case StepKilled:
		return r.KilledAt(now)
	case StepProved:
		if o.Old < 0 || o.Old >= len(r.Olds) || r.State != access.RotationProving {
			return r, ev, fmt.Errorf("%w: rotation %s has no old one %d to prove dead", access.ErrIllegalMove, r.ID, o.Old)
		}
		next, ev = r.Proved(now, o.Old, o.How)
		return next, ev, nil
	case StepFinished:
		return r.Finish(now)
	}
	return r, ev, fmt.Errorf("%w: there is no step %q", access.ErrInvalid, o.Step)
}

// cleared is when an old one may be killed early, now that it is used no more.
func (d *deed) cleared(r access.Rotation) time.Time {
	p, ok := d.planOf(r.Credential)
	if !ok {
		return d.now
	}
	at, _ := p.Clear(d.now)
	return at
}

// watchEvery is how often it is looked whether consumers use the new one.
const (
	watchEvery = time.Minute
	watchOften = 5 * time.Second
	watchShare = 20 // looks in one overlap, if it is short
)

// after is the work once a step is done: kept by whoever asked, or due again.
func (d *deed) after(was, r store.Rotating, o RotationOutcome) access.Work {
	w := r.Work
	w.Trouble = ""
	if was.State != r.State && cameOn(o.Step, r.Chosen) {
		w.Since, w.Told, w.Attempts = d.now, 0, 0
		if r.State == access.RotationProving {
			w.Since = later(d.now, r.Killed.Add(r.Lingers.D())) // until then it is expected to let in
		}
	}
	if o.Step == StepLost { // what is lost over and over, whoever sees to that, is no reason to spin
		if w.Attempts++; w.Attempts > 2 {
			return w.Release(d.now, d.e.Pace, o.How)
		}
	}
	switch {
	case r.State.Over():
		return access.Work{Fence: w.Fence, SuspectUntil: w.SuspectUntil}
	case o.Keep && !o.Unanswered && r.State != access.RotationOverlapping && !d.notBefore(r.Rotation, w).After(d.now):
		w.LeaseUntil = d.now.Add(d.e.Pace.Lease)
		return w
	}
	w.Holder, w.LeaseUntil, w.Due = "", time.Time{}, d.now
	if r.State == access.RotationOverlapping {
		w.Due = d.nextWatch(r.Rotation)
	}
	return w
}

// cameOn tells whether a rotation has come on by that step. What is issued and lost, or
// chosen and refused, over and over has not: it grows slower, and louder.
func cameOn(s RotationStep, chosen bool) bool {
	return s == StepKilled || s == StepIssued && chosen || s == StepDelivered && !chosen
}

// nextWatch is when something may have changed about an overlap.
func (d *deed) nextWatch(r access.Rotation) time.Time {
	if !r.Watch || !r.Used.IsZero() {
		return r.Until
	}
	if at := d.now.Add(min(watchEvery, max(watchOften, r.Overlap.D()/watchShare))); at.Before(r.Until) {
		return at
	}
	return r.Until
}

// unturned gives the lease back with nothing done, for another try, for ever, and says
// so louder the longer it lasts.
func (d *deed) unturned(ctx context.Context, was, r store.Rotating, o RotationOutcome) error {
	if r.State == access.RotationOverlapping && o.Trouble == "" {
		r.Work.Holder, r.Work.LeaseUntil, r.Work.Due, r.Work.Attempts, r.Work.Trouble = "", time.Time{}, d.nextWatch(r.Rotation), 0, ""
		return d.keepRotation(ctx, was, r)
	}
	r.Work = r.Work.Release(d.now, d.e.Pace, cmp.Or(o.Trouble, "the target does not yet show what was asked of it"))
	r.Work.Due = later(r.Work.Due, d.now.Add(min(o.Wait, d.e.Pace.SlowestOff)))
	switch r.State {
	case access.RotationProving:
		if d.now.Before(r.Work.Since) { // it lingers, as it may; when that is over, it is tried at once
			r.Work = r.Work.At(r.Work.Since.Add(time.Second))
		}
	case access.RotationOverlapping:
		r.Work = r.Work.At(r.Until)
	}
	told := false
	if !r.Work.Since.IsZero() && d.now.Sub(r.Work.Since) >= patience(r.Work.Told) {
		r.Work.Told++
		told = true
	}
	if err := d.keepRotation(ctx, was, r); err != nil || !told {
		return err
	}
	return d.complainOf(ctx, r)
}

// complainOf tells that a rotation does not come on.
func (d *deed) complainOf(ctx context.Context, r store.Rotating) error {
	kind, text := rotationLate, "is still not made anew"
	if r.State == access.RotationKilling || r.State == access.RotationProving {
		kind, text = credentialStillLives, "still lets in, or is not proved dead"
	}
	text = fmt.Sprintf("The %s of %s at %s %s since %s (%s, %d tries); last: %s", r.Kind, quoted(r.Account), r.System, text,
		r.Work.Since.Format(time.RFC3339), r.State, r.Work.Attempts, r.Work.Trouble)
	owner := d.answersFor(r.System, r.Account)
	d.e.Log.WarnContext(ctx, kind, "rotation", r.ID, "credential", r.Credential, "system", r.System, "told", r.Work.Told, "text", text)
	if r.Work.Told == 1 {
		return d.finding(ctx, access.Finding{Kind: kind, Subject: r.Credential, Owner: owner, DueAt: d.now.Add(time.Hour), Text: text})
	}
	return d.notice(ctx, Notice{To: []string{owner, "security"}, Subject: kind + ": " + r.Credential, Text: text, Loud: r.Work.Told - 1})
}

// rotated closes what was found while it was under way.
func (d *deed) rotated(ctx context.Context, r access.Rotation) error {
	if err := d.signalRotated(ctx, r); err != nil {
		return err
	}
	says := "the old one is proved dead, and consumers have the new one"
	if r.State == access.RotationDead {
		says = "it is proved dead"
	}
	for _, kind := range []string{rotationLate, credentialStillLives, credentialCompromised} {
		if err := d.settleFinding(ctx, kind, r.Credential, says); err != nil {
			return err
		}
	}
	return nil
}
