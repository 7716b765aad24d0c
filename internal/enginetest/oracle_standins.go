package enginetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// standInsRead is who said that somebody answers for whom.
type standInsRead struct {
	delegations []access.Delegation
	absences    []access.Absence
	emergencies map[string]access.Emergency // by grant
	reviews     map[string]access.Finding   // by grant
	seals       []access.Seal
	sealUses    []access.Finding
}

// readStandIns reads who said that somebody answers for whom.
func (l *ledger) readStandIns(ctx context.Context, tx *store.Tx) (err error) {
	const everything = 1 << 30
	var err1, err2 error
	l.delegations, err1 = tx.Delegations(ctx, nil, "", everything)
	l.absences, err2 = tx.Absences(ctx, nil, "", everything)
	emergencies, err3 := tx.Emergencies(ctx, "", everything)
	l.emergencies, l.reviews = map[string]access.Emergency{}, map[string]access.Finding{}
	for _, m := range emergencies {
		l.emergencies[m.Grant] = m
	}
	findings, err4 := tx.Findings(ctx, false, everything)
	for _, f := range findings {
		if f.Kind == access.BreakGlassReview {
			l.reviews[f.Subject] = f
		}
		if f.Kind == access.SealUsed {
			l.sealUses = append(l.sealUses, f)
		}
	}
	var err5 error
	l.seals, err5 = tx.Seals(ctx, "", everything)
	return errors.Join(err1, err2, err3, err4, err5)
}

// taken asks of every grant that nobody approved because it was an emergency whether
// its holder was enrolled, whether it is short, and whether it was told and is reviewed by
// somebody else; and of every other that it is none (AB-37).
func (l *ledger) taken() {
	for _, g := range l.grants {
		m, is := l.emergencies[g.ID]
		if !g.Emergency() {
			if is {
				l.wrong("AB-37", "grant %s is no emergency, and is told of as one", g.ID)
			}
			continue
		}
		f, reviewed := l.reviews[g.ID]
		switch {
		case !is:
			l.wrong("AB-37", "grant %s was taken by break-glass, and nothing tells of it", g.ID)
			continue
		case m.Identity != g.Identity || m.Entitlement != g.Entitlement || len(g.Votes) > 0:
			l.wrong("AB-37", "grant %s is not what %s took", g.ID, m.Identity)
		case len(m.Told) == 0:
			l.wrong("AB-37", "grant %s was taken by break-glass, and nobody was told", g.ID)
		case !reviewed || f.DueAt.After(g.At.Add(24*time.Hour)):
			l.wrong("AB-37", "grant %s was taken by break-glass, and no review is due within a day", g.ID)
		case f.ClosedAt.IsZero() != m.ReviewedAt.IsZero() || m.ReviewedBy == m.Person:
			l.wrong("AB-37", "grant %s: its review was closed without one, or by whoever took it", g.ID)
		}
		if reach := g.End.Sub(g.Start); reach > Glass.Longest.D()+l.Provision {
			l.wrong("AB-37", "grant %s was taken by break-glass for %s", g.ID, reach)
		}
		if l.World != nil && (!slices.Contains(l.World(g.At).Directory.MembersOf(Glass.Group), g.Identity) || !slices.Contains(Glass.Entitlements, g.Entitlement)) {
			l.wrong("AB-37", "grant %s was taken by break-glass by %s, who was not enrolled for %s", g.ID, g.Identity, g.Entitlement)
		}
	}
}

