package policy

import (
	"slices"

	"github.com/cedar-policy/cedar-go"
)

// FullScan is the same set without an index: every rule of a question is
// evaluated whole, as Cedar would by itself.
func FullScan(s *Set) *Set {
	x := index{}
	for _, q := range questions {
		x[q] = &bucket{}
		for _, r := range s.rules {
			if slices.Contains(r.Questions, q) {
				x[q].all = append(x[q].all, r)
				x[q].unbound = append(x[q].unbound, indexed{key: r.key, policy: r.policy, permit: r.policy.Effect() == cedar.Permit})
			}
		}
	}
	return &Set{rules: s.rules, byKey: s.byKey, index: x, digest: s.digest, check: s.check, readsHeld: s.readsHeld}
}
