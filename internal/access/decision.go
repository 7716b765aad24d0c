package access

import "time"

// Rule is one policy rule that decided, as it is shown and recorded.
type Rule struct {
	ID     string `json:"id"`
	Effect string `json:"effect"`           // "permit", "forbid", or "oblige": it only added to what others permit
	Reason string `json:"reason,omitempty"` // the rule's own @reason
	Author string `json:"author,omitempty"` // the rule's own @author: an identity id
}

// Stage is one obligation to be approved: Count different people who may
// approve under Name. A request may need several stages for one entitlement.
type Stage struct {
	Name  string `json:"name"`  // "manager", "owner", "sponsor", "implied/SYSTEM" or a group id
	Count int    `json:"count"` // at least 1
}

// Decision is the policy's answer to one question at one moment.
type Decision struct {
	Question string   `json:"question"` // request, approve, hold, view
	Allow    bool     `json:"allow"`
	Rules    []Rule   `json:"rules"`             // those that decided, sorted by id
	Why      string   `json:"why"`               // one sentence for people
	Errors   []string `json:"errors,omitempty"`  // each of them alone makes it a denial
	Stages   []Stage  `json:"stages,omitempty"`  // union over all matching rules, sorted by name
	MaxTerm  Term     `json:"max_term,omitzero"` // shortest over all matching rules; zero: none
	StepUp   string   `json:"step_up,omitempty"` // authentication a vote needs, e.g. "mfa"
	Policy   string   `json:"policy"`            // digest of the policies
	Facts    string   `json:"facts"`             // digest of the facts read
	// Clashes are what is held, awaited or asked for beside it and excludes it, by
	// itself or by what one of the two implies; Exceptions are why some may be together.
	Clashes    []string    `json:"clashes,omitempty"`
	Exceptions []Exception `json:"exceptions,omitempty"`
	Reach      Reach       `json:"reach,omitzero"` // of a request: what it can become, where that is more than it says
	At         time.Time   `json:"at"`
}

// Reach is what an entitlement lets its holder become, hand out and change,
// however deep: its closure, summed up for a decision.
type Reach struct {
	Declared  string   `json:"declared"`             // the entitlement's own class
	Class     string   `json:"class"`                // the highest class of anything in the closure
	SelfGrant bool     `json:"self_grant,omitempty"` // its holder can hand out this very entitlement: its end does not bind him
	Implied   []string `json:"implied,omitempty"`    // entitlements its holder has by it or can hand out, sorted
	More      int      `json:"more,omitempty"`       // how many of them are not listed
	Becomes   []string `json:"becomes,omitempty"`    // identities its holder can act as, sorted
	Gates     []string `json:"gates,omitempty"`      // what decides and its holder can change, sorted
	Said      []string `json:"said,omitempty"`       // powers that only its system says it has, not the catalog
	Path      string   `json:"path,omitempty"`       // the shortest way to the highest class, in one sentence
}

// IsZero tells whether nothing was said.
func (r Reach) IsZero() bool { return r.Declared == "" && r.Class == "" && !r.Beyond() }

// Beyond tells whether there is more to the entitlement than its label and its name.
func (r Reach) Beyond() bool {
	return r.Class != r.Declared || r.SelfGrant || len(r.Implied)+len(r.Becomes)+len(r.Gates)+len(r.Said) > 0
}

// Brief lists at most n of what is implied, and counts the rest.
func (r Reach) Brief(n int) Reach {
	if len(r.Implied) > n {
		r.Implied, r.More = r.Implied[:n:n], r.More+len(r.Implied)-n
	}
	return r
}
