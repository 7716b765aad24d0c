package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/lessor-iam/lessor/internal/access"
)

// Explanation is a decision with every rule that could have had a say.
type Explanation struct {
	Decision access.Decision `json:"decision"`
	Rules    []Considered    `json:"rules"` // in the order of [Set.Rules], those that oblige last
}

// Considered is one rule of the question, and how it came out.
type Considered struct {
	Rule    access.Rule `json:"rule"`
	Guard   bool        `json:"guard"`
	File    string      `json:"file"`
	Line    int         `json:"line"`
	Applied bool        `json:"applied"`         // its scope and conditions hold
	Error   string      `json:"error,omitempty"` // it could not be evaluated
	Facts   []Fact      `json:"facts"`           // what it reads, in the order it says so
}

// Fact is one thing a rule reads, as the rule writes it, and what it was.
type Fact struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Explain answers a question (request, approve, hold or view) and shows every
// rule of it at work. voter and stage are those of approve; voter is the viewer of view.
func (s *Set) Explain(f Facts, question string, voter access.Actor, stage string) Explanation {
	if why := f.unusable(); why != "" {
		return Explanation{Decision: s.cannot(question, &f, why)}
	}
	var e Explanation
	var u due
	var q asked
	switch question {
	case QuestionRequest:
		e.Decision = s.MayRequest(f)
		u.authors = persons(f.Directory, f.Authors)
		q = ask(question, f.Request.Requester, f.Now)
	case QuestionApprove:
		e.Decision = s.MayApprove(f, voter, stage)
		u = s.dues(&f)
		q = approveAsked(&f, voter, stage, u.stepUp, votersOf(&f))
	case QuestionHold:
		e.Decision = s.MayHold(f)
		now := s.MayRequest(f)
		u = duesOf(&f, &now)
		missing, _ := s.count(&f, f.resource(s, u.authors), u).missing(u.stages)
		q = ask(question, f.Request.Beneficiary, f.Now).with("missing", texts(missing), func(*writer) {}).withFlag("unattended", len(u.stages) == 0)
	case QuestionView:
		e.Decision = s.MayView(f.Directory, f.Now, voter, f.Request)
		u = duesOf(&f, nil)
		q = ask(question, voter.Identity, f.Now).withFlag("approver", s.approvesAny(&f, f.resource(s, u.authors), u, voter))
	default:
		return Explanation{Decision: s.cannot(question, &f, fmt.Sprintf("there is no question %q; ask request, approve, hold or view", question))}
	}
	e.Rules = s.consider(question, q, s.factsOf(f.Directory, f.Now, f.resource(s, u.authors)))
	if question == QuestionRequest {
		e.Rules = append(e.Rules, s.consider(QuestionOblige, q, s.factsOf(f.Directory, f.Now, f.resource(s, u.authors)))...)
	}
	return e
}

// consider evaluates every rule of a question.
func (s *Set) consider(question string, q asked, g *facts) []Considered {
	req := cedar.Request{Principal: q.principal, Action: actionOf[question], Resource: g.resource.entity.UID, Context: types.NewRecord(q.context)}
	var out []Considered
	for _, r := range s.index[question].all {
		out = append(out, consider(r, req, g))
	}
	return out
}

// consider evaluates one rule alone.
func consider(r *rule, req cedar.Request, g types.EntityGetter) Considered {
	c := Considered{Rule: r.shown(), Guard: r.Guard, File: r.File, Line: r.Line, Facts: factsRead(tree(r.policy), req, g)}
	_, why := cedar.Authorize(selection{parts: [][]indexed{{{key: r.key, policy: r.policy}}}}, g, req)
	c.Applied = len(why.Reasons) > 0
	for _, err := range why.Errors {
		c.Error = err.Message
	}
	return c
}

// factsRead lists what a rule's scope and conditions read: the longest paths such
// as resource.beneficiary.active, the memberships it asks for, and their values.
func factsRead(p *expast.Policy, req cedar.Request, g types.EntityGetter) []Fact {
	var out []Fact
	add := func(key, value string) {
		if f := (Fact{key, value}); !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	for name, scope := range map[string]expast.IsScopeNode{"principal": p.Principal, "resource": p.Resource} {
		if to, ok := boundTo(scope); ok {
			from := req.Principal
			if name == "resource" {
				from = req.Resource
			}
			e, _ := g.Get(from)
			add(fmt.Sprintf("%s in %s", name, to), fmt.Sprint(from == to || e.Parents.Contains(to)))
		}
	}
	slices.SortFunc(out, func(a, b Fact) int { return strings.Compare(a.Key, b.Key) })
	for _, c := range p.Conditions {
		expast.Inspect(expast.NewNode(c.Body), func(n expast.IsNode) bool {
			switch n := n.(type) {
			case expast.NodeTypeAccess, expast.NodeTypeIn, expast.NodeTypeHas:
				add(source(n), shownValue(n, req, g))
				_, in := n.(expast.NodeTypeIn)
				return in // a path is shown whole, not each of its steps
			}
			return true
		})
	}
	return out
}

func shownValue(n expast.IsNode, req cedar.Request, g types.EntityGetter) string {
	v, err := valueOf(n, req, g)
	if err != nil {
		return "not there"
	}
	if set, ok := v.(types.Set); ok { // sets have no order of their own
		parts := make([]string, 0, set.Len())
		for e := range set.All() {
			parts = append(parts, string(e.MarshalCedar()))
		}
		slices.Sort(parts)
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return string(v.MarshalCedar())
}

// source writes one expression as a rule would.
func source(n expast.IsNode) string {
	text := string(cedar.NewPolicyFromAST(bare(n)).MarshalCedar())
	_, text, _ = strings.Cut(text, "when {")
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "};"))
}
