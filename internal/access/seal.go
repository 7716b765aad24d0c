package access

import (
	"fmt"
	"slices"
	"time"
)

// SealState says who has the next move of a seal.
type SealState string

const (
	SealWhole   SealState = "whole"   // nobody: it lies there until it is needed, or has to be renewed
	SealBroken  SealState = "broken"  // security: it is renewed or retired
	SealRenewed SealState = "renewed" // nobody: another seal took its place
	SealRetired SealState = "retired" // nobody: nothing is sealed there any more
)

// Seal is what is known of a credential that lies sealed outside Lessor, for the day
// Lessor is down: which account it is of, what that opens, who keeps it. What it is worth
// stands nowhere. It authorises nothing: while it is whole, what its account holds by it
// is no surprise, and any use of it is one.
type Seal struct {
	ID         string    `json:"id"`
	System     string    `json:"system"`
	Account    string    `json:"account"` // nobody's the directory knows
	Opens      []string  `json:"opens"`   // entitlements its account holds permanently; sorted
	Custodians []string  `json:"custodians"`
	Print      string    `json:"print,omitempty"` // fingerprint, where there is one
	Place      string    `json:"place,omitempty"` // where it lies, in words
	State      SealState `json:"state"`
	At         time.Time `json:"at"`
	By         string    `json:"by"`
	Until      time.Time `json:"until"`            // by then it has to be renewed
	Renews     string    `json:"renews,omitempty"` // the seal it took the place of

	Native string    `json:"native,omitempty"` // the account's id at its system, as the first reading saw it
	Read   time.Time `json:"read,omitzero"`    // that reading
	Used   time.Time `json:"used,omitzero"`    // when the account was last used, as far as its system tells

	BrokenAt time.Time `json:"broken_at,omitzero"`
	BrokenBy string    `json:"broken_by,omitempty"` // "lessor": a reading saw it
	Broken   string    `json:"broken,omitempty"`    // why

	SettledAt time.Time `json:"settled_at,omitzero"` // the last use of it
	SettledBy string    `json:"settled_by,omitempty"`
	Incident  string    `json:"incident,omitempty"`
	Text      string    `json:"text,omitempty"`
}

// SealUsed is the finding that a sealed credential was used; it is about the seal.
const SealUsed = "seal_used"

// Whole tells whether the seal holds then: it is not broken, and need not be renewed yet.
func (s Seal) Whole(now time.Time) bool { return s.State == SealWhole && now.Before(s.Until) }

// Stands tells whether its account is still the seal's, whole or broken.
func (s Seal) Stands() bool { return s.State == SealWhole || s.State == SealBroken }

// Keeps tells whether a person is one of its custodians.
func (s Seal) Keeps(person string) bool { return slices.Contains(s.Custodians, person) }

// To moves the seal, with the event that tells of it.
func (s Seal) To(to SealState, at time.Time, by Actor, why string) (Seal, Event, error) {
	if err := CheckMove(SealMachine, s.State, to); err != nil {
		return s, Event{}, fmt.Errorf("seal %s: %w", s.ID, err)
	}
	from := s.State
	if s.State = to; to == SealBroken {
		s.BrokenAt, s.BrokenBy, s.Broken = at, by.Identity, why
	}
	return s, Event{At: at, Kind: "seal." + string(to), Actor: by, From: string(from), To: string(to), Note: why, After: s}, nil
}
