package policy

import (
	"bytes"
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"
)

// lint says what the validator lets pass although the rule can never apply, or
// would have no effect if it did.
func lint(r *rule, say func(string, ...any)) {
	if r.Effect == "permit" && !r.Guard && slices.Equal(r.Questions, []string{QuestionHold}) {
		say("a permit for hold has no effect: what may be requested and was approved may be held; write a forbid")
	}
	p := tree(r.policy)
	for _, c := range p.Conditions {
		node := expast.NewNode(c.Body)
		expast.Inspect(node, func(n expast.IsNode) bool {
			if eq, ok := n.(expast.NodeTypeEquals); ok && distinctVariables(eq.Left, eq.Right) {
				say("the rule compares %s with %s, which are never equal", variable(eq.Left), variable(eq.Right))
			}
			if in, ok := n.(expast.NodeTypeIn); ok && neverIn(variable(in.Left), in.Right) {
				say("the rule asks whether %s, which is never so", source(in))
			}
			return true
		})
	}
	question := cedar.Request{Principal: unknown("principal"), Action: unknown("action"), Resource: unknown("resource")}
	left, ok := partial(p, question, types.EntityMap{}, unknown("context"))
	switch {
	case !ok:
		say("the rule can never apply: its condition is always false")
	case slices.ContainsFunc(left.Conditions, func(c expast.ConditionType) bool { return errs(c.Body) }):
		say("the rule can never apply: its condition always errs")
	case contradicts(p.Conditions):
		say("the rule can never apply: it has the same condition under when and unless")
	}
}

func variable(n expast.IsNode) string {
	if v, ok := n.(expast.NodeTypeVariable); ok {
		return string(v.Name)
	}
	return ""
}

func distinctVariables(a, b expast.IsNode) bool {
	return variable(a) != "" && variable(b) != "" && variable(a) != variable(b)
}

// neverIn tells a membership that the schema rules out, which the validator lets
// pass: a forbid with resource in Group::"x" would never forbid.
func neverIn(name string, of expast.IsNode) bool {
	places := map[string][]cedar.EntityType{
		"principal": {identityType, groupType},
		"resource":  {requestType, grantType, findingType, entitlementType, systemType, classType},
	}[name]
	named, known := entities(of)
	return places != nil && known && !slices.ContainsFunc(named, func(u cedar.EntityUID) bool { return slices.Contains(places, u.Type) })
}

// named lists the entities a rule's scope and conditions write down, each once.
func named(p *expast.Policy) []cedar.EntityUID {
	var out []cedar.EntityUID
	add := func(u cedar.EntityUID) {
		if !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	for _, scope := range []expast.IsScopeNode{p.Principal, p.Resource} {
		if to, ok := boundTo(scope); ok {
			add(to)
		}
	}
	for _, c := range p.Conditions {
		expast.Inspect(expast.NewNode(c.Body), func(n expast.IsNode) bool {
			if list, ok := entities(n); ok {
				for _, u := range list {
					add(u)
				}
			}
			return true
		})
	}
	return out
}

func contradicts(conditions []expast.ConditionType) bool {
	var when, unless [][]byte
	for _, c := range conditions {
		// A rule of nothing but this condition writes it in one way only.
		text := cedar.NewPolicyFromAST(bare(c.Body)).MarshalCedar()
		if c.Condition == expast.ConditionWhen {
			when = append(when, text)
		} else {
			unless = append(unless, text)
		}
	}
	for _, w := range when {
		if slices.ContainsFunc(unless, func(u []byte) bool { return bytes.Equal(u, w) }) {
			return true
		}
	}
	return false
}

// reads tells whether a rule reads an attribute of that name from anything.
func reads(r *rule, name string) bool {
	found := false
	for _, c := range tree(r.policy).Conditions {
		expast.Inspect(expast.NewNode(c.Body), func(n expast.IsNode) bool {
			switch n := n.(type) {
			case expast.NodeTypeAccess:
				found = found || string(n.Value) == name
			case expast.NodeTypeHas:
				found = found || string(n.Value) == name
			}
			return !found
		})
	}
	return found
}
