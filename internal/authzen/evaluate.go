package authzen

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// decision is the answer to one evaluation (Authorization API, Decision).
type decision struct {
	Decision bool  `json:"decision"`
	Context  *said `json:"context,omitzero"`
}

// said is a decision's context. What is not of the profile stands below a name of our own.
type said struct {
	EvaluationID  string     `json:"evaluation_id,omitzero"`
	EvaluatedAt   time.Time  `json:"evaluated_at,omitzero"`
	Reason        string     `json:"reason,omitzero"`
	AccessRequest *hint      `json:"access_request,omitzero"`
	Approval      *approval  `json:"approval,omitzero"`
	NextAction    string     `json:"next_action,omitzero"`
	RetryAfter    int        `json:"retry_after,omitzero"`
	Error         *itemError `json:"error,omitzero"`
	Holding       *holding   `json:"https://github.com/lessor-iam/lessor/holding,omitzero"`
}

// holding is what a decision rests on: authority beside reality.
type holding struct {
	Entitlement string    `json:"entitlement"`
	State       string    `json:"state"` // held, not_seen, not_reliable
	Grant       string    `json:"grant"`
	End         time.Time `json:"end"`
	SeenAt      time.Time `json:"seen_at,omitzero"`
}

// itemError is what was wrong with one of several evaluations.
type itemError struct {
	Status  int    `json:"status"`
	Message string `json:"message"`
}

// hint says that a denial can be answered by asking (ARAP, Requestable Denial Context).
type hint struct {
	ExpiresAt        time.Time `json:"expires_at"`
	RequestSchemaURL string    `json:"request_schema_url"`
}

// Why a denial is one, beside the profile's reasons of a re-evaluation.
const (
	notGranted       = "not_granted"       // nothing is granted that you may know of
	approvalRequired = "approval_required" // … and it can be asked for
	grantPending     = "grant_pending"     // granted, and not seen held
	notReliable      = "seen_not_reliable" // seen held, and a call that may change it was or is under way
	subjectInactive  = "subject_inactive"
)

// states names standings to programs.
var states = map[engine.Standing]string{engine.NotSeen: "not_seen", engine.NotReliable: "not_reliable", engine.HeldNow: "held"}

// denialHolds is how long a denial can be answered by a submission.
const denialHolds = 10 * time.Minute

// bound is what an evaluation id seals: whose denial of what it was, until when
// it can be answered, and whether it can be at all.
type bound struct {
	By          string    `json:"by"`
	Scope       string    `json:"scope"`
	ExpiresAt   time.Time `json:"exp"`
	Requestable bool      `json:"req"`
}

func (d *door) evaluation(ctx context.Context, by access.Actor, raw []byte) (any, error) {
	var q question
	if err := parse(raw, &q); err != nil {
		return nil, err
	}
	if err := q.check(whole); err != nil {
		return nil, err
	}
	return d.decide(ctx, by, &q)
}

// decide answers one evaluation. True is only what is granted now and was seen
// held; whatever else is so is false, with a reason.
func (d *door) decide(ctx context.Context, by access.Actor, q *question) (*decision, error) {
	// 1. Who and what; what the directory does not have nobody holds.
	dir := d.Directory()
	who, known := subject(dir, q.Subject)
	what := entitlements(dir, q.Resource, q.Action)
	var best engine.Hold
	if known {
		for _, id := range what {
			h, err := d.Engine.Holds(ctx, by, who, id)
			if err != nil {
				return nil, err
			}
			if best.Entitlement == "" || h.Standing > best.Standing {
				best = h
			}
		}
	}
	answer := &decision{Decision: best.Standing == engine.HeldNow && (best.Active || q.Action.Name == hold), Context: &said{}}
	if best.Standing != engine.NotGranted {
		answer.Context.Holding = &holding{best.Entitlement, states[best.Standing], best.Grant, best.End, best.Seen}
	}
	// 2. An approval that comes with it is looked up, whatever it says of itself.
	if ref := approvalOf(q.Context); ref != nil {
		return answer, d.reconsider(ctx, by, q, best, ref, answer)
	}
	// 3. Why not, and whether it can be asked for.
	if answer.Decision {
		return answer, nil
	}
	answer.Context.Reason = map[engine.Standing]string{engine.NotGranted: notGranted, engine.NotSeen: grantPending,
		engine.NotReliable: notReliable, engine.HeldNow: subjectInactive}[best.Standing]
	if best.Standing != engine.NotGranted || !known || len(what) == 0 {
		return answer, d.deny(ctx, by, q, "", "", answer.Context)
	}
	return answer, d.deny(ctx, by, q, who, what[0], answer.Context)
}

