package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Glass is who may take what without approval, and how.
type Glass struct {
	Group        string   // whoever is in it is enrolled
	Entitlements []string // what they may open,
	Bundle       string   // and what is in this bundle
	Longest      access.Term
	Most         int            // of one person's within 30 days
	Incident     *regexp.Regexp // what a reference to an incident is like; nil: none is needed
	Security     string         // a group or an identity that is told besides the owners
	StepUp       string         // how strongly the person must be known, where that is known at all
}

// enrols tells whether the glass may be broken for an entitlement by somebody.
func (g *Glass) enrols(dir *access.Directory, identity, entitlement string) bool {
	b, _ := dir.Bundle(g.Bundle)
	return slices.Contains(dir.GroupsOf(identity), g.Group) && (slices.Contains(g.Entitlements, entitlement) || slices.Contains(b.Entitlements, entitlement))
}

// Breaking is what somebody takes without approval, and why.
type Breaking struct {
	Entitlement string      `json:"entitlement"`
	Reason      string      `json:"reason"`
	Incident    string      `json:"incident,omitempty"`
	Term        access.Term `json:"term,omitzero"` // zero: the longest there is
}

const (
	reviewWithin = 24 * time.Hour
	glassWindow  = 30 * 24 * time.Hour
)

// BreakGlass gives an enrolled person access at once, without approval, for a short
// while. The owner and security are told in the same transaction, and somebody else has
// to look at it within a day, or the path is closed for that person. What is refused
// leaves a trace in the log.
func (e *Engine) BreakGlass(ctx context.Context, by access.Actor, b Breaking) (m access.Emergency, err error) {
	var refused error
	err = e.do(ctx, "break glass", by, func(d *deed) error {
		refused, m = nil, access.Emergency{}
		if err := d.scope(ScopeRequest); err != nil {
			return err
		}
		glass := e.Glass()
		if glass == nil {
			return fmt.Errorf("%w: nobody is enrolled for break-glass here", access.ErrDenied)
		}
		// 1. What is taken, as any other request, and what policy says to it.
		if b.Term == 0 {
			ent, _ := d.world.Directory.Entitlement(b.Entitlement)
			b.Term = access.Shorter(glass.Longest, ent.MaxTerm)
		}
		r, err := d.read(ctx, Ask{Entitlements: []string{b.Entitlement}, Reason: b.Reason, Term: b.Term})
		if why := unclean(b.Incident, mostName); why != "" {
			err = errors.Join(err, fmt.Errorf("%w: incident %s", access.ErrInvalid, why))
		}
		if err != nil {
			return err
		}
		dec, err := d.mayBreak(ctx, r, glass, b)
		if err != nil {
			return err
		}
		// 2. A denial tells of itself and changes nothing.
		refuse := func(why string) error {
			refused = fmt.Errorf("%w: %s", access.ErrDenied, why)
			ev := d.event("emergency.refused")
			ev.Note, ev.Digests = fmt.Sprintf("%s: %s", b.Entitlement, why), access.Digests{Policy: dec.Policy, Facts: dec.Facts}
			return d.tell(ctx, ev)
		}
		if !dec.Allow {
			if glass.Incident != nil && len(dec.Rules) == 1 && dec.Rules[0].ID == "guard.break-glass-incident" { // to whoever is enrolled
				dec.Why += " It is written as " + glass.Incident.String() + "."
			}
			return refuse(dec.Why)
		}
		why, err := d.canProvision(ctx, r)
		if why == "" && !d.othersAnswer(glass, b.Entitlement) {
			why = "nobody else would be told, or could review it: it has no other active owner, and nobody else is in " + glass.Security
		}
		if err != nil || why != "" {
			return errors.Join(err, refuse(why))
		}
		// 3. The grant with its end, the word to those who answer for it, and the review.
		m, err = d.takeAccess(ctx, r, dec, glass, b)
		return err
	})
	return m, errors.Join(err, refused)
}

// mayBreak gathers the facts and asks policy.
func (d *deed) mayBreak(ctx context.Context, r access.Request, glass *Glass, b Breaking) (dec access.Decision, err error) {
	f, err := d.facts(ctx, r, 0, nil)
	if err != nil {
		return dec, err
	}
	person := d.world.Directory.PersonOf(d.by.Identity)
	used, err := d.EmergenciesSince(ctx, person, d.now.Add(-glassWindow))
	if err != nil {
		return dec, err
	}
	overdue, err := d.EmergenciesOverdue(ctx, person, d.now)
	return d.world.Policy.MayBreakGlass(f, d.by, policy.Glass{Enrolled: glass.enrols(d.world.Directory, d.by.Identity, b.Entitlement), Used: used, Most: glass.Most,
		Overdue: overdue > 0, Incident: b.Incident, Fits: glass.Incident == nil || glass.Incident.MatchString(b.Incident), StepUp: glass.StepUp, Longest: glass.Longest}), err
}

