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

// The findings about rotations. Their subject is the credential: the id of its plan.
const (
	rotationOverdue       = "rotation_overdue"        // past its interval
	rotationLate          = "rotation_late"           // begun, and not delivered for too long
	credentialStillLives  = "credential_still_lives"  // killed, and still lets in
	credentialCompromised = "credential_compromised"  // somebody else may have it
	credentialPlanChanged = "credential_plan_changed" // its plan speaks of another credential than was made
)

// KindIssued is one kind of credential that a system's connector makes, as it says.
type KindIssued struct {
	Kind    string
	Chosen  bool
	Lingers time.Duration
}

// RotationTask is a rotation whose lease somebody holds.
type RotationTask struct {
	access.Rotation
	Fence      int64
	LeaseUntil time.Time
}

// overdueAfter is how long after the end of its interval a credential that was not made
// anew is told of: a rotation takes its time.
const overdueAfter = time.Hour

// PlanRotations begins a rotation for every plan whose time has come and that no
// blackout holds, and tells of those that are past their interval. It may run often,
// and on every replica.
func (e *Engine) PlanRotations(ctx context.Context) (begun int, err error) {
	err = e.do(ctx, "plan rotations", access.Clock, func(d *deed) error {
		begun = 0
		newest, err := d.newestRotations(ctx)
		if err != nil {
			return err
		}
		overdue, err := d.openOf(ctx, rotationOverdue)
		if err != nil {
			return err
		}
		for _, id := range d.world.Directory.Plans() {
			p, _ := d.planOf(id)
			began, err := d.plan(ctx, p, newest[id], overdue[id])
			if err != nil {
				return err
			}
			delete(overdue, id)
			begun += one(began)
		}
		for id := range overdue {
			if err := d.settleFinding(ctx, rotationOverdue, id, "it is in no plan any more"); err != nil {
				return err
			}
		}
		return nil
	})
	return begun, err
}

func (d *deed) newestRotations(ctx context.Context) (map[string]store.Rotating, error) {
	list, err := d.NewestRotations(ctx)
	newest := make(map[string]store.Rotating, len(list))
	for _, r := range list {
		newest[r.Credential] = r
	}
	return newest, err
}

// plan begins the next rotation of one credential if it is due.
func (d *deed) plan(ctx context.Context, p access.CredentialPlan, newest store.Rotating, told bool) (began bool, err error) {
	// 1. What there is of it.
	live, err := d.liveOf(ctx, newest)
	if err != nil || newest.State == access.RotationDead {
		return false, err
	}
	if known := newest.Rotation; known.ID != "" && (known.System != p.System || known.Account != p.Account || known.Kind != p.Kind) {
		return false, d.finding(ctx, access.Finding{Kind: credentialPlanChanged, Subject: p.ID, Owner: d.answersFor(p.System, p.Account), DueAt: d.now.Add(24 * time.Hour),
			Text: fmt.Sprintf("The plan %s is of a %s of %s at %s now, and what was made under it is a %s of %s at %s. It is rotated no more. Put the plan back and retire it (lessor credential retire %s), and write the other under an id of its own.",
				p.ID, p.Kind, quoted(p.Account), p.System, known.Kind, quoted(known.Account), known.System, p.ID)})
	}
	if err := d.settleFinding(ctx, credentialPlanChanged, p.ID, "its plan is of what was made under it"); err != nil {
		return false, err
	}
	// 2. Is it past its interval?
	if err := d.judgeOverdue(ctx, p, newest, live, told); err != nil {
		return false, err
	}
	// 3. Its time has come, and no blackout holds.
	open := newest.ID != "" && !newest.State.Over()
	moved := live.ID != "" && (live.Store != p.Store || live.Ref != p.Ref)
	if open || live.ID != "" && !moved && d.now.Before(p.Due(live.Issued, live.Ends, live.Generation)) {
		return false, nil
	}
	if at, ok := p.Begin(d.now); !ok || at.After(d.now) {
		return false, nil
	}
	_, err = d.beginRotation(ctx, p, newest, live, access.CauseScheduled, "")
	return err == nil, err
}

