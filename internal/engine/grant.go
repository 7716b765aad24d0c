package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// conclude is the final decision on one entitlement: authority is checked where
// it is used (law 9). Votes that no longer count are taken out, and the
// entitlement waits again; if policy says no for another reason, it is denied;
// otherwise the grant is stored together with its end.
func (d *deed) conclude(ctx context.Context, r *access.Request, i int, votes []access.Approval) error {
	defer d.part("conclude", r.ID)()
	it := &r.Items[i]
	f, err := d.facts(ctx, *r, i, votes)
	if err != nil {
		return err
	}
	hold := d.world.Policy.MayHold(f)
	if !hold.Allow {
		lost, err := d.voidLost(ctx, *r, i, votes)
		if err != nil || lost > 0 {
			return err
		}
		it.Outcome, it.Why = access.ItemDenied, hold.Why
		return nil
	}
	g, why, err := d.issue(ctx, *r, *it, votes, hold)
	if err != nil {
		return err
	}
	if why != "" {
		it.Outcome, it.Why = access.ItemDenied, why
		return nil
	}
	it.Outcome, it.Grant = access.Granted, g.ID
	return nil
}

// voidLost takes out the votes whose authority is gone, each asked by itself
// with the others as facts. It returns how many.
func (d *deed) voidLost(ctx context.Context, r access.Request, i int, votes []access.Approval) (lost int, err error) {
	for _, v := range votes {
		others := slices.DeleteFunc(slices.Clone(votes), func(o access.Approval) bool { return o.ID == v.ID })
		f, err := d.facts(ctx, r, i, others)
		if err != nil {
			return lost, err
		}
		voter := access.Actor{Identity: v.Voter, Channel: v.Channel, Strength: v.Strength}
		if dec := d.world.Policy.MayAnswerFor(f, voter, v.Stage, v.Behalf); !dec.Allow {
			lost++
			if err := d.void(ctx, v, "no longer counts: "+dec.Why); err != nil {
				return lost, err
			}
		}
	}
	return lost, nil
}

// issue stores a grant with its end, makes sure its assignment exists, and
// wakes the reconciler for its start. why says what stands against it; while there is a
// halt nothing is issued, and the whole verb fails.
func (d *deed) issue(ctx context.Context, r access.Request, it access.Item, votes []access.Approval, hold access.Decision) (g access.Grant, why string, err error) {
	if err := d.mayGrant(ctx); err != nil {
		return g, "", err
	}
	ent, ok := d.world.Directory.Entitlement(it.Entitlement)
	id, known := d.world.Directory.Identity(r.Beneficiary)
	if !ok || !known {
		return g, "entitlement or beneficiary is no longer known", nil
	}
	if id.Accounts[ent.System] == "" {
		return g, fmt.Sprintf("%s no longer has an account at %s", id.ID, ent.System), nil
	}
	if why, err := d.doubtful(ctx, ent.System, id.Accounts[ent.System]); err != nil || why != "" {
		return g, why, err
	}
	g = access.Grant{ID: d.e.ids.next("gr", d.now), Request: r.ID, Revision: r.Revision, Digest: r.Digest, Identity: r.Beneficiary,
		Entitlement: it.Entitlement, State: access.Scheduled, Owner: ent.Owners[0], Votes: []string{}, Hold: hold, At: d.now}
	if rule, is := r.Birthright(); is && len(votes) == 0 {
		if b := d.covering(rule, r.Beneficiary, it.Entitlement); b != nil {
			g.Owner = b.Owner
		}
	}
	for _, v := range votes {
		g.Votes = append(g.Votes, v.ID)
	}
	if why, err := d.window(ctx, &g, r, it); err != nil || why != "" {
		return g, why, err
	}
	person, _ := d.world.Directory.Identity(d.world.Directory.PersonOf(r.Beneficiary))
	bound, _, err := d.sponsored(ctx, r.Beneficiary, it.Entitlement)
	if err != nil {
		return g, "", err
	}
	if end := earlier(bound, earlier(id.Until(), person.Until())); !end.IsZero() && end.Before(g.End) {
		g.End = end.UTC()
	}
	if !g.End.After(d.now) || !g.End.After(g.Start) {
		return g, fmt.Sprintf("the window ends %s, before it could begin", g.End.Format(time.RFC3339)), nil
	}
	job, err := d.assignment(ctx, ent, id)
	if err != nil {
		return g, "", err
	}
	g.Assignment = job.ID
	return g, "", d.begin(ctx, g, job)
}