// mayKeep asks, before access is given, whether what was taken may still be had: by
// somebody who is still enrolled for it, and whom nothing forbids. How often the path was
// used was asked when it was.
func (d *deed) mayKeep(f policy.Facts, g access.Grant) access.Decision {
	glass := d.e.Glass()
	if glass == nil {
		glass = &Glass{}
	}
	return d.world.Policy.MayBreakGlass(f, access.Actor{Identity: g.Identity}, policy.Glass{
		Enrolled: glass.enrols(d.world.Directory, g.Identity, g.Entitlement), Most: 1, Fits: true, Longest: g.Hold.MaxTerm})
}

// canProvision says why no access could come of it: better before anything is stored.
func (d *deed) canProvision(ctx context.Context, r access.Request) (string, error) {
	ent, _ := d.world.Directory.Entitlement(r.Items[0].Entitlement)
	id, _ := d.world.Directory.Identity(r.Beneficiary)
	account := id.Accounts[ent.System]
	if account == "" {
		return fmt.Sprintf("%s has no account at %s", r.Beneficiary, ent.System), nil
	}
	return d.doubtful(ctx, ent.System, account)
}

// othersAnswer tells whether anybody but the actor is told of it: without that, nobody
// would know, and nobody could say afterwards that it was right.
func (d *deed) othersAnswer(glass *Glass, entitlement string) bool {
	dir := d.world.Directory
	me := dir.PersonOf(d.by.Identity)
	ent, _ := dir.Entitlement(entitlement)
	return slices.ContainsFunc(slices.Concat(ent.Owners, dir.MembersOf(glass.Security), []string{glass.Security}), func(id string) bool {
		i, _ := dir.Identity(id)
		return i.Kind == access.Person && dir.PersonOf(id) != me && d.active(id)
	})
}

// takeAccess stores the request as approved by nobody, the grant, and the emergency with
// its review, and tells whoever answers for it.
func (d *deed) takeAccess(ctx context.Context, r access.Request, dec access.Decision, glass *Glass, b Breaking) (m access.Emergency, err error) {
	dir := d.world.Directory
	// 1. The request.
	r.Policy, r.Items[0].Decision = dec.Policy, dec
	if err := d.AddRequest(ctx, r); err != nil {
		return m, err
	}
	ev := d.event("request.submitted")
	ev.Request, ev.To, ev.Note, ev.After = r.ID, string(r.State), "break-glass", r
	ev.Digests = access.Digests{Request: r.Digest, Policy: dec.Policy, Facts: dec.Facts}
	if err := d.tell(ctx, ev); err != nil {
		return m, err
	}
	// 2. The grant, stored with its end.
	g, why, err := d.issue(ctx, r, r.Items[0], nil, dec)
	if err != nil {
		return m, err
	}
	if why != "" {
		return m, fmt.Errorf("%w: %s", access.ErrDenied, why)
	}
	was := r
	r.Items = slices.Clone(r.Items)
	r.Items[0].Outcome, r.Items[0].Grant, r.Items[0].Why = access.Granted, g.ID, "break-glass: nobody approved it"
	if _, err := d.move(ctx, was, r, access.Approved, "break-glass: nobody approved it"); err != nil {
		return m, err
	}
	// 3. What it was, and who is told: whoever answers for it, and security.
	ent, _ := dir.Entitlement(b.Entitlement)
	person := dir.PersonOf(d.by.Identity)
	m = access.Emergency{ID: d.e.ids.next("em", d.now), Grant: g.ID, Request: r.ID, Identity: d.by.Identity, Person: person, Entitlement: b.Entitlement,
		Incident: b.Incident, Reason: r.Reason, At: d.now, Told: []string{glass.Security}, ReviewBy: d.now.Add(reviewWithin)}
	reviewer := glass.Security
	for _, owner := range ent.Owners {
		if dir.PersonOf(owner) != person && d.active(owner) {
			reviewer = owner
			m.Told = append(m.Told, owner)
		}
	}
	slices.Sort(m.Told)
	m.Told = slices.Compact(m.Told)
	if err := d.AddEmergency(ctx, m); err != nil {
		return m, err
	}
	if err := d.tellEmergency(ctx, m, "opened", fmt.Sprintf("%s took %s without approval until %s: %s", person, b.Entitlement, g.End.Format(time.RFC3339), r.Reason)); err != nil {
		return m, err
	}
	text := fmt.Sprintf("%s took %s by break-glass, without anybody's approval, for %s (grant %s, incident %q): %s", d.by.Identity, b.Entitlement, r.Term, g.ID, b.Incident, r.Reason)
	// 4. The review, with its due date.
	if err := d.openFinding(ctx, access.Finding{Kind: access.BreakGlassReview, Subject: g.ID, Owner: reviewer, DueAt: m.ReviewBy,
		Text: text + ". Somebody else who answers for it has to review it; until then, once that is overdue, the path is closed for " + person + "."}); err != nil {
		return m, err
	}
	return m, d.notice(ctx, Notice{To: m.Told, Subject: "break-glass: " + d.by.Identity + " took " + b.Entitlement, Loud: 1,
		Text: text + ". Review it by " + m.ReviewBy.Format(time.RFC3339) + ", or end it now: lessor revoke " + g.ID})
}

