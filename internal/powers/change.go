package powers

import (
	"fmt"
	"maps"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// Every change returns the ids of the entitlements that now reach another class
// than before, in order.

// Put adds a node, or gives the one of that name another name or class.
func (g *Graph) Put(n Node) ([]string, error) {
	i, there := g.find(n.Ref())
	if !there {
		i, err := g.place(n)
		if err != nil {
			return nil, err
		}
		return g.moved(map[int32]uint8{i: 0}), nil
	}
	rank, err := g.rank(n.Class)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", n.Kind, n.ID, err)
	}
	if n.Name == "" {
		return nil, invalid("a node of kind %s needs a name", n.Kind)
	}
	was := g.nodes[i].rank
	g.nodes[i] = vertex{Node: n, rank: rank}
	before := map[int32]uint8{}
	if rank < was {
		g.lose([]int32{i}, before)
	}
	if own := (label{rank: rank}); own.better(g.labels[i]) {
		g.gain(i, own, before)
	}
	return g.moved(before), nil
}

// Remove takes a node out, and every edge from and to it.
func (g *Graph) Remove(r Ref) ([]string, error) {
	i, ok := g.find(r)
	if !ok {
		return nil, fmt.Errorf("%w: %s %q", access.ErrNotFound, r.Kind, r.ID)
	}
	before, bereft := map[int32]uint8{}, []int32{}
	for _, h := range g.in[i] {
		if h.at() == i {
			continue
		}
		at, _ := slices.BinarySearch(g.out[h.at()], h.back(i))
		g.out[h.at()] = slices.Delete(g.out[h.at()], at, at+1)
		if g.labels[h.at()] == g.labels[i].step() {
			bereft = append(bereft, h.at())
		}
		g.edges--
	}
	for _, h := range g.out[i] {
		if h.at() != i {
			in, _ := slices.BinarySearch(g.in[h.at()], h.back(i))
			g.in[h.at()] = slices.Delete(g.in[h.at()], in, in+1)
		}
		g.edges--
	}
	delete(g.index[kindCode(r.Kind)], r.ID)
	g.nodes[i], g.labels[i], g.out[i], g.in[i] = vertex{gone: true}, label{}, nil, nil
	g.free = append(g.free, i)
	g.lose(bereft, before)
	return g.moved(before), nil
}

// Join adds an edge; one that is there already is no change.
func (g *Graph) Join(e Edge) ([]string, error) {
	from, to, err := g.ends(e)
	if err != nil {
		return nil, err
	}
	h, err := g.half(e, to)
	if err != nil {
		return nil, err
	}
	at, there := slices.BinarySearch(g.out[from], h)
	if there {
		return nil, nil
	}
	back := h.back(from)
	in, _ := slices.BinarySearch(g.in[to], back)
	g.out[from], g.in[to] = slices.Insert(g.out[from], at, h), slices.Insert(g.in[to], in, back)
	g.edges++
	before := map[int32]uint8{}
	if by := g.labels[to].step(); by.better(g.labels[from]) {
		g.gain(from, by, before)
	}
	return g.moved(before), nil
}

// Cut takes an edge out.
func (g *Graph) Cut(e Edge) ([]string, error) {
	from, to, err := g.ends(e)
	if err != nil {
		return nil, err
	}
	h, err := g.half(e, to)
	if err != nil {
		return nil, err
	}
	if _, there := slices.BinarySearch(g.out[from], h); !there {
		return nil, fmt.Errorf("%w: no edge %s from %q to %q by that reason", access.ErrNotFound, e.Kind, e.From.ID, e.To.ID)
	}
	before := map[int32]uint8{}
	g.cut(from, h, before)
	return g.moved(before), nil
}

func (g *Graph) cut(from int32, h half, before map[int32]uint8) {
	back := h.back(from)
	at, _ := slices.BinarySearch(g.out[from], h)
	in, _ := slices.BinarySearch(g.in[h.at()], back)
	g.out[from], g.in[h.at()] = slices.Delete(g.out[from], at, at+1), slices.Delete(g.in[h.at()], in, in+1)
	g.edges--
	if g.labels[from] == g.labels[h.at()].step() {
		g.lose([]int32{from}, before)
	}
}

// moved names the entitlements whose class is another than before.
func (g *Graph) moved(before map[int32]uint8) []string {
	var ids []string
	for i := range maps.Keys(before) {
		if n := &g.nodes[i]; n.Kind == Entitlement && !n.gone && g.labels[i].rank != before[i] {
			ids = append(ids, n.ID)
		}
	}
	slices.Sort(ids)
	return ids
}