// liveOf is the rotation that made what is in force now; empty where nothing is.
func (d *deed) liveOf(ctx context.Context, newest store.Rotating) (live access.Rotation, err error) {
	if newest.ID == "" || newest.State == access.RotationDead {
		return live, nil
	}
	if newest.State == access.RotationDone {
		return newest.Rotation, nil
	}
	for limit := 16; ; limit *= 4 { // what is in force was made a few rotations ago at most
		list, err := d.RotationsOf(ctx, newest.Credential, limit)
		if err != nil {
			return live, err
		}
		for _, r := range list {
			switch r.State {
			case access.RotationDone:
				return r.Rotation, nil
			case access.RotationDead:
				return live, nil
			}
		}
		if len(list) < limit {
			return live, nil
		}
	}
}

// judgeOverdue opens or closes the finding that it is past its interval.
func (d *deed) judgeOverdue(ctx context.Context, p access.CredentialPlan, newest store.Rotating, live access.Rotation, told bool) error {
	delivered := newest.ID != "" && !newest.State.Over() && !newest.Delivered.IsZero()
	var since time.Time
	switch {
	case live.ID != "":
		since = live.Issued.Add(p.Every.D())
		if due := p.Due(live.Issued, live.Ends, live.Generation); due.Before(p.Next(live.Issued, live.Generation)) {
			since = due // by its own end
		}
	case newest.ID != "" && !newest.State.Over():
		since = newest.At
	}
	is := !since.IsZero() && !delivered && !d.now.Before(since.Add(overdueAfter))
	switch {
	case !is && told:
		return d.settleFinding(ctx, rotationOverdue, p.ID, "it is made anew")
	case !is || told:
		return nil
	}
	return d.finding(ctx, access.Finding{Kind: rotationOverdue, Subject: p.ID, Owner: d.answersFor(p.System, p.Account), DueAt: d.now.Add(24 * time.Hour),
		Text: fmt.Sprintf("The %s of %s at %s was to be made anew by %s, and is not. lessor credential show %s says what stands in the way; a blackout may.",
			p.Kind, quoted(p.Account), p.System, since.Format(time.RFC3339), p.ID)})
}

// answersFor is who is told of a credential: the owner of the workload whose account it
// lets in, else of its system.
func (d *deed) answersFor(system, account string) string {
	dir := d.world.Directory
	holder, _ := dir.ByAccount(system, account)
	if id, ok := dir.Identity(holder); ok && id.Owner != "" {
		return id.Owner
	} else if ok && id.Kind == access.Person {
		return holder
	}
	if sys, ok := dir.System(system); ok {
		return sys.Owner
	}
	return "security"
}

// beginRotation stores a rotation that makes a planned credential anew. Whoever comes
// second finds the first: of one credential one is open.
func (d *deed) beginRotation(ctx context.Context, p access.CredentialPlan, newest store.Rotating, live access.Rotation, cause access.RotationCause, reason string) (access.Rotation, error) {
	r := access.Rotation{ID: d.e.ids.next("ro", d.now), Credential: p.ID, System: p.System, Account: p.Account, Kind: p.Kind, Store: p.Store, Ref: p.Ref,
		Cause: cause, By: d.by.Identity, Reason: reason, State: access.RotationDue, Generation: newest.Generation + 1, Renew: true,
		Overlap: p.Overlap, Lasts: p.Lasts, Watch: p.Watch, Scopes: p.Scopes, At: d.now}
	if live.ID != "" {
		r.Olds = []access.OldCredential{live.Old()}
	}
	return r, d.addRotation(ctx, store.Rotating{Rotation: r, Work: access.Work{Due: d.now, Since: d.now}})
}

func (d *deed) addRotation(ctx context.Context, r store.Rotating) error {
	ev := d.event("rotation." + string(r.State))
	ev.Rotation, ev.To, ev.Note, ev.After = r.ID, string(r.State), r.Reason, r.Rotation
	if err := errors.Join(d.AddRotation(ctx, r), d.tell(ctx, ev)); err != nil {
		return err
	}
	d.wake(r.System, r.Work.Due)
	return nil
}

