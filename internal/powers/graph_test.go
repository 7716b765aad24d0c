package powers

import (
	"errors"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

func ent(id, class string) Node { return Node{Entitlement, id, strings.ToUpper(id), class} }

func can(id, phrase string) Node { return Node{Power, id, phrase, ""} }

func edge(from Node, kind EdgeKind, to Node) Edge {
	return Edge{from.Ref(), kind, to.Ref(), "test", ""}
}

func build(t testing.TB, nodes []Node, edges ...Edge) *Graph {
	t.Helper()
	g, err := New(Config{Parts: Parts{nodes, edges}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func closure(t testing.TB, g *Graph, id string) Closure {
	t.Helper()
	c, err := g.Closure(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClosure(t *testing.T) {
	t.Parallel()
	var (
		wiki, bank, root = ent("wiki", "standard"), ent("bank", "third-party"), ent("root", "privileged")
		writes, bot      = can("w", "write the list of members"), Node{Identity, "bot", "the bot", ""}
		rules            = Node{Gate, "rules", "the rules", ""}
	)
	all := []Node{wiki, bank, root, writes, bot, rules}
	for _, c := range []struct {
		name     string
		edges    []Edge
		reached  string
		self     bool
		grants   int
		sentence string
	}{
		{"alone", nil, "standard", false, 0, ""},
		{"includes", []Edge{edge(wiki, Confers, bank)}, "third-party", false, 0, "WIKI includes BANK"},
		{"power to grant", []Edge{edge(wiki, Confers, writes), edge(writes, CanGrant, root)}, "privileged", false, 1,
			"WIKI can write the list of members, so its holder can give himself ROOT"},
		{"becomes", []Edge{edge(wiki, CanBecome, bot), edge(bot, Holds, root)}, "privileged", false, 0, "WIKI can act as the bot, who holds ROOT"},
		{"gate", []Edge{edge(wiki, CanEditGate, rules), edge(rules, Opens, bank)}, "third-party", false, 1, "WIKI can change the rules, which decides who gets BANK"},
		{"a long way", []Edge{edge(wiki, Confers, writes), edge(writes, CanBecome, bot), edge(bot, CanEditGate, rules), edge(rules, Opens, root)}, "privileged", false, 1,
			"WIKI can write the list of members, so its holder can act as the bot, and then change the rules, which decides who gets ROOT"},
		{"itself", []Edge{edge(wiki, Confers, writes), edge(writes, CanGrant, wiki)}, "standard", true, 1,
			"WIKI can write the list of members, so its holder can give himself WIKI"},
		{"itself at once", []Edge{edge(wiki, CanGrant, wiki)}, "standard", true, 1, "WIKI can give himself WIKI"},
		{"a circle that hands out nothing", []Edge{edge(wiki, Confers, bank), edge(bank, Confers, wiki)}, "third-party", false, 0, "WIKI includes BANK"},
		{"another hands it out", []Edge{edge(bank, CanGrant, wiki)}, "standard", false, 0, ""},
		{"through another and back", []Edge{edge(wiki, CanBecome, bot), edge(bot, Holds, bank), edge(bank, CanGrant, wiki)}, "third-party", true, 1,
			"WIKI can act as the bot, who holds BANK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := build(t, all, c.edges...)
			got := closure(t, g, "wiki")
			if got.Reached != c.reached || got.SelfGrant != c.self || len(got.Grants) != c.grants || got.Shortest != c.sentence || got.Gap != (c.reached != "standard") {
				t.Errorf("%+v\nwant %+v", got, c)
			}
			for _, s := range g.All() {
				if s.ID == "wiki" && s != got.Summary {
					t.Errorf("all say %+v, one says %+v", s, got.Summary)
				}
			}
			if class, gap := g.Gap("wiki"); class != c.reached || gap != got.Gap {
				t.Errorf("gap %q %v", class, gap)
			}
		})
	}
}

// The first path is to the highest class; the others say what it does not.
func TestPathsSayDifferentThings(t *testing.T) {
	t.Parallel()
	a, b, root, p := ent("a", "standard"), ent("b", "standard"), ent("root", "privileged"), can("p", "list secrets")
	g := build(t, []Node{a, b, root, p}, edge(a, Confers, p), edge(p, Confers, root), edge(a, CanGrant, b), edge(b, CanGrant, a))
	var to []string
	for _, p := range closure(t, g, "a").Paths {
		to = append(to, p.To)
	}
	if got := strings.Join(to, " "); got != "privileged grant self" {
		t.Error(got)
	}
}

func TestWhatIsNoGraph(t *testing.T) {
	t.Parallel()
	a, gate := ent("a", "standard"), Node{Gate, "g", "gate", ""}
	for _, c := range []struct {
		name string
		conf Config
		says string
	}{
		{"class", Config{Parts: Parts{Nodes: []Node{ent("a", "tier-0")}}}, `class "tier-0" has no place in the order ["standard" "third-party" "privileged"]`},
		{"order", Config{Classes: []string{"x", "x"}}, `"x" is empty or stands twice`},
		{"no order", Config{Classes: []string{}}, "from 1 to 250"},
		{"kind", Config{Parts: Parts{Nodes: []Node{{"thing", "a", "A", ""}}}}, `no kind of node "thing"`},
		{"name", Config{Parts: Parts{Nodes: []Node{{Power, "a", "", ""}}}}, "needs an id and a name"},
		{"twice", Config{Parts: Parts{Nodes: []Node{a, ent("a", "privileged")}}}, "given twice, and not the same"},
		{"ends", Config{Parts: Parts{Nodes: []Node{a, gate}, Edges: []Edge{edge(a, CanGrant, gate)}}}, `no edge "can_grant" leads from a node of kind "entitlement" to one of kind "gate"`},
		{"edge kind", Config{Parts: Parts{Nodes: []Node{a}, Edges: []Edge{edge(a, "likes", a)}}}, `no edge "likes"`},
		{"nowhere", Config{Parts: Parts{Nodes: []Node{a}, Edges: []Edge{edge(a, CanGrant, ent("b", ""))}}}, `entitlement "b", to which an edge leads`},
		{"no reason", Config{Parts: Parts{Nodes: []Node{a}, Edges: []Edge{{From: a.Ref(), Kind: CanGrant, To: a.Ref()}}}}, "needs a rule"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g, err := New(c.conf)
			if g != nil || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			}
		})
	}
	g := build(t, []Node{a})
	for name, change := range map[string]func() error{
		"cut":    func() error { _, err := g.Cut(edge(a, CanGrant, a)); return err },
		"remove": func() error { _, err := g.Remove(gate.Ref()); return err },
		"look":   func() error { _, err := g.Closure("b"); return err },
	} {
		if err := change(); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := g.Put(ent("a", "tier-0")); !errors.Is(err, access.ErrInvalid) {
		t.Error(err)
	}
}

// A change names whose class is another now, and nobody else.
func TestChangesNameWhoseClassMoved(t *testing.T) {
	t.Parallel()
	a, b, root := ent("a", "standard"), ent("b", "standard"), ent("root", "privileged")
	g := build(t, []Node{a, b, root}, edge(a, Confers, b))
	for _, c := range []struct {
		what   string
		change func() ([]string, error)
		moved  string
	}{
		{"an edge", func() ([]string, error) { return g.Join(edge(b, CanGrant, root)) }, "a b"},
		{"the edge again", func() ([]string, error) { return g.Join(edge(b, CanGrant, root)) }, ""},
		{"a lower class", func() ([]string, error) { return g.Put(ent("root", "third-party")) }, "a b root"},
		{"another name", func() ([]string, error) { return g.Put(Node{Entitlement, "root", "Root", "third-party"}) }, ""},
		{"a higher class", func() ([]string, error) { return g.Put(ent("root", "privileged")) }, "a b root"},
		{"an edge less", func() ([]string, error) { return g.Cut(edge(a, Confers, b)) }, "a"},
		{"a node less", func() ([]string, error) { return g.Remove(root.Ref()) }, "b"},
	} {
		moved, err := c.change()
		if got := strings.Join(moved, " "); err != nil || got != c.moved {
			t.Errorf("%s: %q, %v; want %q", c.what, got, err, c.moved)
		}
	}
	if n, e := g.Size(); n != 2 || e != 0 {
		t.Errorf("%d nodes, %d edges are left", n, e)
	}
}

// A change looks again only at what it can have changed: where a label rests on
// something else too, nothing is touched.
func TestAChangeThatMattersNotTouchesNothing(t *testing.T) {
	t.Parallel()
	a, b, root, other := ent("a", "standard"), ent("b", "standard"), ent("root", "privileged"), ent("other", "privileged")
	g := build(t, []Node{a, b, root, other}, edge(a, Confers, b), edge(b, Confers, root), edge(b, Confers, other))
	from, to, err := g.ends(edge(b, Confers, root))
	if err != nil {
		t.Fatal(err)
	}
	h, err := g.half(edge(b, Confers, root), to)
	if err != nil {
		t.Fatal(err)
	}
	before := map[int32]uint8{}
	if g.cut(from, h, before); len(before) != 0 {
		t.Errorf("%d nodes were labelled again", len(before))
	}
}
