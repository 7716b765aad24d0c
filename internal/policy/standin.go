package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// MayAnswer answers whether the voter has authority over that stage of the item: their
// own or, failing that, somebody's they stand in for. Of what is not their own, behalf
// says whose it is.
func (s *Set) MayAnswer(f Facts, voter access.Actor, stage string) (d access.Decision, behalf access.Behalf) {
	if why := f.unusable(); why != "" {
		return s.cannot(QuestionApprove, &f, why), behalf
	}
	u := s.dues(&f)
	return s.answer(&f, f.resource(s, u.authors), u, voter, stage, votersOf(&f))
}

// MayAnswerFor answers whether the voter has that authority on this behalf and no other:
// of a vote that was cast, whether it still counts. The votes in the facts are the others.
func (s *Set) MayAnswerFor(f Facts, voter access.Actor, stage string, b access.Behalf) access.Decision {
	if why := f.unusable(); why != "" {
		return s.cannot(QuestionApprove, &f, why)
	}
	u := s.dues(&f)
	return s.answers(&f, f.resource(s, u.authors), u, voter, stage, votersOf(&f), b)
}

func (s *Set) answer(f *Facts, resource *built, u due, voter access.Actor, stage string, voted []string) (access.Decision, access.Behalf) {
	own := s.approve(f, resource, u, voter, stage, voted)
	if own.Allow || len(own.Rules) > 0 || len(own.Errors) > 0 || u.torn != "" {
		return own, access.Behalf{} // what forbids them forbids them on anybody's behalf
	}
	refused := own
	for _, b := range f.behalves(voter.Identity, stage) {
		if b.How == access.ByManager && s.deputyCan(f, resource, u, voter, stage, voted, b.Of) {
			refused = refuse(own, "%s is away, and the deputy answers for them", b.Of)
			continue
		}
		d := s.answers(f, resource, u, voter, stage, voted, b)
		if d.Allow {
			return d, b
		}
		if of := s.approve(f, resource, u, access.Actor{Identity: b.Of, Strength: voter.Strength}, stage, voted); of.Allow || len(of.Rules) > 0 {
			refused = d // why the voter cannot stand in, or why there is nothing to lend
		}
	}
	return refused, access.Behalf{}
}

// answers asks about one vote on one behalf:
//
//  1. the voter must still stand in for that person;
//  2. that person must have authority themselves: it is lent once, never twice;
//  3. nothing may forbid the voter in that place.
func (s *Set) answers(f *Facts, resource *built, u due, voter access.Actor, stage string, voted []string, b access.Behalf) access.Decision {
	if b.IsZero() {
		return s.approve(f, resource, u, voter, stage, voted)
	}
	// 1.
	if !slices.Contains(f.behalves(voter.Identity, stage), b) {
		d := s.approve(f, resource, u, voter, stage, voted)
		return refuse(d, "%s is no longer %s", voter.Identity, b)
	}
	// 2.
	of := s.approve(f, resource, u, access.Actor{Identity: b.Of, Channel: voter.Channel, Strength: voter.Strength}, stage, voted)
	if !of.Allow {
		return refuse(of, "%s answers as %s: %s", voter.Identity, b, of.Why)
	}
	// 3.
	above := f.Directory.Above(voter.Identity)
	q := approveAsked(f, voter, stage, u.stepUp, voted).
		with("inPlaceOf", uid(identityType, b.Of), func(w *writer) { w.texts(b.Of, b.Ref) }).
		withText("how", string(b.How)).
		with("above", uids(identityType, above), func(w *writer) { w.list(above) })
	d := s.decide(s.factsOf(f.Directory, f.Now, resource), q)
	d.StepUp = u.stepUp
	if !d.Allow {
		return d
	}
	for _, r := range of.Rules {
		if !slices.Contains(d.Rules, r) {
			d.Rules = append(d.Rules, r)
		}
	}
	slices.SortFunc(d.Rules, func(a, b access.Rule) int { return strings.Compare(a.ID, b.ID) })
	d.Why = fmt.Sprintf("%s: %s", b, of.Why)
	d.Facts = access.Digest(d.Facts + " " + of.Facts)
	return d
}

