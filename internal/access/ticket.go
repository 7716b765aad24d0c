package access

import (
	"slices"
	"time"
)

// TicketState says who has the next move of a ticket.
type TicketState string

const (
	Unread      TicketState = "unread"      // the channel: it must read it
	Unconfirmed TicketState = "unconfirmed" // whoever it is said to be from: they must say so here
	Invalid     TicketState = "invalid"     // whoever wrote it: it must be mended there
	Linked      TicketState = "linked"      // the request it became
	Missing     TicketState = "missing"     // nobody: it cannot be read any more (deleted, or hidden)
)

// Ticket is a claim in somebody else's queue, as last read there with our own
// credentials: transport and evidence, never authority.
type Ticket struct {
	ID       string         `json:"id"`  // "jira:SITE:10041": channel, site, and the id there, which never changes
	Key      string         `json:"key"` // for people; changes when the ticket is moved
	State    TicketState    `json:"state"`
	Requests []string       `json:"requests,omitempty"` // what came of it, the current one last
	Reporter string         `json:"reporter,omitempty"` // the account there
	Claim    string         `json:"claim,omitempty"`    // whom it is said to be from
	Identity string         `json:"identity,omitempty"` // who is known to have asked; empty: nobody yet
	Content  string         `json:"content,omitempty"`  // digest of what was asked, as last read
	Status   string         `json:"status,omitempty"`   // as last read
	Ours     string         `json:"ours,omitempty"`     // the status Lessor itself last moved it to
	Seen     string         `json:"seen,omitempty"`     // digest of what besides may matter: project, approvers, who can see it
	Answers  []TicketAnswer `json:"answers,omitempty"`  // votes read there, and what became of each; the latest ones
	Past     time.Time      `json:"past,omitzero"`      // answers to what was put to people by then are done with, kept or not
	Stranger string         `json:"stranger,omitempty"` // the last change of what it asks by nobody we know
	Vouched  string         `json:"vouched,omitempty"`  // the last of those that whoever asks has taken for their own
	Open     []string       `json:"open,omitempty"`     // kinds of findings open about it
	Secrets  []string       `json:"secrets,omitempty"`  // what looks like a secret in it, by kind and place; nothing of it is kept
	Note     string         `json:"note,omitempty"`     // why it is invalid or unconfirmed
	Version  int64          `json:"version"`
	ReadAt   time.Time      `json:"read_at,omitzero"`
}

// TicketAnswer is one answer read in a ticket, taken as a vote at most once.
type TicketAnswer struct {
	ID      string    `json:"id"`      // as the queue names it: approval and account
	Account string    `json:"account"` // whose answer it is there
	Digest  string    `json:"digest"`  // of the revision it was taken for
	Counted bool      `json:"counted"`
	Why     string    `json:"why,omitempty"` // why it does not count, in one sentence
	At      time.Time `json:"at,omitzero"`   // when what it answers was put to them, at the latest
}

// Request is the request the ticket stands for now, or empty.
func (t Ticket) Request() string {
	if len(t.Requests) == 0 {
		return ""
	}
	return t.Requests[len(t.Requests)-1]
}

// mostAnswers is how many answers a ticket keeps.
const mostAnswers = 50

// Take keeps an answer. Of more than a ticket keeps, those to what was put to
// people first are done with, and so is whatever else answers that: an approval
// that a later one has followed takes no more answers, and silence grants nothing.
func (t Ticket) Take(a TicketAnswer) Ticket {
	t.Answers = append(slices.Clone(t.Answers), a)
	if len(t.Answers) <= mostAnswers {
		return t
	}
	oldest := slices.MinFunc(t.Answers, func(a, b TicketAnswer) int { return a.At.Compare(b.At) }).At
	if oldest.After(t.Past) {
		t.Past = oldest
	}
	t.Answers = slices.DeleteFunc(t.Answers, func(a TicketAnswer) bool { return !a.At.After(t.Past) })
	return t
}

// Answer returns the position of an answer that was taken, or -1.
func (t Ticket) Answer(id string) int {
	for i, a := range t.Answers {
		if a.ID == id {
			return i
		}
	}
	return -1
}
