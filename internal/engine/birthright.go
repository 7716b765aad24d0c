package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// birthrightRefused is the finding that policy refuses what a birthright rule gives.
const birthrightRefused = "birthright_refused"

// bornAt is for how many identities one transaction asks.
const bornAt = 100

// born is what one pass over the rules came to.
type born struct {
	granted int
	refused map[string][]string // rule and entitlement -> of whom, and why
}

// Birthrights asks for everything that birthright rules give and is not asked for yet,
// for these identities or for everybody, anew where it is to be renewed; what a rule no
// longer gives ends after the grace. It is asked and decided as any other request, but
// that the rule's owner answers where stages would. It may run twice.
func (e *Engine) Birthrights(ctx context.Context, identities []string) (granted int, err error) {
	world := e.World()
	all := len(identities) == 0
	if all {
		identities = world.Directory.Identities()
	}
	b := born{refused: map[string][]string{}}
	for some := range slices.Chunk(identities, bornAt) {
		before := b
		if err := e.do(ctx, "birthrights", access.Clock, func(d *deed) error {
			b = born{before.granted, map[string][]string{}}
			for k, v := range before.refused {
				b.refused[k] = slices.Clone(v)
			}
			return d.birthrights(ctx, some, &b)
		}); err != nil {
			return b.granted, err
		}
	}
	if !all {
		return b.granted, nil
	}
	return b.granted, e.tellRefused(ctx, b.refused)
}

