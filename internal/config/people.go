package config

import (
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

func (d *files) checkIdentity(i *identity) {
	f := i.f
	// 1. By itself.
	switch i.Kind {
	case access.Person, access.Workload, access.Agent:
	case "": // reported where it was read
	default:
		f.problem("kind", "kind must be person, workload or agent")
	}
	d.checkName(f, i.Name)
	if slices.Contains([]string{access.Clock.Identity, "security", "auditors"}, i.ID) {
		f.problem("id", "nobody can be called %q: that is whom Lessor itself speaks of", i.ID)
	}
	if !i.Start.IsZero() && !i.End.IsZero() && !i.Start.Before(i.End) {
		f.problem("end", "end must be later than start")
	}

	// 2. Who answers for it.
	d.checkSame(i)
	d.checkOwner(i)
	d.checkSponsor(i)
	d.checkContract(i)
	if i.Manager != "" {
		d.person(f.at("manager"), "manager", i.Manager)
		d.checkOthers(i, "manager", i.Manager)
	}
	d.checkDeputy(i)
}

// checkDeputy takes a deputy like a manager: a person, and another one. Machines have
// none, and a second identity has that of the person.
func (d *files) checkDeputy(i *identity) {
	switch {
	case i.Deputy == "":
		return
	case i.Kind != access.Person:
		i.f.problem("deputy", "only a person has a deputy: nobody asks a %s for an approval", i.Kind)
		return
	case i.Same != "":
		i.f.problem("deputy", "the deputy of a second identity is that of the person: write it there")
		return
	}
	deputy, ok := d.person(i.f.at("deputy"), "deputy", i.Deputy)
	d.checkOthers(i, "deputy", i.Deputy)
	switch {
	case ok && deputy.External:
		d.warn(i.f.at("deputy"), "deputy %q is external, and an external person never approves: the manager answers instead", access.Brief(deputy.ID))
	case ok && d.inactive(deputy) && !d.inactive(i):
		d.warn(i.f.at("deputy"), "deputy %q is inactive: while %q is away the manager answers instead", access.Brief(deputy.ID), access.Brief(i.ID))
	}
}

func (d *files) checkName(f fields, name string) {
	if why := unfit(name); why != "" && name != "" {
		f.problem("name", "name %s", why)
	}
}

// checkSame allows one hop only, to the person itself: whose votes are counted
// must be plain to see.
func (d *files) checkSame(i *identity) {
	switch {
	case !i.f.has("same"):
		return
	case i.Kind == access.Workload, i.Kind == access.Agent:
		i.f.problem("same", "only a person has second identities: whoever answers for this %s is its owner", i.Kind)
		return
	case i.Same == i.ID:
		i.f.problem("same", "same must name the person that this is a second identity of, not itself")
		return
	}
	if _, ok := d.known.identities[i.Same]; !ok {
		refer(d, i.f.at("same"), "same", "identity", i.Same, d.known.identities) // feeds' people have none: it must be plain to see here
		return
	}
	to, ok := d.person(i.f.at("same"), "same", i.Same)
	if ok && to.Same != "" {
		i.f.problem("same", "same must name the person itself: %q is a second identity of %q", access.Brief(i.Same), access.Brief(to.Same))
	}
}

func (d *files) checkOwner(i *identity) {
	machine := i.Kind == access.Workload || i.Kind == access.Agent
	switch {
	case i.Owner == "" && machine:
		i.f.problem("owner", "%s %q needs an owner: a person who answers for it", i.Kind, access.Brief(i.ID))
	case i.Owner == "":
	case i.Kind == access.Person:
		i.f.problem("owner", "a person has no owner; a workload or an agent has")
	default:
		owner, ok := d.person(i.f.at("owner"), "owner", i.Owner)
		d.checkAnswers(i, "owner", owner, ok)
	}
}

func (d *files) checkSponsor(i *identity) {
	person, second := d.known.identities[i.Same]
	switch {
	case i.Kind == access.Agent && i.Sponsor == "":
		i.f.problem("sponsor", "agent %q needs a sponsor: a person in whose name it acts", access.Brief(i.ID))
	case i.Same != "" && i.Sponsor != "":
		i.f.problem("sponsor", "the sponsor of a second identity is that of the person: write it there")
	case second && i.External && !person.External && person.Sponsor == "":
		i.f.problem("external", "%q is not external, and this is a second identity of that person: write external and sponsor there", access.Brief(i.Same))
	case i.Same == "" && i.External && i.Sponsor == "":
		i.f.problem("external", "whoever is external needs a sponsor: a person of the house who answers for %q", access.Brief(i.ID))
	case i.Sponsor == "":
	case i.Kind == access.Person && !i.External:
		i.f.problem("sponsor", "only agents, workloads and external people have a sponsor: add external: true, or leave it out")
	default:
		d.checkOthers(i, "sponsor", i.Sponsor)
		sponsor, ok := d.person(i.f.at("sponsor"), "sponsor", i.Sponsor)
		d.checkAnswers(i, "sponsor", sponsor, ok)
	}
}

// checkOthers refuses whoever answers for themselves, in any guise.
func (d *files) checkOthers(i *identity, key, id string) {
	if d.personOf(id) == d.personOf(i.ID) {
		i.f.problem(key, "nobody is their own %s: %q is the same person", key, access.Brief(id))
	}
}

// checkAnswers warns where whoever answers is gone: the guards then refuse
// everything, and whoever wrote this should know why.
func (d *files) checkAnswers(i *identity, key string, who *identity, ok bool) {
	if ok && d.inactive(who) && !d.inactive(i) {
		d.warn(i.f.at(key), "%s %q is inactive: %q can ask for and hold nothing until somebody else answers for it", key, access.Brief(who.ID), access.Brief(i.ID))
	}
}

// checkNames looks for names and addresses by which one is taken for another.
func (d *files) checkNames() {
	names, l := make([]named, 0, len(d.identities)), newLooks()
	mails := make(map[string]*identity, len(d.identities))
	for n := range d.identities {
		i := &d.identities[n]
		names = append(names, named{text: i.Name, at: i.f.at("name"), whose: d.personOf(i.ID)})
		if i.Mail == "" || i.Kind != access.Person {
			continue
		}
		first, taken := mails[l.same(i.Mail)]
		switch {
		case !taken:
			mails[l.same(i.Mail)] = i
		case d.personOf(first.ID) != d.personOf(i.ID):
			d.warn(i.f.at("mail"), "mail is also that of %q at %s: no mail from there can be told whose it is", access.Brief(first.ID), first.f.at("mail"))
		}
	}
	d.confusable(l, names)
}

// confusable reports names that can be taken for each other, and warns of those
// that differ in nothing but letter case.
func (d *files) confusable(l looks, names []named) {
	l.lookalikes(names, func(later, earlier named) {
		if l.same(later.text) == l.same(earlier.text) {
			d.warn(later.at, "name %q is %q at %s but for letter case", access.Brief(later.text), access.Brief(earlier.text), earlier.at)
			return
		}
		d.problem(later.at, "name %+q can be taken for %+q at %s: write it so that nobody mistakes it", access.Brief(later.text), access.Brief(earlier.text), earlier.at)
	})
}

// checkManagers warns of circles: nobody in one reports to anybody outside.
func (d *files) checkManagers() {
	walk := make(map[string]int, len(d.identities)) // person -> the walk that came by
	for n := range d.identities {
		id := d.personOf(d.identities[n].ID)
		for walk[id] == 0 {
			walk[id] = n + 1
			id = d.managerOf(id)
		}
		if id == "" || walk[id] != n+1 || d.managerOf(id) == id {
			continue // nobody above, seen before, or reported as their own manager
		}
		ids := []string{id}
		for up := d.managerOf(id); up != id; up = d.managerOf(up) {
			ids = append(ids, up)
		}
		d.warn(d.known.identities[id].f.at("manager"), "managers in a circle: %s", circle(ids))
	}
}

// managerOf is the person an identity's person reports to, "" if none is known.
func (d *files) managerOf(id string) string {
	i, ok := d.known.identities[id]
	if !ok || i.Manager == "" {
		return ""
	}
	if _, ok := d.known.identities[i.Manager]; !ok {
		return ""
	}
	return d.personOf(i.Manager)
}
