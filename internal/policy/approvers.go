package policy

import (
	"iter"
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/lessor-iam/lessor/internal/access"
)

// WhoCanApprove lists the identities that MayApprove would let approve this stage
// of the item now, signed in as strongly as the rules ask, sorted. The permits are
// evaluated with the voter unknown: what is left of them names whom to look at.
// Those few are then asked about as MayApprove would.
func (s *Set) WhoCanApprove(f Facts, stage string) []string {
	if f.unusable() != "" {
		return nil
	}
	u := s.dues(&f)
	return s.eligible(&f, f.resource(s, u.authors), u, stage)
}

// eligible lists who could approve that stage, in order.
func (s *Set) eligible(f *Facts, resource *built, u due, stage string) (list []string) {
	for id, can := range s.asked(f, resource, u, stage) {
		if can {
			list = append(list, id)
		}
	}
	return list
}

// asked goes through whoever is asked about, in order, and whether they could approve that
// stage: as far as somebody wants to know.
func (s *Set) asked(f *Facts, resource *built, u due, stage string) iter.Seq2[string, bool] {
	nobody := func(func(string, bool) bool) {}
	if u.torn != "" {
		return nobody
	}
	g := s.factsOf(f.Directory, f.Now, resource)
	q := approveAsked(f, access.Actor{Strength: u.stepUp}, stage, u.stepUp, votersOf(f))
	req := cedar.Request{Principal: unknown("principal"), Action: actionOf[q.name], Resource: resource.entity.UID, Context: types.NewRecord(q.context)}
	rules := s.index[q.name]
	about := rules.about(resource, stage)
	known := req
	if known.Principal = uid(identityType, ""); s.check.question(known) != nil {
		return nobody // the voters differ in their id only: asked once is asked for all
	}
	who := rules.propose(about, req, g, f.Directory)
	for _, u := range []cedar.EntityUID{uid(identityType, f.Request.Requester), uid(identityType, f.Request.Beneficiary), uid(entitlementType, f.Item.Entitlement)} {
		g.Get(u) // the guards read them for every voter
	}
	ofAll := len(g.read)
	return func(yield func(string, bool) bool) {
		for _, id := range who.listed(f.Directory) {
			if _, known := f.Directory.Identity(id); !known {
				continue // the guards refuse whoever is nobody; a crowd of them need not be asked about
			}
			req.Principal = uid(identityType, id)
			principal, _ := g.Get(req.Principal)
			can := allows(rules.also(about, principal), req, g)
			g.read = g.read[:ofAll] // what errs for one voter is not held against the next
			if !yield(id, can) {
				return
			}
		}
	}
}

// allows is decide without its record.
func allows(picked selection, req cedar.Request, g *facts) bool {
	answer, why := cedar.Authorize(picked, g, req)
	return answer == cedar.Allow && len(why.Errors) == 0 && g.fit()
}

// Unfillable lists the stages of the item that cannot all be filled by different
// people, given who is eligible and which votes still stand: the request is waiting for
// nobody. Empty means that there is a way.
func (s *Set) Unfillable(f Facts, stages []access.Stage) []access.Stage {
	if f.unusable() != "" {
		return stages
	}
	u := s.dues(&f)
	resource := f.resource(s, u.authors)
	standing := s.count(&f, resource, u).per
	open := 0
	for _, st := range stages {
		open += max(0, st.Count-standing[st.Name])
	}
	taken := map[string]*seat{} // person -> the seat they would fill
	var empty []access.Stage
	for _, st := range stages {
		// As many as there are open seats in all are enough to always find one who has none.
		people := firstPersons(f.Directory, s.asked(&f, resource, u, st.Name), open)
		for range st.Count - standing[st.Name] {
			if !(&seat{people: people}).fill(taken, map[string]bool{}) {
				empty = append(empty, st)
				break
			}
		}
	}
	return empty
}

// firstPersons are the first n different people among those who could; nobody is asked
// about after them.
func firstPersons(d *access.Directory, asked iter.Seq2[string, bool], n int) (people []string) {
	if n == 0 {
		return nil
	}
	for id, can := range asked {
		if p := d.PersonOf(id); can && !slices.Contains(people, p) {
			if people = append(people, p); len(people) == n {
				break
			}
		}
	}
	return people
}

// seat is one approval that is still to come.
type seat struct{ people []string }

