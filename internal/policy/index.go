package policy

import (
	"iter"
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
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
	stage  string          // the only one it speaks of; "" if it may speak of any
	class  string          // the same, of the entitlement's class
	who    cedar.EntityUID // who the principal must be or be in; zero if it may be anybody
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
	who, byPrincipal := boundTo(p.Principal)
	if _, typed := p.Resource.(expast.ScopeTypeIsIn); byResource && !typed {
		p.Resource = expast.ScopeTypeAll{}
	}
	if _, typed := p.Principal.(expast.ScopeTypeIsIn); byPrincipal && !typed {
		p.Principal = expast.ScopeTypeAll{}
	}
	at := indexed{key: r.key, policy: cedar.NewPolicyFromAST(asPolicy(&p)), permit: p.Effect == expast.EffectPermit, who: who}
	at.stage, at.class = firstDemand(&p)
	switch {
	case byResource:
		b.resource[resource] = append(b.resource[resource], at)
	case byPrincipal:
		b.principal[who] = append(b.principal[who], at)
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

// firstDemand is what a rule demands before it looks at anything else: that the
// stage is this, or the entitlement's class. For any other it is false at once,
// so it would neither decide nor err.
func firstDemand(p *expast.Policy) (stage, class string) {
	if len(p.Conditions) == 0 || p.Conditions[0].Condition != expast.ConditionWhen {
		return "", ""
	}
	first := p.Conditions[0].Body
	for and, ok := first.(expast.NodeTypeAnd); ok; and, ok = first.(expast.NodeTypeAnd) {
		first = and.Left
	}
	eq, ok := first.(expast.NodeTypeEquals)
	if !ok {
		return "", ""
	}
	v, _ := eq.Right.(expast.NodeValue)
	text, _ := v.Value.(types.String)
	switch of, _ := eq.Left.(expast.NodeTypeAccess); of.Value {
	case "stage":
		if variable(of.Arg) == "context" {
			stage = string(text)
		}
	case "class":
		if from, _ := of.Arg.(expast.NodeTypeAccess); from.Value == "entitlement" && variable(from.Arg) == "resource" {
			class = string(text)
		}
	}
	return stage, class
}

// selection is what Cedar is given for one decision: parts of the index.
type selection struct {
	parts [][]indexed
	stage string        // of an approval; rules that speak of another only are left out
	class string        // of the entitlement; the same
	who   *cedar.Entity // the principal; rules bound to somebody else are left out. nil: not known
}

func (s *selection) add(rules []indexed) {
	if len(rules) > 0 {
		s.parts = append(s.parts, rules)
	}
}

// rules yields each of them.
func (s selection) rules(yield func(indexed) bool) {
	for _, part := range s.parts {
		for _, r := range part {
			if (r.stage == "" || r.stage == s.stage) && (r.class == "" || r.class == s.class) && s.meets(r.who) && !yield(r) {
				return
			}
		}
	}
}

// meets tells whether the principal is whom a rule is bound to, or in it. Cedar
// would find out as well, by walking every group of everybody else.
func (s selection) meets(who cedar.EntityUID) bool {
	return who.Type == "" || s.who == nil || s.who.UID == who || s.who.Parents.Contains(who)
}

// All implements cedar.PolicyIterator.
func (s selection) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for r := range s.rules {
			if !yield(r.key, r.policy) {
				return
			}
		}
	}
}

// pick selects for one question. The parents are complete: memberships arrive closed.
func (b *bucket) pick(principal cedar.Entity, resource *built, stage string) selection {
	return b.also(b.about(resource, stage), principal)
}

// also adds the rules bound to the principal and to its groups.
func (b *bucket) also(picked selection, principal cedar.Entity) selection {
	picked.parts, picked.who = slices.Clip(picked.parts), &principal // others add to the same beginning
	picked.add(b.principal[principal.UID])
	if len(b.principal) < principal.Parents.Len() {
		for uid, rules := range b.principal {
			if principal.Parents.Contains(uid) {
				picked.add(rules)
			}
		}
		return picked
	}
	for p := range principal.Parents.All() {
		picked.add(b.principal[p])
	}
	return picked
}

// about selects what may apply to the resource, whoever asks, of the rules not bound to a principal.
func (b *bucket) about(resource *built, stage string) selection {
	picked := selection{parts: make([][]indexed, 0, 8), stage: stage, class: resource.class}
	picked.add(b.unbound)
	picked.add(b.resource[resource.entity.UID])
	for p := range resource.entity.Parents.All() {
		picked.add(b.resource[p])
	}
	return picked
}
