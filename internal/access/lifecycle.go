package access

import (
	"slices"
	"time"
)

// Lifecycle is what a company says of those who join, move and leave.
type Lifecycle struct {
	Birthrights   []Birthright
	Grace         time.Duration // how long a mover keeps what the new place would not give
	Review        time.Duration // how long a mover's new manager has to keep or revoke what others approved
	Due           time.Duration // how long a handover may take
	DuePrivileged time.Duration // the same, of what is privileged
	Leavers       []string      // groups whose people may say that somebody has left
	StepUp        string        // how strongly they must be signed in to say so; empty: as they are
}

// What is so where nothing is said.
const (
	defaultGrace         = 7 * 24 * time.Hour
	defaultReview        = 7 * 24 * time.Hour
	defaultDue           = 3 * 24 * time.Hour
	defaultDuePrivileged = 24 * time.Hour
)

// Said is the same with the defaults where nothing is said.
func (l Lifecycle) Said() Lifecycle {
	for _, c := range []struct {
		of   *time.Duration
		when time.Duration
	}{{&l.Grace, defaultGrace}, {&l.Review, defaultReview}, {&l.Due, defaultDue}, {&l.DuePrivileged, defaultDuePrivileged}} {
		if *c.of == 0 {
			*c.of = c.when
		}
	}
	if len(l.Leavers) == 0 {
		l.Leavers = []string{"security"}
	}
	return l
}

// Birthright is a rule by which everybody it is for is granted something, for a term
// that is renewed while the rule is for them. Its owner answers for it.
type Birthright struct {
	ID           string
	For          Place
	Entitlements []string // each once, sorted; a bundle is written out
	Term         Term
	Owner        string // identity id
	Author       string // who wrote it, if that is said
}

// Place says for whom a birthright is: whoever is all of what is said. At least one is.
type Place struct {
	Departments []string       // in any of these
	Groups      []string       // in any of these, through nesting
	External    *bool          // nil: whether or not
	Kinds       []IdentityKind // none: people
}

// Covers tells whether an identity is in the place. Second identities are in none:
// what is whose by birth is a person's once.
func (p Place) Covers(d *Directory, i Identity) bool {
	kinds := p.Kinds
	if len(kinds) == 0 {
		kinds = []IdentityKind{Person}
	}
	in := func(g string) bool { return slices.Contains(d.GroupsOf(i.ID), g) }
	return i.Same == "" && slices.Contains(kinds, i.Kind) &&
		(len(p.Departments) == 0 || slices.Contains(p.Departments, i.Department)) &&
		(len(p.Groups) == 0 || slices.ContainsFunc(p.Groups, in)) &&
		(p.External == nil || *p.External == i.External)
}

// Birthright finds a rule by its id.
func (l Lifecycle) Birthright(id string) (Birthright, bool) {
	n := slices.IndexFunc(l.Birthrights, func(b Birthright) bool { return b.ID == id })
	if n < 0 {
		return Birthright{}, false
	}
	return l.Birthrights[n], true
}

// Stands is what of an identity says which place of the company it is in: whoever is
// in another one than before has moved.
type Stands struct {
	Department string   `json:"department,omitempty"`
	Manager    string   `json:"manager,omitempty"`
	Sponsor    string   `json:"sponsor,omitempty"`
	External   bool     `json:"external,omitempty"`
	Groups     []string `json:"groups,omitempty"`
}

// Stands tells where somebody stands.
func (d *Directory) Stands(id string) Stands {
	i := d.identities[id]
	return Stands{i.Department, i.Manager, i.Sponsor, i.External, d.closure[id]}
}

// Moved says in words what differs between two places; empty: nothing.
func (s Stands) Moved(to Stands) (what []string) {
	say := func(name, was, is string) {
		if was != is {
			what = append(what, name+" "+or(was, "none")+" -> "+or(is, "none"))
		}
	}
	say("department", s.Department, to.Department)
	say("manager", s.Manager, to.Manager)
	say("sponsor", s.Sponsor, to.Sponsor)
	if s.External != to.External {
		say("external", yes(s.External), yes(to.External))
	}
	for _, g := range s.Groups {
		if !slices.Contains(to.Groups, g) {
			what = append(what, "no longer in "+g)
		}
	}
	for _, g := range to.Groups {
		if !slices.Contains(s.Groups, g) {
			what = append(what, "now in "+g)
		}
	}
	return what
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Charges lists, for every person, what they answer for, as subjects of handovers,
// sorted: workloads and agents, whom they sponsor, entitlements of which nobody else
// active is an owner, systems, and those whose manager they are.
func (d *Directory) Charges(now time.Time) map[string][]string {
	all := map[string][]string{}
	add := func(who, subject string) {
		if who != "" {
			p := d.PersonOf(who)
			all[p] = append(all[p], subject)
		}
	}
	managed := map[string]bool{}
	for id, i := range d.identities {
		if i.Inactive {
			continue // nobody need answer for who is gone
		}
		if i.Kind != Person {
			add(i.Owner, "identity "+id)
		}
		if i.Sponsor != "" && (i.Kind == Agent || i.External) {
			add(i.Sponsor, "sponsor "+id)
		}
		if i.Manager != "" && i.Kind == Person {
			managed[i.Manager] = true
		}
	}
	for who := range managed {
		add(who, "reports "+who)
	}
	for id, e := range d.entitlements {
		for _, who := range e.Owners {
			others := func(o string) bool { return d.PersonOf(o) != d.PersonOf(who) && d.identities[o].ActiveAt(now) }
			if !slices.ContainsFunc(e.Owners, others) {
				add(who, "entitlement "+id)
			}
		}
	}
	for id, s := range d.systems {
		add(s.Owner, "system "+id)
	}
	for p := range all {
		slices.Sort(all[p])
		all[p] = slices.Compact(all[p])
	}
	return all
}

// GoneAt tells whether an identity has left by then: whoever has not begun yet has not.
func (i Identity) GoneAt(now time.Time) bool {
	until := i.Until()
	return i.Inactive || (!until.IsZero() && !now.Before(until))
}
