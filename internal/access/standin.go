package access

import "time"

// StandIn is how somebody comes to answer for somebody else.
type StandIn string

// Each lends one person's right to approve to another, once: whoever has it by one
// of these has nothing to lend.
const (
	ByDelegation StandIn = "delegate"   // it was delegated to them
	ByDeputy     StandIn = "deputy"     // the other is away, and the directory calls them the deputy
	ByManager    StandIn = "manager"    // the other is away, no deputy can, and they are the manager
	ByEscalation StandIn = "escalation" // the other has not answered in time, and they are the manager
)

// Behalf says on whose behalf a vote was cast; zero: on one's own.
type Behalf struct {
	Of  string  `json:"of"` // identity
	How StandIn `json:"how"`
	Ref string  `json:"ref,omitempty"` // the delegation or the absence
}

// IsZero tells whether it is on one's own behalf.
func (b Behalf) IsZero() bool { return b == Behalf{} }

// String says it for people.
func (b Behalf) String() string {
	switch b.How {
	case ByDelegation:
		return "delegate of " + b.Of + " (" + b.Ref + ")"
	case ByDeputy:
		return "deputy of " + b.Of + ", who is away (" + b.Ref + ")"
	case ByManager:
		return "manager of " + b.Of + ", who is away and whose deputy cannot (" + b.Ref + ")"
	case ByEscalation:
		return "manager of " + b.Of + ", who has not answered in time"
	}
	return ""
}

// Delegation lends one person's right to approve to another, until its end. What is
// delegated is found out when it is used: nothing that From could not do then himself.
type Delegation struct {
	ID          string    `json:"id"`
	From        string    `json:"from"`
	To          string    `json:"to"`
	System      string    `json:"system,omitempty"`      // only for what is there
	Entitlement string    `json:"entitlement,omitempty"` // only for this; neither: for everything
	Start       time.Time `json:"start"`
	End         time.Time `json:"end"`
	Reason      string    `json:"reason"`
	At          time.Time `json:"at"`
	EndedAt     time.Time `json:"ended_at,omitzero"` // before its end
	EndedBy     string    `json:"ended_by,omitempty"`
	EndedWhy    string    `json:"ended_why,omitempty"`
}

// LiveAt tells whether it lends anything at that moment.
func (d Delegation) LiveAt(now time.Time) bool {
	return !now.Before(d.Start) && now.Before(d.End) && (d.EndedAt.IsZero() || now.Before(d.EndedAt))
}

// Covers tells whether an entitlement of that system is within its scope.
func (d Delegation) Covers(system, entitlement string) bool {
	return (d.System == "" || d.System == system) && (d.Entitlement == "" || d.Entitlement == entitlement)
}

// Absence is somebody being away. It takes away nothing of theirs: others may
// answer besides, and only until it is over.
type Absence struct {
	ID       string    `json:"id"`
	Person   string    `json:"person"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Reason   string    `json:"reason,omitempty"`
	By       string    `json:"by"` // who said so: the person, or their manager
	At       time.Time `json:"at"`
	EndedAt  time.Time `json:"ended_at,omitzero"` // back before its end
	EndedBy  string    `json:"ended_by,omitempty"`
	EndedWhy string    `json:"ended_why,omitempty"`
}

// AwayAt tells whether the person is away at that moment.
func (a Absence) AwayAt(now time.Time) bool {
	return !now.Before(a.From) && now.Before(a.Until) && (a.EndedAt.IsZero() || now.Before(a.EndedAt))
}

// StandIns is who may answer for whom, as far as anybody said so.
type StandIns struct {
	Delegations []Delegation
	Absences    []Absence
}

// Away finds the absence of a person at that moment.
func (s StandIns) Away(d *Directory, person string, now time.Time) (Absence, bool) {
	for _, a := range s.Absences {
		if a.AwayAt(now) && d.PersonOf(a.Person) == d.PersonOf(person) {
			return a, true
		}
	}
	return Absence{}, false
}
