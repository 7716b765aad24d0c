package policy

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
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
	return &Set{rules: s.rules, byKey: s.byKey, index: x, digest: s.digest, check: s.check, readsHeld: s.readsHeld, readsImplied: s.readsImplied}
}

// WithSchema is the same set, its facts held to a schema in which was stands as is.
func WithSchema(s *Set, was, is string) *Set {
	if !strings.Contains(Schema(), was) {
		panic("the schema does not say " + was)
	}
	var other schema.Schema
	if err := other.UnmarshalCedar([]byte(strings.ReplaceAll(Schema(), was, is))); err != nil {
		panic(err)
	}
	resolved, err := other.Resolve()
	if err != nil {
		panic(err)
	}
	return &Set{rules: s.rules, byKey: s.byKey, index: s.index, digest: s.digest, check: checker{validate.New(resolved)}, readsHeld: s.readsHeld, readsImplied: s.readsImplied}
}

// Asked is how many are asked about until n people are found who could approve a stage.
func Asked(s *Set, f Facts, stage string, n int) (asked int, people []string) {
	u := s.dues(&f)
	of := s.asked(&f, f.resource(s, u.authors), u, stage)
	people = firstPersons(f.Directory, func(yield func(string, bool) bool) {
		for id, can := range of {
			if asked++; !yield(id, can) {
				return
			}
		}
	}, n)
	return asked, people
}
