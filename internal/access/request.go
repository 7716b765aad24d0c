package access

import (
	"fmt"
	"strings"
	"time"
)

// Outcome is where one entitlement of a request stands.
type Outcome string

const (
	Undecided   Outcome = "undecided" // policy or approvers have the next move
	Granted     Outcome = "granted"
	ItemDenied  Outcome = "denied"
	ItemDropped Outcome = "dropped" // an approver narrowed it away, or the request closed first
)

// Item is one entitlement of a request, decided on its own.
type Item struct {
	Entitlement string   `json:"entitlement"`
	Outcome     Outcome  `json:"outcome"`
	Term        Term     `json:"term"`                // what would be granted now: only ever shorter than asked
	Decision    Decision `json:"decision,omitzero"`   // of the question "request"
	Why         string   `json:"why,omitempty"`       // of the outcome, in one sentence
	Grant       string   `json:"grant,omitempty"`     // the grant that came of it
	Escalated   []string `json:"escalated,omitempty"` // stages that have waited too long: managers may answer them besides
}

// Request is what is asked. Its content is everything [Request.Content] lists;
// approvals bind to the digest of that content.
type Request struct {
	ID          string       `json:"id"`
	Revision    int          `json:"revision"`
	Digest      string       `json:"digest"`
	State       RequestState `json:"state"`
	Requester   string       `json:"requester"`
	Beneficiary string       `json:"beneficiary"`
	Makers      []string     `json:"makers,omitempty"` // who else wrote or changed what is asked, in any revision; sorted
	Items       []Item       `json:"items"`
	Reason      string       `json:"reason"`
	Ticket      string       `json:"ticket,omitempty"`
	Start       time.Time    `json:"start,omitzero"` // zero: as soon as granted
	Term        Term         `json:"term"`
	Fixed       bool         `json:"fixed,omitempty"`   // the window is Start..Start+Term whatever is seen
	Extends     string       `json:"extends,omitempty"` // the grant this would prolong
	AnswerBy    time.Time    `json:"answer_by"`         // unanswered by then, it expires
	Channel     string       `json:"channel"`
	Reference   string       `json:"reference,omitempty"` // idempotency key or channel reference, unique in the channel and requester
	Policy      string       `json:"policy"`              // digest it was decided under
	At          time.Time    `json:"at"`
}

// Content is the part of a request that approvals bind to.
type Content struct {
	Request      string    `json:"request"`
	Revision     int       `json:"revision"`
	Requester    string    `json:"requester"`
	Beneficiary  string    `json:"beneficiary"`
	Makers       []string  `json:"makers,omitempty"`
	Entitlements []string  `json:"entitlements"`
	Reason       string    `json:"reason"`
	Ticket       string    `json:"ticket"`
	Start        time.Time `json:"start,omitzero"`
	Term         Term      `json:"term"`
	Fixed        bool      `json:"fixed"`
	Extends      string    `json:"extends"`
}

// Content returns what is asked, without how it stands.
func (r Request) Content() Content {
	c := Content{Request: r.ID, Revision: r.Revision, Requester: r.Requester, Beneficiary: r.Beneficiary, Makers: r.Makers,
		Reason: r.Reason, Ticket: r.Ticket, Start: r.Start, Term: r.Term, Fixed: r.Fixed, Extends: r.Extends}
	for _, it := range r.Items {
		c.Entitlements = append(c.Entitlements, it.Entitlement)
	}
	return c
}

// Item returns the position of an entitlement among the items, or -1.
func (r Request) Item(entitlement string) int {
	for i, it := range r.Items {
		if it.Entitlement == entitlement {
			return i
		}
	}
	return -1
}

// ChannelInventory is the channel of requests that the inventory makes of access
// it found: adoptions.
const ChannelInventory = "inventory"

// Adoption tells whether the request is to let access be that was found held and
// that nobody had granted.
func (r Request) Adoption() bool { return r.Channel == ChannelInventory }

// ChannelBirthright is the channel of requests that birthright rules make. Their
// reference is the rule's id and the moment it was asked by.
const ChannelBirthright = "birthright"

// Birthright is the id of the rule that asks; ok is false where none does.
func (r Request) Birthright() (rule string, ok bool) {
	if r.Channel != ChannelBirthright {
		return "", false
	}
	rule, _, _ = strings.Cut(r.Reference, " ")
	return rule, true
}

// Open tells whether anybody can still move it.
func (r Request) Open() bool { return r.State == Submitted || r.State == Pending }

// To moves the request, with the event that tells of it.
func (r Request) To(to RequestState, at time.Time, by Actor, note string) (Request, Event, error) {
	if err := CheckMove(RequestMachine, r.State, to); err != nil {
		return r, Event{}, fmt.Errorf("request %s: %w", r.ID, err)
	}
	from := r.State
	r.State = to
	return r, Event{
		At: at, Kind: "request." + string(to), Actor: by, Request: r.ID, From: string(from), To: string(to), Note: note,
		Digests: Digests{Request: r.Digest, Policy: r.Policy}, After: r,
	}, nil
}

// Verdict is what one vote says.
type Verdict string

const (
	Approve Verdict = "approve"
	Deny    Verdict = "deny"
)

// Approval is one person's vote on one entitlement of one revision, with the basis.
type Approval struct {
	ID          string    `json:"id"`
	Request     string    `json:"request"`
	Revision    int       `json:"revision"`
	Digest      string    `json:"digest"` // of the content voted on
	Entitlement string    `json:"entitlement"`
	Stage       string    `json:"stage"`
	Voter       string    `json:"voter"`  // the identity that spoke
	Person      string    `json:"person"` // the person it counts for
	Verdict     Verdict   `json:"verdict"`
	Term        Term      `json:"term,omitzero"`   // narrowed to; zero: as asked
	Behalf      Behalf    `json:"behalf,omitzero"` // whose authority it is, where it is not the voter's own
	Basis       Decision  `json:"basis,omitzero"`  // why that person had authority, at that moment
	Strength    string    `json:"strength,omitempty"`
	Note        string    `json:"note,omitempty"`
	Channel     string    `json:"channel"`
	At          time.Time `json:"at"`
	WithdrawnAt time.Time `json:"withdrawn_at,omitzero"`
}

// Counts tells whether the vote stands for this revision of the request.
func (a Approval) Counts(r Request) bool {
	return a.WithdrawnAt.IsZero() && a.Request == r.ID && a.Revision == r.Revision && a.Digest == r.Digest
}
