package powers

import (
	"cmp"
	"slices"
)

// Kind is what a node stands for.
type Kind string

const (
	Entitlement Kind = "entitlement" // what an account can hold
	Power       Kind = "power"       // what holding it lets one do, as a phrase after "can"
	Identity    Kind = "identity"    // whom one can act as
	Gate        Kind = "gate"        // what decides who gets what: policy, workflow, connector, log
)

// kinds gives each its code: the place in this table.
var kinds = [...]Kind{Entitlement, Power, Identity, Gate}

func kindCode(k Kind) int { return slices.Index(kinds[:], k) }

// Node is one of them. Class is the declared class of an entitlement, and of
// anything else the class that reaching it is worth; empty: none.
type Node struct {
	Kind  Kind   `json:"kind"`
	ID    string `json:"id"`
	Name  string `json:"name"`
	Class string `json:"class,omitempty"`
}

// Ref names a node.
type Ref struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`
}

// Ref is the node's name among all nodes.
func (n Node) Ref() Ref { return Ref{n.Kind, n.ID} }

func (r Ref) compare(o Ref) int { return cmp.Or(cmp.Compare(r.Kind, o.Kind), cmp.Compare(r.ID, o.ID)) }

// EdgeKind is how one node leads to another.
type EdgeKind string

const (
	Confers     EdgeKind = "confers"       // holding the one is holding the other
	CanGrant    EdgeKind = "can_grant"     // he can give it, to himself or to others
	CanBecome   EdgeKind = "can_become"    // he can act as that identity
	CanEditGate EdgeKind = "can_edit_gate" // he can change what decides
	Holds       EdgeKind = "holds"         // that identity has it
	Opens       EdgeKind = "opens"         // that gate decides who gets it
)

// edgeKinds is which nodes an edge may join. The order is that of the codes.
var edgeKinds = []struct {
	kind     EdgeKind
	from, to []Kind
}{
	{Confers, []Kind{Entitlement, Power}, []Kind{Entitlement, Power}},
	{CanGrant, []Kind{Entitlement, Power, Identity}, []Kind{Entitlement}},
	{CanBecome, []Kind{Entitlement, Power, Identity}, []Kind{Identity}},
	{CanEditGate, []Kind{Entitlement, Power, Identity}, []Kind{Gate}},
	{Holds, []Kind{Identity}, []Kind{Entitlement, Power}},
	{Opens, []Kind{Gate}, []Kind{Entitlement}},
}

func edgeCode(k EdgeKind) int {
	for i := range edgeKinds {
		if edgeKinds[i].kind == k {
			return i
		}
	}
	return -1
}

// Edge is one step, with its reason: the rule that says so, and where what the
// rule read is written.
type Edge struct {
	From   Ref      `json:"from"`
	Kind   EdgeKind `json:"kind"`
	To     Ref      `json:"to"`
	Rule   string   `json:"rule"`
	Source string   `json:"source,omitempty"`
}

func (e Edge) compare(o Edge) int {
	return cmp.Or(e.From.compare(o.From), e.To.compare(o.To), cmp.Compare(edgeCode(e.Kind), edgeCode(o.Kind)),
		cmp.Compare(e.Rule, o.Rule), cmp.Compare(e.Source, o.Source))
}

// Classes is the order of classes, lowest first, where none is given.
var Classes = []string{"standard", "third-party", "privileged"}

// Parts is what a graph is made of. Nodes that stand twice with the same content,
// and edges, count once; parts may be joined in any order.
type Parts struct {
	Nodes []Node
	Edges []Edge
}

// Join adds other parts.
func (p *Parts) Join(o Parts) {
	p.Nodes, p.Edges = append(p.Nodes, o.Nodes...), append(p.Edges, o.Edges...)
}

// Config is a graph that may be wrong.
type Config struct {
	Classes []string // lowest first; nil: [Classes]
	Parts
}
