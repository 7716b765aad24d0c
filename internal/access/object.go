package access

import (
	"slices"
	"time"
)

// Powers are the words for what an entitlement lets its holder do there: "grant" is
// the power to hand out access.
var Powers = []string{"read", "write", "admin", "grant"}

// SaidObject is what a target itself says of something that can be held there, as
// readings have it. It adds to what the catalog says, and takes nothing from it.
type SaidObject struct {
	System      string    `json:"system"`
	Object      string    `json:"object"`
	Description string    `json:"description,omitempty"`
	Powers      []string  `json:"powers,omitempty"` // that the target shows its holders to have; sorted
	Why         string    `json:"why,omitempty"`    // what of the object shows them
	Since       time.Time `json:"since"`            // of the first reading that had it so
	Gone        time.Time `json:"gone,omitzero"`    // by the first one that had it no more; then nothing is said of it
}

// Same tells whether both say the same, whenever.
func (o SaidObject) Same(other SaidObject) bool {
	return o.System == other.System && o.Object == other.Object && o.Description == other.Description &&
		slices.Equal(o.Powers, other.Powers) && o.Why == other.Why && o.Gone.IsZero() == other.Gone.IsZero()
}

// Unsaid are those of the powers that the catalog does not say the entitlement has, in
// the order of [Powers]. Whoever may administer may read and write, and whoever may
// write may read; of an entitlement of which the catalog says no power at all, it
// leaves reading and writing open.
func (e Entitlement) Unsaid(powers []string) (list []string) {
	covers := map[string][]string{"read": {"write", "admin"}, "write": {"admin"}}
	for _, p := range Powers {
		lesser, plain := covers[p]
		if !slices.Contains(powers, p) || slices.Contains(e.Powers, p) || plain && len(e.Powers) == 0 ||
			slices.ContainsFunc(lesser, func(by string) bool { return slices.Contains(e.Powers, by) }) {
			continue
		}
		list = append(list, p)
	}
	return list
}
