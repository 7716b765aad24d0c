package access

import (
	"fmt"
	"slices"
	"time"
)

// RotationState says what of a rotation is under way.
type RotationState string

const (
	RotationDue         RotationState = "due"         // the clock has the next move
	RotationIssuing     RotationState = "issuing"     // the target is asked for the new one
	RotationDelivering  RotationState = "delivering"  // the secret store is given it
	RotationOverlapping RotationState = "overlapping" // both let in; the consumers or the clock have the next move
	RotationKilling     RotationState = "killing"     // the old one is ended
	RotationProving     RotationState = "proving"     // the old one is tried until it lets nobody in
	RotationDone        RotationState = "done"        // nobody: exactly the new one lets in
	RotationDead        RotationState = "dead"        // nobody: nothing of it lets in, and no new one follows
	RotationDropped     RotationState = "dropped"     // nobody: another rotation has taken over all that it had made
)

// Over tells whether nobody has the next move.
func (s RotationState) Over() bool {
	return s == RotationDone || s == RotationDead || s == RotationDropped
}

// RotationCause says why there is a rotation.
type RotationCause string

const (
	CauseScheduled   RotationCause = "scheduled"   // its interval was over
	CauseAsked       RotationCause = "asked"       // somebody who answers for it asked
	CauseCompromised RotationCause = "compromised" // somebody else may have it: the old one is killed first
	CauseRetired     RotationCause = "retired"     // it is to be no more
)

// OldCredential is what a rotation has to end.
type OldCredential struct {
	Generation int64     `json:"generation,omitempty"` // under which its store has its worth; 0: none has
	Store      string    `json:"store,omitempty"`
	Ref        string    `json:"ref,omitempty"`
	Native     string    `json:"native,omitempty"` // as its system names it; empty: not known, or it has no name
	Mark       string    `json:"mark,omitempty"`   // by which all that one order made is found
	Dead       time.Time `json:"dead,omitzero"`    // when it was proved
	How        string    `json:"how,omitempty"`    // … and by what
}

// Rotation is one change of the generation of one credential, or its end. Its worth
// stands nowhere: it is in the store alone, under Generation.
type Rotation struct {
	ID         string          `json:"id"`
	Credential string          `json:"credential"` // its plan; or, of one that is in no plan, as the inventory knows it
	System     string          `json:"system"`
	Account    string          `json:"account"`
	Kind       string          `json:"kind"`
	Store      string          `json:"store,omitempty"`
	Ref        string          `json:"ref,omitempty"`
	Cause      RotationCause   `json:"cause"`
	By         string          `json:"by"` // who asked; the clock
	Reason     string          `json:"reason,omitempty"`
	State      RotationState   `json:"state"`
	Generation int64           `json:"generation"` // grows with each rotation, and with each new one issued
	Renew      bool            `json:"renew,omitempty"`
	Chosen     bool            `json:"chosen,omitempty"` // its worth is chosen, and setting it ends the old one: a password
	Lingers    Term            `json:"lingers,omitempty"`
	Overlap    Term            `json:"overlap,omitempty"`
	Lasts      Term            `json:"lasts,omitempty"`
	Watch      bool            `json:"watch,omitempty"`
	Scopes     []string        `json:"scopes,omitempty"`
	Native     string          `json:"native,omitempty"` // the new one, as its system names it
	At         time.Time       `json:"at"`
	Issued     time.Time       `json:"issued,omitzero"`
	Ends       time.Time       `json:"ends,omitzero"`      // by itself
	Delivered  time.Time       `json:"delivered,omitzero"` // seen in the store, and letting in
	Until      time.Time       `json:"until,omitzero"`     // the end of the overlap
	Used       time.Time       `json:"used,omitzero"`      // by its consumers, as the target tells it
	Killed     time.Time       `json:"killed,omitzero"`
	Olds       []OldCredential `json:"olds,omitempty"`
}

// Old is what it has made, or may have made, for whoever is to end that.
func (r Rotation) Old() OldCredential {
	return OldCredential{Generation: r.Generation, Store: r.Store, Ref: r.Ref, Native: r.Native, Mark: r.Mark()}
}

// Mark is what everything it orders is marked with.
func (r Rotation) Mark() string { return r.ID }

// Begin takes the first step, given what the target is like.
func (r Rotation) Begin(now time.Time, chosen bool, lingers Term) (Rotation, Event, error) {
	r.Chosen, r.Lingers = chosen, lingers
	if r.Cause == CauseRetired || r.Cause == CauseCompromised {
		if chosen && len(r.Olds) == 0 {
			r.Olds = []OldCredential{{}} // an account has one of the kind, whoever has set it
		}
		return r.move(RotationKilling, now, "")
	}
	return r.renew(now)
}

