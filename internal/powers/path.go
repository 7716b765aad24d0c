package powers

import (
	"fmt"
	"slices"
	"strings"
)

// paths finds the shortest way to the highest class, to the first thing that can
// be handed out, and back to the entitlement itself. A way that is the beginning
// or the whole of one before it is left out.
func (g *Graph) paths(i int32, c Closure) []Path {
	var out []Path
	add := func(to string, edges []Edge) {
		if len(edges) > 0 && !slices.ContainsFunc(out, func(p Path) bool { return slices.Equal(p.Edges[:min(len(edges), len(p.Edges))], edges) }) {
			out = append(out, Path{to, g.sentence(edges), edges})
		}
	}
	if l := g.labels[i]; l.dist > 0 {
		add(g.class(l.rank), g.toClass(i))
	}
	if len(c.Grants) > 0 {
		add("grant", g.shortest(i, half.hands))
	}
	if c.SelfGrant {
		add("self", g.shortest(i, func(h half) bool { return h.hands() && h.at() == i }))
	}
	return out
}

// toClass walks the labels down. Among equals the first in order is taken, so
// that the same graph gives the same path however it was built.
func (g *Graph) toClass(i int32) []Edge {
	var path []Edge
	for g.labels[i].dist > 0 {
		var best Edge
		next := int32(-1)
		for _, h := range g.out[i] {
			if g.labels[h.at()].step() != g.labels[i] {
				continue
			}
			if e := g.edge(i, h); next < 0 || e.compare(best) < 0 {
				best, next = e, h.at()
			}
		}
		path, i = append(path, best), next
	}
	return path
}

// shortest finds the shortest way whose last edge is as wanted; among equals,
// read from its end, the first in order.
func (g *Graph) shortest(from int32, wanted func(half) bool) []Edge {
	// 1. How far the nearest such edge is.
	away, level := make([]int32, len(g.nodes)), []int32{from} // 0: not seen; else 1 more than the distance
	away[from] = 1
	var last Edge
	for found := false; !found; {
		var next []int32
		for _, at := range level {
			if e, ok := g.least(at, wanted); ok && (!found || e.compare(last) < 0) {
				last, found = e, true
			}
			for _, h := range g.out[at] {
				if away[h.at()] == 0 {
					away[h.at()] = away[at] + 1
					next = append(next, h.at())
				}
			}
		}
		if level = next; !found && len(level) == 0 {
			return nil
		}
	}

	// 2. Back from there.
	path := []Edge{last}
	at, _ := g.find(last.From)
	for at != from {
		var best Edge
		before := int32(-1)
		for _, h := range g.in[at] {
			if away[h.at()] != away[at]-1 {
				continue
			}
			if e := g.edge(h.at(), h.back(at)); before < 0 || e.compare(best) < 0 {
				best, before = e, h.at()
			}
		}
		path, at = append(path, best), before
	}
	slices.Reverse(path)
	return path
}

// least is the first edge in order that is as wanted.
func (g *Graph) least(at int32, wanted func(half) bool) (best Edge, ok bool) {
	for _, h := range g.out[at] {
		if !wanted(h) {
			continue
		}
		if e := g.edge(at, h); !ok || e.compare(best) < 0 {
			best, ok = e, true
		}
	}
	return best, ok
}

// sentence says a path to somebody who has to decide, e.g. "Key Vault Contributor
// can write access policies of the vault, so its holder can give himself read of
// every secret in it".
func (g *Graph) sentence(path []Edge) string {
	var b strings.Builder
	name := func(r Ref) string { n, _ := g.Node(r); return n.Name }
	b.WriteString(name(path[0].From))
	concluded := false
	for n, e := range path {
		to := name(e.To)
		switch {
		case e.Kind == Holds:
			fmt.Fprintf(&b, ", who holds %s", to)
		case e.Kind == Opens:
			fmt.Fprintf(&b, ", which decides who gets %s", to)
		case e.Kind == Confers && e.To.Kind == Entitlement:
			b.WriteString(map[bool]string{true: " includes ", false: ", which includes "}[n == 0] + to)
		case e.Kind == CanBecome && e.From.Kind == Identity:
			fmt.Fprintf(&b, ", and so as %s", to)
		case n == 0:
			fmt.Fprintf(&b, " can %s", deed(e, to))
		case concluded:
			fmt.Fprintf(&b, ", and then %s", deed(e, to))
		case e.Kind == Confers:
			fmt.Fprintf(&b, ", which can %s", to)
		default:
			fmt.Fprintf(&b, ", so its holder can %s", deed(e, to))
			concluded = true
		}
	}
	return b.String()
}

// deed is what somebody does by taking an edge, as a phrase after "can".
func deed(e Edge, to string) string {
	switch e.Kind {
	case CanGrant:
		return "give himself " + to
	case CanBecome:
		return "act as " + to
	case CanEditGate:
		return "change " + to
	}
	return to
}
