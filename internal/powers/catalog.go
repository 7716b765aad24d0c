package powers

import (
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// Catalog is what a catalog says its entitlements lead to. Holds is what
// identities hold, by their ids: the catalog does not know it.
func Catalog(d *access.Directory, holds map[string][]string, order []string) Parts {
	if order == nil {
		order = Classes
	}
	c := catalog{d: d, holds: holds, top: order[len(order)-1], system: map[string][]Ref{}, seen: map[Ref]bool{}}
	ids := d.Entitlements()
	for _, id := range ids {
		e, _ := d.Entitlement(id)
		c.system[e.System] = append(c.system[e.System], Ref{Entitlement, id})
		c.all = append(c.all, Ref{Entitlement, id})
		for _, o := range e.Owners {
			p := d.PersonOf(o)
			if c.owned == nil {
				c.owned = map[string][]string{}
			}
			c.owned[p] = append(c.owned[p], id)
		}
	}
	for _, id := range ids {
		e, _ := d.Entitlement(id)
		c.entitlement(e)
	}
	return c.parts
}

type catalog struct {
	d      *access.Directory
	holds  map[string][]string
	owned  map[string][]string // person -> entitlements that person answers for
	top    string
	system map[string][]Ref
	all    []Ref
	seen   map[Ref]bool
	parts  Parts
}

// node adds a node once; fresh tells that it was not there.
func (c *catalog) node(n Node) (r Ref, fresh bool) {
	r = n.Ref()
	if fresh = !c.seen[r]; fresh {
		c.seen[r] = true
		c.parts.Nodes = append(c.parts.Nodes, n)
	}
	return r, fresh
}

func (c *catalog) edge(from Ref, kind EdgeKind, to Ref, rule string) {
	c.parts.Edges = append(c.parts.Edges, Edge{from, kind, to, rule, "catalog"})
}

func (c *catalog) entitlement(e access.Entitlement) {
	self, _ := c.node(Node{Entitlement, e.ID, e.Name, e.Class})
	for _, word := range e.Powers {
		switch word {
		case "read", "write":
			p, _ := c.node(Node{Power, e.ID + "/" + word, word + " " + e.Object, ""})
			c.edge(self, Confers, p, "catalog."+word)
		case "admin":
			p, _ := c.node(Node{Power, e.ID + "/admin", "administer " + e.Object, c.top})
			c.edge(self, Confers, p, "catalog.admin")
		case "grant":
			c.edge(self, Confers, c.grant(e), "catalog.grant")
		}
	}
	for _, id := range e.Becomes {
		c.edge(self, CanBecome, c.identity(id), "catalog.becomes")
	}
	for _, gate := range e.Edits {
		c.edge(self, CanEditGate, c.gate(gate), "catalog.edits")
	}
}

// grant is the power to hand out: what grants names or, once for all who have
// it, everything of the system.
func (c *catalog) grant(e access.Entitlement) Ref {
	if len(e.Grants) > 0 {
		p, _ := c.node(Node{Power, e.ID + "/grant", "hand out access to " + c.names(e.Grants), ""})
		for _, to := range e.Grants {
			c.edge(p, CanGrant, Ref{Entitlement, to}, "catalog.grant")
		}
		return p
	}
	p, fresh := c.node(Node{Power, e.System + "/grant", "hand out every entitlement of " + e.System, ""})
	if fresh {
		for _, to := range c.system[e.System] {
			c.edge(p, CanGrant, to, "catalog.grant")
		}
	}
	return p
}

func (c *catalog) names(ids []string) string {
	const most = 3
	var names []string
	for _, id := range ids {
		if len(names) == most && len(ids) > most {
			names = append(names, "more")
			break
		}
		e, _ := c.d.Entitlement(id)
		names = append(names, e.Name)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}

// identity is whom one can act as, with what it holds and what it answers for.
func (c *catalog) identity(id string) Ref {
	i, _ := c.d.Identity(id)
	r, fresh := c.node(Node{Identity, id, i.Name, ""})
	if !fresh {
		return r
	}
	for _, held := range c.holds[id] {
		c.edge(r, Holds, Ref{Entitlement, held}, "catalog.holds")
	}
	for _, owned := range slices.Compact(slices.Sorted(slices.Values(c.owned[c.d.PersonOf(id)]))) {
		c.edge(r, CanGrant, Ref{Entitlement, owned}, "catalog.owner")
	}
	return r
}

// gate is one that decides who gets what, and what it opens.
func (c *catalog) gate(id string) Ref {
	kind, of, _ := strings.Cut(id, ":")
	name, opens := "", []Ref(nil)
	switch kind {
	case "policy":
		name, opens = "Lessor's rules", c.all
	case "database":
		name, opens = "Lessor's database", c.all
	case "log":
		name = "Lessor's log"
	case "connector":
		name, opens = "Lessor's account in "+of, c.system[of]
	default:
		name = "the ticket workflow of " + of
	}
	r, fresh := c.node(Node{Gate, id, name, c.top})
	if fresh {
		for _, to := range opens {
			c.edge(r, Opens, to, "gate."+kind)
		}
	}
	return r
}
