package powers

import "slices"

// hands tells whether an edge is one by which somebody gets what he did not have.
func (h half) hands() bool {
	k := edgeKinds[h.kind()].kind
	return k == CanGrant || k == Opens
}

// Summary is an entitlement in one line.
type Summary struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Declared  string `json:"declared,omitempty"`
	Reached   string `json:"reached,omitempty"`
	Gap       bool   `json:"gap"`        // reached is above declared
	SelfGrant bool   `json:"self_grant"` // its holder can hand out this very entitlement: its end does not bind him
}

// All sums up every entitlement, in order of id.
func (g *Graph) All() []Summary {
	circles := g.circles()
	out := make([]Summary, 0, len(g.index[0]))
	for _, id := range g.Entitlements() {
		i := g.index[0][id]
		self := slices.ContainsFunc(g.in[i], func(h half) bool { return h.hands() && circles[h.at()] == circles[i] })
		out = append(out, g.summary(i, self))
	}
	return out
}

func (g *Graph) summary(i int32, self bool) Summary {
	n, l := &g.nodes[i], g.labels[i]
	return Summary{n.ID, n.Name, n.Class, g.class(l.rank), n.rank > 0 && l.rank > n.rank, self}
}

// circles numbers the nodes so that two have the same number exactly if each
// leads to the other (Tarjan's algorithm, with a stack of its own: no depth of
// the graph can exhaust that of the program).
func (g *Graph) circles() []int32 {
	const unseen = 0
	var (
		number  = make([]int32, len(g.nodes)) // order of first sight, from 1
		low     = make([]int32, len(g.nodes)) // the earliest seen that is reached and still open
		circle  = make([]int32, len(g.nodes)) // from 1, once closed
		open    []int32
		path    []frame
		counter int32
		closed  int32
	)
	see := func(i int32) {
		counter++
		number[i], low[i] = counter, counter
		open, path = append(open, i), append(path, frame{at: i})
	}
	for root := range g.nodes {
		if number[root] != unseen {
			continue
		}
		see(int32(root))
		for len(path) > 0 {
			f := &path[len(path)-1]
			if f.next < len(g.out[f.at]) {
				to := g.out[f.at][f.next].at()
				f.next++
				if number[to] == unseen {
					see(to)
				} else if circle[to] == 0 {
					low[f.at] = min(low[f.at], number[to])
				}
				continue
			}
			at := f.at
			path = path[:len(path)-1]
			if len(path) > 0 {
				before := path[len(path)-1].at
				low[before] = min(low[before], low[at])
			}
			if low[at] == number[at] {
				closed++
				open = closeCircle(open, at, circle, closed)
			}
		}
	}
	return circle
}

// frame is a node whose edges are being followed.
type frame struct {
	at   int32
	next int
}

// closeCircle takes the open nodes back to the circle's first into it.
func closeCircle(open []int32, first int32, circle []int32, number int32) []int32 {
	for {
		last := open[len(open)-1]
		open = open[:len(open)-1]
		circle[last] = number
		if last == first {
			return open
		}
	}
}
