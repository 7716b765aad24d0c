package config

import (
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

var contractKeys = []string{"deputy", "purpose", "environment", "consumers", "systems", "entitlements",
	"rotate_every", "reviewed", "review_every", "retires", "retires_when", "third_party"}

// contract is one as written, with the places of what it names.
type contract struct {
	f                       fields
	systems, ents, consumed []item
}

// readContract reads what a workload or an agent is there for.
func (i *identity) readContract() {
	f, ok := i.f.within("contract", contractKeys)
	if !ok {
		return
	}
	c := contract{f: f, systems: f.texts("systems"), ents: f.texts("entitlements"), consumed: f.texts("consumers")}
	i.written = &c
	i.Contract = &access.Contract{
		Deputy: f.text("deputy"), Purpose: f.text("purpose"), Environment: f.text("environment"), Consumers: plainTexts(c.consumed),
		Systems: plainTexts(c.systems), Entitlements: plainTexts(c.ents), RotateEvery: f.term("rotate_every", 0),
		Reviewed: f.day("reviewed", false), ReviewEvery: f.term("review_every", 0),
		Retires: f.day("retires", true), RetiresWhen: f.text("retires_when"), ThirdParty: f.text("third_party"),
	}
}

// checkContract holds that whatever it names is there, and warns of what it leaves open:
// that is found as long as it is so.
func (d *files) checkContract(i *identity) {
	c := i.written
	if c == nil {
		return
	}
	if i.Kind == access.Person {
		i.f.problem("contract", "a person has no contract here; a workload or an agent has")
		return
	}
	if i.Contract.Deputy != "" {
		deputy, ok := d.person(c.f.at("deputy"), "deputy", i.Contract.Deputy)
		switch {
		case !ok:
		case d.inactive(deputy):
			d.warn(c.f.at("deputy"), "deputy %q is inactive: nobody answers while the owner does not", access.Brief(deputy.ID))
		case d.personOf(deputy.ID) == d.personOf(i.Owner):
			c.f.problem("deputy", "the deputy must be somebody else than the owner")
		}
	}
	for _, s := range c.systems {
		refer(d, s.at, "systems", "system", s.text, d.known.systems)
	}
	for _, e := range c.ents {
		ent, ok := refer(d, e.at, "entitlements", "entitlement", e.text, d.known.entitlements)
		system, _, _ := strings.Cut(e.text, ":")
		if ok && len(c.systems) > 0 && !i.Contract.Allows(access.Entitlement{ID: ent.ID, System: system}) {
			d.problem(e.at, "entitlement %q is at a system that systems does not name", access.Brief(e.text))
		}
	}
	d.checkEnvironment(c.f, i.Contract.Environment)
	if !i.Contract.Retires.IsZero() && i.Contract.RetiresWhen != "" {
		c.f.problem("retires_when", "retires and retires_when: write one of them")
	}
	if lacks := i.Contract.Lacks(); len(lacks) > 0 {
		d.warn(c.f.here(), "the contract of %q does not say %s", access.Brief(i.ID), strings.Join(lacks, ", "))
	}
}

// checkEnvironment takes any environment, and warns of what is nearly production.
func (d *files) checkEnvironment(f fields, name string) {
	switch low := strings.ToLower(name); {
	case name == "" || name == access.Production:
	case !idForm.MatchString(name):
		f.problem("environment", "environment %s", idRule)
	case strings.HasPrefix(low, "prod") || strings.HasPrefix(low, "prd") || low == "live":
		d.warn(f.at("environment"), "environment %q is not %q, so it counts as another: is it meant?", access.Brief(name), access.Production)
	}
}
