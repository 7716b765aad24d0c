package access

import "time"

// Work is how far the reconciler has come with one assignment. It stands
// beside the assignment and is told to nobody. Its methods are the reconcile
// protocol: pure, and searched exhaustively by a test (DESIGN §3).
type Work struct {
	Due          time.Time // when wanted and seen may differ next; zero: never
	Holder       string    // who has the lease; empty: nobody
	LeaseUntil   time.Time
	Fence        int64     // grows with each lease
	SuspectUntil time.Time // a call may still land before then: no look taken earlier settles anything
	Attempts     int       // looks in a row that did not settle it
	Since        time.Time // since when it has been under way; zero: it is not
	Told         int       // how often its lateness has been told
	Confirm      bool      // a removal was seen; one more look is due
	Trouble      string    // what stood in the way last
	Blind        bool      // the last look at it was not answered
}

// Pace is how fast the protocol goes. Call is the longest time one call may
// take to land, counted from the moment it is sent.
type Pace struct {
	Lease      time.Duration
	Call       time.Duration
	Retry      time.Duration // after the first failure; doubles with each
	SlowestOff time.Duration // no retry waits longer
	Recheck    time.Duration // how often what is held is looked at again; zero: never
	Confirm    time.Duration // how long after a removal was seen it is looked at once more; zero: never
}

// Claim takes the lease if the work is due and nobody holds it. A lease that
// ran out unsettled may have left a call behind that still lands: the work is
// suspect until the longest call has had its time (rule 2).
func (w Work) Claim(holder string, now time.Time, p Pace) (Work, bool) {
	if w.Due.IsZero() || now.Before(w.Due) {
		return w, false
	}
	if w.Holder != "" {
		if now.Before(w.LeaseUntil) {
			return w, false
		}
		w.SuspectUntil = later(w.SuspectUntil, w.LeaseUntil.Add(p.Call))
	}
	w.Holder, w.LeaseUntil = holder, now.Add(p.Lease)
	w.Fence++
	return w, true
}

// MaySend tells whether whoever has the lease may still send a call: its
// deadline must lie inside the lease (rule 1).
func (w Work) MaySend(now time.Time, p Pace) bool {
	return now.Add(p.Call).Before(w.LeaseUntil)
}

// MaySettle tells whether this holder still has this lease (rule 3).
func (w Work) MaySettle(holder string, fence int64, now time.Time) bool {
	return w.Holder == holder && w.Fence == fence && now.Before(w.LeaseUntil)
}

// Settles tells whether a look begun at that moment settles the assignment:
// no call that may still land was outstanding (rule 2).
func (w Work) Settles(lookAt time.Time, unanswered bool) bool {
	return !unanswered && !lookAt.Before(w.SuspectUntil)
}

// Suspect notes that a call was sent and not answered: it may land until the
// longest call has had its time.
func (w Work) Suspect(now time.Time, p Pace) Work {
	w.SuspectUntil = later(w.SuspectUntil, now.Add(p.Call))
	return w
}

// Release gives the lease back with nothing settled: another look is due after
// a while that doubles, and not before a suspect call has had its time.
func (w Work) Release(now time.Time, p Pace, trouble string) Work {
	w.Holder, w.LeaseUntil = "", time.Time{}
	w.Attempts++
	w.Trouble = trouble
	wait := p.Retry
	for i := 1; i < w.Attempts && wait < p.SlowestOff; i++ {
		wait *= 2
	}
	w.Due = later(now.Add(min(wait, p.SlowestOff)), w.SuspectUntil)
	return w
}

// Sick is a system that answers no look: as long as it stands, all replicas try a few of
// what waits there at a time, and send nothing else.
type Sick struct {
	System  string
	Since   time.Time
	ProbeAt time.Time // nothing is tried before
	Told    int       // how often it has been told how much waits there
	Trouble string    // what stood in the way last
}

// ProbeEvery is how long a target of which no look is answered is left alone at most
// while something is under way there.
const ProbeEvery = 3 * time.Second

// Rest gives the lease back with nothing sent, because the target answers no look: it waits
// for the target to answer, and until then at most.
func (w Work) Rest(until time.Time, trouble string) Work {
	w.Holder, w.LeaseUntil = "", time.Time{}
	w.Trouble, w.Blind = trouble, true
	w.Due = later(until, w.SuspectUntil)
	return w
}

// Probe makes what is to be tried again the look by which it is known that its target is
// there again.
func (w Work) Probe(now time.Time) Work { return w.At(now.Add(ProbeEvery)) }

// Done gives the lease back with the assignment settled as held or absent;
// next is when its grants move it again, ok false if they never will.
func (w Work) Done(state AssignmentState, now, next time.Time, ok bool, p Pace) Work {
	confirm := state == Absent && !w.Confirm && !w.Since.IsZero() && p.Confirm > 0
	w = Work{Fence: w.Fence, SuspectUntil: w.SuspectUntil, Confirm: confirm}
	switch {
	case confirm:
		w.Due = now.Add(p.Confirm)
	case state == Held && p.Recheck > 0:
		w.Due = now.Add(p.Recheck)
	}
	if ok && (w.Due.IsZero() || next.Before(w.Due)) {
		w.Due = next
	}
	return w
}

// At makes the work due at that moment if it is not due earlier.
func (w Work) At(t time.Time) Work {
	if w.Due.IsZero() || t.Before(w.Due) {
		w.Due = t
	}
	return w
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
