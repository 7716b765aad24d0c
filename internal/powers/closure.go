package powers

import (
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// Closure is what an entitlement can become.
type Closure struct {
	Summary
	Powers       []Node `json:"powers"`         // what its holder can do
	Entitlements []Node `json:"entitlements"`   // what he has by it or can get, it itself not among them
	Identities   []Node `json:"identities"`     // whom he can act as
	Gates        []Node `json:"gates"`          // what he can change that decides
	Grants       []Node `json:"grants"`         // what he can hand out, to himself or to others
	Paths        []Path `json:"paths"`          // the shortest of each kind
	Shortest     string `json:"path,omitempty"` // the first of them, in one sentence
}

// Path is a shortest way to something worth knowing before it is given.
type Path struct {
	To       string `json:"to"` // a class, "grant" or "self"
	Sentence string `json:"sentence"`
	Edges    []Edge `json:"edges"`
}

// Closure follows everything from an entitlement, however deep.
func (g *Graph) Closure(id string) (Closure, error) {
	i, ok := g.find(Ref{Entitlement, id})
	if !ok {
		return Closure{}, fmt.Errorf("%w: there is no entitlement %q", access.ErrNotFound, id)
	}
	c := Closure{Summary: g.summary(i, g.selfGrant(i)), Powers: []Node{}, Entitlements: []Node{}, Identities: []Node{}, Gates: []Node{}, Grants: []Node{}, Paths: []Path{}}
	reached, granted := g.reach(i)
	for _, at := range reached {
		n := g.nodes[at].Node
		switch {
		case at == i:
		case n.Kind == Power:
			c.Powers = append(c.Powers, n)
		case n.Kind == Identity:
			c.Identities = append(c.Identities, n)
		case n.Kind == Gate:
			c.Gates = append(c.Gates, n)
		default:
			c.Entitlements = append(c.Entitlements, n)
		}
	}
	for _, at := range granted {
		c.Grants = append(c.Grants, g.nodes[at].Node)
	}
	for _, list := range []*[]Node{&c.Powers, &c.Entitlements, &c.Identities, &c.Gates, &c.Grants} {
		slices.SortFunc(*list, func(a, b Node) int { return a.Ref().compare(b.Ref()) })
	}
	c.Paths = append(c.Paths, g.paths(i, c)...)
	if len(c.Paths) > 0 {
		c.Shortest = c.Paths[0].Sentence
	}
	return c, nil
}

// Gap tells the class an entitlement reaches, and whether it is above the declared one.
func (g *Graph) Gap(id string) (reached string, gap bool) {
	i, ok := g.find(Ref{Entitlement, id})
	if !ok {
		return "", false
	}
	s := g.summary(i, false)
	return s.Reached, s.Gap
}

// reach lists every node that i leads to, itself included, and those among them
// that can be handed out.
func (g *Graph) reach(i int32) (reached, granted []int32) {
	seen, handed := newMarks(len(g.nodes)), newMarks(len(g.nodes))
	seen.set(i)
	reached = []int32{i}
	for n := 0; n < len(reached); n++ {
		for _, h := range g.out[reached[n]] {
			if h.hands() && handed.set(h.at()) {
				granted = append(granted, h.at())
			}
			if seen.set(h.at()) {
				reached = append(reached, h.at())
			}
		}
	}
	return reached, granted
}

// selfGrant tells whether something that i leads to can hand out i: it looks
// forwards from i and backwards from those who can, a step at a time on the side
// with less to look at, until the two meet or one has nowhere to go.
func (g *Graph) selfGrant(i int32) bool {
	ahead, behind := []int32{i}, []int32(nil)
	front, back := newMarks(len(g.nodes)), newMarks(len(g.nodes))
	front.set(i)
	for _, h := range g.in[i] {
		if h.hands() && back.set(h.at()) {
			if h.at() == i {
				return true
			}
			behind = append(behind, h.at())
		}
	}
	for len(ahead) > 0 && len(behind) > 0 {
		var met bool
		if g.weight(g.out, ahead) <= g.weight(g.in, behind) {
			ahead, met = further(g.out, ahead, front, back)
		} else {
			behind, met = further(g.in, behind, back, front)
		}
		if met {
			return true
		}
	}
	return false
}

func (g *Graph) weight(edges [][]half, at []int32) (n int) {
	for _, i := range at {
		n += len(edges[i])
	}
	return n
}

// further takes one side one step on; met tells whether it found the other.
func further(edges [][]half, from []int32, mine, other marks) (next []int32, met bool) {
	for _, i := range from {
		for _, h := range edges[i] {
			if other.has(h.at()) {
				return nil, true
			}
			if mine.set(h.at()) {
				next = append(next, h.at())
			}
		}
	}
	return next, false
}

// marks is a set of nodes.
type marks []uint64

func newMarks(n int) marks       { return make(marks, (n+63)/64) }
func (m marks) has(i int32) bool { return m[i/64]&(1<<(i%64)) != 0 }
func (m marks) set(i int32) (fresh bool) {
	fresh = !m.has(i)
	m[i/64] |= 1 << (i % 64)
	return fresh
}
