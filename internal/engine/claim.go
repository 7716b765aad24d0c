package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Task is one assignment the reconciler holds the lease of.
type Task struct {
	access.Assignment
	Want       bool  // what authority says it should be
	Act        bool  // a change is under way; otherwise only a look is due
	LookFirst  bool  // something may have happened already: look before acting
	Fence      int64 // of this lease
	LeaseUntil time.Time
}

// Claim takes the lease of up to limit due assignments of a system. In the same
// transaction every grant whose time has come moves on, and the intent is
// written down, before anything is sent: intent, deed, look, record.
//
// Where the system answers no look, a few are claimed now and then, and the others rest.
//
// A large batch is claimed in several transactions, so that others who write get their
// turn between them, before the next: what was claimed is returned even where the next one fails.
func (e *Engine) Claim(ctx context.Context, holder, system string, limit int) (tasks []Task, err error) {
	turn := ctx
	for looked, seen := inTurn, 0; looked == inTurn && seen < limit; seen += looked { // as many as limit are looked at, whatever comes of them
		var some []Task
		some, looked, err = e.claimSome(turn, holder, system, min(inTurn, limit-seen))
		tasks = append(tasks, some...)
		if err != nil {
			break
		}
		turn = store.GoingOn(ctx)
	}
	if len(tasks) > 0 {
		return tasks, nil
	}
	return nil, err
}

// inTurn is how many assignments one transaction claims or settles: SQLite has one
// writer, and whoever asks for access waits for it.
const inTurn = 100

