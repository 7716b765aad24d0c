package powers

import (
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// Reach sums up an entitlement's closure for a decision. What a gate opens is not
// implied one by one: whoever can change the rules has the highest class, and
// everything.
func (g *Graph) Reach(id string) (access.Reach, error) {
	i, ok := g.find(Ref{Entitlement, id})
	if !ok {
		return access.Reach{}, fmt.Errorf("%w: there is no entitlement %q", access.ErrNotFound, id)
	}
	l := g.labels[i]
	r := access.Reach{Declared: g.nodes[i].Class, Class: g.class(l.rank)}
	seen := newMarks(len(g.nodes))
	seen.set(i)
	for queue := []int32{i}; len(queue) > 0; queue = queue[1:] {
		if g.nodes[queue[0]].Kind == Gate {
			continue
		}
		for _, h := range g.out[queue[0]] {
			r.SelfGrant = r.SelfGrant || (h.hands() && h.at() == i)
			if !seen.set(h.at()) {
				continue
			}
			queue = append(queue, h.at())
			switch n := g.nodes[h.at()].Node; n.Kind {
			case Entitlement:
				r.Implied = append(r.Implied, n.ID)
			case Identity:
				r.Becomes = append(r.Becomes, n.ID)
			case Gate:
				r.Gates = append(r.Gates, n.ID)
			}
		}
	}
	for _, list := range [][]string{r.Implied, r.Becomes, r.Gates} {
		slices.Sort(list)
	}
	switch {
	case l.dist > 0 && r.Class != r.Declared:
		r.Path = g.sentence(g.toClass(i))
	case len(r.Implied) > 0: // of most there is nothing, and no way to look for
		if way := g.shortest(i, half.hands); way != nil {
			r.Path = g.sentence(way)
		}
	}
	return r, nil
}

// Higher is the higher of two classes; one that has no place is below all others.
func (g *Graph) Higher(a, b string) string {
	if slices.Index(g.classes, b) > slices.Index(g.classes, a) {
		return b
	}
	return a
}

// OfCatalog is the graph of a catalog. Classes that have no place in the given
// order (nil: [Classes]) are unplaced: each is taken for one just below the
// highest, so that a class nobody placed is not taken for a low one.
func OfCatalog(d *access.Directory, holds map[string][]string, classes []string) (g *Graph, unplaced []string, err error) {
	if len(classes) == 0 {
		classes = Classes
	}
	for _, id := range d.Entitlements() {
		if e, _ := d.Entitlement(id); e.Class != "" && !slices.Contains(classes, e.Class) && !slices.Contains(unplaced, e.Class) {
			unplaced = append(unplaced, e.Class)
		}
	}
	slices.Sort(unplaced)
	last := len(classes) - 1
	order := slices.Concat(classes[:last], unplaced, classes[last:])
	g, err = New(Config{Classes: order, Parts: Catalog(d, holds, order)})
	return g, unplaced, err
}
