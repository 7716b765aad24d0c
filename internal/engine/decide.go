package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// decide asks policy about each entitlement of a submitted request: denied at
// once, granted at once, or waiting for its stages. The request is stored as submitted.
func (d *deed) decide(ctx context.Context, r access.Request) (access.Request, error) {
	defer d.part("decide", r.ID)()
	was := r
	r.Items = slices.Clone(r.Items)
	r.Policy = d.world.Policy.Digest()
	// 1. What policy says of each, all of it being asked for together: of two that
	// nobody may hold beside each other, neither is let through.
	for i := range r.Items {
		if r.Items[i].Outcome != access.Undecided {
			continue
		}
		if err := d.judge(ctx, was, &r, i); err != nil {
			return r, err
		}
	}
	// 2. What needs nobody is granted now, by the same last question as any other.
	for i, it := range r.Items {
		if it.Outcome == access.Undecided && len(it.Decision.Stages) == 0 {
			if err := d.conclude(ctx, &r, i, nil); err != nil {
				return r, err
			}
		}
	}
	// 3. Where the request stands.
	ev := d.event("request.decided")
	ev.Request, ev.Note = r.ID, standing(r)
	ev.Digests = access.Digests{Request: r.Digest, Policy: r.Policy}
	ev.From, ev.To, ev.After = string(r.State), string(r.State), r
	if err := d.tell(ctx, ev); err != nil {
		return r, err
	}
	to, note := outcome(r)
	if to == r.State {
		to, note = access.Pending, "waiting for "+standing(r)
		if err := d.escalateLater(ctx, r); err != nil {
			return r, err
		}
	}
	return d.move(ctx, was, r, to, note)
}

// noApprover is the finding that a request was refused because nobody could have
// answered it. Nothing says that it is mended but a person.
const noApprover = "no_approver"

// judge asks whether this may be asked for and what it needs. Silence denies:
// a stage nobody can fill is a denial, and its owner is told.
func (d *deed) judge(ctx context.Context, asked access.Request, r *access.Request, i int) error {
	_, short, err := d.foresee(ctx, asked, r, i)
	if err != nil || short == "" {
		return err
	}
	it := r.Items[i]
	ent, _ := d.world.Directory.Entitlement(it.Entitlement)
	return d.finding(ctx, access.Finding{Kind: noApprover, Subject: it.Entitlement, Owner: ent.Owners[0], DueAt: d.now.Add(24 * time.Hour),
		Text: fmt.Sprintf("A request of %s for %s was refused because %s.", r.Beneficiary, it.Entitlement, short)})
}

// foresee is what policy says to one entitlement that is asked for; it changes
// nothing but the item. short says which stages nobody can fill.
func (d *deed) foresee(ctx context.Context, asked access.Request, r *access.Request, i int) (f policy.Facts, short string, err error) {
	it := &r.Items[i]
	if f, err = d.facts(ctx, asked, i, nil); err != nil {
		return f, "", err
	}
	it.Decision = d.world.Policy.MayRequest(f)
	deny := func(why string) { it.Outcome, it.Why = access.ItemDenied, why }
	if !it.Decision.Allow {
		deny(it.Decision.Why)
		return f, "", nil
	}
	if longest := it.Decision.MaxTerm; longest != 0 && r.Term > longest {
		deny(fmt.Sprintf("%s may be held for at most %s at a time, and %s was asked", it.Entitlement, longest, r.Term))
		return f, "", nil
	}
	ent, _ := d.world.Directory.Entitlement(it.Entitlement)
	if id, _ := d.world.Directory.Identity(r.Beneficiary); id.Accounts[ent.System] == "" {
		deny(fmt.Sprintf("%s has no account at %s", r.Beneficiary, ent.System))
		return f, "", nil
	}
	f.Item, f.Authors = *it, authors(it.Decision)
	stages := d.world.Policy.Unfillable(f, it.Decision.Stages)
	if len(stages) == 0 {
		return f, "", nil
	}
	short = "too few people may answer for " + stageNames(stages) + ", each counted once across all stages"
	deny("nobody can approve it: " + short)
	return f, short, nil
}

// facts gathers all a question about one entitlement of a request reads.
func (d *deed) facts(ctx context.Context, r access.Request, i int, votes []access.Approval) (policy.Facts, error) {
	it := r.Items[i]
	f := policy.Facts{Now: d.now, Directory: d.world.Directory, Request: r, Item: it, Votes: votes, Authors: authors(it.Decision)}
	for _, other := range r.Items {
		if other.Entitlement != it.Entitlement && (other.Outcome == access.Undecided || other.Outcome == access.Granted) {
			f.Siblings = append(f.Siblings, other.Entitlement)
		}
	}
	if rule, is := r.Birthright(); is {
		f.Birthright = d.covering(rule, r.Beneficiary, it.Entitlement)
	}
	held, err := d.heldBy(ctx, r, it.Entitlement)
	if err != nil {
		return f, err
	}
	f.Held = held
	if _, f.Sponsored, err = d.sponsored(ctx, r.Beneficiary, it.Entitlement); err != nil {
		return f, err
	}
	if f.Reach, err = d.reach(ctx, it.Entitlement); err != nil {
		return f, err
	}
	if f.Implies, err = d.implies(ctx, slices.Concat(f.Held, f.Siblings)); err != nil {
		return f, err
	}
	if f.StandIns, err = d.standIns(ctx); err != nil {
		return f, err
	}
	_, f.ChainFor, err = d.chain(ctx, r, it.Entitlement)
	return f, err
}

