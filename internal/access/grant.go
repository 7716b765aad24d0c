package access

import (
	"fmt"
	"time"
)

// Grant is an authorised reason for one identity to hold one entitlement from
// Start until End. It is stored together with its end (law 3).
type Grant struct {
	ID          string     `json:"id"`
	Request     string     `json:"request"`
	Revision    int        `json:"revision"`
	Digest      string     `json:"digest"` // of the request content that was approved
	Identity    string     `json:"identity"`
	Entitlement string     `json:"entitlement"`
	Assignment  string     `json:"assignment"`
	State       GrantState `json:"state"`
	Start       time.Time  `json:"start"`
	End         time.Time  `json:"end"`           // the latest possible one; only ever moves earlier
	Term        Term       `json:"term,omitzero"` // runs from the moment access is seen; zero: Start and End are the window
	Seen        time.Time  `json:"seen,omitzero"` // when access was first seen under this grant
	ChainStart  time.Time  `json:"chain_start"`   // start of the first grant of an unbroken chain of extensions
	Owner       string     `json:"owner"`         // who answers for it
	Votes       []string   `json:"votes"`         // ids of the approvals it stands on
	Hold        Decision   `json:"hold,omitzero"` // of the question "hold", asked at the moment of granting
	At          time.Time  `json:"at"`            // when it was granted
	EndedAt     time.Time  `json:"ended_at,omitzero"`
	Ended       EndReason  `json:"ended,omitempty"`
}

// LiveAt tells whether the grant is a reason at that moment. It depends on
// nothing but the grant and the time: the start is in, the end is out.
func (g Grant) LiveAt(now time.Time) bool {
	return g.State != Ended && !now.Before(g.Start) && now.Before(g.End)
}

// NextAt returns the next moment at which the grant's own clock moves it;
// ok is false once nothing will.
func (g Grant) NextAt() (at time.Time, ok bool) {
	switch g.State {
	case Scheduled:
		return g.Start, true
	case Live:
		return g.End, true
	}
	return time.Time{}, false
}

// Tick moves the grant as its clock says: to live at its start, to ended at its
// end. moved is false where nothing is due.
func (g Grant) Tick(now time.Time) (next Grant, ev Event, moved bool, err error) {
	switch {
	case g.State != Ended && !now.Before(g.End):
		next, ev, err = g.Finish(now, EndExpired, Clock, "")
	case g.State == Scheduled && !now.Before(g.Start):
		next, ev, err = g.to(Live, now, Clock, "")
	default:
		return g, Event{}, false, nil
	}
	return next, ev, err == nil, err
}

// Finish ends the grant, for that reason.
func (g Grant) Finish(now time.Time, why EndReason, by Actor, note string) (Grant, Event, error) {
	ended := g
	ended.EndedAt, ended.Ended = now, why
	next, ev, err := ended.to(Ended, now, by, note)
	if err != nil {
		return g, Event{}, err
	}
	return next, ev, nil
}

// SeenHeld records that access was seen at that moment. Where the term runs
// from there, the end moves earlier, never later. first is false if it was seen before.
func (g Grant) SeenHeld(at time.Time, receipt string) (next Grant, ev Event, first bool) {
	if !g.Seen.IsZero() || at.Before(g.Start) || g.State == Ended {
		return g, Event{}, false
	}
	g.Seen = at
	if g.Term != 0 && at.Add(g.Term.D()).Before(g.End) {
		g.End = at.Add(g.Term.D())
	}
	return g, Event{At: at, Kind: "grant.seen", Actor: Clock, Request: g.Request, Grant: g.ID, Assignment: g.Assignment,
		From: string(g.State), To: string(g.State), Digests: Digests{Request: g.Digest, Receipt: receipt}, After: g}, true
}

// Shorten moves the end earlier, to by; a zero by, or one that is not earlier,
// moves nothing. An end before the start, or before now, is reached at the next tick.
func (g Grant) Shorten(at, by time.Time) (next Grant, ev Event, moved bool) {
	if by.IsZero() || !by.Before(g.End) || g.State == Ended {
		return g, Event{}, false
	}
	if !by.After(g.Start) {
		by = g.Start.Add(time.Microsecond) // a window is never empty; the next tick ends it
	}
	g.End = by
	return g, Event{At: at, Kind: "grant.shortened", Actor: Clock, Request: g.Request, Grant: g.ID, Assignment: g.Assignment,
		From: string(g.State), To: string(g.State), Digests: Digests{Request: g.Digest}, After: g}, true
}

func (g Grant) to(to GrantState, at time.Time, by Actor, note string) (Grant, Event, error) {
	if err := CheckMove(GrantMachine, g.State, to); err != nil {
		return g, Event{}, fmt.Errorf("grant %s: %w", g.ID, err)
	}
	from := g.State
	g.State = to
	return g, Event{At: at, Kind: "grant." + string(to), Actor: by, Request: g.Request, Grant: g.ID, Assignment: g.Assignment,
		From: string(from), To: string(to), Note: note, Digests: Digests{Request: g.Digest, Policy: g.Hold.Policy, Facts: g.Hold.Facts}, After: g}, nil
}

// Wanted tells whether at least one grant is a reason at that moment: reasons
// are counted (law 6).
func Wanted(grants []Grant, now time.Time) bool {
	for _, g := range grants {
		if g.LiveAt(now) {
			return true
		}
	}
	return false
}

// NextAt returns the earliest moment at which any of the grants moves by itself.
func NextAt(grants []Grant) (at time.Time, ok bool) {
	for _, g := range grants {
		if t, due := g.NextAt(); due && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	return at, ok
}
