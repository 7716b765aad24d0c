package powers

import "container/heap"

// label is what a node reaches: the highest class, and over how many edges the
// nearest node of that class is. A node's label is its own class at distance 0,
// or one step more than that of a node it leads to, whichever is better. Every
// label that is not a node's own is one step behind the label it rests on, so
// nothing rests on itself, whatever circles there are.
type label struct {
	rank uint8
	dist int32
}

func (l label) better(o label) bool { return l.rank > o.rank || (l.rank == o.rank && l.dist < o.dist) }

// step is the label of whoever leads to a node with this one.
func (l label) step() label {
	if l.rank == 0 {
		return label{}
	}
	return label{l.rank, l.dist + 1}
}

// labelAll labels every node: breadth first, backwards, from the nodes of each
// class, the highest first. Each edge is looked at once.
func (g *Graph) labelAll() {
	byRank := make([][]int32, len(g.classes)+1)
	for i := range g.nodes {
		g.labels[i] = label{}
		if r := g.nodes[i].rank; r > 0 {
			byRank[r] = append(byRank[r], int32(i))
		}
	}
	var queue []int32
	for r := len(g.classes); r > 0; r-- {
		queue = queue[:0]
		for _, i := range byRank[r] {
			if g.labels[i].rank == 0 {
				g.labels[i] = label{rank: uint8(r)}
				queue = append(queue, i)
			}
		}
		for n := 0; n < len(queue); n++ {
			by := g.labels[queue[n]].step()
			for _, h := range g.in[queue[n]] {
				if g.labels[h.at()].rank == 0 {
					g.labels[h.at()] = by
					queue = append(queue, h.at())
				}
			}
		}
	}
}

// gain gives a node a better label, and tells those who lead to it.
func (g *Graph) gain(i int32, l label, before map[int32]uint8) {
	g.setLabel(i, l, before)
	g.spread(&queue{{i, l}}, before)
}

// spread goes backwards from nodes with new labels, the best first, so that each
// node is settled once.
func (g *Graph) spread(q *queue, before map[int32]uint8) {
	for q.Len() > 0 {
		it := heap.Pop(q).(queued)
		if g.labels[it.at] != it.label {
			continue // a better one came since
		}
		by := it.step()
		for _, h := range g.in[it.at] {
			if by.better(g.labels[h.at()]) {
				g.setLabel(h.at(), by, before)
				heap.Push(q, queued{h.at(), by})
			}
		}
	}
}

// lose looks again at nodes whose labels may rest on nothing any more, and at
// those whose labels rested on theirs: only they can change.
func (g *Graph) lose(bereft []int32, before map[int32]uint8) {
	// 1. Which labels are left without anything to rest on. The best come first:
	// what a label rests on is better than it, and so known by then.
	lost, order := map[int32]bool{}, []int32{}
	q := &queue{}
	for _, i := range bereft {
		*q = append(*q, queued{i, g.labels[i]})
	}
	heap.Init(q)
	for q.Len() > 0 {
		it := heap.Pop(q).(queued)
		if lost[it.at] || g.rests(it.at, lost) {
			continue
		}
		lost[it.at] = true
		order = append(order, it.at)
		by := it.step()
		for _, h := range g.in[it.at] {
			if by.rank > 0 && g.labels[h.at()] == by && !lost[h.at()] {
				heap.Push(q, queued{h.at(), by})
			}
		}
	}

	// 2. What they rest on instead, of what stands, and then of each other.
	again := &queue{}
	for _, at := range order {
		best := label{rank: g.nodes[at].rank}
		for _, h := range g.out[at] {
			if by := g.labels[h.at()].step(); !lost[h.at()] && by.better(best) {
				best = by
			}
		}
		g.setLabel(at, best, before)
	}
	for _, at := range order {
		if g.labels[at].rank > 0 {
			*again = append(*again, queued{at, g.labels[at]})
		}
	}
	heap.Init(again)
	g.spread(again, before)
}

// rests tells whether a node's label is its own, or one step behind a label that stands.
func (g *Graph) rests(i int32, lost map[int32]bool) bool {
	l := g.labels[i]
	if l.dist == 0 {
		return g.nodes[i].rank == l.rank
	}
	for _, h := range g.out[i] {
		if g.labels[h.at()].step() == l && !lost[h.at()] {
			return true
		}
	}
	return false
}

func (g *Graph) setLabel(i int32, l label, before map[int32]uint8) {
	if _, noted := before[i]; !noted {
		before[i] = g.labels[i].rank
	}
	g.labels[i] = l
}

// queue gives the best label first.
type queue []queued

type queued struct {
	at int32
	label
}

func (q queue) Len() int           { return len(q) }
func (q queue) Less(a, b int) bool { return q[a].better(q[b].label) }
func (q queue) Swap(a, b int)      { q[a], q[b] = q[b], q[a] }
func (q *queue) Push(x any)        { *q = append(*q, x.(queued)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
