package access

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Actor is who does something, through which channel, how strongly known, and
// for what the door let them in.
type Actor struct {
	Identity string   `json:"identity"`
	Channel  string   `json:"channel"`
	Strength string   `json:"strength,omitempty"` // e.g. "mfa"
	Scopes   []string `json:"-"`                  // what the door's token is good for
}

// Clock is the actor of what happens by itself: time and the reconciler.
var Clock = Actor{Identity: "lessor", Channel: "clock"}

// Digests names what an event rests on.
type Digests struct {
	Request string `json:"request,omitempty"`
	Policy  string `json:"policy,omitempty"`
	Facts   string `json:"facts,omitempty"`
	Receipt string `json:"receipt,omitempty"`
}

// Event is one record in the log. After is the noun as it stands once the
// event has happened; replaying the log must give the tables.
type Event struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Actor      Actor     `json:"actor"`
	Request    string    `json:"request,omitempty"`
	Grant      string    `json:"grant,omitempty"`
	Assignment string    `json:"assignment,omitempty"`
	Finding    string    `json:"finding,omitempty"`
	Rotation   string    `json:"rotation,omitempty"`
	From       string    `json:"from,omitempty"`
	To         string    `json:"to,omitempty"`
	Note       string    `json:"note,omitempty"`
	Digests    Digests   `json:"digests,omitzero"`
	Opened     time.Time `json:"opened,omitzero"` // of a vote: when the voter first laid what they voted on open; zero: not at its own page
	Trace      string    `json:"trace,omitempty"` // of a request's first event: of which trace its whole life is
	After      any       `json:"after,omitempty"`
}

// Finding is something that is not as it should be, with an owner and a due date.
type Finding struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"` // late_removal, no_approver, seen_again, unexpected_access, …
	Subject    string    `json:"subject"`
	Owner      string    `json:"owner"`
	Text       string    `json:"text"`
	OpenedAt   time.Time `json:"opened_at"`
	DueAt      time.Time `json:"due_at"`
	ClosedAt   time.Time `json:"closed_at,omitzero"`
	Resolution string    `json:"resolution,omitempty"`
}

// Digest is "sha256:" and the hex SHA-256 of [Canonical]. It panics on what
// JSON cannot write, which none of our nouns is.
func Digest(v any) string {
	b, err := Canonical(v)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
