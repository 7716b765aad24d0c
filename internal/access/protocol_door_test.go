package access_test

import (
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

var (
	grantStates      = []access.GrantState{access.Scheduled, access.Live, access.Ended}
	assignmentStates = []access.AssignmentState{access.Absent, access.Adding, access.Held, access.Removing}
	names            = []string{"a", "b"}
)

// windows of the two grants: they overlap by a tick.
var windows = [2][2]int16{{0, 3}, {2, 5}}

func (w world) grant(i int) access.Grant {
	g := access.Grant{ID: names[i], State: grantStates[w.grants[i].state], Start: at(windows[i][0]), End: at(windows[i][1])}
	if w.grants[i].seen {
		g.Seen = g.Start
	}
	return g
}

func (w world) wanted() (wanted bool, next time.Time, more bool) {
	list := []access.Grant{w.grant(0), w.grant(1)}
	next, more = access.NextAt(list)
	return access.Wanted(list, at(w.now)), next, more
}

// work is the stored work as the protocol has it, and keep puts it back.
func (w world) work() access.Work {
	k := access.Work{Due: at(w.due), LeaseUntil: at(w.lease), Fence: int64(w.fence), SuspectUntil: at(w.suspect), Attempts: int(w.attempts), Confirm: w.confirm}
	if w.holder >= 0 {
		k.Holder = names[w.holder]
	}
	if w.underWay {
		k.Since = dawn
	}
	return k
}

func (w *world) keep(k access.Work) {
	w.due, w.lease, w.fence, w.suspect, w.attempts, w.confirm = ticks(k.Due), ticks(k.LeaseUntil), int16(k.Fence), ticks(k.SuspectUntil), int8(k.Attempts), k.Confirm
	w.holder = -1
	for i, n := range names {
		if k.Holder == n {
			w.holder = int8(i)
		}
	}
	w.underWay = !k.Since.IsZero()
}

// tick moves the grants as their clocks say.
func (w *world) tick() (ticked bool) {
	for i := range w.grants {
		for {
			g := w.grant(i)
			if next, more := g.NextAt(); !more || at(w.now).Before(next) {
				break
			}
			next, _, moved, err := g.Tick(at(w.now))
			if err != nil || !moved {
				panic(err)
			}
			ticked = true
			for s, state := range grantStates {
				if state == next.State {
					w.grants[i].state = int8(s)
				}
			}
		}
	}
	return ticked
}

func (w world) unseen() bool {
	for i := range w.grants {
		if g := w.grant(i); g.LiveAt(at(w.now)) && g.Seen.IsZero() {
			return true
		}
	}
	return false
}

// turn is where Intend or Settle moves an assignment.
func (w *world) turn(move func(access.Assignment) (access.Assignment, access.Event, bool, error)) (moved bool) {
	a, _, moved, err := move(access.Assignment{State: assignmentStates[w.as]})
	if err != nil {
		panic(err)
	}
	for i, state := range assignmentStates {
		if state == a.State {
			w.as = int8(i)
		}
	}
	return moved
}

func (w world) state() access.AssignmentState { return assignmentStates[w.as] }

// claim is what the door does at a claim.
func (s search) claim(w world, i int8) (world, bool) {
	now, was := at(w.now), w.work()
	work, ok := was.Claim(names[i], now, s.pace)
	if !ok {
		return w, false
	}
	lost, ticked := was.Holder != "", w.tick()
	wanted, next, more := w.wanted()
	moved := w.turn(func(a access.Assignment) (access.Assignment, access.Event, bool, error) { return a.Intend(wanted, now) })
	settled := (w.state() == access.Held || w.state() == access.Absent) && !now.Before(work.SuspectUntil) && !work.Confirm
	switch {
	case moved:
		work.Since, work.Attempts, work.Told, work.Confirm = now, 0, 0, false
	case ticked && !lost && settled && !w.unseen():
		w.keep(work.Done(w.state(), now, next, more, s.pace))
		return w, true
	}
	w.keep(work)
	act := w.state() == access.Adding || w.state() == access.Removing
	me := worker{phase: deciding, fence: w.fence, lease: w.lease, want: wanted, act: act}
	if !act || work.Attempts > 0 || lost || now.Before(work.SuspectUntil) {
		me.phase = claimed
	}
	w.workers[i] = me
	return w, true
}

// settle is what the door does with what a worker saw.
func (s search) settle(w world, i int8) world {
	me, now, was := w.workers[i], at(w.now), w.work()
	w.workers[i] = worker{}
	if !s.maySettle(was, names[i], int64(me.fence), now) {
		return w
	}
	work := was
	if me.unanswered {
		work = work.Suspect(now, s.pace)
	}
	release := func() {
		work = work.Release(now, s.pace, "")
		if _, next, more := w.wanted(); more {
			work = work.At(next)
		}
		w.keep(work)
	}
	if !me.looked || !s.settles(was, at(me.lookAt), me.unanswered) {
		release()
		return w
	}
	w.tick()
	wanted, next, more := w.wanted()
	moved := w.turn(func(a access.Assignment) (access.Assignment, access.Event, bool, error) {
		return a.Settle(wanted, access.Receipt{ID: "look", At: at(me.lookAt), Direct: me.sawHeld})
	})
	for k := range w.grants {
		if g := w.grant(k); me.sawHeld && g.LiveAt(now) {
			_, _, first := g.SeenHeld(at(me.lookAt), "")
			w.grants[k].seen = w.grants[k].seen || first
		}
	}
	switch {
	case w.state() == access.Held || w.state() == access.Absent:
		w.keep(work.Done(w.state(), now, next, more, s.pace))
	case !moved:
		release()
	default:
		work.Holder, work.LeaseUntil, work.Attempts = "", time.Time{}, 0
		work.Since, work.Told, work.Confirm, work.Due = now, 0, false, now
		w.keep(work)
	}
	return w
}

func (s search) revoke(w world, i int8) world {
	w.revokes--
	w.grants[i].state = 2
	w.keep(w.work().At(at(w.now)))
	return w
}

func begin(faults, crashes int8) world {
	return world{due: 0, lease: never, suspect: never, holder: -1, faults: faults, crashes: crashes, revokes: 1}
}
