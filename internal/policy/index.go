package policy

import (
	"iter"

	"github.com/cedar-policy/cedar-go"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"
)

// Cedar evaluates every rule it is given. index gives it only those whose scope
// can match: for one question, the rules bound to the resource or one of its
// parents, those bound to the principal or one of its groups, and the unbound.
// A rule outside them has a scope that is false, so it would neither decide nor
// err: decisions and reasons are those of a full scan (TestIndexLosesNothing).
type index map[string]*bucket // by question

type bucket struct {
	resource  map[cedar.EntityUID][]indexed
	principal map[cedar.EntityUID][]indexed
	unbound   []indexed
	all       []*rule
}

// indexed is a rule without the parts of its scope that its place in the index
// already answers: evaluating action in [a, b] anew for each rule costs more than
// all the rest.
type indexed struct {
	key    cedar.PolicyID
	policy *cedar.Policy
	permit bool
}

func newIndex(rules []*rule) index {
	x := index{}
	for _, q := range questions {
		x[q] = &bucket{resource: map[cedar.EntityUID][]indexed{}, principal: map[cedar.EntityUID][]indexed{}}
	}
	for _, r := range rules {
		for _, q := range r.Questions {
			x[q].add(r)
		}
	}
	return x
}

func (b *bucket) add(r *rule) {
	b.all = append(b.all, r)
	p := *tree(r.policy)
	p.Action = expast.ScopeTypeAll{}
	resource, byResource := boundTo(p.Resource)
	principal, byPrincipal := boundTo(p.Principal)
	_, typed := p.Resource.(expast.ScopeTypeIsIn)
	if byResource && !typed {
		p.Resource = expast.ScopeTypeAll{}
	}
	at := indexed{r.key, cedar.NewPolicyFromAST(asPolicy(&p)), r.Effect == "permit"}
	switch {
	case byResource:
		b.resource[resource] = append(b.resource[resource], at)
	case byPrincipal:
		b.principal[principal] = append(b.principal[principal], at)
	default:
		b.unbound = append(b.unbound, at)
	}
}

// boundTo is the entity that a scope demands, itself or as an ancestor.
func boundTo(scope expast.IsScopeNode) (cedar.EntityUID, bool) {
	switch s := scope.(type) {
	case expast.ScopeTypeEq:
		return s.Entity, true
	case expast.ScopeTypeIn:
		return s.Entity, true
	case expast.ScopeTypeIsIn:
		return s.Entity, true
	}
	return cedar.EntityUID{}, false
}

// selection is what Cedar is given for one decision.
type selection []indexed

// All implements cedar.PolicyIterator.
func (s selection) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, r := range s {
			if !yield(r.key, r.policy) {
				return
			}
		}
	}
}

// pick selects for one question. The parents are complete: memberships arrive closed.
func (b *bucket) pick(principal, resource cedar.Entity) selection {
	return b.also(b.about(resource), principal)
}

// also adds the rules bound to the principal and to its groups.
func (b *bucket) also(picked selection, principal cedar.Entity) selection {
	picked = append(picked, b.principal[principal.UID]...)
	if len(b.principal) < principal.Parents.Len() {
		for uid, rules := range b.principal {
			if principal.Parents.Contains(uid) {
				picked = append(picked, rules...)
			}
		}
		return picked
	}
	for p := range principal.Parents.All() {
		picked = append(picked, b.principal[p]...)
	}
	return picked
}

// about selects what may apply to the resource, whoever asks, of the rules not bound to a principal.
func (b *bucket) about(resource cedar.Entity) selection {
	picked := make(selection, 0, len(b.unbound)+16)
	picked = append(picked, b.unbound...)
	picked = append(picked, b.resource[resource.UID]...)
	for p := range resource.Parents.All() {
		picked = append(picked, b.resource[p]...)
	}
	return picked
}
