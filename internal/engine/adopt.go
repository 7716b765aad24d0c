package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
)

// adoptionWithin is how long an adoption waits for its answers: nobody loses or
// gains anything meanwhile, and its approvers may have many to read.
const adoptionWithin = 14 * 24 * time.Hour

// adoptStray asks for access that was found, on behalf of its holder, unless that
// has been asked already. What was answered is not asked again by itself; what
// nobody answered is.
func (d *deed) adoptStray(ctx context.Context, ent access.Entitlement, s *stray, drift *Drift) error {
	if s.request != "" {
		r, err := d.Request(ctx, s.request)
		switch {
		case err != nil:
			return err
		case r.Open():
			drift.Adopting++
			s.note = "asked for as " + r.ID
			return nil
		case r.State != access.Expired:
			s.note = fmt.Sprintf("%s as %s", r.State, r.ID)
			return nil
		}
	}
	if s.holder == "" {
		s.note = "nobody to adopt it for"
		return nil
	}
	if drift.Adopting >= mostAdopted {
		s.note = "to be asked for after the next reading"
		return nil
	}
	if err := d.mayGrant(ctx); errors.Is(err, access.ErrHalted) {
		s.note = "to be asked for when grants are given again"
		return nil
	} else if err != nil {
		return err
	}
	r, why, err := d.adoption(ctx, ent, s.Held, s.holder, s.holder, fmt.Sprintf("Found held at %s, and granted by nobody. Asked for on behalf of its holder: %s", ent.System, s.basis.Why))
	switch {
	case err != nil:
		return err
	case why != "":
		s.note = "cannot be adopted: " + why
	default:
		drift.Adopting++
		s.note = "asked for as " + r.ID
	}
	return nil
}

// adoption makes a request of access that was found and decides it as any other.
// why says what stands against asking at all; then there is no request.
func (d *deed) adoption(ctx context.Context, ent access.Entitlement, h Held, requester, holder, reason string) (r access.Request, why string, err error) {
	r = access.Request{ID: d.e.ids.next("rq", d.now), Revision: 1, State: access.Submitted, Requester: requester, Beneficiary: holder,
		Reason: reason, Channel: access.ChannelInventory, At: d.now, AnswerBy: d.now.Add(adoptionWithin)}
	// 1. For how long: until its next certification, which is as far as anything lets it be.
	if why, err = d.certifiedFor(ctx, ent, &r); err != nil || why != "" {
		return r, why, err
	}
	if err := d.spare(ctx, requester); errors.Is(err, access.ErrDenied) {
		return r, err.Error(), nil
	} else if err != nil {
		return r, "", err
	}
	r.Digest = access.Digest(r.Content())
	// 2. The request, as [Engine.Submit] stores it.
	if err := d.AddRequest(ctx, r); err != nil {
		return r, "", err
	}
	ev := d.event("request.submitted")
	ev.Request, ev.To, ev.Note, ev.Digests.Request, ev.After = r.ID, string(r.State), "found held by account "+h.Account, r.Digest, r
	if err := d.tell(ctx, ev); err != nil {
		return r, "", err
	}
	if err := d.Enqueue(ctx, ExpireJob{r.ID}, &river.InsertOpts{ScheduledAt: r.AnswerBy}); err != nil {
		return r, "", err
	}
	if err := d.SetAdoption(ctx, adoptionOf(ent, h, r)); err != nil {
		return r, "", err
	}
	r, err = d.decide(ctx, r)
	return r, "", err
}

// certifiedFor sets the item and its term: the longest that the entitlement, the
// holder's own end and the rules allow. why says that they allow none.
func (d *deed) certifiedFor(ctx context.Context, ent access.Entitlement, r *access.Request) (why string, err error) {
	term := access.Shorter(ent.MaxTerm, access.LongestTerm)
	id, _ := d.world.Directory.Identity(r.Beneficiary)
	person, _ := d.world.Directory.Identity(d.world.Directory.PersonOf(r.Beneficiary))
	if end := earlier(id.End, person.End); !end.IsZero() {
		left := access.Term(end.Sub(d.now).Truncate(time.Second))
		if left <= 0 {
			return r.Beneficiary + " is no longer active", nil
		}
		term = access.Shorter(term, left)
	}
	for range 2 {
		r.Term, r.Items = term, []access.Item{{Entitlement: ent.ID, Outcome: access.Undecided, Term: term}}
		f, err := d.facts(ctx, *r, 0, nil)
		if err != nil {
			return "", err
		}
		dec := d.world.Policy.MayRequest(f)
		if dec.Allow {
			return "", nil
		}
		if why = dec.Why; dec.MaxTerm == 0 || dec.MaxTerm >= term {
			break
		}
		term = dec.MaxTerm
	}
	return why, nil
}

// toCertify is the finding that the end of adopted access comes near.
const toCertify = "certification_due"

// certifyWithin is how long before its end adopted access is told of: somebody has
// had it for long, and it must not go without anybody having been asked.
const certifyWithin = 14 * 24 * time.Hour

// certifications tells the owners of adopted grants whose end comes near: they are
// extended, or end as any other.
func (d *deed) certifications(ctx context.Context, system string) error {
	near, err := d.AdoptedGrants(ctx, system, d.now.Add(certifyWithin))
	if err != nil {
		return err
	}
	due := map[string]bool{}
	for _, g := range near {
		open, err := d.OpenGrants(ctx, []string{g.Assignment})
		if err != nil {
			return err
		}
		// The last quarter of a short term is near enough, and what goes on by another grant needs nobody.
		if d.now.Before(g.End.Add(-g.End.Sub(g.Start)/4)) || slices.ContainsFunc(open[g.Assignment], func(o access.Grant) bool { return o.End.After(g.End) }) {
			continue
		}
		due[g.ID] = true
		if err := d.finding(ctx, access.Finding{Kind: toCertify, Subject: g.ID, Owner: g.Owner, DueAt: g.End,
			Text: fmt.Sprintf("%s holds %s since before it was asked for; that was adopted, and ends %s. Have it extended (lessor extend %s), or it is removed then.", g.Identity, g.Entitlement, g.End.Format(time.RFC3339), g.ID)}); err != nil {
			return err
		}
	}
	told, err := d.OpenFindings(ctx, toCertify)
	if err != nil {
		return err
	}
	for _, f := range told {
		g, err := d.Grant(ctx, f.Subject)
		if err != nil {
			return err
		}
		job, err := d.Assignment(ctx, g.Assignment)
		if err != nil {
			return err
		}
		if job.System == system && !due[f.Subject] {
			if err := d.settleFinding(ctx, toCertify, f.Subject, "extended, or over"); err != nil {
				return err
			}
		}
	}
	return nil
}
