package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/powers"
	"github.com/lessor-iam/lessor/internal/store"
)

// omission is what a target says of an entitlement that the catalog does not.
type omission struct {
	Powers []string
	Why    string
}

// heard is what everything in the catalog can become, by the catalog and by what the
// targets themselves say. It is only read.
type heard struct {
	name   string // of the powers that are said
	graph  *powers.Graph
	unsaid map[string]omission // entitlement -> what the catalog leaves out
}

// sayings keeps what was last found out of one catalog: targets seldom change their minds.
type sayings struct {
	mu   sync.Mutex
	last *heard
}

// heard is what everything can become as of the deed.
func (d *deed) heard(ctx context.Context) (*heard, error) {
	if d.all == nil {
		k, err := d.world.heard(ctx, d.Tx)
		if err != nil {
			return nil, err
		}
		d.all = k
	}
	return d.all, nil
}

// heard is what everything can become as of a transaction. What is said has a name of
// its own in every transaction that changed it, whether or not that was committed.
func (w World) heard(ctx context.Context, tx *store.Tx) (*heard, error) {
	name, err := tx.SaidPowers(ctx)
	if err != nil {
		return nil, err
	}
	w.said.mu.Lock()
	last := w.said.last
	w.said.mu.Unlock()
	if last != nil && last.name == name {
		return last, nil
	}
	list, err := tx.SaidPowerful(ctx)
	if err != nil {
		return nil, err
	}
	k, err := w.hear(name, list)
	if err != nil {
		return nil, fmt.Errorf("what the catalog's entitlements can become by what their targets say: %w", err)
	}
	w.said.mu.Lock()
	w.said.last = k
	w.said.mu.Unlock()
	return k, nil
}

// mostWhys is for how many different reasons a system's power to hand out is told apart.
const mostWhys = 20

// hear adds to what the catalog says what the targets say, and takes nothing away.
func (w World) hear(name string, list []access.SaidObject) (*heard, error) {
	said := make(map[[2]string]access.SaidObject, len(list))
	for _, o := range list {
		said[[2]string{o.System, o.Object}] = o
	}
	k := &heard{name: name, graph: w.powers, unsaid: map[string]omission{}}
	h := hearing{top: w.order[len(w.order)-1], objects: map[string][]powers.Ref{}, whys: map[string][]string{}}
	for _, id := range w.Directory.Entitlements() {
		e, _ := w.Directory.Entitlement(id)
		o := said[[2]string{e.System, e.Object}]
		h.objects[e.System] = append(h.objects[e.System], powers.Ref{Kind: powers.Entitlement, ID: id})
		if words := e.Unsaid(o.Powers); len(words) > 0 {
			k.unsaid[id] = omission{words, o.Why}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(k.unsaid)) {
		e, _ := w.Directory.Entitlement(id)
		h.add(e, k.unsaid[id])
	}
	if len(h.parts.Edges) == 0 { // reading and writing lead to nothing else
		return k, nil
	}
	all := powers.Catalog(w.Directory, nil, w.order)
	all.Join(h.parts)
	graph, err := powers.New(powers.Config{Classes: w.order, Parts: all})
	if err != nil {
		return nil, err
	}
	k.graph = graph
	return k, nil
}

// hearing makes nodes and edges of what targets say.
type hearing struct {
	top     string // class
	objects map[string][]powers.Ref
	whys    map[string][]string // system -> reasons for the power to hand out
	parts   powers.Parts
}

func (h *hearing) add(e access.Entitlement, u omission) {
	self := powers.Ref{Kind: powers.Entitlement, ID: e.ID}
	if slices.Contains(u.Powers, "admin") {
		n := powers.Node{Kind: powers.Power, ID: e.ID + "/said/admin", Name: fmt.Sprintf("administer %s (%s)", e.Object, sayer(e.System, u.Why)), Class: h.top}
		h.parts.Nodes = append(h.parts.Nodes, n)
		h.edge(self, powers.Confers, n.Ref(), "said.admin")
	}
	if slices.Contains(u.Powers, "grant") {
		h.edge(self, powers.Confers, h.grant(e.System, u.Why), "said.grant")
	}
}

func (h *hearing) edge(from powers.Ref, kind powers.EdgeKind, to powers.Ref, rule string) {
	h.parts.Edges = append(h.parts.Edges, powers.Edge{From: from, Kind: kind, To: to, Rule: rule, Source: "target"})
}

// grant is the power to hand out everything of a system, once for each reason.
func (h *hearing) grant(system, why string) powers.Ref {
	if whys := h.whys[system]; !slices.Contains(whys, why) && len(whys) >= mostWhys {
		why = ""
	}
	n := powers.Node{Kind: powers.Power, ID: system + "/said/grant/" + why, Name: fmt.Sprintf("hand out every entitlement of %s (%s)", system, sayer(system, why))}
	if slices.Contains(h.whys[system], why) {
		return n.Ref()
	}
	h.whys[system] = append(h.whys[system], why)
	h.parts.Nodes = append(h.parts.Nodes, n)
	for _, to := range h.objects[system] {
		h.edge(n.Ref(), powers.CanGrant, to, "said.grant")
	}
	return n.Ref()
}

// sayer says by whose word something is so.
func sayer(system, why string) string {
	by := "as " + system + " itself says"
	if why == "" {
		return by
	}
	return by + ": " + why
}

// tooLittle says what of an entitlement's powers only its target says; empty: nothing.
func (k *heard) tooLittle(ent access.Entitlement) string {
	u, ok := k.unsaid[ent.ID]
	if !ok {
		return ""
	}
	why := ""
	if u.Why != "" {
		why = " (" + u.Why + ")"
	}
	return fmt.Sprintf("%s itself says that %s carries the power %s%s, and the catalog does not. Write it there, or take it away at the system.",
		ent.System, ent.ID, strings.Join(u.Powers, " and "), why)
}
