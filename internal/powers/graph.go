package powers

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// Graph holds nodes and edges, and for every node the highest class it reaches
// and how far away that is. Several may read it at once; whoever changes it must
// be alone.
type Graph struct {
	classes []string
	index   [len(kinds)]map[string]int32
	nodes   []vertex
	out, in [][]half // sorted
	labels  []label  // of each node; see label
	reasons []reason
	known   map[reason]int32
	free    []int32 // places of removed nodes
	edges   int
}

// vertex is a node in its place; rank is that of its own class, 0 for none.
type vertex struct {
	Node
	rank uint8
	gone bool
}

// half is an edge seen from one of its ends: the other end, the kind and the
// reason in one number, so that lists of them sort and are searched fast.
type half uint64

const reasonBits, kindBits = 29, 3

func newHalf(at int32, kind int, reason int32) half {
	return half(at)<<(kindBits+reasonBits) | half(kind)<<reasonBits | half(reason)
}

func (h half) at() int32     { return int32(h >> (kindBits + reasonBits)) }
func (h half) kind() int     { return int(h >> reasonBits & (1<<kindBits - 1)) }
func (h half) reason() int32 { return int32(h & (1<<reasonBits - 1)) }

// back is the same edge seen from its other end.
func (h half) back(at int32) half { return newHalf(at, h.kind(), h.reason()) }

type reason struct{ rule, source string }

// New builds a graph whole. Its error names everything wrong, up to twenty.
func New(c Config) (*Graph, error) {
	g := &Graph{classes: c.Classes, known: map[reason]int32{}}
	if g.classes == nil {
		g.classes = Classes
	}
	if err := checkClasses(g.classes); err != nil {
		return nil, err
	}
	for k := range kinds {
		g.index[k] = map[string]int32{}
	}
	var wrong []error
	note := func(err error) bool {
		if err != nil {
			wrong = append(wrong, err)
		}
		return len(wrong) < 20
	}

	// 1. The nodes.
	for _, n := range c.Nodes {
		if i, ok := g.find(n.Ref()); ok {
			if g.nodes[i].Node != n && !note(invalid("%s %q is given twice, and not the same", n.Kind, n.ID)) {
				break
			}
			continue
		}
		if _, err := g.place(n); !note(err) {
			break
		}
	}

	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}

	// 2. The edges, each from both of its ends.
	type joint struct {
		from int32
		half half
	}
	joined := make([]joint, 0, len(c.Edges))
	outs, ins := make([]int32, len(g.nodes)), make([]int32, len(g.nodes))
	for _, e := range c.Edges {
		from, to, err := g.ends(e)
		if err != nil {
			if !note(err) {
				break
			}
			continue
		}
		h, err := g.half(e, to)
		if err != nil {
			note(err)
			break
		}
		joined = append(joined, joint{from, h})
		outs[from]++
		ins[to]++
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	share(g.out, outs)
	share(g.in, ins)
	for _, j := range joined {
		g.out[j.from] = append(g.out[j.from], j.half)
		g.in[j.half.at()] = append(g.in[j.half.at()], j.half.back(j.from))
	}
	for i := range g.nodes {
		slices.Sort(g.out[i])
		slices.Sort(g.in[i])
		g.out[i], g.in[i] = slices.Compact(g.out[i]), slices.Compact(g.in[i])
		g.edges += len(g.out[i])
	}

	// 3. What each reaches.
	g.labelAll()
	return g, nil
}

// share cuts one array into lists of those lengths, none of which can grow into
// the next.
func share(lists [][]half, lengths []int32) {
	total := 0
	for _, n := range lengths {
		total += int(n)
	}
	all := make([]half, total)
	for i, n := range lengths {
		lists[i], all = all[:0:n], all[n:]
	}
}

func checkClasses(classes []string) error {
	if len(classes) == 0 || len(classes) > 250 {
		return invalid("classes: from 1 to 250 are ordered, not %d", len(classes))
	}
	for i, c := range classes {
		if c == "" || slices.Contains(classes[:i], c) {
			return invalid("classes: %q is empty or stands twice", c)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, args...)...)
}

