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
)

// LeaveJob asks that what follows from somebody's leaving be gone on with.
type LeaveJob struct {
	Person string `json:"person" river:"unique"`
}

// Kind implements river.JobArgs.
func (LeaveJob) Kind() string { return "leave" }

// leaveAt is how much of one kind one transaction of a leaving does.
const leaveAt = 500

// Left is what a leaving has done.
type Left struct {
	Person      string `json:"person"`
	Ended       int    `json:"ended"`          // grants
	Cancelled   int    `json:"cancelled"`      // requests
	Voided      int    `json:"voided"`         // votes on requests that were still pending
	Delegations int    `json:"delegations"`    // of theirs to others, and of others' to them
	SignIns     int    `json:"sign_ins"`       // sessions and tokens
	Handovers   int    `json:"handovers"`      // decisions that others have to make
	More        bool   `json:"more,omitempty"` // the rest is being done
}

func (l *Left) add(m Left) {
	l.Ended, l.Cancelled, l.Voided = l.Ended+m.Ended, l.Cancelled+m.Cancelled, l.Voided+m.Voided
	l.SignIns, l.Handovers, l.Delegations = l.SignIns+m.SignIns, l.Handovers+m.Handovers, l.Delegations+m.Delegations
}

// work is how much that was to do.
func (l *Left) work() int {
	return l.Ended + l.Cancelled + l.Voided + l.Delegations + l.SignIns + l.Handovers
}

