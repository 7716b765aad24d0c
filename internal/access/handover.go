package access

import (
	"fmt"
	"strings"
	"time"
)

// HandoverState says who has the next move of a handover.
type HandoverState string

const (
	HandoverOpen     HandoverState = "open"     // security, or whoever may offer it: it needs somebody
	HandoverOffered  HandoverState = "offered"  // the one it is offered to
	HandoverAccepted HandoverState = "accepted" // nobody: somebody answers for it now
	HandoverRetired  HandoverState = "retired"  // nobody: it is no more
	HandoverMoot     HandoverState = "moot"     // nobody: there is nothing to decide any more
)

// Handover is the decision that somebody's leaving forces: something they answered
// for is taken over by a person who accepts it, or retired. Nobody inherits silently.
type Handover struct {
	ID       string        `json:"id"`
	Subject  string        `json:"subject"` // "identity ID", "sponsor ID", "entitlement ID", "system ID", "reports ID" or "findings ID"
	From     string        `json:"from"`    // the person who left
	State    HandoverState `json:"state"`
	Proposed string        `json:"proposed"`          // identity id, or "security"
	Why      string        `json:"why"`               // they are proposed
	Offered  string        `json:"offered,omitempty"` // to whom, while it is offered; who accepted
	At       time.Time     `json:"at"`
	Due      time.Time     `json:"due"`
	Loud     int           `json:"loud,omitempty"`    // how often it was told that it is overdue
	Next     time.Time     `json:"next,omitzero"`     // when something is next done about it by itself
	Decided  time.Time     `json:"decided,omitzero"`  // accepted, retired or moot
	By       string        `json:"by,omitempty"`      // who decided
	Note     string        `json:"note,omitempty"`    // why, of the last move
	Refused  []string      `json:"refused,omitempty"` // persons who have declined it, in order
}

// What splits the subject into its kind and the id of what it is about.
func (h Handover) What() (kind, id string) {
	kind, id, _ = strings.Cut(h.Subject, " ")
	return kind, id
}

// Undecided tells whether somebody still has to decide it.
func (h Handover) Undecided() bool { return h.State == HandoverOpen || h.State == HandoverOffered }

// To moves the handover, with the event that tells of it.
func (h Handover) To(to HandoverState, at time.Time, by Actor, note string) (Handover, Event, error) {
	if err := CheckMove(HandoverMachine, h.State, to); err != nil {
		return h, Event{}, fmt.Errorf("handover %s: %w", h.ID, err)
	}
	from := h.State
	h.State, h.Note = to, note
	if !h.Undecided() {
		h.Decided, h.By, h.Next = at, by.Identity, time.Time{}
	}
	if to == HandoverOpen {
		h.Offered = ""
	}
	return h, Event{At: at, Kind: "handover." + string(to), Actor: by, From: string(from), To: string(to), Note: note, After: h}, nil
}

// Departure is that a person has left, and how far everything that follows is done.
type Departure struct {
	Person string    `json:"person"`
	At     time.Time `json:"at"`
	By     string    `json:"by"` // who said so; "lessor": the directory
	Reason string    `json:"reason"`
	Done   time.Time `json:"done,omitzero"` // everything that follows is under way or decided by people
	Back   time.Time `json:"back,omitzero"` // the person is active again: nothing comes back with them
}
