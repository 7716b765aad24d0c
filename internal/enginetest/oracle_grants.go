package enginetest

import (
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// ends is I2 and I3: every open grant has an end and something that will be
// there at it, and none reaches further than anything lets it.
func (l *ledger) ends() {
	for _, g := range l.grants {
		if !g.End.After(g.Start) {
			l.wrong("I2", "grant %s ends %s, before it starts", g.ID, g.End)
		}
		if at, open := g.NextAt(); open {
			if l.halted { // it does not begin, and must not outlast its end
				at = g.End
			}
			due := l.jobs[g.Assignment].Work.Due
			switch {
			case due.IsZero():
				l.wrong("I2", "grant %s is open until %s, and its assignment %s is never due", g.ID, g.End, g.Assignment)
			case due.After(at):
				l.wrong("I2", "grant %s moves at %s, and its assignment %s is due only at %s", g.ID, at, g.Assignment, due)
			}
		}
		l.limits(g)
	}
}

func (l *ledger) limits(g access.Grant) {
	most := func(what string, have time.Duration, limit access.Term) {
		if limit != 0 && have > limit.D() {
			l.wrong("I3", "grant %s reaches %s, and %s allows %s", g.ID, have, what, limit)
		}
	}
	// The reach of a term that runs from first sight counts from there; until then the time to provision is added.
	reach, slack := g.End.Sub(g.Start), time.Duration(0)
	switch {
	case g.Term != 0 && g.Seen.IsZero():
		slack = l.Provision
	case g.Term != 0:
		reach = g.End.Sub(g.Seen)
	}
	asked, extension := access.Term(0), false
	if r, ok := l.contents[g.Digest]; ok {
		asked, extension = r.Term, r.Extends != ""
	}
	most("its policy", reach-slack, g.Hold.MaxTerm)
	if !extension { // an extension reaches its term past the old end
		most("its request", reach-slack, asked)
	}
	for _, v := range g.Votes {
		if !extension {
			most("the vote "+v, reach-slack, l.votes[v].Term)
		}
	}
	most("the longest term there is", reach-slack, access.LongestTerm)
	if l.World == nil {
		return
	}
	dir := l.World(g.At).Directory
	ent, _ := dir.Entitlement(g.Entitlement)
	most("its entitlement", reach-slack, ent.MaxTerm)
	if ent.MaxTotal != 0 {
		most("the chain of its entitlement", g.End.Sub(g.ChainStart)-l.Provision, ent.MaxTotal)
	}
	for _, id := range []string{g.Identity, dir.PersonOf(g.Identity)} {
		if i, _ := dir.Identity(id); !i.End.IsZero() && g.End.After(i.End) {
			l.wrong("I3", "grant %s ends %s, after %s leaves on %s", g.ID, g.End, id, i.End)
		}
	}
	l.sponsored(dir, g)
}

// sponsored asks whether whoever sponsored an agent when it was granted something holds it now, and as long.
func (l *ledger) sponsored(dir *access.Directory, g access.Grant) {
	i, _ := dir.Identity(g.Identity)
	if i.Kind != access.Agent || !g.LiveAt(l.now) {
		return
	}
	for _, s := range l.grants {
		if s.Entitlement == g.Entitlement && s.LiveAt(l.now) && !s.End.Before(g.End) && slices.Contains(dir.IdentitiesOf(i.Sponsor), s.Identity) {
			return
		}
	}
	l.wrong("I3", "agent %s holds %s by grant %s until %s, and its sponsor %s does not", g.Identity, g.Entitlement, g.ID, g.End, i.Sponsor)
}

// votesOfGrants is I4 and half of I11: a grant stands on what was asked and on
// enough votes of different people, bound to exactly that, none with a hand in it.
func (l *ledger) votesOfGrants() {
	of := map[string]string{} // request and entitlement -> grant
	for _, g := range l.grants {
		if other := of[g.Request+" "+g.Entitlement]; other != "" {
			l.wrong("I11", "grants %s and %s both come of request %s for %s", other, g.ID, g.Request, g.Entitlement)
		}
		of[g.Request+" "+g.Entitlement] = g.ID
		r, ok := l.contents[g.Digest]
		switch {
		case !ok:
			l.wrong("I11", "grant %s is of the digest %s, which no event tells of", g.ID, g.Digest)
			continue
		case r.ID != g.Request || r.Revision != g.Revision || r.Beneficiary != g.Identity || r.Item(g.Entitlement) < 0:
			l.wrong("I11", "grant %s (%s for %s) is not what revision %d of request %s asks for", g.ID, g.Entitlement, g.Identity, r.Revision, r.ID)
		}
		if !g.Hold.Allow {
			l.wrong("I12", "grant %s was given, and policy said no: %s", g.ID, g.Hold.Why)
		}
		l.votesOf(g, r)
	}
}

func (l *ledger) votesOf(g access.Grant, r access.Request) {
	filled, people := map[string]int{}, []string{}
	for _, id := range g.Votes {
		v, ok := l.votes[id]
		switch {
		case !ok:
			l.wrong("I4", "grant %s stands on the vote %s, which is not there", g.ID, id)
			continue
		case v.Verdict != access.Approve || v.Request != g.Request || v.Revision != g.Revision || v.Digest != g.Digest || v.Entitlement != g.Entitlement:
			l.wrong("I4", "grant %s stands on the vote %s, which is not for it", g.ID, id)
		case !v.WithdrawnAt.IsZero() && !v.WithdrawnAt.After(g.At):
			l.wrong("I4", "grant %s stands on the vote %s, which was withdrawn before", g.ID, id)
		case !v.Basis.Allow || v.At.After(g.At):
			l.wrong("I4", "grant %s stands on the vote %s, which had no authority", g.ID, id)
		}
		if slices.Contains(people, v.Person) {
			l.wrong("I4", "grant %s counts %s twice", g.ID, v.Person)
		}
		people = append(people, v.Person)
		if !v.Behalf.IsZero() { // whose right is lent uses it up
			of := v.Behalf.Of
			if l.World != nil {
				of = l.World(g.At).Directory.PersonOf(of)
			}
			if slices.Contains(people, of) {
				l.wrong("I4", "grant %s counts %s, and %s in their place", g.ID, of, v.Person)
			}
			people = append(people, of)
		}
		filled[v.Stage]++
		for _, at := range []time.Time{v.At, g.At} {
			l.voter(g, r, v, at)
			l.behalf(g, r, v, at)
		}
	}
	for _, s := range g.Hold.Stages {
		if filled[s.Name] < s.Count {
			l.wrong("I4", "grant %s has %d of %d votes for the stage %s", g.ID, filled[s.Name], s.Count, s.Name)
		}
	}
}

// voter asks whether somebody could be a voter at that moment, without asking policy.
func (l *ledger) voter(g access.Grant, r access.Request, v access.Approval, at time.Time) {
	if l.World == nil {
		return
	}
	dir := l.World(at).Directory
	i, ok := dir.Identity(v.Voter)
	if !ok || !i.ActiveAt(at) || i.Kind != access.Person || i.External {
		l.wrong("I4", "grant %s counts %s, who was no active employee at %s", g.ID, v.Voter, at)
	}
	if dir.PersonOf(v.Voter) != v.Person {
		l.wrong("I4", "grant %s counts %s for %s, who is another", g.ID, v.Voter, v.Person)
	}
	for _, whose := range append([]string{r.Requester, r.Beneficiary}, r.Makers...) {
		if slices.Contains(dir.Hands(whose), v.Person) {
			l.wrong("I4", "grant %s counts %s, who has a hand in %s", g.ID, v.Person, whose)
		}
	}
}

// decisions is I12: an error denies, silence denies, a ban denies; and what was
// granted was allowed.
func (l *ledger) decisions() {
	check := func(what string, d access.Decision) {
		permits, forbids := 0, 0
		for _, r := range d.Rules {
			switch r.Effect {
			case "permit":
				permits++
			case "forbid":
				forbids++
			case "oblige": // it only adds to what others permit
			default:
				l.wrong("I12", "%s was decided by the rule %s, whose effect is %q", what, r.ID, r.Effect)
			}
		}
		if d.Allow && (len(d.Errors) > 0 || permits == 0 || forbids > 0) {
			l.wrong("I12", "%s is allowed by %d rules against %d, with %d errors", what, permits, forbids, len(d.Errors))
		}
	}
	for id, v := range l.votes {
		check("vote "+id, v.Basis)
	}
	for _, g := range l.grants {
		check("grant "+g.ID, g.Hold)
	}
	for _, r := range l.requests {
		for _, it := range r.Items {
			what := "request " + r.ID + " for " + it.Entitlement
			check(what, it.Decision)
			has := slices.ContainsFunc(l.grants, func(g access.Grant) bool { return g.ID == it.Grant && g.Request == r.ID })
			switch {
			case it.Outcome == access.Granted && (!has || !it.Decision.Allow):
				l.wrong("I12", "%s is granted, without a grant or a decision that allows it", what)
			case it.Outcome != access.Granted && it.Grant != "":
				l.wrong("I12", "%s is %s and names the grant %s", what, it.Outcome, it.Grant)
			case it.Term > r.Term:
				l.wrong("I11", "%s would last %s, and %s was asked", what, it.Term, r.Term)
			case it.Outcome == access.Undecided && !r.Open():
				l.wrong("I12", "%s is undecided, and the request is %s", what, r.State)
			}
		}
	}
}
