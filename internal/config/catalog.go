package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

var (
	powers  = []string{"read", "write", "admin", "grant"}
	classes = []string{"standard", "privileged", "third-party"} // that rules are shipped for
)

func (d *files) checkSystem(s *system) {
	if s.Name != "" {
		d.checkName(s.f, s.Name)
	}
	d.checkEnvironment(s.f, s.Environment)
	if s.Connector != "" && !idForm.MatchString(s.Connector) {
		s.f.problem("connector", "connector %s", idRule)
	}
	if s.Owner == "" {
		return // reported where it was read
	}
	if owner, ok := d.person(s.f.at("owner"), "owner", s.Owner); ok && d.inactive(owner) {
		d.warn(s.f.at("owner"), "owner %q is inactive: nobody is told what goes wrong at %q", access.Brief(s.Owner), access.Brief(s.ID))
	}
}

func (d *files) checkEntitlement(e *entitlement) {
	f := e.f
	d.checkName(f, e.Name)
	d.checkEntitlementSystem(e)
	if e.Object != "" && strings.TrimSpace(e.Object) != e.Object {
		f.problem("object", "object begins or ends with a space")
	}
	d.checkClass(e)
	d.checkEnvironment(f, e.Environment)
	d.checkPowers(e)
	if e.MaxTotal != 0 && e.MaxTotal < e.MaxTerm {
		f.problem("max_total", "max_total (%s) must be at least max_term (%s): it counts the first term too", e.MaxTotal, e.MaxTerm)
	}
	d.checkOwners(e)
	for _, c := range e.conflicts {
		if c.text == e.ID {
			d.problem(c.at, "an entitlement cannot conflict with itself")
			continue
		}
		refer(d, c.at, "conflicts", "entitlement", c.text, d.known.entitlements)
	}
}

// checkPowers holds what an entitlement says of itself, and what its powers
// lead to: a path that leads nowhere would hide what the holder can do.
func (d *files) checkPowers(e *entitlement) {
	for _, p := range e.powers {
		if !slices.Contains(powers, p.text) {
			d.problem(p.at, "there is no power %q: it must be one of %s%s", access.Brief(p.text), strings.Join(powers, ", "), d.instead(p.text, slices.Values(powers)))
		}
	}
	if e.f.has("grants") && e.f.none("grants") {
		e.f.problem("grants", "grants is empty: name what the power grant hands out, or leave it out (everything of the system)")
	}
	if len(e.grants) > 0 && !slices.Contains(e.Powers, "grant") {
		e.f.problem("grants", "grants says what the power grant hands out: add grant to powers")
	}
	for _, g := range e.grants {
		refer(d, g.at, "grants", "entitlement", g.text, d.known.entitlements)
	}
	for _, b := range e.becomes {
		d.anybody(b.at, "becomes", b.text)
	}
	for _, g := range e.edits {
		d.checkGate(g)
	}
}

func (d *files) checkGate(it item) {
	gate, of, named := strings.Cut(it.text, ":")
	switch {
	case !slices.Contains(access.Gates, gate):
		d.problem(it.at, "there is no gate %q: it must be policy, database, log, connector:SYSTEM or workflow:NAME%s", access.Brief(it.text), d.instead(gate, slices.Values(access.Gates)))
	case gate == "connector":
		refer(d, it.at, "edits", "system", of, d.known.systems)
	case gate == "workflow" && !idForm.MatchString(of):
		d.problem(it.at, "the gate workflow is written workflow:NAME; NAME %s", idRule)
	case gate != "workflow" && named:
		d.problem(it.at, "the gate %s stands alone: there is one of it", gate)
	}
}

func (d *files) checkEntitlementSystem(e *entitlement) {
	system, _, named := strings.Cut(e.ID, ":")
	if e.f.has("system") && named && e.System != system {
		e.f.problem("system", "system must be %q, as the id says; or leave it out", access.Brief(system))
	}
	if e.System = system; named {
		refer(d, e.f.at("id"), "id", "system", system, d.known.systems)
	}
}

// checkClass takes any class, as policy may add some, and warns of what is
// nearly one that rules are shipped for.
func (d *files) checkClass(e *entitlement) {
	switch {
	case e.Class == "" || slices.Contains(classes, e.Class):
	case !idForm.MatchString(e.Class):
		e.f.problem("class", "class %s%s", idRule, d.instead(strings.ToLower(e.Class), slices.Values(classes)))
	default:
		if near := nearest(e.Class, slices.Values(classes)); near != "" {
			d.warn(e.f.at("class"), "class %q is nearly %q: is it one that your own rules speak of?", access.Brief(e.Class), near)
		}
	}
}

func (d *files) checkOwners(e *entitlement) {
	if e.f.none("owners") {
		e.f.problem("owners", "entitlement %q needs owners: at least one active person who answers for it", access.Brief(e.ID))
	}
	for _, o := range e.owners {
		owner, ok := d.person(o.at, "owners", o.text)
		switch {
		case !ok:
		case d.inactive(owner):
			d.absent(o.at, owner, "owner %q is inactive: an entitlement needs owners who are there", access.Brief(o.text))
		case owner.External:
			d.warn(o.at, "owner %q is external: an external person never approves", access.Brief(o.text))
		}
	}
}

