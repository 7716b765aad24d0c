package powers

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// world is a small graph with every kind of node and edge, circles included.
func world(t *rapid.T) Parts {
	var p Parts
	classes := append([]string{"", ""}, Classes...)
	for _, k := range []Kind{Entitlement, Power, Identity, Gate} {
		for i := range rapid.IntRange(1, 5).Draw(t, string(k)) {
			p.Nodes = append(p.Nodes, Node{k, fmt.Sprint(k[:1], i), fmt.Sprint(k, " ", i), rapid.SampledFrom(classes).Draw(t, "class")})
		}
	}
	for range rapid.IntRange(0, 25).Draw(t, "edges") {
		p.Edges = append(p.Edges, drawEdge(t, p.Nodes))
	}
	return p
}

func drawEdge(t *rapid.T, nodes []Node) Edge {
	k := rapid.SampledFrom(edgeKinds).Draw(t, "edge")
	of := func(kinds []Kind) Ref {
		fit := slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return !slices.Contains(kinds, n.Kind) })
		if len(fit) == 0 {
			t.Skip("no node of a kind is left")
		}
		return rapid.SampledFrom(fit).Draw(t, "end").Ref()
	}
	return Edge{of(k.from), k.kind, of(k.to), rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "rule"), ""}
}

// told is everything a graph says, as text.
func told(t *rapid.T, g *Graph) string {
	out := []any{g.All()}
	for _, id := range g.Entitlements() {
		c, err := g.Closure(id)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	raw, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func whole(t *rapid.T, p Parts) *Graph {
	g, err := New(Config{Parts: p})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Whatever is added, changed and taken out, one change at a time: the graph says
// what it would say had it been built whole.
func TestChangedIsAsBuiltWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := world(t)
		g := whole(t, p)
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			change(t, g, &p)
			if got, want := told(t, g), told(t, whole(t, p)); got != want {
				t.Fatalf("changed:\n%s\nwhole:\n%s", got, want)
			}
			if _, edges := g.Size(); edges != len(distinct(p.Edges)) {
				t.Fatalf("%d edges, want %d", edges, len(distinct(p.Edges)))
			}
		}
	})
}

func distinct(edges []Edge) []Edge {
	out := slices.Clone(edges)
	slices.SortFunc(out, Edge.compare)
	return slices.Compact(out)
}

// change does one thing to the graph and to what it is made of, and holds what
// the change says of whose class moved.
func change(t *rapid.T, g *Graph, p *Parts) {
	var moved []string
	var err error
	before := g.All()
	switch what := rapid.IntRange(0, 3).Draw(t, "change"); {
	case what == 0:
		e := drawEdge(t, p.Nodes)
		moved, err = g.Join(e)
		p.Edges = append(p.Edges, e)
	case what == 1 && len(p.Edges) > 0:
		e := rapid.SampledFrom(p.Edges).Draw(t, "cut")
		moved, err = g.Cut(e)
		p.Edges = slices.DeleteFunc(p.Edges, func(o Edge) bool { return o == e })
	case what == 2 && len(p.Nodes) > 4:
		r := rapid.SampledFrom(p.Nodes).Draw(t, "remove").Ref()
		moved, err = g.Remove(r)
		p.Nodes = slices.DeleteFunc(p.Nodes, func(n Node) bool { return n.Ref() == r })
		p.Edges = slices.DeleteFunc(p.Edges, func(e Edge) bool { return e.From == r || e.To == r })
	default:
		n := Node{rapid.SampledFrom([]Kind{Entitlement, Power, Identity, Gate}).Draw(t, "kind"), "", "put", rapid.SampledFrom(append([]string{""}, Classes...)).Draw(t, "class")}
		n.ID = fmt.Sprint(n.Kind[:1], rapid.IntRange(0, 6).Draw(t, "id"))
		moved, err = g.Put(n)
		p.Nodes = append(slices.DeleteFunc(p.Nodes, func(o Node) bool { return o.Ref() == n.Ref() }), n)
	}
	if err != nil {
		t.Fatal(err)
	}
	was := map[string]string{}
	for _, s := range before {
		was[s.ID] = s.Reached
	}
	var want []string
	for _, s := range g.All() {
		if s.Reached != was[s.ID] {
			want = append(want, s.ID)
		}
	}
	if !slices.Equal(moved, want) {
		t.Fatalf("moved %q, want %q", moved, want)
	}
}

