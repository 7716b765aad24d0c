package config

import (
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const lifecycleFile = "lifecycle.yaml"

// birthright is a rule with its place.
type birthright struct {
	access.Birthright
	bundle  string
	what    []item
	groups  []item
	departs []item
	f       fields
}

func (b *birthright) entry() (string, fields) { return b.ID, b.f }

var (
	lifecycleSections = []string{"birthrights", "movers", "leavers"}
	birthrightKeys    = []string{"id", "for", "entitlements", "bundle", "term", "owner", "author"}
	placeKeys         = []string{"departments", "groups", "external", "kinds"}
	moverKeys         = []string{"grace", "review"}
	leaverKeys        = []string{"due", "due_privileged", "said_by", "step_up"}
	bornKinds         = []string{string(access.Person), string(access.Workload), string(access.Agent)}
)

// readLifecycle reads lifecycle.yaml.
func (d *files) readLifecycle(text []byte) {
	f, ok := d.sections(lifecycleFile, text, lifecycleSections)
	if !ok {
		return
	}
	if m, ok := f.within("movers", moverKeys); ok {
		d.lifecycle.Grace, d.lifecycle.Review = m.days("grace"), m.days("review")
	}
	if l, ok := f.within("leavers", leaverKeys); ok {
		d.lifecycle.Due, d.lifecycle.DuePrivileged = l.days("due"), l.days("due_privileged")
		d.lifecycle.StepUp = l.text("step_up")
		d.leavers = l.texts("said_by")
		d.lifecycle.Leavers = plainTexts(d.leavers)
		if l.has("said_by") && len(d.leavers) == 0 {
			l.problem("said_by", "said_by is empty: nobody could say that somebody has left; name a group, or leave it out (security)")
		}
	}
	each(f, "birthrights", "a birthright", birthrightKeys, d.readBirthright)
}

// days reads a term as a span; zero if it is absent.
func (f fields) days(key string) time.Duration {
	t := f.term(key, 0)
	if t != 0 && t < access.Term(time.Hour) {
		f.problem(key, "%s must be at least 1h", key)
	}
	return t.D()
}

func (d *files) readBirthright(f fields) {
	b := birthright{f: f, bundle: f.text("bundle"), what: f.texts("entitlements")}
	b.Birthright = access.Birthright{ID: f.required("id", "a birthright"), Term: f.term("term", 0), Owner: f.required("owner", "a birthright"), Author: f.text("author")}
	f.needs("a birthright", "for", "term")
	if (b.bundle == "") == (len(b.what) == 0) {
		f.problem("entitlements", "a birthright gives either entitlements or a bundle")
	}
	if p, ok := f.within("for", placeKeys); ok {
		b.departs, b.groups = p.texts("departments"), p.texts("groups")
		b.For.Departments, b.For.Groups = plainTexts(b.departs), plainTexts(b.groups)
		if p.has("external") {
			external := p.flag("external")
			b.For.External = &external
		}
		for _, k := range p.texts("kinds") {
			if !slices.Contains(bornKinds, k.text) {
				d.problem(k.at, "kinds: %q must be %s%s", access.Brief(k.text), strings.Join(bornKinds, " or "), d.instead(k.text, slices.Values(bornKinds)))
			}
			b.For.Kinds = append(b.For.Kinds, access.IdentityKind(k.text))
		}
		if len(b.departs)+len(b.groups) == 0 && b.For.External == nil && len(b.For.Kinds) == 0 {
			f.problem("for", "for says nothing: it would be everybody, now and later; to mean that, write external: false")
		}
	}
	d.births = append(d.births, b)
}

// checkLifecycle holds the rules against what there is, and makes them what is in force.
func (d *files) checkLifecycle() {
	for _, g := range d.leavers {
		refer(d, g.at, "said_by", "group", g.text, d.known.groups)
	}
	register[birthright](d, "id", "birthright", d.births, plainID)
	departments := map[string]bool{}
	for i := range d.identities {
		departments[d.identities[i].Department] = true
	}
	for n := range d.births {
		d.checkBirthright(&d.births[n], departments)
		d.lifecycle.Birthrights = append(d.lifecycle.Birthrights, d.births[n].Birthright)
	}
}

func (d *files) checkBirthright(b *birthright, departments map[string]bool) {
	for _, g := range b.groups {
		refer(d, g.at, "groups", "group", g.text, d.known.groups)
	}
	for _, name := range b.departs {
		if !departments[name.text] {
			d.warn(name.at, "nobody in the files is in the department %q: the rule is for nobody unless a feed says otherwise", access.Brief(name.text))
		}
	}
	if b.Owner != "" {
		if owner, ok := d.person(b.f.at("owner"), "owner", b.Owner); ok && d.inactive(owner) {
			d.absent(b.f.at("owner"), owner, "owner %q is inactive: a birthright needs somebody who answers for it", access.Brief(b.Owner))
		}
	}
	if b.Author != "" {
		d.person(b.f.at("author"), "author", b.Author)
	}
	for _, e := range b.what {
		refer(d, e.at, "entitlements", "entitlement", e.text, d.known.entitlements)
	}
	b.Entitlements = plainTexts(b.what)
	if b.bundle != "" {
		if found, ok := refer(d, b.f.at("bundle"), "bundle", "bundle", b.bundle, d.known.bundles); ok {
			b.Entitlements = plainTexts(found.entitlements)
		}
	}
	slices.Sort(b.Entitlements)
	b.Entitlements = slices.Compact(b.Entitlements)
	for _, id := range b.Entitlements {
		e, ok := d.known.entitlements[id]
		switch {
		case !ok:
		case e.MaxTerm != 0 && b.Term > e.MaxTerm:
			b.f.problem("term", "the term of the birthright is longer than the %s that %s allows", e.MaxTerm, id)
		case e.MaxTotal != 0:
			d.warn(b.f.at("term"), "%s has a longest total of %s: the birthright cannot be renewed beyond it", id, e.MaxTotal)
		}
	}
}