func (d *deed) birthrights(ctx context.Context, identities []string, b *born) error {
	rows, err := d.BornOf(ctx, identities)
	if err != nil {
		return err
	}
	was := make(map[[3]string]store.Born, len(rows))
	for _, r := range rows {
		was[[3]string{r.Identity, r.Rule, r.Entitlement}] = r
	}
	// 1. What the rules give. While nothing is granted the next sweep asks for it.
	give := d.mayGrant(ctx)
	if give != nil && !errors.Is(give, access.ErrHalted) {
		return give
	}
	for _, id := range identities {
		i, ok := d.world.Directory.Identity(id)
		if !ok || !d.active(id) {
			continue
		}
		for n := range d.world.Lifecycle.Birthrights {
			rule := &d.world.Lifecycle.Birthrights[n]
			if !rule.For.Covers(d.world.Directory, i) {
				continue
			}
			for _, ent := range rule.Entitlements {
				key := [3]string{id, rule.ID, ent}
				row := was[key]
				delete(was, key)
				if give != nil {
					continue
				}
				if err := d.bear(ctx, rule, i, ent, row, b); err != nil {
					return err
				}
			}
		}
	}
	// 2. What they no longer give.
	for _, r := range rows {
		if _, over := was[[3]string{r.Identity, r.Rule, r.Entitlement}]; !over {
			continue
		}
		if err := d.unbear(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// bear asks for one entitlement by a rule, where it is time to.
func (d *deed) bear(ctx context.Context, rule *access.Birthright, i access.Identity, entitlement string, row store.Born, b *born) error {
	name := rule.ID + " " + entitlement
	asked := access.Digest([]string{access.Digest(rule), access.Digest(d.world.Directory.Stands(i.ID)), access.Digest(i.Accounts), d.world.Policy.Digest()})
	if row.Request != "" {
		switch again, why, err := d.bearsAgain(ctx, row, asked); {
		case err != nil:
			return err
		case !again:
			if why != "" {
				b.refused[name] = append(b.refused[name], i.ID+": "+why)
			}
			return nil
		}
	}
	r, err := d.bornRequest(ctx, rule, i, entitlement)
	if err != nil {
		return err
	}
	row = store.Born{Rule: rule.ID, Identity: i.ID, Entitlement: entitlement, Request: r.ID, Asked: asked}
	if it := r.Items[0]; it.Outcome == access.Granted {
		b.granted++
		row.Renew = d.now.Add(rule.Term.D() * 3 / 4)
	} else if it.Outcome == access.ItemDenied {
		b.refused[name] = append(b.refused[name], i.ID+": "+it.Why)
	}
	return d.SaveBorn(ctx, row)
}

// bearsAgain tells whether what was asked before is to be asked again: its time to be
// renewed has come, or it was refused or taken away and what it was asked by is another
// now. What somebody revoked or gave back is not given again for nothing.
func (d *deed) bearsAgain(ctx context.Context, row store.Born, asked string) (again bool, refused string, err error) {
	if !row.Renew.IsZero() && d.now.Before(row.Renew) && row.Asked == asked {
		return false, "", nil // as nearly always
	}
	r, err := d.Request(ctx, row.Request)
	if err != nil || r.Open() {
		return false, "", err
	}
	it := r.Items[0]
	if it.Grant == "" {
		if it.Outcome == access.ItemDenied {
			refused = it.Why
		}
		return row.Asked != asked, refused, nil
	}
	g, err := d.Grant(ctx, it.Grant)
	if err != nil {
		return false, "", err
	}
	due := !row.Renew.IsZero() && !d.now.Before(row.Renew)
	switch {
	case g.State != access.Ended && !row.Renew.IsZero():
		return due, "", nil
	case g.State != access.Ended: // people approved it after all: it is renewed as it ends
		return d.now.After(g.End.Add(-g.End.Sub(g.Start) / 4)), "", nil
	case g.Ended == access.EndExpired:
		return true, "", nil
	}
	return row.Asked != asked, "", nil
}

// bornRequest makes the request of a rule and decides it.
func (d *deed) bornRequest(ctx context.Context, rule *access.Birthright, i access.Identity, entitlement string) (r access.Request, err error) {
	term := rule.Term
	if end := i.Until(); !end.IsZero() { // nobody's access outlasts their contract
		term = access.Shorter(term, access.Term(end.Sub(d.now).Truncate(time.Second)))
	}
	r = access.Request{ID: d.e.ids.next("rq", d.now), Revision: 1, State: access.Submitted, Requester: i.ID, Beneficiary: i.ID,
		Items:  []access.Item{{Entitlement: entitlement, Outcome: access.Undecided, Term: term}},
		Reason: fmt.Sprintf("birthright %s, for which %s answers", rule.ID, rule.Owner), Term: term, Channel: access.ChannelBirthright,
		Reference: rule.ID + " " + entitlement + " " + d.now.Format(time.RFC3339Nano), At: d.now, AnswerBy: d.now.Add(d.e.AnswerWithin)}
	r.Digest = access.Digest(r.Content())
	if err := d.AddRequest(ctx, r); err != nil {
		return r, err
	}
	ev := d.event("request.submitted")
	ev.Request, ev.To, ev.Note, ev.Digests.Request, ev.After = r.ID, string(r.State), r.Reason, r.Digest, r
	if err := d.tell(ctx, ev); err != nil {
		return r, err
	}
	if err := d.Enqueue(ctx, ExpireJob{r.ID}, &river.InsertOpts{ScheduledAt: r.AnswerBy}); err != nil {
		return r, err
	}
	return d.decide(ctx, r)
}

// unbear ends, after the grace, what a rule gave and gives no longer.
func (d *deed) unbear(ctx context.Context, row store.Born) error {
	r, err := d.Request(ctx, row.Request)
	if err != nil {
		return err
	}
	note := "the birthright " + row.Rule + " is no longer for " + row.Identity
	if r.Open() {
		was := r
		r.Items = dropUndecided(r.Items, note)
		if _, err := d.move(ctx, was, r, access.Cancelled, note); err != nil {
			return err
		}
	}
	// Every open grant of that rule: around its renewal there are two.
	grants, err := d.GrantsOf(ctx, []string{row.Identity}, true, "", 1<<30)
	if err != nil {
		return err
	}
	for _, g := range grants {
		if g.Entitlement != row.Entitlement {
			continue
		}
		of, err := d.Request(ctx, g.Request)
		if err != nil {
			return err
		}
		if rule, is := of.Birthright(); !is || rule != row.Rule {
			continue
		}
		if _, err := d.grace(ctx, g, note); err != nil {
			return err
		}
	}
	return d.DropBorn(ctx, row)
}

// covering is the rule, where it gives that entitlement to that identity now.
func (d *deed) covering(rule, identity, entitlement string) *access.Birthright {
	b, ok := d.world.Lifecycle.Birthright(rule)
	i, known := d.world.Directory.Identity(identity)
	if !ok || !known || !b.For.Covers(d.world.Directory, i) || !slices.Contains(b.Entitlements, entitlement) {
		return nil
	}
	return &b
}

// mostRefused is how many people a finding names.
const mostRefused = 5

// tellRefused opens and closes what is found of rules that policy refuses.
func (e *Engine) tellRefused(ctx context.Context, refused map[string][]string) error {
	return e.do(ctx, "birthrights refused", access.Clock, func(d *deed) error {
		open, err := d.OpenFindings(ctx, birthrightRefused)
		if err != nil {
			return err
		}
		for _, f := range open {
			if len(refused[f.Subject]) == 0 {
				if err := d.settleFinding(ctx, f.Kind, f.Subject, "nobody is refused it any more"); err != nil {
					return err
				}
			}
		}
		for name, who := range refused {
			rule, _, _ := strings.Cut(name, " ")
			b, _ := d.world.Lifecycle.Birthright(rule)
			text := fmt.Sprintf("Policy refuses what the birthright gives to %d: %s. Change the rule, or policy.", len(who), strings.Join(who[:min(len(who), mostRefused)], "; "))
			if err := d.finding(ctx, access.Finding{Kind: birthrightRefused, Subject: name, Owner: cmp.Or(b.Owner, "security"), DueAt: d.now.Add(7 * 24 * time.Hour), Text: text}); err != nil {
				return err
			}
		}
		return nil
	})
}
