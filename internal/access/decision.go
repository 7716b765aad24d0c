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
	Name  string `json:"name"`  // "manager", "owner", "sponsor" or a group id
	Count int    `json:"count"` // at least 1
}

// Decision is the policy's answer to one question at one moment.
type Decision struct {
	Question string    `json:"question"` // request, approve, hold, view
	Allow    bool      `json:"allow"`
	Rules    []Rule    `json:"rules"`             // those that decided, sorted by id
	Why      string    `json:"why"`               // one sentence for people
	Errors   []string  `json:"errors,omitempty"`  // each of them alone makes it a denial
	Stages   []Stage   `json:"stages,omitempty"`  // union over all matching rules, sorted by name
	MaxTerm  Term      `json:"max_term,omitzero"` // shortest over all matching rules; zero: none
	StepUp   string    `json:"step_up,omitempty"` // authentication a vote needs, e.g. "mfa"
	Policy   string    `json:"policy"`            // digest of the policies
	Facts    string    `json:"facts"`             // digest of the facts read
	At       time.Time `json:"at"`
}
