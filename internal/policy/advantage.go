package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Side is rules and the directory that they are asked with.
type Side struct {
	Rules     *Set
	Directory *access.Directory
}

const (
	mostAsking = 4 // requesters of different departments by whom it is tried who may vote
	mostSaid   = 5 // names in one line of what somebody gains
)

// Advantage says what each of these persons may do after a change of rules, directory and
// catalog that they might not before: be in a group, answer for something or somebody, ask
// with less, vote. What everybody gains is nobody's advantage: a few others are asked about,
// too. It tries everything in the catalog: entitlements times persons, and the votes on
// each by those few. Whoever is in it does not decide about the change (law 10).
func Advantage(before, after Side, persons []string, now time.Time) map[string][]string {
	gained := map[string][]string{}
	say := func(person, what string, names []string) {
		if n := len(names); n > mostSaid {
			names = append(slices.Clone(names[:mostSaid]), fmt.Sprintf("%d more", n-mostSaid))
		}
		if len(names) > 0 {
			gained[person] = append(gained[person], what+" "+strings.Join(names, ", "))
		}
	}
	others := askers(after.Directory, now)
	votes := newVotes(before, after, others, now)
	groups := func(p string) []string {
		return minus(groupsOf(after.Directory, p), groupsOf(before.Directory, p))
	}
	easier := func(p string) []string { return easierFor(before, after, p, now) }
	inAll, easierForAll := gainedBy(others, groups), gainedBy(others, easier)
	for _, p := range persons {
		say(p, "is in", slices.DeleteFunc(groups(p), func(g string) bool { return g != "security" && g != "auditors" && inAll.everybody(p, g) }))
		say(p, "answers for", minus(chargesOf(after.Directory, p), chargesOf(before.Directory, p)))
		say(p, "is above", minus(after.Directory.ReportsOf(p), before.Directory.ReportsOf(p)))
		say(p, "is the deputy of", minus(after.Directory.DeputisesFor(p), before.Directory.DeputisesFor(p)))
		say(p, "is no longer the same person as", slices.DeleteFunc(minus(before.Directory.IdentitiesOf(p), after.Directory.IdentitiesOf(p)), func(id string) bool { return !after.Directory.HasIdentity(id) }))
		say(p, "may vote on", votes[p])
		say(p, "asks with less for", slices.DeleteFunc(easier(p), func(ent string) bool { return easierForAll.everybody(p, ent) }))
	}
	return gained
}

// shared is what each of a few people gains.
type shared map[string][]string

func gainedBy(people []string, what func(string) []string) shared {
	s := shared{}
	for _, p := range people {
		s[p] = what(p)
	}
	return s
}

// everybody tells whether all but the one person gain that, and there are any.
func (s shared) everybody(but, what string) bool {
	n := 0
	for p, gained := range s {
		if p == but {
			continue
		}
		if n++; !slices.Contains(gained, what) {
			return false
		}
	}
	return n > 0
}

// minus is what of a list is not in the other.
func minus(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

func groupsOf(d *access.Directory, person string) (list []string) {
	for _, id := range d.IdentitiesOf(person) {
		list = append(list, d.GroupsOf(id)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// chargesOf is what a person answers for: systems, entitlements, workloads and agents.
func chargesOf(d *access.Directory, person string) (list []string) {
	for _, id := range d.Systems() {
		if s, _ := d.System(id); s.Owner != "" && d.PersonOf(s.Owner) == person {
			list = append(list, id)
		}
	}
	for _, id := range d.Entitlements() {
		e, _ := d.Entitlement(id)
		if slices.ContainsFunc(e.Owners, func(o string) bool { return d.PersonOf(o) == person }) {
			list = append(list, id)
		}
	}
	return append(list, d.OwnedBy(person)...)
}

// easierFor names what any identity of a person may ask for, for itself, more easily than before.
func easierFor(before, after Side, person string, now time.Time) (list []string) {
	for _, id := range after.Directory.IdentitiesOf(person) {
		for _, ent := range after.Directory.Entitlements() {
			c := Change{Before: before.mayRequest(id, ent, now), After: after.mayRequest(id, ent, now)}
			if c.weigh(); len(c.Easier) > 0 && !slices.Contains(list, ent) {
				list = append(list, ent)
			}
		}
	}
	return list
}

// asks are the facts of somebody who asks for something, for an hour or its longest term.
func (s Side) asks(id, ent string, now time.Time) Facts {
	e, _ := s.Directory.Entitlement(ent)
	term := access.Shorter(access.Term(time.Hour), e.MaxTerm)
	return Facts{Now: now, Directory: s.Directory, Item: access.Item{Entitlement: ent, Term: term},
		Request: access.Request{ID: "compare", Revision: 1, Requester: id, Beneficiary: id, Term: term}}
}

// mayRequest is the zero decision, a denial, where there is no such person or thing.
func (s Side) mayRequest(id, ent string, now time.Time) access.Decision {
	if _, there := s.Directory.Entitlement(ent); !there || !s.Directory.HasIdentity(id) {
		return access.Decision{}
	}
	return s.Rules.MayRequest(s.asks(id, ent, now))
}

// newVotes names, by person, on what they may vote who could not before, whoever asks.
func newVotes(before, after Side, asking []string, now time.Time) map[string][]string {
	votes := map[string][]string{}
	for _, ent := range after.Directory.Entitlements() {
		for _, id := range asking {
			could := before.voters(id, ent, now)
			for _, p := range after.voters(id, ent, now) {
				if !slices.Contains(could, p) && !slices.Contains(votes[p], ent) {
					votes[p] = append(votes[p], ent)
				}
			}
		}
	}
	return votes
}

// voters are the persons who may vote on an ask at any stage of it.
func (s Side) voters(id, ent string, now time.Time) (list []string) {
	d := s.mayRequest(id, ent, now)
	f := s.asks(id, ent, now)
	f.Item.Decision = d
	for _, st := range d.Stages {
		list = append(list, persons(s.Directory, s.Rules.WhoCanApprove(f, st.Name))...)
	}
	return list
}

// askers are a few active people, each of another department as far as there are any:
// nobody votes on what they ask themselves, so it takes two at least.
func askers(d *access.Directory, now time.Time) (list []string) {
	var rest []string
	seen := map[string]bool{}
	for _, id := range d.Identities() {
		i, _ := d.Identity(id)
		switch {
		case i.Kind != access.Person || i.Same != "" || !i.ActiveAt(now):
		case !seen[i.Department]:
			if seen[i.Department] = true; len(list) < mostAsking {
				list = append(list, id)
			}
		case len(rest) < mostAsking:
			rest = append(rest, id)
		}
	}
	return append(list, rest[:min(len(rest), max(0, mostAsking-len(list)))]...)
}