// deny names a denial, and adds how it can be answered if an ask for this would
// be let stand. Whoever may not ask is not told whether anybody may.
func (d *door) deny(ctx context.Context, by access.Actor, q *question, who, what string, c *said) error {
	if !slices.Contains(by.Scopes, engine.ScopeRequest) {
		return nil
	}
	scope, err := q.scope()
	if err != nil {
		return err
	}
	now := d.Now().UTC().Truncate(time.Millisecond)
	b := bound{By: by.Identity, Scope: scope, ExpiresAt: now.Add(denialHolds)}
	if what != "" {
		if b.Requestable, _, err = d.Engine.CouldAsk(ctx, by, who, what); err != nil {
			return err
		}
	}
	if b.Requestable {
		c.AccessRequest = &hint{b.ExpiresAt, base(ctx) + Schema}
		if c.Reason == notGranted {
			c.Reason = approvalRequired
		}
	}
	c.EvaluatedAt = now
	c.EvaluationID, err = d.seal.seal("eval", b)
	return err
}

// mostEvaluations bounds how many evaluations one request may box together.
const mostEvaluations = 200

func (d *door) evaluations(ctx context.Context, by access.Actor, raw []byte) (any, error) {
	// 1. What all of them share, and how they are to be taken.
	var in struct {
		question
		Evaluations []jsontext.Value `json:"evaluations"`
		Options     *struct {
			Semantic *string `json:"evaluations_semantic"`
		} `json:"options"`
	}
	if err := parse(raw, &in); err != nil {
		return nil, err
	}
	semantic := "execute_all"
	if in.Options != nil && in.Options.Semantic != nil {
		semantic = *in.Options.Semantic
	}
	stop, known := map[string]func(bool) bool{
		"execute_all":            func(bool) bool { return false },
		"deny_on_first_deny":     func(allowed bool) bool { return !allowed },
		"permit_on_first_permit": func(allowed bool) bool { return allowed },
	}[semantic]
	switch {
	case !known:
		return nil, fmt.Errorf("%w: options.evaluations_semantic is none of execute_all, deny_on_first_deny, permit_on_first_permit", access.ErrInvalid)
	case len(in.Evaluations) == 0:
		return d.evaluation(ctx, by, raw)
	case len(in.Evaluations) > mostEvaluations:
		return nil, fmt.Errorf("%w: %d evaluations in one request; at most %d", access.ErrInvalid, len(in.Evaluations), mostEvaluations)
	}
	// 2. Each by itself, in order.
	out := struct {
		Evaluations []*decision `json:"evaluations"`
	}{}
	for i, one := range in.Evaluations {
		if i > 0 && !d.SpendEvaluation(by.Identity) { // the door has taken the first
			return nil, tooMany
		}
		answer, err := d.one(ctx, by, in.question, one)
		if err != nil {
			return nil, err
		}
		out.Evaluations = append(out.Evaluations, answer)
		if stop(answer.Decision) {
			break
		}
	}
	return out, nil
}

// one answers one of several evaluations: what it does not say, the whole says,
// entity by entity. What is wrong with it makes it false and keeps no other waiting.
func (d *door) one(ctx context.Context, by access.Actor, q question, raw jsontext.Value) (*decision, error) {
	err := error(nil)
	var own question
	if err = parse(raw, &own); err == nil {
		if own.Subject != nil {
			q.Subject = own.Subject
		}
		if own.Action != nil {
			q.Action = own.Action
		}
		if own.Resource != nil {
			q.Resource = own.Resource
		}
		if len(own.Context) > 0 {
			q.Context = own.Context
		}
		err = q.check(whole)
	}
	if err == nil {
		var answer *decision
		if answer, err = d.decide(ctx, by, &q); err == nil {
			return answer, nil
		}
	}
	if errors.Is(err, access.ErrInvalid) {
		return &decision{Context: &said{Error: &itemError{http.StatusBadRequest, fit(err.Error())}}}, nil
	}
	return nil, err
}
