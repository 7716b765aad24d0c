package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go/types"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/lessor-iam/lessor/internal/access"
)

// Conflicts lists pairs of rules that may let the same request through and do
// not oblige to the same; both oblige, and the strictest wins, but whoever wrote
// the laxer one may have meant otherwise.
func (s *Set) Conflicts() []string {
	var asks []*rule
	for _, r := range s.rules {
		if r.Effect == "permit" && slices.Contains(r.Questions, QuestionRequest) {
			asks = append(asks, r)
		}
	}
	demands := make([][]demand, len(asks))
	for i, r := range asks {
		demands[i] = demandsOf(r)
	}
	var out []string
	for i, a := range asks {
		for j := i + 1; j < len(asks); j++ {
			b := asks[j]
			if !mayMeet(a, b) || exclude(demands[i], demands[j]) {
				continue
			}
			if differ := difference(a, b); len(differ) > 0 {
				out = append(out, fmt.Sprintf("rules %s (%s:%d) and %s (%s:%d) may both let a request through and differ in %s; the strictest wins",
					a.ID, a.File, a.Line, b.ID, b.File, b.Line, strings.Join(differ, " and ")))
			}
		}
	}
	return out
}

func difference(a, b *rule) []string {
	var out []string
	switch {
	case a.NeedsNone != b.NeedsNone:
		none, other := a, b
		if b.NeedsNone {
			none, other = b, a
		}
		out = append(out, fmt.Sprintf("@needs: %s says none, %s says %q", none.ID, other.ID, stagesText(other.Needs)))
	case !slices.Equal(a.Needs, b.Needs):
		out = append(out, fmt.Sprintf("@needs: %q and %q", stagesText(a.Needs), stagesText(b.Needs)))
	}
	if a.MaxTerm != b.MaxTerm {
		out = append(out, fmt.Sprintf("@max_term: %s and %s", termText(a.MaxTerm), termText(b.MaxTerm)))
	}
	if a.StepUp != b.StepUp {
		out = append(out, fmt.Sprintf("@step_up: %q and %q", a.StepUp, b.StepUp))
	}
	return out
}

func stagesText(stages []access.Stage) string {
	parts := make([]string, len(stages))
	for i, st := range stages {
		parts[i] = st.Name
		if st.Count > 1 {
			parts[i] = fmt.Sprintf("%s:%d", st.Name, st.Count)
		}
	}
	return strings.Join(parts, ", ")
}

func termText(t access.Term) string {
	if t == 0 {
		return "none"
	}
	return t.String()
}

// mayMeet is false where the scopes exclude each other: one resource is in one
// class and one system and is of one entitlement; a principal is one identity
// but may be in any groups.
func mayMeet(a, b *rule) bool {
	ra, okA := boundTo(tree(a.policy).Resource)
	rb, okB := boundTo(tree(b.policy).Resource)
	if okA && okB && ra != rb && ra.Type == rb.Type {
		return false
	}
	pa, okA := boundTo(tree(a.policy).Principal)
	pb, okB := boundTo(tree(b.policy).Principal)
	return !okA || !okB || pa == pb || pa.Type != identityType || pb.Type != identityType
}

// demand is one thing a rule's conditions cannot do without: that an expression
// is a value, or is not.
type demand struct {
	what string
	is   types.Value
	not  bool
}

// demandsOf reads the conditions as far as they are plain "and"s.
func demandsOf(r *rule) []demand {
	var out []demand
	var walk func(n expast.IsNode, not bool)
	walk = func(n expast.IsNode, not bool) {
		switch n := n.(type) {
		case expast.NodeTypeAnd:
			if !not {
				walk(n.Left, false)
				walk(n.Right, false)
			}
		case expast.NodeTypeOr:
			if not {
				walk(n.Left, true)
				walk(n.Right, true)
			}
		case expast.NodeTypeNot:
			walk(n.Arg, !not)
		case expast.NodeTypeEquals:
			if v, ok := n.Right.(expast.NodeValue); ok {
				out = append(out, demand{source(n.Left), v.Value, not})
			}
		case expast.NodeTypeNotEquals:
			if v, ok := n.Right.(expast.NodeValue); ok {
				out = append(out, demand{source(n.Left), v.Value, !not})
			}
		case expast.NodeTypeAccess:
			out = append(out, demand{source(n), types.True, not})
		}
	}
	for _, c := range tree(r.policy).Conditions {
		walk(c.Body, c.Condition == expast.ConditionUnless)
	}
	return out
}

// exclude is true where one rule demands what the other cannot have.
func exclude(a, b []demand) bool {
	for _, x := range a {
		for _, y := range b {
			if x.what != y.what || (x.not && y.not) {
				continue
			}
			if same := x.is.Equal(y.is); same == (x.not != y.not) {
				return true
			}
		}
	}
	return false
}
