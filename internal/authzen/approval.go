package authzen

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// approval is how a program names what was approved (ARAP, Completion
// Semantics). It is looked up here, and is authority for nothing by itself: the
// grant is the authority.
type approval struct {
	ID            string    `json:"id"`
	ApprovedAt    time.Time `json:"approved_at,omitzero"`
	ApprovedUntil time.Time `json:"approved_until"`
}

// Why a re-evaluation denies, and what to do next (ARAP, Re-evaluation Denial Reasons).
const (
	approvalExpired      = "approval_expired"
	outOfScope           = "out_of_scope"
	policyDenied         = "policy_denied"
	approvalUnverifiable = "approval_unverifiable"

	nextRequest = "request"
	nextRetry   = "retry"
	nextNone    = "none"

	retryAfter = 5 // seconds
)

// reference is what a caller says of an approval. Of this the id alone is used,
// and only to find what is stored: times and states it brings are nobody's word.
type reference struct {
	ID    string         `json:"id"`
	State jsontext.Value `json:"state"`
}

// approvalOf returns the approval that came with a question; nil without one.
// What cannot be read is one that names nothing.
func approvalOf(c jsontext.Value) *reference {
	var in struct {
		Approval jsontext.Value `json:"approval"`
	}
	if len(c) == 0 || json.Unmarshal(c, &in) != nil || len(in.Approval) == 0 {
		return nil
	}
	ref := &reference{}
	if json.Unmarshal(in.Approval, ref) != nil {
		return &reference{}
	}
	return ref
}

// reconsider answers a question that comes with an approval. It moves no answer
// from false to true: what is granted and seen is so without it, and an approval
// that is not this caller's, for exactly this, still standing, counts for nothing.
func (d *door) reconsider(ctx context.Context, by access.Actor, q *question, h engine.Hold, ref *reference, answer *decision) error {
	c := answer.Context
	deny := func(reason, next string) error {
		if answer.Decision {
			return nil // it holds for another reason; of this approval nothing is said
		}
		c.Reason, c.NextAction = reason, next
		if next != nextRequest {
			return d.deny(ctx, by, q, "", "", c)
		}
		who, known := subject(d.Directory(), q.Subject)
		what := entitlements(d.Directory(), q.Resource, q.Action)
		if known && len(what) > 0 && h.Standing == engine.NotGranted {
			if err := d.deny(ctx, by, q, who, what[0], c); err != nil {
				return err
			}
		}
		if c.AccessRequest == nil {
			c.NextAction = nextNone // nobody could ask for it now
		}
		return nil
	}
	// 1. Whose is it? Signed states are not issued here, so one that comes along was made elsewhere.
	t, err := d.Shelf.ApprovalTask(ctx, ref.ID)
	switch {
	case err != nil && !errors.Is(err, access.ErrNotFound):
		return err
	case err != nil || t.Identity != by.Identity || t.Request == "" || t.Request == noRequest || len(ref.State) > 0:
		return deny(approvalUnverifiable, nextNone)
	}
	// 2. Is it for exactly this?
	scope, err := q.scope()
	if err != nil {
		return err
	}
	about, err := aboutOf(t)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(about.Parts, func(p askedPart) bool { return p.Scope == scope })
	if i < 0 {
		return deny(outOfScope, nextRequest)
	}
	// 3. Does it still stand?
	_, g, lost, err := d.Engine.Asked(ctx, by, t.Request, about.Parts[i].Entitlement)
	now := d.Now()
	switch {
	case errors.Is(err, access.ErrNotFound):
		return deny(approvalUnverifiable, nextNone)
	case err != nil:
		return err
	case g.ID == "":
		return deny(approvalUnverifiable, nextNone)
	case g.State == access.Ended || !now.Before(g.End):
		return deny(approvalExpired, nextRequest)
	case lost != "" || (!h.Active && q.Action.Name != hold):
		return deny(policyDenied, nextNone)
	}
	// 4. It stands; whether access is there is another matter.
	if answer.Decision {
		c.Approval = &approval{ID: t.Approval, ApprovedUntil: g.End}
		return nil
	}
	if err := deny(grantPending, nextRetry); err != nil {
		return err
	}
	c.RetryAfter = retryAfter
	return nil
}