// window sets start and end. A fixed window is as asked. An extension reaches
// from now to its term past the old end, and no further than the longest term
// from now; what has ended meanwhile, revoked perhaps, is not prolonged. Otherwise
// the term runs from the moment access is seen, and the stored end is the latest
// possible one (law 3).
func (d *deed) window(ctx context.Context, g *access.Grant, r access.Request, it access.Item) (why string, err error) {
	start := d.now
	if r.Start.After(d.now) {
		start = r.Start
	}
	switch {
	case r.Extends != "":
		old, err := d.Grant(ctx, r.Extends)
		if err != nil {
			return "", err
		}
		if old.State == access.Ended || !d.now.Before(old.End) {
			return "grant " + old.ID + " has ended meanwhile; ask anew", nil
		}
		g.Start, g.End = start, old.End.Add(it.Term.D())
		if longest := it.Decision.MaxTerm; longest != 0 && start.Add(longest.D()).Before(g.End) {
			g.End = start.Add(longest.D())
		}
	case r.Fixed:
		g.Start, g.End = r.Start, r.Start.Add(it.Term.D())
	default:
		g.Start, g.End, g.Term = start, start.Add(it.Term.D()+d.e.ProvisionWithin), it.Term
	}
	chain, _, err := d.chain(ctx, r, it.Entitlement)
	if g.ChainStart = g.Start; !chain.IsZero() && chain.Before(g.Start) {
		g.ChainStart = chain
	}
	return "", err
}

// assignment finds or makes the assignment of an account and an object.
func (d *deed) assignment(ctx context.Context, ent access.Entitlement, id access.Identity) (store.Job, error) {
	account := id.Accounts[ent.System]
	job, err := d.AssignmentAt(ctx, ent.System, account, ent.Object)
	if !errors.Is(err, access.ErrNotFound) {
		return job, err
	}
	job = store.Job{Assignment: access.Assignment{ID: d.e.ids.next("as", d.now), System: ent.System, Account: account, Object: ent.Object,
		Identity: id.ID, Entitlement: ent.ID, State: access.Absent}}
	if err := d.AddAssignment(ctx, job); err != nil {
		return job, err
	}
	ev := d.event("assignment.absent")
	ev.Assignment, ev.To, ev.After = job.ID, string(access.Absent), job.Assignment
	return job, d.tell(ctx, ev)
}

// begin stores the grant, moves it on if its start has come, and makes its
// assignment due.
func (d *deed) begin(ctx context.Context, g access.Grant, job store.Job) error {
	if err := d.AddGrant(ctx, g); err != nil {
		return err
	}
	person := d.world.Directory.PersonOf(g.Identity)
	if err := d.FirstPlace(ctx, person, d.world.Directory.Stands(person)); err != nil {
		return err
	}
	ev := d.event("grant.scheduled")
	ev.Request, ev.Grant, ev.Assignment, ev.To, ev.After = g.Request, g.ID, g.Assignment, string(g.State), g
	ev.Digests = access.Digests{Request: g.Digest, Policy: g.Hold.Policy, Facts: g.Hold.Facts}
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	// Its row is changed though it may be due already: whoever works on the assignment
	// has read its grants, and must not go on without this one.
	was := job
	job.Work = job.Work.At(later(d.now, g.Start))
	d.wake(job.System, job.Work.Due)
	return d.SaveJob(ctx, was, job)
}

// dueAt makes an assignment's work due at that moment if it is not due earlier.
func (d *deed) dueAt(ctx context.Context, job store.Job, at time.Time) error {
	was := job
	job.Work = job.Work.At(at)
	d.wake(job.System, job.Work.Due)
	if was.Work.Due.Equal(job.Work.Due) && !was.Work.Due.IsZero() {
		return nil
	}
	return d.SaveJob(ctx, was, job)
}

// earlier is the earlier of two moments, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