// checkObjects holds that what a target knows as one thing is one entitlement:
// the end of the one would be the end of the other, or of neither.
func (d *files) checkObjects() {
	type object struct{ system, name string }
	exact, folded, l := map[object]*entitlement{}, map[object]*entitlement{}, newLooks()
	names := map[string][]named{} // by system
	for n := range d.entitlements {
		e := &d.entitlements[n]
		names[e.System] = append(names[e.System], named{text: e.Name, at: e.f.at("name"), whose: e.f.here().String() + e.ID})
		if e.Object == "" || e.System == "" {
			continue
		}
		it, same := object{e.System, e.Object}, object{e.System, l.same(e.Object)}
		if first, taken := exact[it]; taken {
			e.f.problem("object", "this object of system %s is already entitlement %q at %s", access.Brief(e.System), access.Brief(first.ID), first.f.at("object"))
			continue
		}
		if near, close := folded[same]; close {
			d.warn(e.f.at("object"), "this object of system %s is that of %q at %s but for letter case", access.Brief(e.System), access.Brief(near.ID), near.f.at("object"))
		}
		exact[it], folded[same] = e, e
	}
	for _, system := range slices.Sorted(maps.Keys(names)) {
		d.sameName(names[system])
		d.confusable(l, names[system])
	}
}

// sameName warns of one name for two things: whoever approves sees the name.
func (d *files) sameName(names []named) {
	first := make(map[string]named, len(names))
	for _, n := range names {
		if n.text == "" {
			continue
		}
		if f, taken := first[n.text]; taken {
			d.warn(n.at, "name %q is also that of the entitlement at %s", access.Brief(n.text), f.at)
			continue
		}
		first[n.text] = n
	}
}

func (d *files) checkBundle(b *bundle) {
	if b.Name != "" {
		d.checkName(b.f, b.Name)
	}
	if b.f.none("entitlements") {
		b.f.problem("entitlements", "bundle %q needs entitlements: at least one", access.Brief(b.ID))
	}
	inside := make(map[string]item, len(b.entitlements))
	for _, it := range b.entitlements {
		inside[it.text] = it
	}
	for _, it := range b.entitlements {
		e, ok := refer(d, it.at, "entitlements", "entitlement", it.text, d.known.entitlements)
		if !ok {
			continue
		}
		for _, c := range e.conflicts {
			if other, both := inside[c.text]; both && c.text != it.text {
				d.warn(other.at, "%q conflicts with %q: nobody can be given this bundle", access.Brief(c.text), access.Brief(it.text))
			}
		}
	}
}

// checkTokens holds that whoever speaks is known, and two never by one secret.
func (d *files) checkTokens() {
	digests := map[[32]byte]*bearer{}
	for n := range d.tokens {
		t := &d.tokens[n]
		if t.SHA256 != [32]byte{} {
			if first, taken := digests[t.SHA256]; taken {
				t.f.problem("sha256", "this is also the digest of the token at %s: every token is another secret", first.f.at("sha256"))
			} else {
				digests[t.SHA256] = t
			}
		}
		if t.Identity == "" {
			continue // reported where it was read
		}
		i, ok := d.anybody(t.f.at("identity"), "identity", t.Identity)
		if ok && slices.Contains(t.Scopes, "approve") && (i.Kind != access.Person || i.External) {
			d.warn(t.f.at("scopes"), "%q will never approve: only people of the house do", access.Brief(t.Identity))
		}
	}
}

// build makes the snapshot of a folder without problems.
func (d *files) build() *access.Directory {
	ids := make([]access.Identity, len(d.identities))
	for i := range d.identities {
		ids[i] = d.identities[i].Identity
	}
	systems := make([]access.System, len(d.systems))
	for i := range d.systems {
		systems[i] = d.systems[i].System
	}
	bundles := make([]access.Bundle, len(d.bundles))
	for i := range d.bundles {
		bundles[i] = d.bundles[i].Bundle
	}
	ents, conflicts := make([]access.Entitlement, len(d.entitlements)), map[string][]string{}
	for i := range d.entitlements {
		e := &d.entitlements[i]
		for _, c := range e.Conflicts { // both ways, whichever of the two says so
			conflicts[e.ID], conflicts[c] = append(conflicts[e.ID], c), append(conflicts[c], e.ID)
		}
	}
	for i := range d.entitlements {
		ents[i] = d.entitlements[i].Entitlement
		ents[i].Conflicts = slices.Compact(slices.Sorted(slices.Values(conflicts[ents[i].ID])))
	}
	duties := make([]access.Duty, len(d.duties))
	for i := range d.duties {
		duties[i] = d.duties[i].Duty
	}
	return access.NewDirectory(ids, d.opened, systems, ents, bundles).WithDuties(duties).WithPlans(d.plansOf())
}
