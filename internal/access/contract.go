package access

import (
	"cmp"
	"slices"
	"time"
)

// Production is the environment that nothing of any other may reach into.
const Production = "production"

// Contract says what a workload or an agent is there for, and within which bounds.
type Contract struct {
	Deputy       string    `json:"deputy,omitempty"`       // identity id: answers while the owner does not
	Purpose      string    `json:"purpose,omitempty"`      // a sentence
	Environment  string    `json:"environment,omitempty"`  // "production", or another
	Consumers    []string  `json:"consumers,omitempty"`    // the programs that act as it
	Systems      []string  `json:"systems,omitempty"`      // system ids where it may hold anything
	Entitlements []string  `json:"entitlements,omitempty"` // entitlement ids; none: any of its systems
	RotateEvery  Term      `json:"rotate_every,omitempty"` // its credentials are not older
	Reviewed     time.Time `json:"reviewed,omitzero"`      // when somebody last said that it is still right
	ReviewEvery  Term      `json:"review_every,omitempty"`
	Retires      time.Time `json:"retires,omitzero"`       // on that day …
	RetiresWhen  string    `json:"retires_when,omitempty"` // … or when this is so
	ThirdParty   string    `json:"third_party,omitempty"`  // whose program it is, if not ours
}

// Allows tells whether the contract lets its workload hold this. One that names
// neither a system nor an entitlement allows nothing.
func (c Contract) Allows(e Entitlement) bool {
	if len(c.Systems) == 0 && len(c.Entitlements) == 0 {
		return false
	}
	return (len(c.Systems) == 0 || slices.Contains(c.Systems, e.System)) && (len(c.Entitlements) == 0 || slices.Contains(c.Entitlements, e.ID))
}

// Lacks lists what a contract leaves open, as the files name it.
func (c Contract) Lacks() (list []string) {
	for _, p := range []struct {
		name string
		has  bool
	}{
		{"purpose", c.Purpose != ""}, {"environment", c.Environment != ""},
		{"systems", len(c.Systems) > 0 || len(c.Entitlements) > 0},
		{"rotate_every", c.RotateEvery > 0}, {"review_every", c.ReviewEvery > 0}, {"retires", c.Ending()},
	} {
		if !p.has {
			list = append(list, p.name)
		}
	}
	return list
}

// Ending tells whether it is said when the workload is to go.
func (c Contract) Ending() bool { return !c.Retires.IsZero() || c.RetiresWhen != "" }

// ReviewDue is when somebody must say again that it is right; zero: never.
func (c Contract) ReviewDue() time.Time {
	if c.ReviewEvery == 0 {
		return time.Time{}
	}
	return c.Reviewed.Add(c.ReviewEvery.D()) // one that was never reviewed is due since ever
}

// filled is the contract with what another source says where it is silent. The later
// of two reviews counts: each was one.
func (c Contract) filled(by Contract) Contract {
	c.Deputy, c.Purpose, c.Environment = cmp.Or(c.Deputy, by.Deputy), cmp.Or(c.Purpose, by.Purpose), cmp.Or(c.Environment, by.Environment)
	c.Reviewed = later(c.Reviewed, by.Reviewed)
	c.RotateEvery, c.ReviewEvery = cmp.Or(c.RotateEvery, by.RotateEvery), cmp.Or(c.ReviewEvery, by.ReviewEvery)
	c.ThirdParty = cmp.Or(c.ThirdParty, by.ThirdParty)
	if !c.Ending() {
		c.RetiresWhen = by.RetiresWhen
	}
	c.Retires = sooner(c.Retires, by.Retires)
	return c
}