// fill finds a person for the seat, moving others to seats they could fill as
// well if need be (augmenting paths of a bipartite matching).
func (at *seat) fill(taken map[string]*seat, tried map[string]bool) bool {
	for _, p := range at.people {
		if tried[p] {
			continue
		}
		tried[p] = true
		if other := taken[p]; other == nil || other.fill(taken, tried) {
			taken[p] = at
			return true
		}
	}
	return false
}

// propose puts everything but the voter into the permits that may apply: those
// about the resource, and those bound to a principal.
func (b *bucket) propose(about selection, req cedar.Request, g types.EntityGetter, d *access.Directory) candidates {
	var who candidates
	about.parts = slices.Clip(about.parts)
	for _, bound := range b.principal {
		about.add(bound)
	}
	for r := range about.rules {
		who.consider(r, req, g, d)
	}
	return who
}

func (c *candidates) consider(r indexed, req cedar.Request, g types.EntityGetter, d *access.Directory) {
	if !r.permit || c.everyone {
		return
	}
	if left, ok := partial(tree(r.policy), req, g, req.Context); ok {
		c.permitted(r.who, left, d)
	}
}

// candidates is whom what is left of the permits could mean: never too few,
// possibly too many.
type candidates struct {
	ids      []string
	everyone bool
}

// listed is each of them once, in order.
func (c *candidates) listed(d *access.Directory) []string {
	if c.everyone {
		return d.Identities()
	}
	slices.Sort(c.ids)
	return slices.Compact(c.ids)
}

// permitted adds everybody whom one permit could mean: any of its demands bounds them.
func (c *candidates) permitted(who cedar.EntityUID, p *expast.Policy, d *access.Directory) {
	if who.Type != "" {
		c.ids = append(c.ids, within(who, d)...)
		return
	}
	for _, cond := range p.Conditions {
		if cond.Condition != expast.ConditionWhen {
			continue
		}
		if ids, ok := meant(cond.Body, d); ok {
			c.ids = append(c.ids, ids...)
			return
		}
	}
	c.everyone = true
}

// meant lists everybody for whom the expression could be true; ok is false where it does not say.
func meant(n expast.IsNode, d *access.Directory) (ids []string, ok bool) {
	switch n := n.(type) {
	case expast.NodeTypeAnd:
		if ids, ok = meant(n.Left, d); ok {
			return ids, true
		}
		return meant(n.Right, d)
	case expast.NodeTypeOr:
		left, okLeft := meant(n.Left, d)
		right, okRight := meant(n.Right, d)
		return append(slices.Clone(left), right...), okLeft && okRight
	case expast.NodeTypeEquals:
		if one, ok := entities(n.Right); ok {
			return voters(n.Left, one, d)
		}
		if one, ok := entities(n.Left); ok {
			return voters(n.Right, one, d)
		}
	case expast.NodeTypeContains:
		if many, ok := entities(n.Left); ok {
			return voters(n.Right, many, d)
		}
	case expast.NodeTypeIn:
		if many, ok := entities(n.Right); ok && variable(n.Left) == "principal" {
			for _, to := range many {
				ids = append(ids, within(to, d)...)
			}
			return ids, true
		}
	}
	return nil, false
}

// voters are the identities that are one of these, or whose person is.
func voters(n expast.IsNode, these []cedar.EntityUID, d *access.Directory) (ids []string, ok bool) {
	of, isPerson := n.(expast.NodeTypeAccess)
	isPerson = isPerson && of.Value == "person" && variable(of.Arg) == "principal"
	if !isPerson && variable(n) != "principal" {
		return nil, false
	}
	for _, u := range these {
		if u.Type != identityType {
			continue
		}
		if isPerson {
			ids = append(ids, d.IdentitiesOf(string(u.ID))...)
		} else {
			ids = append(ids, string(u.ID))
		}
	}
	return ids, true
}

// within lists the identities that are the entity or in it.
func within(u cedar.EntityUID, d *access.Directory) []string {
	if u.Type == groupType {
		return d.MembersOf(string(u.ID))
	}
	return []string{string(u.ID)}
}

// entities reads a known entity, or a known set of them.
func entities(n expast.IsNode) ([]cedar.EntityUID, bool) {
	v, ok := n.(expast.NodeValue)
	if !ok {
		return nil, false
	}
	switch v := v.Value.(type) {
	case cedar.EntityUID:
		return []cedar.EntityUID{v}, true
	case types.Set:
		out := make([]cedar.EntityUID, 0, v.Len())
		for e := range v.All() {
			u, ok := e.(cedar.EntityUID)
			if !ok {
				return nil, false
			}
			out = append(out, u)
		}
		return out, true
	}
	return nil, false
}
