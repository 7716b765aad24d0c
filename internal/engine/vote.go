package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Ballot is one person's answer to a request. It speaks for every undecided
// entitlement the person may answer for, unless Entitlements names some.
type Ballot struct {
	Request      string         `json:"request,omitempty"` // a door that has it in the path may leave it out
	Digest       string         `json:"digest"`            // of the revision the person has read
	Verdict      access.Verdict `json:"verdict"`
	Entitlements []string       `json:"entitlements,omitempty"`
	Stage        string         `json:"stage,omitempty"` // empty: the first open stage the person may answer
	Term         access.Term    `json:"term,omitzero"`   // shorter than asked, never longer
	Drop         []string       `json:"drop,omitempty"`  // entitlements to leave out of what is approved
	Note         string         `json:"note,omitempty"`
}

// Vote records a person's answer, with the basis, and concludes every
// entitlement whose stages it completes. A vote without authority changes
// nothing but is itself recorded, and is [access.ErrDenied].
func (e *Engine) Vote(ctx context.Context, by access.Actor, b Ballot) (r access.Request, err error) {
	var refused error
	err = e.do(ctx, "vote", by, func(d *deed) error {
		refused = nil
		was, err := d.ballotFor(ctx, b)
		if err != nil {
			return err
		}
		r = was
		r.Items = slices.Clone(r.Items)
		// 1. Each entitlement is voted on by itself.
		counted, nos := 0, []string(nil)
		for i, it := range r.Items {
			if it.Outcome != access.Undecided || (len(b.Entitlements) > 0 && !slices.Contains(b.Entitlements, it.Entitlement)) {
				continue
			}
			no, err := d.cast(ctx, &r, i, b)
			if err != nil {
				return err
			}
			if no != "" {
				nos = append(nos, no)
				continue
			}
			counted++
		}
		if counted == 0 && len(nos) == 0 {
			return fmt.Errorf("%w: nothing this vote speaks for is still open in request %s", access.ErrGone, r.ID)
		}
		// 2. An attempt without authority leaves the request alone and a trace in the log.
		if counted == 0 {
			refused = fmt.Errorf("%w: %s", access.ErrDenied, strings.Join(nos, "; "))
			ev := d.event("vote.refused")
			ev.Request, ev.Note, ev.Digests.Request = r.ID, strings.Join(nos, "; "), r.Digest
			r = was
			return errors.Join(d.tell(ctx, ev), d.guised(ctx, r))
		}
		// 3. Where the request stands now.
		if to, note := outcome(r); to != r.State {
			r, err = d.move(ctx, was, r, to, note)
			return err
		}
		return d.keep(ctx, was, r, "request.voted", standing(r))
	})
	return r, errors.Join(err, refused)
}

// ballotFor reads the request and refuses a ballot that cannot be cast at all.
func (d *deed) ballotFor(ctx context.Context, b Ballot) (access.Request, error) {
	if err := d.scope(ScopeApprove); err != nil {
		return access.Request{}, err
	}
	r, err := d.visible(ctx, b.Request)
	if err != nil {
		return r, err
	}
	if why := unclean(b.Note, mostReason); why != "" {
		return r, fmt.Errorf("%w: note %s", access.ErrInvalid, why)
	}
	switch {
	case r.State != access.Pending || !d.now.Before(r.AnswerBy):
		return r, fmt.Errorf("%w: request %s is %s and takes no more votes", access.ErrGone, r.ID, r.State)
	case b.Digest != r.Digest:
		return r, fmt.Errorf("%w: request %s is at revision %d (%s); the vote is for another", access.ErrConflict, r.ID, r.Revision, r.Digest)
	case b.Verdict != access.Approve && b.Verdict != access.Deny:
		return r, fmt.Errorf("%w: verdict %q is neither approve nor deny", access.ErrInvalid, b.Verdict)
	case b.Term < 0 || b.Term > r.Term:
		return r, fmt.Errorf("%w: an approver may shorten the term %s, not make it %s", access.ErrInvalid, r.Term, b.Term)
	}
	for _, e := range append(slices.Clone(b.Entitlements), b.Drop...) {
		if r.Item(e) < 0 {
			return r, fmt.Errorf("%w: request %s does not ask for %.80q", access.ErrInvalid, r.ID, e)
		}
	}
	return r, nil
}

