package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Delegating is what somebody lends of their right to approve, and to whom.
type Delegating struct {
	To          string    `json:"to"`
	System      string    `json:"system,omitempty"`      // only for what is there
	Entitlement string    `json:"entitlement,omitempty"` // only for this; neither: for everything
	Start       time.Time `json:"start,omitzero"`        // zero: now
	End         time.Time `json:"end"`
	Reason      string    `json:"reason"`
}

// mostDelegations is how many of one person's may be open at once.
const mostDelegations = 20

// Delegate lends the actor's own right to approve to another person, until an end.
// It gives nothing by itself: whenever the other votes, and again at the grant, it is
// asked whether both may. What was lent cannot be lent on.
func (e *Engine) Delegate(ctx context.Context, by access.Actor, a Delegating) (l access.Delegation, err error) {
	err = e.do(ctx, "delegate", by, func(d *deed) error {
		if err := d.scope(ScopeApprove); err != nil {
			return err
		}
		// 1. What is lent, in full and checked.
		if l, err = d.readDelegation(a); err != nil {
			return err
		}
		open, err := d.OpenDelegations(ctx, d.now)
		if err != nil {
			return err
		}
		mine := 0
		for _, o := range open {
			if d.world.Directory.PersonOf(o.From) == l.From {
				mine++
			}
		}
		if mine >= mostDelegations {
			return fmt.Errorf("%w: %s has %d open delegations, and no more than %d may be open at once: end one", access.ErrDenied, l.From, mine, mostDelegations)
		}
		// 2. Stored, told in the log, and told to whoever has it now.
		if err := d.AddDelegation(ctx, l); err != nil {
			return err
		}
		if err := errors.Join(d.tellDelegation(ctx, l, "made"), d.overAt(ctx, l.ID, l.End)); err != nil {
			return err
		}
		return d.notice(ctx, Notice{To: []string{l.To}, Subject: l.From + " has delegated approvals to you",
			Text: fmt.Sprintf("From %s until %s you may answer %s in place of %s: %s. What has to do with you yourself, or with somebody you report to, you cannot answer in anybody's place.",
				l.Start.Format(time.RFC3339), l.End.Format(time.RFC3339), scopeOf(l), l.From, l.Reason)})
	})
	return l, err
}

// scopeOf says what a delegation is for.
func scopeOf(l access.Delegation) string {
	switch {
	case l.Entitlement != "":
		return "requests for " + l.Entitlement
	case l.System != "":
		return "requests for what is at " + l.System
	}
	return "requests"
}

// readDelegation makes a delegation of what was written, with every mistake in one error.
func (d *deed) readDelegation(a Delegating) (access.Delegation, error) {
	dir := d.world.Directory
	moment := func(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
	l := access.Delegation{ID: d.e.ids.next("de", d.now), From: dir.PersonOf(d.by.Identity), To: dir.PersonOf(a.To), System: a.System, Entitlement: a.Entitlement,
		Start: d.now, End: moment(a.End), Reason: a.Reason, At: d.now}
	if !a.Start.IsZero() {
		l.Start = moment(a.Start)
	}
	var errs []error
	wrong := func(format string, v ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, v...)...))
	}
	for _, err := range []error{d.answerable("delegator", l.From), d.answerable("delegate", a.To)} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if l.To == l.From {
		wrong("nobody delegates to themselves: %s is the same person", a.To)
	}
	if why := unsaid(a.Reason); why != "" {
		wrong("reason %s", why)
	}
	ent, known := dir.Entitlement(a.Entitlement)
	switch _, system := dir.System(a.System); {
	case a.Entitlement != "" && !known:
		wrong("there is no entitlement %.80q", a.Entitlement)
	case a.System != "" && !system:
		wrong("there is no system %.80q", a.System)
	case a.Entitlement != "" && a.System != "" && ent.System != a.System:
		wrong("%s is not at %s: name one of the two", a.Entitlement, a.System)
	}
	longest := d.e.StandingIn().LongestDelegation
	switch {
	case a.End.IsZero():
		wrong("a delegation needs an end")
	case !l.End.After(l.Start) || !l.End.After(d.now):
		wrong("the end %s is not after the start, or over already", l.End.Format(time.RFC3339))
	case l.Start.Before(d.now.Add(-time.Minute)):
		wrong("the start %s is in the past", l.Start.Format(time.RFC3339))
	case l.End.Sub(l.Start) > longest:
		wrong("a delegation lasts at most %s, and this one would last %s", access.Term(longest), access.Term(l.End.Sub(l.Start)))
	case l.Start.After(d.now.Add(access.LongestTerm.D())):
		wrong("the start %s is more than %s away", l.Start.Format(time.RFC3339), access.LongestTerm)
	}
	return l, errors.Join(errs...)
}

// EndDelegation ends a delegation before its end, by whoever gave it, whoever has it,
// the giver's manager, or security. Votes that rest on it and have not led to a grant
// count no longer.
func (e *Engine) EndDelegation(ctx context.Context, by access.Actor, id, why string) error {
	return e.do(ctx, "end delegation", by, func(d *deed) error {
		if err := d.scope(ScopeApprove); err != nil {
			return err
		}
		dir := d.world.Directory
		me := dir.PersonOf(by.Identity)
		l, err := d.Tx.Delegation(ctx, id)
		giver, _ := dir.Identity(dir.PersonOf(l.From))
		if err == nil && me != dir.PersonOf(l.From) && me != dir.PersonOf(l.To) && me != dir.PersonOf(giver.Manager) && !d.ofSecurity() {
			err = access.ErrNotFound
		}
		if errors.Is(err, access.ErrNotFound) {
			err = fmt.Errorf("%w: delegation %.80q", access.ErrNotFound, id)
		}
		if err != nil {
			return err
		}
		if w := unclean(why, mostReason); w != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, w)
		}
		if !l.EndedAt.IsZero() || !d.now.Before(l.End) {
			return fmt.Errorf("%w: delegation %s is over already", access.ErrGone, l.ID)
		}
		l.EndedAt, l.EndedBy, l.EndedWhy = d.now, by.Identity, why
		if err := d.Tx.EndDelegation(ctx, l); err != nil {
			return err
		}
		if err := d.tellDelegation(ctx, l, "ended"); err != nil {
			return err
		}
		return d.notice(ctx, Notice{To: []string{l.From, l.To}, Subject: "delegation " + l.ID + " has ended",
			Text: fmt.Sprintf("%s ended it: %s may no longer answer in place of %s. %s", by.Identity, l.To, l.From, why)})
	})
}

func (d *deed) tellDelegation(ctx context.Context, l access.Delegation, how string) error {
	ev := d.event("delegation." + how)
	ev.To, ev.After, ev.Note = how, l, fmt.Sprintf("%s for %s, %s", l.To, l.From, scopeOf(l))
	return d.tell(ctx, ev)
}