// rank is a class's place in the order, 1 for the lowest.
func (g *Graph) rank(class string) (uint8, error) {
	if class == "" {
		return 0, nil
	}
	i := slices.Index(g.classes, class)
	if i < 0 {
		return 0, invalid("class %q has no place in the order %q", class, g.classes)
	}
	return uint8(i + 1), nil
}

func (g *Graph) class(rank uint8) string {
	if rank == 0 {
		return ""
	}
	return g.classes[rank-1]
}

// place gives a new node its place.
func (g *Graph) place(n Node) (int32, error) {
	rank, err := g.rank(n.Class)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s %q: %w", n.Kind, n.ID, err)
	case kindCode(n.Kind) < 0:
		return 0, invalid("there is no kind of node %q", n.Kind)
	case n.ID == "" || n.Name == "":
		return 0, invalid("a node of kind %s needs an id and a name", n.Kind)
	}
	i := int32(len(g.nodes))
	if k := len(g.free); k > 0 {
		i, g.free = g.free[k-1], g.free[:k-1]
	} else {
		g.nodes, g.out, g.in, g.labels = append(g.nodes, vertex{}), append(g.out, nil), append(g.in, nil), append(g.labels, label{})
	}
	g.nodes[i], g.labels[i] = vertex{Node: n, rank: rank}, label{rank: rank}
	g.index[kindCode(n.Kind)][n.ID] = i
	return i, nil
}

// ends finds both ends of an edge, and holds that it may join them.
func (g *Graph) ends(e Edge) (from, to int32, err error) {
	code := edgeCode(e.Kind)
	if code < 0 || !slices.Contains(edgeKinds[code].from, e.From.Kind) || !slices.Contains(edgeKinds[code].to, e.To.Kind) {
		return 0, 0, invalid("no edge %q leads from a node of kind %q to one of kind %q", e.Kind, e.From.Kind, e.To.Kind)
	}
	from, ok := g.find(e.From)
	to, ok2 := g.find(e.To)
	switch {
	case !ok:
		return 0, 0, fmt.Errorf("%w: %s %q, from which an edge leads", access.ErrNotFound, e.From.Kind, e.From.ID)
	case !ok2:
		return 0, 0, fmt.Errorf("%w: %s %q, to which an edge leads", access.ErrNotFound, e.To.Kind, e.To.ID)
	case e.Rule == "":
		return 0, 0, invalid("the edge from %q to %q needs a rule as its reason", e.From.ID, e.To.ID)
	}
	return from, to, nil
}

// half is an edge as its start sees it.
func (g *Graph) half(e Edge, to int32) (half, error) {
	r := reason{e.Rule, e.Source}
	i, ok := g.known[r]
	if !ok {
		if i = int32(len(g.reasons)); i >= 1<<reasonBits {
			return 0, invalid("a graph has at most %d different reasons", 1<<reasonBits)
		}
		g.reasons, g.known[r] = append(g.reasons, r), i
	}
	return newHalf(to, edgeCode(e.Kind), i), nil
}

func (g *Graph) edge(from int32, h half) Edge {
	r := g.reasons[h.reason()]
	return Edge{g.nodes[from].Ref(), edgeKinds[h.kind()].kind, g.nodes[h.at()].Ref(), r.rule, r.source}
}

// find is where a node is.
func (g *Graph) find(r Ref) (int32, bool) {
	k := kindCode(r.Kind)
	if k < 0 {
		return 0, false
	}
	i, ok := g.index[k][r.ID]
	return i, ok
}

// Node looks one up.
func (g *Graph) Node(r Ref) (Node, bool) {
	i, ok := g.find(r)
	if !ok {
		return Node{}, false
	}
	return g.nodes[i].Node, true
}

// Entitlements lists the ids of all entitlements in order.
func (g *Graph) Entitlements() []string { return slices.Sorted(maps.Keys(g.index[0])) }

// Size counts nodes and edges.
func (g *Graph) Size() (nodes, edges int) { return len(g.nodes) - len(g.free), g.edges }