// The order in which parts are given does not matter, nor do repetitions.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := world(t)
		want := told(t, whole(t, p))
		p.Join(Parts{Nodes: p.Nodes[:1], Edges: p.Edges[:min(1, len(p.Edges))]})
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		r.Shuffle(len(p.Nodes), func(a, b int) { p.Nodes[a], p.Nodes[b] = p.Nodes[b], p.Nodes[a] })
		r.Shuffle(len(p.Edges), func(a, b int) { p.Edges[a], p.Edges[b] = p.Edges[b], p.Edges[a] })
		if got := told(t, whole(t, p)); got != want {
			t.Fatalf("shuffled:\n%s\nwant:\n%s", got, want)
		}
	})
}

// What is said is what a naive search finds, and a path is a path.
func TestClosureIsWhatANaiveSearchFinds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := world(t)
		g := whole(t, p)
		for _, id := range g.Entitlements() {
			c, err := g.Closure(id)
			if err != nil {
				t.Fatal(err)
			}
			reached := naive(p.Edges, Ref{Entitlement, id})
			class, self := "", false
			for _, n := range p.Nodes {
				if reached[n.Ref()] && slices.Index(Classes, n.Class) > slices.Index(Classes, class) {
					class = n.Class
				}
			}
			grants := map[Ref]bool{}
			for _, e := range p.Edges {
				if (e.Kind == CanGrant || e.Kind == Opens) && reached[e.From] {
					grants[e.To] = true
					self = self || e.To.ID == id
				}
			}
			count := 1 + len(c.Powers) + len(c.Entitlements) + len(c.Identities) + len(c.Gates)
			if c.Reached != class || c.SelfGrant != self || count != len(reached) || len(c.Grants) != len(grants) {
				t.Fatalf("%+v\nwant class %q, self %v, %d reached, %d grants", c, class, self, len(reached), len(grants))
			}
			for _, path := range c.Paths {
				checkPath(t, p, id, path, class)
			}
		}
	})
}

func naive(edges []Edge, from Ref) map[Ref]bool {
	reached := map[Ref]bool{from: true}
	for grew := true; grew; {
		grew = false
		for _, e := range edges {
			if reached[e.From] && !reached[e.To] {
				reached[e.To], grew = true, true
			}
		}
	}
	return reached
}

func checkPath(t *rapid.T, p Parts, id string, path Path, class string) {
	at := Ref{Entitlement, id}
	for _, e := range path.Edges {
		if e.From != at || !slices.Contains(p.Edges, e) {
			t.Fatalf("no step %+v from %v", e, at)
		}
		at = e.To
	}
	last := path.Edges[len(path.Edges)-1]
	hands := last.Kind == CanGrant || last.Kind == Opens
	switch {
	case path.To == "grant" && hands, path.To == "self" && hands && at.ID == id:
	case path.To == class && slices.ContainsFunc(p.Nodes, func(n Node) bool { return n.Ref() == at && n.Class == class }):
	default:
		t.Fatalf("path to %s ends at %v", path.To, at)
	}
}

// More edges never make less of anything.
func TestMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := world(t)
		before := whole(t, p).All()
		p.Edges = append(p.Edges, drawEdge(t, p.Nodes))
		for i, s := range whole(t, p).All() {
			if slices.Index(Classes, s.Reached) < slices.Index(Classes, before[i].Reached) || (before[i].SelfGrant && !s.SelfGrant) || (before[i].Gap && !s.Gap) {
				t.Fatalf("%+v became %+v by one edge more", before[i], s)
			}
		}
	})
}