// renew goes on to what brings the new one about. Of a chosen worth consumers have the
// new one first: who still has the old one is let in until it is set, and a crash in
// between loses nothing.
func (r Rotation) renew(now time.Time) (Rotation, Event, error) {
	if r.Chosen {
		return r.move(RotationDelivering, now, "")
	}
	return r.move(RotationIssuing, now, "")
}

// IssuedAs records that the new one is there: made by the target and not yet
// delivered, or, of a chosen worth, set and seen to let in.
func (r Rotation) IssuedAs(now time.Time, native string, ends time.Time) (Rotation, Event, error) {
	r.Native, r.Ends, r.Issued = native, ends, now
	if !r.Chosen {
		return r.move(RotationDelivering, now, "")
	}
	r.Delivered, r.Until = now, now
	if r.Killed.IsZero() {
		r.Killed = now // by being replaced
	}
	return r.move(RotationProving, now, "")
}

// DeliveredAt records that consumers have the new one; unless its worth is chosen and
// still to be set, it was seen to let in.
func (r Rotation) DeliveredAt(now time.Time) (Rotation, Event, error) {
	if r.Chosen {
		return r.move(RotationIssuing, now, "")
	}
	r.Delivered = now
	if len(r.Olds) == 0 || !r.Killed.IsZero() {
		return r.move(RotationProving, now, "")
	}
	r.Until = now.Add(r.Overlap.D())
	return r.move(RotationOverlapping, now, "")
}

// Lost records that what was issued, if anything was, can be delivered no more and is
// killed, or that the store has a newer generation: another is made, under a higher
// number than any that may yet arrive.
func (r Rotation) Lost(now time.Time, above int64, why string) (Rotation, Event, error) {
	r.Generation = max(r.Generation, above) + 1
	r.Native, r.Ends, r.Issued = "", time.Time{}, time.Time{}
	first := RotationIssuing
	if r.Chosen {
		first = RotationDelivering
	}
	if r.State == first {
		return r, r.event("rotation.renumbered", now, r.State, why), nil
	}
	return r.move(first, now, why)
}

// UsedAt records that consumers were seen using the new one; the overlap ends by then.
func (r Rotation) UsedAt(now, used, until time.Time) (Rotation, Event) {
	r.Used = used
	if until.Before(r.Until) {
		r.Until = until
	}
	return r, r.event("rotation.used", now, r.State, "")
}

// Tick ends an overlap whose time is over.
func (r Rotation) Tick(now time.Time) (next Rotation, ev Event, moved bool, err error) {
	if r.State != RotationOverlapping || now.Before(r.Until) {
		return r, Event{}, false, nil
	}
	next, ev, err = r.move(RotationKilling, now, "")
	return next, ev, err == nil, err
}

// KilledAt records that the old ones were killed, as far as the target answers.
func (r Rotation) KilledAt(now time.Time) (Rotation, Event, error) {
	r.Killed = now
	if r.Cause == CauseCompromised && r.Renew {
		return r.renew(now)
	}
	return r.move(RotationProving, now, "")
}

// Proved records that one of the old ones lets nobody in.
func (r Rotation) Proved(at time.Time, i int, how string) (Rotation, Event) {
	r.Olds = slices.Clone(r.Olds)
	r.Olds[i].Dead, r.Olds[i].How = at, how
	return r, r.event("rotation.proved", at, r.State, how)
}

// Alive are the old ones that are not proved dead.
func (r Rotation) Alive() (list []OldCredential) {
	for _, o := range r.Olds {
		if o.Dead.IsZero() {
			list = append(list, o)
		}
	}
	return list
}

// Finish ends the rotation, with all that was old proved dead.
func (r Rotation) Finish(now time.Time) (Rotation, Event, error) {
	if n := len(r.Alive()); n > 0 {
		return r, Event{}, fmt.Errorf("%w: rotation %s: %d old ones are not proved dead", ErrIllegalMove, r.ID, n)
	}
	if r.Renew {
		return r.move(RotationDone, now, "")
	}
	return r.move(RotationDead, now, "")
}

// Drop hands over to another rotation all that this one has, or may have, made.
func (r Rotation) Drop(now time.Time, by Actor, to string) (Rotation, []OldCredential, Event, error) {
	olds := r.Alive()
	if r.Renew && r.State != RotationDue {
		olds = append(olds, r.Old())
	}
	next, ev, err := r.move(RotationDropped, now, "taken over by "+to)
	ev.Actor = by
	return next, olds, ev, err
}

func (r Rotation) move(to RotationState, at time.Time, note string) (Rotation, Event, error) {
	if err := CheckMove(RotationMachine, r.State, to); err != nil {
		return r, Event{}, fmt.Errorf("rotation %s: %w", r.ID, err)
	}
	from := r.State
	r.State = to
	return r, r.event("rotation."+string(to), at, from, note), nil
}

func (r Rotation) event(kind string, at time.Time, from RotationState, note string) Event {
	return Event{At: at, Kind: kind, Actor: Clock, Rotation: r.ID, From: string(from), To: string(r.State), Note: note, After: r}
}