// claimSome returns also how many were due, of the most that it was to look at.
func (e *Engine) claimSome(ctx context.Context, holder, system string, limit int) (tasks []Task, looked int, err error) {
	err = e.do(ctx, "claim", access.Clock, func(d *deed) error {
		tasks = nil
		sick, err := d.sickness(ctx, system)
		if err != nil {
			return err
		}
		jobs, err := d.Due(ctx, system, d.now, limit)
		if looked = len(jobs); err != nil || (looked == 0 && sick == nil) {
			return err
		}
		var hurry bool
		if tasks, hurry, err = d.claimAll(ctx, holder, jobs, sick); err != nil || sick == nil {
			return err
		}
		tasks, err = d.probe(ctx, holder, *sick, jobs, hurry)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return tasks, looked, nil
}

// claimAll claims of what is due whatever there is something to do about. At a system that
// is sick all of that rests; begun tells whether some of it is to be removed since now.
func (d *deed) claimAll(ctx context.Context, holder string, jobs []store.Job, sick *access.Sick) (tasks []Task, begun bool, err error) {
	ids := make([]string, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	open, err := d.OpenGrants(ctx, ids)
	if err != nil {
		return nil, false, err
	}
	var late []store.Job
	for _, was := range jobs {
		c, ok, err := d.claim(ctx, holder, was, open[was.ID])
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		if sick == nil {
			tasks = append(tasks, d.task(was, c))
		} else if d.rest(&c, sick.Trouble) {
			late = append(late, c.job)
		}
		if err := d.SaveJob(ctx, was, c.job); err != nil {
			return nil, false, err
		}
		begun = begun || (c.job.State == access.Removing && was.State != access.Removing)
	}
	if len(late) > 0 {
		err = d.tellLate(ctx, *sick, late)
	}
	return tasks, begun, err
}

// claimed is an assignment whose lease was taken and is not stored yet.
type claimed struct {
	job    store.Job
	grants []access.Grant // as time has moved them
	wanted bool
}

// claim takes the lease of one, unless there is nothing to do at the target: then it is
// stored how it stands, and ok is false.
func (d *deed) claim(ctx context.Context, holder string, was store.Job, grants []access.Grant) (c claimed, ok bool, err error) {
	job := was
	w, ok := job.Work.Claim(holder, d.now, d.e.Pace)
	if !ok {
		return c, false, nil
	}
	lost := was.Work.Holder != ""
	// 1. Time moves the grants.
	grants, ticked, err := d.tick(ctx, grants)
	if err != nil {
		return c, false, err
	}
	wanted, postponed, err := d.postpone(ctx, was, grants, settled(job.State, w, d.now) && !lost)
	if err != nil || postponed {
		return c, false, err
	}
	// 2. The intent, before the deed.
	if moved, err := d.intend(ctx, &job, wanted, &w); err != nil {
		return c, false, err
	} else if ticked && !moved && !lost && settled(job.State, w, d.now) && !unseen(grants, d.now) {
		// 3. A reason came or went and others remain: nothing to do at the target.
		next, more := d.nextOf(job.ID, grants)
		job.Work = w.Done(job.State, d.now, next, more, d.e.Pace)
		d.wake(job.System, job.Work.Due)
		return c, false, d.SaveJob(ctx, was, job)
	}
	job.Work = w
	return claimed{job, grants, wanted}, true, nil
}

// task is what the lane is to do about what was claimed.
func (d *deed) task(was store.Job, c claimed) Task {
	w, act := c.job.Work, c.job.State == access.Adding || c.job.State == access.Removing
	return Task{Assignment: c.job.Assignment, Want: c.wanted, Act: act, LookFirst: act && (w.Attempts > 0 || was.Work.Holder != "" || d.now.Before(w.SuspectUntil)),
		Fence: w.Fence, LeaseUntil: w.LeaseUntil}
}

func settled(s access.AssignmentState, w access.Work, now time.Time) bool {
	return (s == access.Held || s == access.Absent) && !now.Before(w.SuspectUntil) && !w.Confirm
}

// unseen tells whether a live grant still waits for its first sight, from which its term may run.
func unseen(grants []access.Grant, now time.Time) bool {
	return slices.ContainsFunc(grants, func(g access.Grant) bool { return g.LiveAt(now) && g.Seen.IsZero() })
}

// intend moves the assignment to what is being brought about.
func (d *deed) intend(ctx context.Context, job *store.Job, wanted bool, w *access.Work) (bool, error) {
	next, ev, moved, err := job.Intend(wanted, d.now)
	if err != nil || !moved {
		return false, err
	}
	job.Assignment = next
	w.Since, w.Attempts, w.Told, w.Confirm = d.now, 0, 0, false
	return true, d.tell(ctx, ev)
}

// tick moves each grant as its clock says, and asks once more, at its start,
// whether it may be held: authority is checked when it is used (law 9). While there is
// a halt none begins: those are left out of what it returns, and are no reasons.
func (d *deed) tick(ctx context.Context, grants []access.Grant) (after []access.Grant, any bool, err error) {
	for _, g := range grants {
		g, err := d.fresh(ctx, g)
		if err != nil {
			return nil, any, err
		}
		next, ev, moved, err := g.Tick(d.now)
		if err != nil {
			return nil, any, err
		}
		if moved && next.State == access.Live {
			halts, err := d.halts(ctx)
			if err != nil {
				return nil, any, err
			}
			if len(halts) > 0 {
				d.keepBack(g, d.afterHalt(halts))
				continue
			}
			if waits, err := d.unwitnessed(ctx, g); err != nil {
				return nil, any, err
			} else if waits {
				d.keepForWitnesses(g)
				continue
			}
			why, err := d.lostSince(ctx, g)
			if err != nil {
				return nil, any, err
			}
			if why != "" {
				if next, ev, err = g.Finish(d.now, access.EndEligibilityLost, access.Clock, why); err != nil {
					return nil, any, err
				}
			}
		}
		if moved {
			any = true
			if err := errors.Join(d.SaveGrant(ctx, g.State, next), d.tell(ctx, ev)); err != nil {
				return nil, any, err
			}
		}
		after = append(after, next)
	}
	return after, any, nil
}

// lostSince says why a grant that was decided may no longer be held, or nothing.
func (d *deed) lostSince(ctx context.Context, g access.Grant) (string, error) {
	r, err := d.Request(ctx, g.Request)
	if err != nil {
		return "", err
	}
	i := r.Item(g.Entitlement)
	if r.Digest != g.Digest || i < 0 {
		return "the request is no longer the revision that was approved", nil
	}
	votes, err := d.standing(ctx, r, g.Entitlement)
	if err != nil {
		return "", err
	}
	f, err := d.facts(ctx, r, i, votes)
	if err != nil {
		return "", err
	}
	// What is left of it is asked about: the moments since it was decided must not
	// push its end past a contract that it reaches exactly.
	if left := access.Term(g.End.Sub(d.now)); left > 0 {
		f.Item.Term = access.Shorter(f.Item.Term, left)
	}
	dec := access.Decision{}
	if g.Emergency() {
		dec = d.mayKeep(f, g)
	} else {
		dec = d.world.Policy.MayHold(f)
	}
	if !dec.Allow {
		return dec.Why, nil
	}
	return "", nil
}

// NextDue returns when the system's next work can be claimed, or it is tried whether it
// answers; ok is false if there is none.
func (e *Engine) NextDue(ctx context.Context, system string) (next time.Time, ok bool, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		next, ok, err = tx.NextDue(ctx, system)
		return err
	})
	return next, ok, err
}
