package authzen

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// askFor reads the one ask out of a submission, and notes which entitlement each
// part is. Whether it may be asked is for the engine.
func (d *door) askFor(ctx context.Context, by access.Actor, s *submission, parts []part, about *asked, now time.Time) (ask engine.Ask, err error) {
	// 1. For whom, and why.
	dir := d.Directory()
	who, known := subject(dir, s.Subject)
	var said struct {
		Why string `json:"business_justification"`
	}
	if len(s.Context) > 0 {
		if err := parse(s.Context, &said); err != nil {
			return ask, err
		}
	}
	if strings.TrimSpace(said.Why) == "" {
		return ask, fmt.Errorf("%w: context.business_justification is missing: say in a sentence what the access is for", access.ErrInvalid)
	}
	ask.Beneficiary, ask.Reason = who, said.Why
	if c := s.Client.Source; c != nil && c.ExternalURL != "" {
		ask.Ticket = d.Ticket(c.ExternalURL) // a claim, as every ticket is
	}
	// 2. What, and for how long at most.
	for i, p := range parts {
		what := entitlements(dir, p.Resource, p.Action)
		if !known || len(what) == 0 {
			return ask, problem(notRequestable, "what was denied is no longer in the catalog, or the subject in the directory")
		}
		about.Parts[i].Entitlement = what[0]
		ask.Entitlements = append(ask.Entitlements, what[0])
		_, longest, err := d.Engine.CouldAsk(ctx, by, who, what[0])
		if err != nil {
			return ask, err
		}
		if i == 0 || longest < ask.Term {
			ask.Term = longest
		}
		if e := p.Requested.Emergency; e != nil && *e && !strings.HasPrefix(ask.Reason, emergency) {
			ask.Reason = emergency + ask.Reason // a signal for people; it skips nobody
		}
	}
	// 3. Until when, where a caller says so.
	if parts[0].Requested.Until == nil {
		return ask, nil
	}
	until, err := time.Parse(time.RFC3339Nano, *parts[0].Requested.Until)
	if err != nil || !until.After(now.Add(time.Second)) {
		return ask, fmt.Errorf("%w: requested_access.requested_until is not a time to come, as 2026-05-01T00:15:00Z", access.ErrInvalid)
	}
	ask.Start, ask.Fixed, ask.Term = now.Truncate(time.Second), true, access.Term(until.Sub(now.Truncate(time.Second)).Truncate(time.Second))
	return ask, nil
}

const emergency = "(said to be an emergency) "

// askOf is what a task asks of the engine.
func askOf(t store.Task) (ask engine.Ask, err error) {
	err = json.Unmarshal([]byte(t.Ask), &ask)
	ask.Reference = "task:" + digest([]byte(t.ID))[:40] // whoever may see the request learns no handle
	return ask, err
}

// aboutOf is what a task is about.
func aboutOf(t store.Task) (a asked, err error) {
	err = json.Unmarshal([]byte(t.Asked), &a)
	return a, err
}

// noRequest stands for the request of a task that came to none.
const noRequest = "none"

// carryOut asks for what a task says, unless it was asked already. The reference
// makes it one request however often it is done. amiss is what is done with a task
// that the engine would not even store as a request.
func (d *door) carryOut(ctx context.Context, by access.Actor, t store.Task, amiss func(context.Context, string) error) (store.Task, error) {
	if t.Request != "" {
		return t, nil
	}
	ask, err := askOf(t)
	if err != nil {
		return t, err
	}
	r, err := d.Engine.Submit(ctx, by, ask)
	switch {
	case errors.Is(err, access.ErrInvalid), errors.Is(err, access.ErrDenied):
		return t, errors.Join(err, amiss(ctx, t.ID))
	case err != nil:
		return t, err
	}
	t.Request = r.ID
	return t, d.Shelf.NameTask(ctx, t.ID, r.ID)
}

// resume goes on with a submission that stopped half-way: what it asks stands in
// the task. One that cannot be asked any more has failed, for good.
func (d *door) resume(ctx context.Context, by access.Actor, t store.Task) (store.Task, error) {
	was := t
	t, err := d.carryOut(ctx, by, t, func(ctx context.Context, id string) error { return d.Shelf.NameTask(ctx, id, noRequest) })
	if errors.Is(err, access.ErrInvalid) || errors.Is(err, access.ErrDenied) {
		was.Request = noRequest
		return was, nil
	}
	return t, err
}
