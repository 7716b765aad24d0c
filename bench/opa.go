package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/policy/policytest"
)

// engine is OPA as it runs fastest: prepared queries, the world in memory as
// AST values, inputs parsed beforehand.
type engine struct {
	world   *policytest.World
	queries map[string]rego.PreparedEvalQuery
}

func newEngine(ctx context.Context, w *policytest.World, rules int) (*engine, error) {
	e := &engine{world: w, queries: map[string]rego.PreparedEvalQuery{}}
	store := inmem.NewFromObjectWithOpts(worldOf(w), inmem.OptRoundTripOnWrite(false), inmem.OptReturnASTValuesOnRead(true))
	for question, text := range modules(w, rules) {
		query := fmt.Sprintf("permits = data.lessor.%s.permits; forbids = data.lessor.%[1]s.forbids", question)
		if question == policy.QuestionRequest {
			query += "; obliges = data.lessor.request.obliges"
		}
		q, err := rego.New(rego.Query(query), rego.Module(question+".rego", text), rego.Store(store)).PrepareForEval(ctx)
		if err != nil {
			return nil, fmt.Errorf("prepare %s: %w", question, err)
		}
		e.queries[question] = q
	}
	return e, nil
}

// worldOf is the directory as OPA reads it, with memberships closed and persons
// resolved, as Cedar is given them.
func worldOf(w *policytest.World) map[string]any {
	d := w.Directory
	identities, entitlements := map[string]any{}, map[string]any{}
	for _, id := range d.Identities() {
		i, _ := d.Identity(id)
		p, _ := d.Identity(d.PersonOf(id))
		groups := map[string]any{}
		for _, g := range d.GroupsOf(id) {
			groups[g] = true
		}
		at := map[string]any{"kind": string(i.Kind), "active": i.ActiveAt(policytest.Now) && p.ActiveAt(policytest.Now), "external": i.External || p.External,
			"department": i.Department, "person": p.ID, "groups": groups}
		for key, value := range map[string]string{"manager": i.Manager, "owner": i.Owner, "sponsor": i.Sponsor} {
			if value != "" {
				at[key] = value
			}
		}
		if !i.End.IsZero() {
			at["end"] = i.End.Unix()
		}
		identities[id] = at
	}
	for _, id := range d.Entitlements() {
		e, _ := d.Entitlement(id)
		var owners []any
		for _, o := range e.Owners {
			owners = append(owners, d.PersonOf(o))
		}
		at := map[string]any{"class": e.Class, "owners": owners, "powers": list(e.Powers), "max_term": seconds(e.MaxTerm)}
		if e.MaxTotal != 0 {
			at["max_total"] = seconds(e.MaxTotal)
		}
		entitlements[id] = at
	}
	return map[string]any{"identity": identities, "entitlement": entitlements}
}

func seconds(t access.Term) int64 { return int64(t.D().Seconds()) }

func list(ss []string) []any {
	out := make([]any, len(ss))
	for i, s := range ss {
		out[i] = s
	}
	return out
}

// requestInput is a question as OPA reads it. What Lessor works out of the
// facts while it decides (hands, clashes, the window) OPA is given for nothing.
func (e *engine) requestInput(f policy.Facts) ast.Value { return parsed(e.input(f)) }

func (e *engine) approveInput(f policy.Facts, voter access.Actor, stage string) ast.Value {
	in := e.input(f)
	in["voter"], in["stage"], in["strength"] = voter.Identity, stage, voter.Strength
	in["step_up"], in["voted"], in["authors"] = f.Item.Decision.StepUp, []any{}, []any{}
	if e.world.Directory.HasGroup(stage) {
		in["group"] = stage
	}
	return parsed(in)
}

func (e *engine) input(f policy.Facts) map[string]any {
	d := e.world.Directory
	hands := slices.Concat(d.Hands(f.Request.Requester), d.Hands(f.Request.Beneficiary))
	clashes := []any{}
	asked, _ := d.Entitlement(f.Item.Entitlement)
	for _, h := range f.Held {
		held, _ := d.Entitlement(h)
		if h != asked.ID && (slices.Contains(asked.Conflicts, h) || slices.Contains(held.Conflicts, asked.ID)) {
			clashes = append(clashes, h)
		}
	}
	term := seconds(f.Request.Term)
	return map[string]any{"requester": f.Request.Requester, "beneficiary": f.Request.Beneficiary, "entitlement": f.Item.Entitlement,
		"term": term, "total": seconds(f.ChainFor) + term, "now": f.Now.Unix(), "end": f.Now.Unix() + term, "hands": list(hands), "clashes": clashes}
}

func parsed(in map[string]any) ast.Value { return ast.MustInterfaceToValue(in) }

// decide returns the rules that decided, as a Lessor decision names them.
func (e *engine) decide(ctx context.Context, question string, input ast.Value) (allow bool, rules []string, err error) {
	q := e.queries[question]
	result, err := q.Eval(ctx, rego.EvalParsedInput(input))
	if err != nil || len(result) != 1 {
		return false, nil, fmt.Errorf("%s: %d results, %w", question, len(result), err)
	}
	sets := maps.Clone(map[string]any(result[0].Bindings))
	names := func(set string) {
		members, _ := sets[set].([]any)
		for _, m := range members {
			rules = append(rules, m.(string))
		}
	}
	if names("forbids"); len(rules) > 0 {
		return false, rules, nil
	}
	if names("permits"); len(rules) == 0 {
		return false, nil, nil
	}
	names("obliges")
	slices.Sort(rules)
	return true, rules, nil
}
