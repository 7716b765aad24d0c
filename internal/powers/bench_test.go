package powers

import (
	"fmt"
	"math/rand"
	"testing"
)

// company makes 100,000 entitlements in 200 systems and a million edges. In a
// tangle they lead anywhere, so that most are in one circle; else groups nest one
// way within their system, one in a hundred hands out its system, and one in a
// thousand leads elsewhere.
func company(tangle bool) Parts {
	const ents, systems, edges = 100_000, 200, 1_000_000
	r := rand.New(rand.NewSource(1))
	var p Parts
	for i := range ents {
		class := "standard"
		if r.Intn(20) == 0 {
			class = "privileged"
		}
		p.Nodes = append(p.Nodes, Node{Entitlement, fmt.Sprintf("s%d:e%d", i%systems, i), fmt.Sprintf("Entitlement %d", i), class})
	}
	for s := range systems {
		all := Node{Power, fmt.Sprintf("s%d", s), fmt.Sprintf("hand out every entitlement of s%d", s), ""}
		p.Nodes = append(p.Nodes, all)
		for i := s; i < ents; i += systems {
			p.Edges = append(p.Edges, Edge{all.Ref(), CanGrant, p.Nodes[i].Ref(), "catalog.grant", ""})
			if r.Intn(100) == 0 {
				p.Edges = append(p.Edges, Edge{p.Nodes[i].Ref(), Confers, all.Ref(), "catalog.grant", ""})
			}
		}
	}
	for len(p.Edges) < edges {
		a, b := r.Intn(ents), r.Intn(ents)
		kind := Confers
		switch {
		case tangle && r.Intn(10) == 0:
			kind = CanGrant
		case tangle:
		case r.Intn(1000) == 0:
			kind = CanGrant
		default:
			b = min(a, ents-1) % systems
			if a > systems {
				b += systems * r.Intn(a/systems)
			}
		}
		p.Edges = append(p.Edges, Edge{p.Nodes[a].Ref(), kind, p.Nodes[b].Ref(), "nesting", ""})
	}
	return p
}

// Whole is building the graph and summing up every entitlement; change is one
// edge more and then less, with the closure's summary and the path of its start.
func BenchmarkClosure(b *testing.B) {
	for _, tangle := range []bool{false, true} {
		name := map[bool]string{false: "company", true: "tangle"}[tangle]
		p := company(tangle)
		b.Run(name+"/whole", func(b *testing.B) {
			for b.Loop() {
				g, err := New(Config{Parts: p})
				if err != nil || len(g.All()) != 100_000 {
					b.Fatal(err)
				}
			}
		})
		g, err := New(Config{Parts: p})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/change", func(b *testing.B) { benchChange(b, g, p) })
		b.Run(name+"/closure", func(b *testing.B) {
			r := rand.New(rand.NewSource(3))
			for b.Loop() {
				if _, err := g.Closure(p.Nodes[r.Intn(100_000)].ID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchChange(b *testing.B, g *Graph, p Parts) {
	r := rand.New(rand.NewSource(2))
	var moved, most int
	count := func(ids []string, err error) {
		if err != nil {
			b.Fatal(err)
		}
		moved, most = moved+len(ids), max(most, len(ids))
	}
	n := 0
	for b.Loop() {
		e := p.Edges[r.Intn(len(p.Edges))] // one that is there: taking it out can matter
		if n++; n%2 == 0 {
			e = Edge{p.Nodes[r.Intn(100_000)].Ref(), CanGrant, p.Nodes[r.Intn(100_000)].Ref(), "new", fmt.Sprint(n)}
			count(g.Join(e))
			count(g.Cut(e))
		} else {
			count(g.Cut(e))
			count(g.Join(e))
		}
		if i, ok := g.find(Ref{Entitlement, e.From.ID}); ok {
			_ = g.summary(i, g.selfGrant(i))
			_ = g.toClass(i)
		}
	}
	b.ReportMetric(float64(moved)/float64(b.N), "moved/op")
	b.ReportMetric(float64(most), "most-moved")
}

// The worst change: the one edge by which everything is reached.
func BenchmarkWorstChange(b *testing.B) {
	var p Parts
	top, hub := Node{Entitlement, "top", "Top", "privileged"}, Node{Power, "hub", "reach the top", ""}
	p.Nodes = []Node{top, hub}
	last := Edge{hub.Ref(), CanGrant, top.Ref(), "r", ""}
	p.Edges = []Edge{last}
	for i := range 100_000 {
		n := Node{Entitlement, fmt.Sprint("e", i), "E", "standard"}
		p.Nodes, p.Edges = append(p.Nodes, n), append(p.Edges, Edge{n.Ref(), Confers, hub.Ref(), "r", ""})
	}
	g, err := New(Config{Parts: p})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		lost, err := g.Cut(last)
		if err != nil || len(lost) != 100_000 {
			b.Fatal(len(lost), err)
		}
		if _, err := g.Join(last); err != nil {
			b.Fatal(err)
		}
	}
}