func (d *deed) tellEmergency(ctx context.Context, m access.Emergency, how, note string) error {
	ev := d.event("emergency." + how)
	ev.Request, ev.Grant, ev.To, ev.After, ev.Note = m.Request, m.Grant, how, m, note
	return d.tell(ctx, ev)
}

// Emergencies lists up to limit uses of break-glass with ids below before, newest first:
// one's own, those one was told of or whose entitlements one owns, and all to security and auditors.
func (e *Engine) Emergencies(ctx context.Context, by access.Actor, before string, limit int) (list []access.Emergency, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		if err := cursor(before, "use of break-glass", "em"); err != nil {
			return err
		}
		list, _, err = turn(Page{before, limit}, mostLooked, func(m access.Emergency) string { return m.ID },
			func(before string, n int) ([]access.Emergency, error) { return d.Tx.Emergencies(ctx, before, n) },
			func(m access.Emergency) (bool, error) { return d.mayKnowEmergency(m), nil })
		return err
	})
	return list, err
}

func (d *deed) mayKnowEmergency(m access.Emergency) bool {
	dir := d.world.Directory
	me, groups := dir.PersonOf(d.by.Identity), dir.GroupsOf(d.by.Identity)
	ent, _ := dir.Entitlement(m.Entitlement)
	told := func(to string) bool { return dir.PersonOf(to) == me || slices.Contains(groups, to) }
	return me == m.Person || slices.Contains(groups, "security") || slices.Contains(groups, "auditors") || slices.ContainsFunc(m.Told, told) ||
		slices.ContainsFunc(ent.Owners, func(o string) bool { return dir.PersonOf(o) == me })
}

// Enrolment is what somebody may take by break-glass.
type Enrolment struct {
	Entitlements []string    `json:"entitlements"`
	Longest      access.Term `json:"longest,omitzero"`
	Incident     string      `json:"incident,omitempty"` // what a reference is like; empty: none is needed
	StepUp       string      `json:"step_up,omitempty"`  // how strongly one must be known
	Left         int         `json:"left"`               // how often, within 30 days
	Overdue      bool        `json:"overdue,omitempty"`  // the path is closed until a review is done
}

// Enrolled says what the actor may take by break-glass: nothing, mostly.
func (e *Engine) Enrolled(ctx context.Context, by access.Actor) (en Enrolment, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		glass, dir := e.Glass(), d.world.Directory
		en.Entitlements = []string{}
		if glass == nil {
			return nil
		}
		b, _ := dir.Bundle(glass.Bundle)
		for _, id := range slices.Concat(glass.Entitlements, b.Entitlements) {
			if glass.enrols(dir, by.Identity, id) && !slices.Contains(en.Entitlements, id) {
				en.Entitlements = append(en.Entitlements, id)
			}
		}
		if len(en.Entitlements) == 0 {
			return nil
		}
		person := dir.PersonOf(by.Identity)
		used, err := d.EmergenciesSince(ctx, person, d.now.Add(-glassWindow))
		if err != nil {
			return err
		}
		overdue, err := d.EmergenciesOverdue(ctx, person, d.now)
		en.Longest, en.StepUp, en.Left, en.Overdue = glass.Longest, glass.StepUp, max(0, glass.Most-used), overdue > 0
		if glass.Incident != nil {
			en.Incident = glass.Incident.String()
		}
		return err
	})
	return en, err
}

// Enrols tells whether somebody may take anything by break-glass at all.
func (e *Engine) Enrols(identity string) bool {
	glass, dir := e.Glass(), e.World().Directory
	return glass != nil && slices.Contains(dir.GroupsOf(identity), glass.Group)
}