// ClaimRotations takes the lease of up to limit due rotations of a system. kinds is what
// its connector makes. In the same transaction time moves them on and the intent of the
// next step is stored, before anything is sent. What an earlier holder has sent may land
// until its time is over: nothing new is asked for or judged before.
func (e *Engine) ClaimRotations(ctx context.Context, holder, system string, kinds []KindIssued, limit int) (tasks []RotationTask, err error) {
	err = e.do(ctx, "claim rotations", access.Clock, func(d *deed) error {
		tasks = tasks[:0]
		due, err := d.DueRotations(ctx, system, d.now, limit)
		if err != nil {
			return err
		}
		for _, r := range due {
			task, ok, err := d.claimRotation(ctx, holder, r, kinds)
			if err != nil {
				return err
			}
			if ok {
				tasks = append(tasks, task)
			}
		}
		return nil
	})
	return tasks, err
}

func (d *deed) claimRotation(ctx context.Context, holder string, was store.Rotating, kinds []KindIssued) (RotationTask, bool, error) {
	r := was
	w, ok := was.Work.Claim(holder, d.now, d.e.Pace)
	if !ok {
		return RotationTask{}, false, nil
	}
	// 1. Not yet: a blackout holds it, or a call may still land.
	if at := d.notBefore(was.Rotation, w); at.After(d.now) {
		r.Work.Due, r.Work.Holder, r.Work.LeaseUntil, r.Work.SuspectUntil = at, "", time.Time{}, w.SuspectUntil
		return RotationTask{}, false, d.keepRotation(ctx, was, r)
	}
	// 2. The next step, if time or what is known of the system has it begin.
	next, ev, moved, err := r.Tick(d.now)
	if r.State == access.RotationDue {
		moved = true
		i := slices.IndexFunc(kinds, func(k KindIssued) bool { return k.Kind == r.Kind })
		switch {
		case i >= 0:
			next, ev, err = r.Begin(d.now, kinds[i].Chosen, access.Term(kinds[i].Lingers.Truncate(time.Second)))
		case r.Renew && r.Cause != access.CauseCompromised:
			r.Work = w
			return RotationTask{}, false, d.unturned(ctx, was, r, RotationOutcome{Trouble: fmt.Sprintf("the connector of %s makes no %s", r.System, r.Kind)})
		default: // what only people can kill there is looked for all the same
			next, ev, err = r.Begin(d.now, false, 0)
		}
	}
	if err != nil {
		return RotationTask{}, false, err
	}
	if moved {
		w.Since, w.Attempts, w.Told = d.now, 0, 0
		if err := d.tell(ctx, ev); err != nil {
			return RotationTask{}, false, err
		}
		r.Rotation = next
	}
	r.Work = w
	return RotationTask{r.Rotation, w.Fence, w.LeaseUntil}, true, d.SaveRotation(ctx, was, r)
}

// notBefore is when the next step may be taken at the earliest. To kill never waits for
// what was sent before: it is done again until it is proved.
func (d *deed) notBefore(r access.Rotation, w access.Work) (at time.Time) {
	p, planned := d.planOf(r.Credential)
	switch r.State {
	case access.RotationDue:
		if planned && (r.Cause == access.CauseScheduled || r.Cause == access.CauseAsked) {
			if clear, ok := p.Begin(d.now); ok {
				at = clear
			}
		}
		return at
	case access.RotationIssuing, access.RotationDelivering, access.RotationProving:
		return w.SuspectUntil
	}
	return at
}

// keepRotation stores a rotation, and wakes whoever works on it when it is due.
func (d *deed) keepRotation(ctx context.Context, was, r store.Rotating) error {
	d.wake(r.System, r.Work.Due)
	return d.SaveRotation(ctx, was, r)
}

// NextRotation returns when the system's next rotation can be claimed; ok is false if there is none.
func (e *Engine) NextRotation(ctx context.Context, system string) (next time.Time, ok bool, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		next, ok, err = tx.NextRotation(ctx, system)
		return err
	})
	return next, ok, err
}