// Leave says that a person has left: from that moment on none of their identities is
// active, every grant of theirs ends, what they asked for is cancelled, their votes on
// what is pending are void, their sessions end, and what they answered for has to be
// handed over or retired. It may be said twice. What is more than one transaction
// should do is gone on with by a job that the first one inserts.
func (e *Engine) Leave(ctx context.Context, by access.Actor, identity, reason string) (left Left, err error) {
	err = e.do(ctx, "leave", by, func(d *deed) error {
		left = Left{}
		if err := d.maySayLeft(ctx); err != nil {
			return err
		}
		if why := unsaid(reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		id, ok := d.world.Directory.Identity(identity)
		switch {
		case !ok:
			return fmt.Errorf("%w: identity %.80q", access.ErrNotFound, identity)
		case id.Kind != access.Person:
			return fmt.Errorf("%w: %s is a %s, which is retired or handed over; only people leave", access.ErrInvalid, identity, id.Kind)
		}
		person := d.world.Directory.PersonOf(identity)
		// 1. None of them is active any more, whatever the files or a feed say.
		if err := d.deactivate(ctx, person, reason); err != nil {
			return err
		}
		// 2. What follows, as much of it as one transaction takes.
		left.Person = person
		if left.More, err = d.depart(ctx, person, reason, &left); err != nil || !left.More {
			return err
		}
		return d.Enqueue(ctx, LeaveJob{person}, nil)
	})
	return left, err
}

// mayLeave refuses whoever may not say that somebody has left.
func (d *deed) mayLeave(_ context.Context) error {
	if err := d.scope(ScopeRevoke); err != nil {
		return err
	}
	dir, who := d.world.Directory, d.world.Lifecycle.Said().Leavers
	id, _ := dir.Identity(d.by.Identity)
	groups := dir.GroupsOf(d.by.Identity)
	if !d.active(d.by.Identity) || id.Kind != access.Person || !slices.ContainsFunc(who, func(g string) bool { return slices.Contains(groups, g) }) {
		return fmt.Errorf("%w: only people of %s say who has left or is back", access.ErrDenied, strings.Join(who, ", "))
	}
	return nil
}

// maySayLeft is mayLeave, with as strong a sign-in as it takes.
func (d *deed) maySayLeft(ctx context.Context) error {
	if err := d.mayLeave(ctx); err != nil {
		return err
	}
	if strong := d.world.Lifecycle.StepUp; strong != "" && d.by.Strength != strong {
		return fmt.Errorf("%w: to say who has left or is back takes a sign-in by %s", access.ErrDenied, strong)
	}
	return nil
}

// SaysWhoLeft tells whether the actor may say who has left or is back, and, where it
// takes more than their sign-in, how strong a one.
func (e *Engine) SaysWhoLeft(ctx context.Context, by access.Actor) (may bool, stronger string) {
	d := &deed{e: e, now: e.Now().UTC(), by: by, world: e.World()}
	if d.mayLeave(ctx) != nil {
		return false, ""
	}
	if strong := d.world.Lifecycle.StepUp; by.Strength != strong {
		stronger = strong
	}
	return true, stronger
}

// deactivate has every identity of a person inactive, whatever files and feeds say.
func (d *deed) deactivate(ctx context.Context, person, reason string) error {
	for _, id := range slices.Clone(d.world.Directory.IdentitiesOf(person)) {
		if err := d.sayLeft(ctx, id, d.by.Identity, reason); err != nil {
			return err
		}
	}
	return nil
}

// sayLeft has it in force that an identity is no longer active, or, by nobody, takes
// that word back.
func (d *deed) sayLeft(ctx context.Context, id, by, note string) error {
	h, err := d.Hand(ctx, "left "+id)
	if err != nil && !errors.Is(err, access.ErrNotFound) {
		return err
	}
	if (h.Owner == "") == (by == "") {
		return nil // that is what was said last
	}
	return d.handTo(ctx, access.Hand{Subject: "left " + id, Owner: by}, note)
}

// LeaveOn goes on with what follows from a person's having left until all of it is
// under way. Of somebody who has not left it does nothing.
func (e *Engine) LeaveOn(ctx context.Context, person string) (left Left, err error) {
	left.Person = person
	for more := true; more; {
		some := Left{}
		err := e.do(ctx, "leave on", access.Clock, func(d *deed) (err error) {
			some = Left{}
			more, err = d.departGone(ctx, person, &some)
			return err
		})
		if err != nil {
			return left, err
		}
		left.add(some)
	}
	return left, nil
}

// leaversAtOnce is how many leavers one transaction takes, where there is little to do
// about each, and mostLeavers how many one sweep does: the first one after a directory
// came with everybody who ever left must not hold up the start.
const (
	leaversAtOnce = 50
	mostLeavers   = 2000
)

// leaveAll does so with many, of whom most leave nothing behind.
func (e *Engine) leaveAll(ctx context.Context, persons []string) error {
	for n := 0; n < len(persons); {
		next := n
		if err := e.do(ctx, "leave on", access.Clock, func(d *deed) error {
			next, d.sweeps = n, true
			for some := (Left{}); next < len(persons) && next < n+leaversAtOnce && some.work() < leaveAt; next++ {
				if more, err := d.departGone(ctx, persons[next], &some); err != nil || more {
					return err // the next transaction goes on with the same one
				}
			}
			return nil
		}); err != nil {
			return err
		}
		n = next
	}
	return nil
}

// departGone does so with whoever the directory calls gone, and nothing with anybody else.
func (d *deed) departGone(ctx context.Context, person string, left *Left) (more bool, err error) {
	if id, ok := d.world.Directory.Identity(person); !ok || !id.GoneAt(d.now) {
		return false, nil
	}
	return d.depart(ctx, person, "the directory says so", left)
}

// depart does one transaction's worth of what follows from a person's having left.
// Everything in it is done only where it is not done yet, and it is looked for each
// time: another replica may have granted something a moment after the first, the files
// may call a leaver the owner of something new, and somebody may have been back for
// less time than it takes to notice.
func (d *deed) depart(ctx context.Context, person, reason string, left *Left) (more bool, err error) {
	dep, err := d.Departure(ctx, person)
	switch {
	case errors.Is(err, access.ErrNotFound), err == nil && !dep.Back.IsZero():
		dep = access.Departure{Person: person, At: d.now, By: d.by.Identity, Reason: reason}
		if err := d.saveDeparture(ctx, dep, "left"); err != nil {
			return false, err
		}
		if err := d.signalLeft(ctx, person); err != nil {
			return false, err
		}
		// Once more when every replica knows it. A sweep comes round by itself.
		if !d.sweeps {
			if err := d.Enqueue(ctx, LeaveJob{person}, &river.InsertOpts{ScheduledAt: d.now.Add(time.Minute)}); err != nil {
				return false, err
			}
		}
	case err != nil:
		return false, err
	}
	whose := d.leavingWith(person)
	note := person + " has left: " + dep.Reason
	for _, step := range []func(context.Context, string, []string, string, *Left) (bool, error){
		d.signOff, d.closeRequests, d.voidVotes, d.endStandIns, d.endGrants, d.orphanCredentials, d.forceDecisions,
	} {
		some, err := step(ctx, person, whose, note, left)
		if err != nil {
			return false, err
		}
		more = more || some
	}
	if more || !dep.Done.IsZero() {
		return more, nil
	}
	dep.Done = d.now
	return false, d.saveDeparture(ctx, dep, "done")
}

func (d *deed) saveDeparture(ctx context.Context, dep access.Departure, how string) error {
	if err := d.SaveDeparture(ctx, dep); err != nil {
		return err
	}
	ev := d.event("departure." + how)
	ev.To, ev.Note, ev.After = how, dep.Reason, dep
	return d.tell(ctx, ev)
}

// leavingWith are the identities whose access ends with a person: all of theirs, and
// the agents that act for them. A workload goes on for a while: others live by it.
func (d *deed) leavingWith(person string) []string {
	dir := d.world.Directory
	whose := slices.Clone(dir.IdentitiesOf(person))
	for _, id := range dir.OwnedBy(person) {
		if i, _ := dir.Identity(id); i.Kind == access.Agent && dir.PersonOf(i.Sponsor) == person {
			whose = append(whose, id)
		}
	}
	return whose
}

// signOff ends every session and token at Lessor's own doors.
func (d *deed) signOff(ctx context.Context, _ string, whose []string, _ string, left *Left) (bool, error) {
	n, err := d.EndSignIns(ctx, whose)
	left.SignIns += int(n)
	return false, err
}

// closeRequests cancels what waits for an answer and was asked by them or for them.
// What was granted of it meanwhile ends with the other grants.
func (d *deed) closeRequests(ctx context.Context, _ string, whose []string, note string, left *Left) (bool, error) {
	list, err := d.OpenFor(ctx, whose, leaveAt)
	if err != nil {
		return false, err
	}
	for _, was := range list {
		r := was
		r.Items = dropUndecided(r.Items, note)
		to := access.Cancelled
		if some, _ := outcome(r); some == access.Approved {
			to = access.Approved
		}
		if _, err := d.move(ctx, was, r, to, note); err != nil {
			return false, err
		}
		left.Cancelled++
	}
	return len(list) >= leaveAt, nil
}

// voidVotes takes their votes out of what is still pending: its stages are open again.
// They would not count at the grant either, but nobody would know before.
func (d *deed) voidVotes(ctx context.Context, person string, _ []string, note string, left *Left) (bool, error) {
	list, err := d.VotesWaiting(ctx, person, leaveAt)
	if err != nil {
		return false, err
	}
	for _, v := range list {
		if err := d.void(ctx, v, note); err != nil {
			return false, err
		}
		left.Voided++
	}
	return len(list) >= leaveAt, nil
}

// endStandIns ends what they lent to others and what others lent to them, and their own
// absences: none says anything about who answers from now on. Whoever they were the
// deputy of needs another one.
func (d *deed) endStandIns(ctx context.Context, person string, whose []string, note string, left *Left) (bool, error) {
	list, err := d.Delegations(ctx, whose, "", leaveAt)
	if err != nil {
		return false, err
	}
	for _, l := range list {
		if !l.EndedAt.IsZero() || !d.now.Before(l.End) {
			continue
		}
		l.EndedAt, l.EndedBy, l.EndedWhy = d.now, d.by.Identity, note
		if err := d.Tx.EndDelegation(ctx, l); err != nil {
			return false, err
		}
		if err := d.tellDelegation(ctx, l, "ended"); err != nil {
			return false, err
		}
		left.Delegations++
	}
	away, err := d.Absences(ctx, whose, "", leaveAt)
	if err != nil {
		return false, err
	}
	for _, a := range away {
		if !a.EndedAt.IsZero() || !d.now.Before(a.Until) {
			continue
		}
		a.EndedAt, a.EndedBy, a.EndedWhy = d.now, d.by.Identity, note
		if err := d.EndAbsence(ctx, a); err != nil {
			return false, err
		}
		if err := d.tellAbsence(ctx, a, "ended"); err != nil {
			return false, err
		}
	}
	return false, d.withoutDeputy(ctx, person) // leaveAt are far more than one person has open
}

// endGrants ends them now.
func (d *deed) endGrants(ctx context.Context, _ string, whose []string, note string, left *Left) (bool, error) {
	list, err := d.GrantsOf(ctx, whose, true, "", leaveAt)
	if err != nil {
		return false, err
	}
	for _, g := range list {
		if err := d.finish(ctx, g, access.EndLeaver, note); err != nil {
			return false, err
		}
		left.Ended++
	}
	return len(list) >= leaveAt, nil
}

// Rejoin says that a person of whom somebody said that they have left is back, or never
// had; or that their account elsewhere is not disabled, whatever a signal says. It takes
// back that word and nothing else; whoever the files or a feed call
// inactive stays so.
func (e *Engine) Rejoin(ctx context.Context, by access.Actor, identity, reason string) error {
	var person string
	if err := e.do(ctx, "rejoin", by, func(d *deed) error {
		if err := d.maySayLeft(ctx); err != nil {
			return err
		}
		if why := unsaid(reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		if _, ok := d.world.Directory.Identity(identity); !ok {
			return fmt.Errorf("%w: identity %.80q", access.ErrNotFound, identity)
		}
		person = d.world.Directory.PersonOf(identity)
		for _, id := range slices.Clone(d.world.Directory.IdentitiesOf(identity)) {
			if err := d.sayLeft(ctx, id, "", reason); err != nil {
				return err
			}
			if err := d.rejoin(ctx, id, reason); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	// Only the directory made anew says whether they are active now. If we stop here, the
	// next sweep finds them back.
	return e.backAgain(ctx, person)
}

// orphanCredentials has it found what they leave behind that lets somebody in.
func (d *deed) orphanCredentials(ctx context.Context, _ string, whose []string, _ string, _ *Left) (bool, error) {
	return false, d.deadCredentials(ctx, whose)
}
