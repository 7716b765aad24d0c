package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// This file is the one gate before everything that makes access, extends it or
// brings it about: a halt closes it. Whatever ends access does not ask.
//
// There are two kinds of halts. Some are stored, begun and ended by verbs, and hold
// for every replica (recovery, clock, witness, log). Some only this process sees, and
// they last as long as it sees them ([Config.Halted]): a full disk cannot be written down.

// haltedLook is after how long what a halt keeps back is looked at again, at most: a
// halt that has only begun may be over in a moment, as that of a start is.
const haltedLook = 30 * time.Second

// afterHalt is when to look again at what these halts keep back.
func (d *deed) afterHalt(list []access.Halt) time.Time {
	age := witnessLook
	for _, h := range list {
		age = max(age, d.now.Sub(h.At))
	}
	return d.now.Add(min(age, haltedLook))
}

// halts lists why nothing is granted now; none: it may be.
func (d *deed) halts(ctx context.Context) ([]access.Halt, error) {
	if d.halted != nil {
		return *d.halted, nil
	}
	list, err := d.OpenHalts(ctx)
	if err != nil {
		return nil, err
	}
	fork, err := fenced(ctx, d.Tx, d.e.Signer.Origin())
	if err != nil {
		return nil, err
	}
	list = slices.Concat(list, fork, d.e.Halted())
	d.halted = &list
	return list, nil
}

// mayGrant refuses while there is a halt, naming every reason.
func (d *deed) mayGrant(ctx context.Context) error {
	list, err := d.halts(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	var why []string
	for _, h := range list {
		why = append(why, string(h.Reason)+": "+h.Text)
	}
	return fmt.Errorf("%w (%s); try again when that is over", access.ErrHalted, strings.Join(why, "; "))
}

// beginHalt stores that nothing is granted for a reason, unless that is so already,
// and tells security.
func (d *deed) beginHalt(ctx context.Context, reason access.HaltReason, text string) (access.Halt, error) {
	open, err := d.OpenHalts(ctx)
	if err != nil {
		return access.Halt{}, err
	}
	if i := slices.IndexFunc(open, func(h access.Halt) bool { return h.Reason == reason }); i >= 0 {
		return open[i], nil
	}
	h := access.Halt{ID: d.e.ids.next("ha", d.now), Reason: reason, Text: text, At: d.now}
	d.halted = nil
	if err := d.AddHalt(ctx, h); err != nil {
		return h, err
	}
	ev := d.event("halt.begun")
	ev.To, ev.Note, ev.After = "begun", text, h
	if err := d.tell(ctx, ev); err != nil {
		return h, err
	}
	d.e.Log.ErrorContext(ctx, "nothing is granted from now on", "reason", reason, "text", text)
	return h, d.notice(ctx, Notice{To: []string{"security"}, Subject: "halt: " + string(reason), Text: "Nothing is granted until this is over: " + text})
}

// endHalt ends the open halt of a reason, if there is one; by is nobody where what
// was seen went away by itself.
func (d *deed) endHalt(ctx context.Context, reason access.HaltReason, by []string, note string) (ended bool, err error) {
	open, err := d.OpenHalts(ctx)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(open, func(h access.Halt) bool { return h.Reason == reason })
	if i < 0 {
		return false, nil
	}
	h := open[i].End(d.now, by, note)
	d.halted = nil
	if err := d.EndHalt(ctx, h); err != nil {
		return false, err
	}
	ev := d.event("halt.ended")
	ev.From, ev.To, ev.Note, ev.After = "begun", "ended", note, h
	if err := d.tell(ctx, ev); err != nil {
		return false, err
	}
	d.e.Log.WarnContext(ctx, "a halt is over", "reason", reason, "by", by, "note", note)
	return true, d.notice(ctx, Notice{To: []string{"security"}, Subject: "halt over: " + string(reason), Text: note})
}

// Halt begins a halt for what the server saw, unless there is one for that reason.
func (e *Engine) Halt(ctx context.Context, reason access.HaltReason, text string) (h access.Halt, err error) {
	if reason == access.HaltFiles || !slices.Contains(access.HaltReasons, reason) {
		return h, fmt.Errorf("%w: %q is no reason for a halt", access.ErrInvalid, reason)
	}
	err = e.do(ctx, "halt", access.Clock, func(d *deed) error {
		h, err = d.beginHalt(ctx, reason, text)
		return err
	})
	return h, err
}

// Resume ends the halt of a reason, because what the server saw is over. What takes
// people to end has verbs of its own, and is refused here.
func (e *Engine) Resume(ctx context.Context, reason access.HaltReason, note string) error {
	if reason == access.HaltRecovery || reason == access.HaltClock {
		return fmt.Errorf("%w: a halt for %s ends by a verb of its own", access.ErrInvalid, reason)
	}
	return e.do(ctx, "resume", access.Clock, func(d *deed) error {
		_, err := d.endHalt(ctx, reason, nil, note)
		return err
	})
}

// Halts lists why nothing is granted now, for anybody who is known: it is no secret.
func (e *Engine) Halts(ctx context.Context) (list []access.Halt, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list, err = (&deed{Tx: tx, e: e}).halts(ctx)
		return err
	})
	return list, err
}

// keepBack notes that a grant whose start has come does not begin, because of a halt,
// and when to look at it again: then, and no later than it would end.
func (d *deed) keepBack(g access.Grant, again time.Time) {
	if d.keptBack == nil {
		d.keptBack = map[string]time.Time{}
	}
	d.keptBack[g.Assignment] = earlier(d.keptBack[g.Assignment], earlier(g.End, again))
}

// nextOf is when the grants of an assignment move it next; those that are kept back
// are not among them.
func (d *deed) nextOf(assignment string, grants []access.Grant) (time.Time, bool) {
	next, more := access.NextAt(grants)
	if back, is := d.keptBack[assignment]; is {
		return earlier(next, back), true
	}
	return next, more
}

// postpone leaves a due assignment for later while there is a halt, where all there is
// to do is to add it, or to begin its grants. Where it returns false the claim goes on,
// wanting what it returns: removals, and looks at what is or was held, never wait.
func (d *deed) postpone(ctx context.Context, was store.Job, grants []access.Grant, calm bool) (wanted, postponed bool, err error) {
	wanted = access.Wanted(grants, d.now)
	_, kept := d.keptBack[was.ID]
	if !wanted && !kept {
		return false, false, nil
	}
	list, err := d.halts(ctx)
	if err != nil || (len(list) == 0 && !d.awaited[was.ID]) {
		return wanted, false, err
	}
	if (was.State != access.Adding || !wanted) && (was.State != access.Absent || !calm) {
		return wanted && was.State == access.Held, false, nil
	}
	job := was
	next, _ := d.nextOf(was.ID, grants)
	job.Work.Due = earlier(next, d.afterHalt(list))
	d.wake(job.System, job.Work.Due)
	return false, true, d.SaveJob(ctx, was, job)
}