// behalf asks, without asking policy, whether somebody stood in for somebody else at that
// moment: that it was so, that the other could have answered, and that nobody who has a
// hand in it is above the one who did (AB-33).
func (l *ledger) behalf(g access.Grant, r access.Request, v access.Approval, at time.Time) {
	if l.World == nil || v.Behalf.IsZero() {
		return
	}
	dir := l.World(at).Directory
	of, _ := dir.Identity(v.Behalf.Of)
	person := dir.PersonOf(of.ID)
	if !of.ActiveAt(at) || of.Kind != access.Person || of.External || person == v.Person {
		l.wrong("I4", "grant %s counts %s for %s, who could not have answered at %s", g.ID, v.Voter, v.Behalf.Of, at)
	}
	var hands []string
	for _, whose := range append([]string{r.Requester, r.Beneficiary}, r.Makers...) {
		hands = append(hands, dir.Hands(whose)...)
	}
	if slices.Contains(hands, person) {
		l.wrong("I4", "grant %s counts %s for %s, who has a hand in it", g.ID, v.Voter, v.Behalf.Of)
	}
	for up, steps := v.Person, 0; up != "" && steps < 100; steps++ {
		i, _ := dir.Identity(up)
		if up = dir.PersonOf(i.Manager); up != "" && slices.Contains(hands, up) {
			l.wrong("I4", "grant %s counts %s for %s, and is for or by %s, to whom they report", g.ID, v.Voter, v.Behalf.Of, up)
		}
	}
	if !l.stands(g, v, dir, at) {
		l.wrong("I4", "grant %s counts %s as %s, which they were not at %s", g.ID, v.Voter, v.Behalf, at)
	}
	if !entitled(dir, r, g, v, person) {
		l.wrong("I4", "grant %s counts %s for %s, who had nothing to say at the stage %s at %s", g.ID, v.Voter, v.Behalf.Of, v.Stage, at)
	}
}

// stands tells whether the tables and the directory say that the voter was what the vote says.
func (l *ledger) stands(g access.Grant, v access.Approval, dir *access.Directory, at time.Time) bool {
	of, _ := dir.Identity(dir.PersonOf(v.Behalf.Of))
	switch v.Behalf.How {
	case access.ByDelegation:
		return slices.ContainsFunc(l.delegations, func(d access.Delegation) bool {
			ent, _ := dir.Entitlement(g.Entitlement)
			return d.ID == v.Behalf.Ref && dir.PersonOf(d.From) == of.ID && dir.PersonOf(d.To) == v.Person && !at.Before(d.Start) && at.Before(d.End) &&
				(d.EndedAt.IsZero() || at.Before(d.EndedAt)) && (d.System == "" || d.System == ent.System) && (d.Entitlement == "" || d.Entitlement == g.Entitlement)
		})
	case access.ByDeputy, access.ByManager:
		who := of.Deputy
		if v.Behalf.How == access.ByManager {
			who = of.Manager
		}
		return dir.PersonOf(who) == v.Person && slices.ContainsFunc(l.absences, func(a access.Absence) bool {
			return a.ID == v.Behalf.Ref && dir.PersonOf(a.Person) == of.ID && dir.PersonOf(a.By) != v.Person && !at.Before(a.From) && at.Before(a.Until) && (a.EndedAt.IsZero() || at.Before(a.EndedAt))
		})
	case access.ByEscalation:
		r, ok := l.requests[g.Request]
		i := r.Item(g.Entitlement)
		return ok && i >= 0 && slices.Contains(r.Items[i].Escalated, v.Stage) && dir.PersonOf(of.Manager) == v.Person
	}
	return false
}

// entitled tells whether somebody is one of those whom the shipped stages mean.
func entitled(dir *access.Directory, r access.Request, g access.Grant, v access.Approval, person string) bool {
	is := func(id string) bool { return id != "" && dir.PersonOf(id) == person }
	who, _ := dir.Identity(dir.PersonOf(r.Beneficiary))
	machine, _ := dir.Identity(r.Beneficiary)
	owner, _ := dir.Identity(dir.PersonOf(machine.Owner))
	ent, _ := dir.Entitlement(g.Entitlement)
	switch {
	case v.Stage == "manager":
		return is(who.Manager) || is(owner.Manager)
	case v.Stage == "sponsor":
		return is(who.Sponsor)
	case v.Stage == "owner":
		return slices.ContainsFunc(ent.Owners, is)
	case strings.HasPrefix(v.Stage, "implied/"):
		return true // whoever answers for all of it: policy's own tests say who
	}
	return slices.ContainsFunc(dir.MembersOf(v.Stage), is)
}