// chain finds the unbroken chain that a grant of this would go on: when it began,
// and for how long it has lasted where the new term begins. To ask anew while a
// grant is live goes on with its chain as an extension does, or a longest total
// term would bind only whoever asks politely. A zero start means there is none.
func (d *deed) chain(ctx context.Context, r access.Request, entitlement string) (start time.Time, lasted access.Term, err error) {
	if r.Extends != "" {
		g, err := d.Grant(ctx, r.Extends)
		return g.ChainStart, access.Term(max(0, g.End.Sub(g.ChainStart))), err
	}
	begin := later(d.now, r.Start)
	grants, err := d.OpenGrantsOfOne(ctx, d.world.Directory.IdentitiesOf(r.Beneficiary), entitlement)
	for _, g := range grants {
		if g.Request != r.ID && !g.End.Before(begin) && g.ChainStart.Before(begin) && (start.IsZero() || g.ChainStart.Before(start)) {
			start, lasted = g.ChainStart, access.Term(begin.Sub(g.ChainStart))
		}
	}
	return start, lasted, err
}

// heldBy lists what the person behind the beneficiary holds or has been granted
// under every identity, owned workloads and agents too, what stands pending for them,
// and which roles of Lessor itself they have.
func (d *deed) heldBy(ctx context.Context, r access.Request, except string) ([]string, error) {
	dir := d.world.Directory
	whose := append(slices.Clone(dir.IdentitiesOf(r.Beneficiary)), dir.OwnedBy(r.Beneficiary)...)
	if id, _ := dir.Identity(r.Beneficiary); id.Kind != access.Person {
		for _, p := range dir.Hands(r.Beneficiary) {
			whose = append(append(whose, dir.IdentitiesOf(p)...), dir.OwnedBy(p)...)
		}
	}
	slices.Sort(whose)
	whose = slices.Compact(whose)
	granted, err := d.EntitlementsOf(ctx, whose, d.now)
	if err != nil {
		return nil, err
	}
	held := append(rolesOf(dir, whose, except), slices.DeleteFunc(granted, func(ent string) bool { return ent == except })...)
	pending, err := d.PendingFor(ctx, whose)
	if err != nil {
		return nil, err
	}
	for _, p := range pending {
		for _, it := range p.Items {
			if p.ID != r.ID && it.Outcome == access.Undecided && it.Entitlement != except {
				held = append(held, it.Entitlement)
			}
		}
	}
	slices.Sort(held)
	return slices.Compact(held), nil
}

// authors lists who wrote the rules that let something through.
func authors(dec access.Decision) []string {
	var list []string
	for _, rule := range dec.Rules {
		if rule.Author != "" && rule.Effect == "permit" {
			list = append(list, rule.Author)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// outcome returns the state a request's items add up to; its own state while any is undecided.
func outcome(r access.Request) (access.RequestState, string) {
	granted := 0
	for _, it := range r.Items {
		switch it.Outcome {
		case access.Undecided:
			return r.State, ""
		case access.Granted:
			granted++
		}
	}
	if granted > 0 {
		return access.Approved, fmt.Sprintf("%d of %d granted", granted, len(r.Items))
	}
	return access.Denied, standing(r)
}

// standing says in a line where each item stands.
func standing(r access.Request) string {
	var parts []string
	for _, it := range r.Items {
		s := it.Entitlement + ": " + string(it.Outcome)
		if it.Outcome == access.Undecided {
			s = it.Entitlement + ": " + stageNames(it.Decision.Stages)
		} else if it.Why != "" {
			s += " (" + it.Why + ")"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

// stageNames writes stages as policy does: "manager:1 and security:2".
func stageNames(stages []access.Stage) string {
	names := make([]string, len(stages))
	for i, st := range stages {
		names[i] = fmt.Sprintf("%s:%d", st.Name, st.Count)
	}
	return strings.Join(names, " and ")
}

// move stores a request that has changed, in the state it moves to, with its event.
func (d *deed) move(ctx context.Context, was, r access.Request, to access.RequestState, note string) (access.Request, error) {
	moved, ev, err := r.To(to, d.now, d.by, note)
	if err != nil {
		return r, err
	}
	if err := d.SaveRequest(ctx, was, moved); err != nil {
		return r, err
	}
	return moved, d.tell(ctx, ev)
}

// keep stores a request whose items changed and whose state did not.
func (d *deed) keep(ctx context.Context, was, r access.Request, kind, note string) error {
	if err := d.SaveRequest(ctx, was, r); err != nil {
		return err
	}
	ev := d.event(kind)
	ev.Request, ev.From, ev.To, ev.Note, ev.After = r.ID, string(r.State), string(r.State), note, r
	ev.Digests = access.Digests{Request: r.Digest, Policy: r.Policy}
	return d.tell(ctx, ev)
}
