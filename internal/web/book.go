package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// book is the directory as pages look things up in it; it is made anew when the
// snapshot is another one.
type book struct {
	of      *access.Directory
	lines   []line
	managed map[string][]string // person -> whom they manage or sponsor, sorted
	deputy  map[string]bool     // persons whom a workload's contract names
}

// line is one thing in the catalog that can be asked for.
type line struct {
	Entitlement access.Entitlement // of a bundle: zero
	Bundle      access.Bundle      // of an entitlement: zero
	name        string
	text        string // what is searched in, in small letters
}

// bookOf returns the book of a snapshot.
func (p *portal) bookOf(dir *access.Directory) *book {
	if b := p.book.Load(); b != nil && b.of == dir {
		return b
	}
	b := &book{of: dir, managed: map[string][]string{}, deputy: map[string]bool{}}
	for _, id := range dir.Bundles() {
		one, _ := dir.Bundle(id)
		b.lines = append(b.lines, line{Bundle: one, name: one.Name, text: strings.ToLower("bundle " + one.ID + " " + one.Name + " " + strings.Join(one.Entitlements, " "))})
	}
	for _, id := range dir.Entitlements() {
		e, _ := dir.Entitlement(id)
		s, _ := dir.System(e.System)
		b.lines = append(b.lines, line{Entitlement: e, name: e.Name, text: strings.ToLower(strings.Join([]string{e.ID, e.Name, e.Object, s.Name, e.Class}, " "))})
	}
	slices.SortStableFunc(b.lines, func(x, y line) int { return cmp.Compare(strings.ToLower(x.name), strings.ToLower(y.name)) })
	for _, id := range dir.Identities() {
		i, _ := dir.Identity(id)
		if i.Contract != nil && i.Contract.Deputy != "" {
			b.deputy[dir.PersonOf(i.Contract.Deputy)] = true
		}
		for _, over := range []string{i.Manager, i.Sponsor} {
			if over != "" && i.Kind == access.Person && !slices.Contains(b.managed[over], id) {
				b.managed[over] = append(b.managed[over], id)
			}
		}
	}
	p.book.Store(b)
	return b
}

// search returns the first lines that have all the words, and how many there are.
func (b *book) search(words string, limit int) (found []line, all int) {
	wanted := strings.Fields(strings.ToLower(words))
	for _, l := range b.lines {
		if slices.ContainsFunc(wanted, func(w string) bool { return !strings.Contains(l.text, w) }) {
			continue
		}
		if all++; len(found) < limit {
			found = append(found, l)
		}
	}
	return found, all
}

// mostBehalf bounds the list of people somebody may ask for.
const mostBehalf = 100

// behalf lists whom somebody asks for: themselves first, then what they answer for.
func (v *visit) behalf() []string {
	me := v.dir.PersonOf(v.by.Identity)
	ids := append([]string{v.by.Identity}, v.dir.OwnedBy(me)...)
	ids = append(ids, v.bookOf(v.dir).managed[me]...)
	return ids[:min(len(ids), mostBehalf)]
}

// answers tells whether the reader is shown the way to workloads and credentials; which
// they may see there, the engine says.
func (v *visit) answers() bool {
	return len(v.dir.OwnedBy(v.by.Identity)) > 0 || v.bookOf(v.dir).deputy[v.dir.PersonOf(v.by.Identity)] || v.operates()
}

// name is what an identity is called; its id where nobody knows it any more.
func (v *visit) name(id string) string {
	i, _ := v.dir.Identity(id)
	return cmp.Or(i.Name, id)
}

// names are what identities are called, each person once.
func (v *visit) names(ids []string) []string {
	var out []string
	for _, id := range ids {
		if n := v.name(v.dir.PersonOf(id)); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// entitlement is one of the catalog; by its id alone where it is gone.
func (v *visit) entitlement(id string) access.Entitlement {
	e, ok := v.dir.Entitlement(id)
	if !ok {
		e.ID, e.Name = id, id
		e.System, e.Object, _ = strings.Cut(id, ":")
	}
	return e
}

func (v *visit) system(id string) string {
	s, _ := v.dir.System(id)
	return cmp.Or(s.Name, id)
}

// called is what entitlements are called, as one phrase.
func (v *visit) called(ids []string) string {
	var names []string
	for _, id := range ids {
		names = append(names, v.entitlement(id).Name)
	}
	return few(names, 3, "and")
}

// stage says in words who answers a stage.
func stage(name string) string {
	switch name {
	case "manager", "sponsor":
		return "the " + name
	case "owner":
		return "an owner of it"
	}
	if system, ok := strings.CutPrefix(name, "implied/"); ok {
		return "an owner of what it implies at " + system
	}
	return "the group " + name
}