// cast records the vote on one entitlement and concludes it where that settles
// it. no says why the vote does not count.
func (d *deed) cast(ctx context.Context, r *access.Request, i int, b Ballot) (no string, err error) {
	votes, err := d.standing(ctx, *r, r.Items[i].Entitlement)
	if err != nil {
		return "", err
	}
	stage, basis, behalf, err := d.authority(ctx, *r, i, votes, b.Stage)
	if err != nil {
		return "", err
	}
	if !basis.Allow {
		return fmt.Sprintf("this vote does not count for %s: %s", r.Items[i].Entitlement, basis.Why), nil
	}
	verdict := b.Verdict
	if slices.Contains(b.Drop, r.Items[i].Entitlement) {
		verdict = access.Deny
	}
	a := access.Approval{ID: d.e.ids.next("vo", d.now), Request: r.ID, Revision: r.Revision, Digest: r.Digest, Entitlement: r.Items[i].Entitlement,
		Stage: stage, Voter: d.by.Identity, Person: d.world.Directory.PersonOf(d.by.Identity), Verdict: verdict, Term: b.Term,
		Behalf: behalf, Basis: basis, Strength: d.by.Strength, Note: b.Note, Channel: d.by.Channel, At: d.now}
	if err := d.AddApproval(ctx, a); err != nil {
		return "", err
	}
	ev := d.event(voteCast)
	ev.Request, ev.To, ev.Note, ev.After = r.ID, string(verdict), basis.Why, a
	ev.Digests = access.Digests{Request: r.Digest, Policy: basis.Policy, Facts: basis.Facts}
	if ev.Opened, err = d.OpenedAt(ctx, r.ID, r.Revision, a.Person); err != nil {
		return "", err
	}
	if err := d.tell(ctx, ev); err != nil {
		return "", err
	}
	if verdict == access.Deny {
		it := &r.Items[i]
		it.Outcome, it.Why = access.ItemDenied, "denied by "+a.Voter
		if b.Verdict == access.Approve {
			it.Outcome, it.Why = access.ItemDropped, "left out by "+a.Voter
		}
		return "", nil
	}
	if b.Term != 0 {
		r.Items[i].Term = access.Shorter(r.Items[i].Term, b.Term)
	}
	votes = append(votes, a)
	if complete(r.Items[i].Decision.Stages, votes) {
		return "", d.conclude(ctx, r, i, votes)
	}
	return "", nil
}

// authority finds the stage this person may answer, and why: the one named, or
// the first that is open, and one of their own before one in somebody's place.
// Policy is asked; nothing is assumed.
func (d *deed) authority(ctx context.Context, r access.Request, i int, votes []access.Approval, named string) (string, access.Decision, access.Behalf, error) {
	f, err := d.facts(ctx, r, i, votes)
	if err != nil {
		return "", access.Decision{}, access.Behalf{}, err
	}
	none := access.Decision{Why: "no stage of it is open"}
	for _, may := range []func(policy.Facts, access.Actor, string) (access.Decision, access.Behalf){
		func(f policy.Facts, by access.Actor, stage string) (access.Decision, access.Behalf) {
			return d.world.Policy.MayApprove(f, by, stage), access.Behalf{}
		}, d.world.Policy.MayAnswer,
	} {
		for _, s := range r.Items[i].Decision.Stages {
			if (named != "" && named != s.Name) || filled(s, votes) {
				continue
			}
			dec, behalf := may(f, d.by, s.Name)
			if dec.Allow {
				return s.Name, dec, behalf, nil
			}
			none = dec
		}
	}
	return "", none, access.Behalf{}, nil
}

// standing lists the votes that count for one entitlement of this revision.
func (d *deed) standing(ctx context.Context, r access.Request, entitlement string) ([]access.Approval, error) {
	list, err := d.Approvals(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(a access.Approval) bool {
		return a.Entitlement != entitlement || a.Verdict != access.Approve || !a.Counts(r)
	})
	return d.asTold(ctx, r.ID, list)
}

func filled(s access.Stage, votes []access.Approval) bool {
	n := 0
	for _, v := range votes {
		if v.Stage == s.Name {
			n++
		}
	}
	return n >= s.Count
}

func complete(stages []access.Stage, votes []access.Approval) bool {
	for _, s := range stages {
		if !filled(s, votes) {
			return false
		}
	}
	return true
}

// Withdraw takes back one's own vote while it has not led to a grant.
func (e *Engine) Withdraw(ctx context.Context, by access.Actor, request, vote string) error {
	return e.do(ctx, "withdraw", by, func(d *deed) error {
		if err := d.scope(ScopeApprove); err != nil {
			return err
		}
		r, err := d.visible(ctx, request)
		if err != nil {
			return err
		}
		list, err := d.Approvals(ctx, request)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(a access.Approval) bool { return a.ID == vote && a.Voter == by.Identity })
		if i < 0 {
			return fmt.Errorf("%w: you have no vote %.80q on request %s", access.ErrNotFound, vote, request)
		}
		if at := r.Item(list[i].Entitlement); r.State != access.Pending || !list[i].Counts(r) || at < 0 || r.Items[at].Outcome != access.Undecided {
			return fmt.Errorf("%w: vote %s has already been used or is void", access.ErrGone, vote)
		}
		return d.void(ctx, list[i], "withdrawn by "+by.Identity)
	})
}

// void takes a vote out of the count.
func (d *deed) void(ctx context.Context, a access.Approval, why string) error {
	if err := d.WithdrawApproval(ctx, a.ID, d.now); err != nil {
		return err
	}
	a.WithdrawnAt = d.now
	ev := d.event(voteWithdrawn)
	ev.Request, ev.From, ev.To, ev.Note, ev.After = a.Request, string(a.Verdict), "withdrawn", why, a
	return d.tell(ctx, ev)
}
