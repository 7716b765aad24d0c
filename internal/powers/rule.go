package powers

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Rule says what follows from rights in one system. The tables of rules are
// data; this file is all that reads them.
type Rule struct {
	ID           string     // "azure.vault-access-policy"
	Needs        [][]string // all of them; of each, any one of its rights
	From, Before int        // major versions of the system, where it matters: from the one, before the other
	Can          string     // what the rights let their holder do, as a phrase after "can"; {on} is what they are for
	Then         []Effect
	Where        string // what the export does not tell, and the path depends on
	Doc          string // where the field describes it
}

// Effect is one edge from the power to what follows from it. Confers and
// CanGrant lead to an entitlement, CanBecome to an identity, CanEditGate to a gate.
type Effect struct {
	Kind   EdgeKind
	ID     string // within the system; {on} is filled in
	Name   string // {on} is filled in
	Class  string // what it is worth; "top" is the highest of the order, whatever it is called
	Itself bool   // the role itself, instead of ID, Name and Class
	Holds  string // of CanBecome: the role that identity is; {on} is filled in. If it is given, it says what it is worth
}

// Top stands in rules for the highest class of whatever order is used.
const Top = "top"

// On is what a right is for: an object, a namespace, a resource.
type On struct{ ID, Text string }

// Role is a set of rights that one holds together in one system.
type Role struct {
	System  string // names the table of rules
	ID      string // within the system
	Name    string
	Class   string                  // declared; empty: none is
	Source  string                  // where it is written
	Version int                     // major, of the system; 0: not known, and so whatever lets more
	Allows  func(right string) []On // what the right is held for; none: it is not
}

// Ref is the role as a node.
func (r Role) Ref() Ref { return Ref{Entitlement, r.System + ":" + r.ID} }

// Analyse applies to each role the rules of its system, and to each entitlement
// that a rule hands out and that is a right itself (a predefined role, say) what
// follows from that right. What is worth [Top] gets the highest class of the
// order, nil being [Classes]; a role that is given itself is worth what it says.
func Analyse(order []string, roles ...Role) Parts {
	if order == nil {
		order = Classes
	}
	a := analysis{top: order[len(order)-1], nodes: map[Ref]Node{}, given: map[Ref]bool{}}
	for _, r := range roles {
		a.nodes[r.Ref()], a.given[r.Ref()] = Node{Entitlement, r.Ref().ID, r.Name, r.Class}, true
	}
	for queue := roles; len(queue) > 0; queue = queue[1:] {
		queue = append(queue, a.role(queue[0])...)
	}
	for _, r := range slices.SortedFunc(maps.Keys(a.nodes), Ref.compare) {
		a.parts.Nodes = append(a.parts.Nodes, a.nodes[r])
	}
	return a.parts
}

type analysis struct {
	top   string
	nodes map[Ref]Node
	given map[Ref]bool // the roles
	parts Parts
}

// role follows the rules for one role, and returns what it leads to that has
// rights of its own and was not seen before.
func (a *analysis) role(r Role) (more []Role) {
	for _, rule := range Rules[r.System] {
		if !rule.fits(r.Version) {
			continue
		}
		for _, on := range r.matches(rule) {
			more = append(more, a.follow(r, rule, on)...)
		}
	}
	return more
}

func (rule Rule) fits(version int) bool {
	return version == 0 || ((rule.From == 0 || version >= rule.From) && (rule.Before == 0 || version < rule.Before))
}

// matches lists what the rule holds for: what the first of its needs is for, if
// the others are held for anything. That they may not go together is not looked
// at: a path too many is a question, a path too few is an escalation.
func (r Role) matches(rule Rule) []On {
	var on []On
	for n, need := range rule.Needs {
		var found []On
		for _, right := range need {
			found = append(found, r.Allows(right)...)
		}
		if len(found) == 0 {
			return nil
		}
		if n == 0 {
			on = found
		}
	}
	slices.SortFunc(on, func(a, b On) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Text, b.Text)) })
	return slices.CompactFunc(on, func(a, b On) bool { return a.ID == b.ID })
}

func (a *analysis) follow(r Role, rule Rule, on On) (more []Role) {
	from := r.Ref()
	if rule.Can != "" {
		power := Node{Power, rule.ID + "@" + on.ID, fill(rule.Can, on.Text), ""}
		if slices.ContainsFunc(rule.Then, func(e Effect) bool { return e.Itself }) {
			power.ID += " of " + r.ID // another's power to hand out is not this one's
		}
		a.nodes[power.Ref()], from = power, power.Ref()
		a.parts.Edges = append(a.parts.Edges, Edge{r.Ref(), Confers, from, rule.ID, r.Source})
	}
	for _, then := range rule.Then {
		if then.Itself {
			a.parts.Edges = append(a.parts.Edges, Edge{from, then.Kind, r.Ref(), rule.ID, r.Source})
			continue
		}
		id := fill(then.ID, on.ID)
		n := Node{then.kind(), r.System + ":" + id, fill(then.Name, on.Text), then.Class}
		if n.Class == Top {
			n.Class = a.top
		}
		role := Ref{Entitlement, r.System + ":" + fill(then.Holds, on.ID)}
		if then.Holds != "" && a.given[role] {
			n.Class = ""
			a.parts.Edges = append(a.parts.Edges, Edge{n.Ref(), Holds, role, rule.ID, r.Source})
		}
		if _, there := a.nodes[n.Ref()]; !there {
			a.nodes[n.Ref()] = n
			if n.Kind == Entitlement && slices.Contains(Rights(r.System), id) {
				more = append(more, Role{System: r.System, ID: id, Source: r.Source, Version: r.Version, Allows: onlyThat(id)})
			}
		}
		a.parts.Edges = append(a.parts.Edges, Edge{from, then.Kind, n.Ref(), rule.ID, r.Source})
	}
	return more
}

func fill(s, on string) string { return strings.ReplaceAll(s, "{on}", on) }

func onlyThat(right string) func(string) []On {
	return func(r string) []On {
		if r != right {
			return nil
		}
		return []On{{}}
	}
}

// Rights lists, in order, every right that a rule of the system speaks of.
func Rights(system string) []string {
	var all []string
	for _, rule := range Rules[system] {
		for _, need := range rule.Needs {
			all = append(all, need...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// NeedsOn tells whether a rule of the system wants to know what a right is for.
func NeedsOn(system, right string) bool {
	return slices.ContainsFunc(Rules[system], func(rule Rule) bool {
		return slices.Contains(rule.Needs[0], right) && (strings.Contains(rule.Can, "{on}") ||
			slices.ContainsFunc(rule.Then, func(e Effect) bool { return strings.Contains(e.ID+e.Name, "{on}") }))
	})
}

func (e Effect) kind() Kind {
	switch e.Kind {
	case CanBecome:
		return Identity
	case CanEditGate:
		return Gate
	}
	return Entitlement
}

// FindRule looks a rule up by its id.
func FindRule(id string) (Rule, bool) {
	system, _, _ := strings.Cut(id, ".")
	for _, rules := range [][]Rule{Rules[system], statedRules} {
		if i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id }); i >= 0 {
			return rules[i], true
		}
	}
	return Rule{}, false
}

// Rules is the table of every system, by its name.
var Rules = map[string][]Rule{
	"azure": azureRules, "aws": awsRules, "kubernetes": kubernetesRules, "ldap": ldapRules, "postgres": postgresRules,
	"github": githubRules, "gitlab": gitlabRules, "lessor": lessorRules,
}

// one is the usual need: any of these rights.
func one(rights ...string) [][]string { return [][]string{rights} }
