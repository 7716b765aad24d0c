package config

import (
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// mostSteps bounds the work of closing groups over nesting: ten thousand groups
// inside each other with a member each come to fifty million memberships.
const mostSteps = 10_000_000

func (d *files) checkGroups() {
	for n := range d.groups {
		g := &d.groups[n]
		for _, m := range g.members {
			if _, is := d.known.groups[m.text]; is && d.known.identities[m.text] == nil {
				d.problem(m.at, "%q is a group: list it under groups", access.Brief(m.text))
				continue
			}
			d.anybody(m.at, "members", m.text)
		}
		for _, m := range g.groups {
			if _, is := d.known.identities[m.text]; is && d.known.groups[m.text] == nil {
				d.problem(m.at, "%q is an identity: list it under members", access.Brief(m.text))
				continue
			}
			refer(d, m.at, "groups", "group", m.text, d.known.groups)
		}
	}
	nest := d.nesting()
	for _, ring := range nest.rings {
		ids := nest.names(nest.circle(ring))
		d.circles = append(d.circles, circle(ids))
		d.warn(d.known.groups[ids[0]].f.at("groups"), "groups in a circle: %s; a circle alone grants nothing, each has the members of all", circle(ids))
	}
	d.opened = nest.open(d)
	if at, over := tooMuch(d.opened, mostSteps); over {
		d.problem(d.groups[at].f.here(), "nested groups come to more than %d memberships and links: nest fewer, or list fewer members", mostSteps)
	}
}

// nesting is which groups lie in which, by their place in the files.
type nesting struct {
	id    []string
	inner [][]int // the groups written in a group
	ring  []int   // the ring a group is in, or -1: a ring is a set of groups that all lie in each other
	rings [][]int
}

func (d *files) nesting() *nesting {
	n := &nesting{id: make([]string, len(d.groups)), inner: make([][]int, len(d.groups))}
	place := make(map[string]int, len(d.groups))
	for i := range d.groups {
		n.id[i] = d.groups[i].id
		if d.known.groups[n.id[i]] == &d.groups[i] {
			place[n.id[i]] = i
		}
	}
	for i := range d.groups {
		for _, m := range d.groups[i].groups {
			if to, ok := place[m.text]; ok {
				n.inner[i] = append(n.inner[i], to)
			}
		}
	}
	n.findRings()
	return n
}

// findRings is Tarjan's search for strongly connected components, with its own
// stack: groups may lie in each other ten thousand deep.
func (n *nesting) findRings() {
	type step struct{ at, next int }
	order, low := make([]int, len(n.id)), make([]int, len(n.id)) // order 0: not yet seen
	on, path, count := make([]bool, len(n.id)), []int(nil), 0
	n.ring = slices.Repeat([]int{-1}, len(n.id))
	for start := range n.id {
		if order[start] != 0 {
			continue
		}
		steps := []step{{at: start}}
		for len(steps) > 0 {
			s := &steps[len(steps)-1]
			at := s.at
			if s.next == 0 {
				count++
				order[at], low[at], on[at] = count, count, true
				path = append(path, at)
			}
			if s.next < len(n.inner[at]) {
				to := n.inner[at][s.next]
				s.next++
				switch {
				case order[to] == 0:
					steps = append(steps, step{at: to})
				case on[to]:
					low[at] = min(low[at], order[to])
				}
				continue
			}
			steps = steps[:len(steps)-1]
			if len(steps) > 0 {
				up := steps[len(steps)-1].at
				low[up] = min(low[up], low[at])
			}
			if low[at] == order[at] {
				path = n.close(path, at, on)
			}
		}
	}
}

// close takes one component off the path and keeps it if it is a ring.
func (n *nesting) close(path []int, at int, on []bool) []int {
	from := len(path) - 1
	for path[from] != at {
		from--
	}
	ring := slices.Clone(path[from:])
	for _, g := range ring {
		on[g] = false
	}
	if len(ring) > 1 || slices.Contains(n.inner[at], at) {
		slices.Sort(ring)
		for _, g := range ring {
			n.ring[g] = len(n.rings)
		}
		n.rings = append(n.rings, ring)
	}
	return path[:from]
}

// circle is the shortest way from the first group of a ring back to itself.
func (n *nesting) circle(ring []int) []int {
	start, from := ring[0], map[int]int{}
	queue := []int{start}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, to := range n.inner[at] {
			if to == start {
				way := []int{at}
				for at != start {
					at = from[at]
					way = append(way, at)
				}
				slices.Reverse(way)
				return way
			}
			if _, seen := from[to]; !seen && n.ring[to] == n.ring[start] {
				from[to] = at
				queue = append(queue, to)
			}
		}
	}
	return ring
}

func (n *nesting) names(groups []int) []string {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = n.id[g]
	}
	return ids
}

// open undoes the rings without changing who is in which group: the first of a
// ring takes what all of them hold, and the others hold the first. What is
// closed over nesting then costs no more than it comes to.
func (n *nesting) open(d *files) []access.GroupMembers {
	out := make([]access.GroupMembers, len(n.id))
	for i := range n.id {
		first := i
		if r := n.ring[i]; r >= 0 {
			first = n.rings[r][0]
		}
		out[i].ID = n.id[i]
		if first != i {
			out[i].Groups = []string{n.id[first]}
		}
		out[first].Members = append(out[first].Members, plainTexts(d.groups[i].members)...)
		for _, to := range n.inner[i] {
			if n.ring[to] < 0 || n.ring[to] != n.ring[i] {
				out[first].Groups = append(out[first].Groups, n.id[to])
			}
		}
	}
	for i := range out {
		slices.Sort(out[i].Members)
		out[i].Members = slices.Compact(out[i].Members)
	}
	return out
}

// tooMuch counts what closing the groups will come to, and gives up where it is
// more than most; at is the group that was too much.
func tooMuch(groups []access.GroupMembers, most int) (at int, over bool) {
	place, outer := make(map[string]int, len(groups)), make([][]int, len(groups))
	for i, g := range groups {
		place[g.ID] = i
	}
	for i, g := range groups {
		for _, inner := range g.Groups {
			outer[place[inner]] = append(outer[place[inner]], i)
		}
	}
	steps, seen := 0, make([]int, len(groups)) // seen: the last walk that came by
	for i, g := range groups {
		if len(g.Members) == 0 {
			continue
		}
		seen[i] = i + 1
		for queue := []int{i}; len(queue) > 0; queue = queue[1:] {
			steps += len(g.Members) + len(outer[queue[0]])
			if steps > most {
				return i, true
			}
			for _, o := range outer[queue[0]] {
				if seen[o] != i+1 {
					seen[o] = i + 1
					queue = append(queue, o)
				}
			}
		}
	}
	return 0, false
}