// behalves lists for whom somebody may answer at a stage of the item, whatever those
// could answer themselves. Never for themselves: one person is one vote.
func (f *Facts) behalves(voter, stage string) (list []access.Behalf) {
	d := f.Directory
	me := d.PersonOf(voter)
	add := func(of string, how access.StandIn, ref string) {
		if d.PersonOf(of) != me {
			list = append(list, access.Behalf{Of: of, How: how, Ref: ref})
		}
	}
	ent, _ := d.Entitlement(f.Item.Entitlement)
	for _, l := range f.StandIns.Delegations {
		if l.LiveAt(f.Now) && d.PersonOf(l.To) == me && l.Covers(ent.System, f.Item.Entitlement) {
			add(l.From, access.ByDelegation, l.ID)
		}
	}
	for _, a := range f.StandIns.Absences {
		person, ok := d.Identity(d.PersonOf(a.Person))
		if !ok || !a.AwayAt(f.Now) || d.PersonOf(a.By) == me { // nobody comes by a vote by saying that another is away
			continue
		}
		if person.Deputy != "" && d.PersonOf(person.Deputy) == me {
			add(person.ID, access.ByDeputy, a.ID)
		}
		if person.Manager != "" && d.PersonOf(person.Manager) == me {
			add(person.ID, access.ByManager, a.ID)
		}
	}
	if slices.Contains(f.Item.Escalated, stage) {
		for _, id := range d.ReportsOf(me) {
			add(id, access.ByEscalation, "")
		}
	}
	return list
}

// deputyCan tells whether somebody who is away has a deputy who could answer now, and
// is not away too. How strongly the deputy would be known is not asked.
func (s *Set) deputyCan(f *Facts, resource *built, u due, voter access.Actor, stage string, voted []string, absent string) bool {
	person, _ := f.Directory.Identity(f.Directory.PersonOf(absent))
	if person.Deputy == "" {
		return false
	}
	if a, away := f.StandIns.Away(f.Directory, person.Deputy, f.Now); away && f.Directory.PersonOf(a.By) != f.Directory.PersonOf(voter.Identity) {
		return false // but not by the word of whoever would answer instead
	}
	voter.Identity, voter.Strength = person.Deputy, u.stepUp
	for _, b := range f.behalves(person.Deputy, stage) {
		if b.How == access.ByDeputy && b.Of == person.ID && s.answers(f, resource, u, voter, stage, voted, b).Allow {
			return true
		}
	}
	return false
}

// Other is somebody who could answer for somebody else.
type Other struct {
	Who    string        `json:"who"`
	Behalf access.Behalf `json:"behalf"`
}

// WhoCanStandIn lists who could answer that stage on somebody's behalf now, signed in
// as strongly as the rules ask, in order: beside those of [Set.WhoCanApprove].
func (s *Set) WhoCanStandIn(f Facts, stage string) (list []Other) {
	if f.unusable() != "" {
		return nil
	}
	u := s.dues(&f)
	resource, voted := f.resource(s, u.authors), votersOf(&f)
	for _, who := range f.couldStandIn(s.eligible(&f, resource, u, stage), stage) {
		if d, b := s.answer(&f, resource, u, access.Actor{Identity: who, Strength: u.stepUp}, stage, voted); d.Allow && !b.IsZero() {
			list = append(list, Other{who, b})
		}
	}
	return list
}

// couldStandIn lists the people who may stand in for any of those who have authority.
func (f *Facts) couldStandIn(eligible []string, stage string) (who []string) {
	d := f.Directory
	for _, l := range f.StandIns.Delegations {
		if l.LiveAt(f.Now) {
			who = append(who, d.PersonOf(l.To))
		}
	}
	for _, id := range eligible {
		person, _ := d.Identity(d.PersonOf(id))
		if _, away := f.StandIns.Away(d, id, f.Now); away && person.Deputy != "" {
			who = append(who, d.PersonOf(person.Deputy))
		} else if !away && !slices.Contains(f.Item.Escalated, stage) {
			continue
		}
		if person.Manager != "" {
			who = append(who, d.PersonOf(person.Manager))
		}
	}
	slices.Sort(who)
	return slices.Compact(who)
}
