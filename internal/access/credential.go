package access

import (
	"slices"
	"time"
)

// Credential is one key, token, password or certificate that lets its bearer in at a
// system, as readings have seen it. What it is worth stands nowhere.
type Credential struct {
	ID         string    `json:"id"`
	System     string    `json:"system"`
	Native     string    `json:"native"` // as its system names it
	Kind       string    `json:"kind"`   // e.g. "access token", "deploy key"
	Account    string    `json:"account,omitempty"`
	Objects    []string  `json:"objects,omitempty"` // what it opens besides; sorted
	Name       string    `json:"name,omitempty"`    // what somebody called it
	Print      string    `json:"print,omitempty"`   // a key's fingerprint
	Issued     time.Time `json:"issued,omitzero"`
	Used       time.Time `json:"used,omitzero"`
	Ends       time.Time `json:"ends,omitzero"`
	EndUnknown bool      `json:"end_unknown,omitzero"`
	Found      time.Time `json:"found"`          // by the first reading that saw it
	Seen       time.Time `json:"seen"`           // by the last one
	Gone       time.Time `json:"gone,omitzero"`  // by the first one that did not
	Grant      string    `json:"grant,omitzero"` // that its account held when it came
	LetBe      []string  `json:"let_be,omitempty"`
}

// Forgotten is how the last event of a credential says that only the log tells of it from then on.
const Forgotten = "forgotten"

// Same tells whether a reading's is the one that was seen before under that name: one
// for somebody else, for something else or made at another time is another.
func (c Credential) Same(read Credential) bool {
	return c.System == read.System && c.Native == read.Native && c.Account == read.Account && c.Print == read.Print &&
		c.Issued.Equal(read.Issued) && slices.Equal(c.Objects, read.Objects)
}

// As returns it with what may change of one and the same, as a reading has it;
// changed is false where no more than its use has.
func (c Credential) As(read Credential) (next Credential, changed bool) {
	next = c
	next.Kind, next.Name, next.Used, next.Ends, next.EndUnknown = read.Kind, read.Name, read.Used, read.Ends, read.EndUnknown
	return next, c.Kind != next.Kind || c.Name != next.Name || !c.Ends.Equal(next.Ends) || c.EndUnknown != next.EndUnknown
}

// GoodAt tells whether it may let somebody in then.
func (c Credential) GoodAt(now time.Time) bool {
	return c.Gone.IsZero() && (c.Ends.IsZero() || now.Before(c.Ends))
}

// Unending tells whether it is known never to end.
func (c Credential) Unending() bool { return c.Ends.IsZero() && !c.EndUnknown }

// Told is what events tell of it: readings that see the same bring up to date when it
// was seen and used, without an event.
func (c Credential) Told() Credential {
	c.Seen, c.Used = time.Time{}, time.Time{}
	return c
}
