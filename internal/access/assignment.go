package access

import (
	"fmt"
	"time"
)

// Assignment is one account holding, or not, one entitlement. It names the
// system and the object itself, so that removal needs no catalog.
type Assignment struct {
	ID          string          `json:"id"`
	System      string          `json:"system"`
	Account     string          `json:"account"`
	Object      string          `json:"object"`
	Identity    string          `json:"identity"`
	Entitlement string          `json:"entitlement"`
	State       AssignmentState `json:"state"`
	Receipt     string          `json:"receipt,omitempty"` // the look it rests on
	SeenAt      time.Time       `json:"seen_at,omitzero"`  // when that look was taken
}

// Receipt is the record of one look at a target.
type Receipt struct {
	ID         string    `json:"id"`
	Assignment string    `json:"assignment"`
	At         time.Time `json:"at"`
	Direct     bool      `json:"direct"`             // held directly, as written
	Effective  bool      `json:"effective"`          // held by whatever path the target can be asked about
	Path       string    `json:"path"`               // how it was looked
	Residual   []string  `json:"residual,omitempty"` // other paths found
	Sessions   int       `json:"sessions,omitempty"` // sessions still open that could use what is no longer held
	Until      time.Time `json:"until,omitzero"`     // … which the target cannot end, and which last no longer than this
	Answered   string    `json:"answered,omitempty"` // what the target answered to the write before it; a hint
	Digest     string    `json:"digest,omitempty"`   // of this record without the digest
}

// Held tells whether the look saw the access by any path.
func (r Receipt) Held() bool { return r.Direct || r.Effective }

// Gone tells whether the look saw the access gone: by every path, and with no
// session left that could be ended and was not.
func (r Receipt) Gone() bool { return !r.Held() && (r.Sessions == 0 || !r.Until.IsZero()) }

// Intend moves the assignment to what is being brought about: adding where it
// is wanted and not held, removing where it is held or half-done and not
// wanted. moved is false where what is wanted is what was last seen, or is
// already being done.
func (a Assignment) Intend(wanted bool, at time.Time) (next Assignment, ev Event, moved bool, err error) {
	to := a.State
	switch {
	case wanted && (a.State == Absent || a.State == Removing):
		to = Adding
	case !wanted && (a.State == Held || a.State == Adding):
		to = Removing
	}
	return a.move(to, at, "")
}

// Settle moves the assignment to what was seen, given what is wanted. Where
// the two differ it stays under way, or goes back under way: drift.
func (a Assignment) Settle(wanted bool, seen Receipt) (next Assignment, ev Event, moved bool, err error) {
	to := a.State
	switch held := seen.Held(); {
	case wanted && held:
		to = Held
	case wanted && !held:
		to = Adding
	case !wanted && held:
		to = Removing
	case !wanted && !seen.Gone():
		to = Removing // a session still uses it
	case !wanted && !held && a.State != Held:
		to = Absent
	case !wanted && !held:
		to = Removing // gone before we asked: one more look, under the right state, says absent
	}
	a.Receipt, a.SeenAt = seen.ID, seen.At
	return a.move(to, seen.At, seen.Digest)
}

func (a Assignment) move(to AssignmentState, at time.Time, receipt string) (Assignment, Event, bool, error) {
	if to == a.State {
		return a, Event{}, false, nil
	}
	if err := CheckMove(AssignmentMachine, a.State, to); err != nil {
		return a, Event{}, false, fmt.Errorf("assignment %s: %w", a.ID, err)
	}
	from := a.State
	a.State = to
	return a, Event{At: at, Kind: "assignment." + string(to), Actor: Clock, Assignment: a.ID, From: string(from), To: string(to),
		Digests: Digests{Receipt: receipt}, After: a}, true, nil
}
