package access

import (
	"slices"
	"time"
)

// What becomes of a request that would put duties together.
const (
	DutyRefuse = "refuse" // of two asked for together, neither is let through
	DutyDrop   = "drop"   // of two asked for together, the one named first goes on
)

// Duty is a set of entitlements of which one person holds at most one: by itself or
// by what it implies, under every identity and workload.
type Duty struct {
	ID         string      `json:"id"`
	Apart      []string    `json:"apart"` // entitlement ids, at least two
	Mode       string      `json:"mode"`
	Exceptions []Exception `json:"exceptions,omitempty"`
}

// Exception lets one person hold what a duty keeps apart. It always has somebody
// who answers for it, a reason and an end; nothing held by it outlasts it.
type Exception struct {
	Duty     string    `json:"duty"`
	Identity string    `json:"identity"` // a person
	Owner    string    `json:"owner"`    // another person
	Reason   string    `json:"reason"`
	End      time.Time `json:"end"`
}

// WithDuties is the same directory with these duties: another snapshot.
func (d *Directory) WithDuties(duties []Duty) *Directory {
	with := *d
	with.duties = slices.Clone(duties)
	return &with
}

// Duties lists them in the order they were given. Not to be changed.
func (d *Directory) Duties() []Duty { return d.duties }
