package authzen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// submission asks for what was denied (ARAP, Access Request Submission).
type submission struct {
	question
	Items     []part         `json:"items"`
	Denial    *denial        `json:"denial"`
	Requested requested      `json:"requested_access"`
	Callback  jsontext.Value `json:"callback"`
	Client    client         `json:"client"`
}

// part is one of the things that one submission asks for together.
type part struct {
	Resource  *entity   `json:"resource"`
	Action    *deed     `json:"action"`
	Denial    *denial   `json:"denial"`
	Requested requested `json:"requested_access"`
}

// denial is what a caller brings of the denial that it answers.
type denial struct {
	EvaluationID string `json:"evaluation_id"`
	ExpiresAt    string `json:"expires_at"`
	BindingToken string `json:"binding_token"`
}

// requested is how it wants what it asks for.
type requested struct {
	Until     *string `json:"requested_until"`
	Emergency *bool   `json:"emergency"`
}

// asked is what a task is about: each part with its exact scope, in the order of
// the submission.
type asked struct {
	Items bool        `json:"items"` // it came as a list, and is answered as one
	Parts []askedPart `json:"parts"`
}

type askedPart struct {
	Scope       string  `json:"scope"`
	Entitlement string  `json:"entitlement"`
	Resource    *entity `json:"resource"`
	Action      *deed   `json:"action"`
}

// client is what a program says of itself. It is evidence for people: nothing of
// it authorises anything.
type client struct {
	ID     string `json:"id,omitzero"`
	Name   string `json:"name,omitzero"`
	Actor  *actor `json:"actor,omitzero"`
	Source *struct {
		SessionID     string `json:"session_id,omitzero"`
		ExternalURL   string `json:"external_url,omitzero"`
		IntegrationID string `json:"integration_id,omitzero"`
	} `json:"source,omitzero"`
}

// actor is who a program says it acts as. The chain is written with other names
// below the first.
type actor struct {
	ID  string `json:"id,omitzero"`
	Sub string `json:"sub,omitzero"`
	Act *actor `json:"act,omitzero"`
}

// How long what was handed out is good for, and kept.
const (
	skew       = 30 * time.Second                   // a submission may come so much late
	handleFor  = 60 * 24 * time.Hour                // a task is answered about
	rememberIt = 60*24*time.Hour + 366*24*time.Hour // an approval is known: for as long as a grant of it can last, and longer
	longestKey = 200
)

// asking answers one operation of the profile; what goes wrong is problem details.
func (d *door) asking(do func(w http.ResponseWriter, r *http.Request, by access.Actor) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, no := d.visitor(r, engine.ScopeRequest)
		switch {
		case no != nil:
			no.explain(w)
		case !d.Spend(by.Identity):
			tooMany.explain(w)
		default:
			if err := do(w, r, by); err != nil {
				d.refusalOf(r, by, err).explain(w)
			}
		}
	}
}

func (d *door) submit(w http.ResponseWriter, r *http.Request, by access.Actor) error {
	ctx, now := r.Context(), d.Now().UTC().Truncate(time.Microsecond)
	raw, err := body(w, r)
	if err != nil {
		return err
	}
	// 1. What is sent, in full and of the right types.
	var s submission
	if err := parse(raw, &s); err != nil {
		return err
	}
	parts, err := s.parts()
	if err != nil {
		return err
	}
	sent, err := canonical(jsontext.Value(raw))
	if err != nil {
		return err
	}
	// 2. Sent before? Then it is the same task, though the denial may have run out since.
	key := r.Header.Get("Idempotency-Key")
	if len(key) > longestKey {
		return &refusal{status: http.StatusBadRequest, detail: "Idempotency-Key is longer than 200 characters"}
	}
	repeat := "key:" + digest([]byte(key))
	if key == "" {
		if repeat, err = d.seal.handle("none"); err != nil {
			return err
		}
	}
	t, err := d.Shelf.RepeatedTask(ctx, by.Identity, repeat)
	if errors.Is(err, access.ErrNotFound) {
		// 3. It answers a denial of this caller's, for exactly this, that still stands.
		if t, err = d.prepare(ctx, by, &s, parts, now); err != nil {
			return err
		}
		t.RepeatKey, t.Body = repeat, sent
		// 4. What will be asked is written down before it is asked. If we stop here, the
		// same submission again asks for the same, once.
		t, _, err = d.Shelf.BeginTask(ctx, t, now)
	}
	if err != nil {
		return err
	}
	if t.Body != sent {
		return problem(duplicateRequest, "this Idempotency-Key was used with another body")
	}
	// 5. The one verb that every door has.
	if t, err = d.carryOut(ctx, by, t, d.Shelf.DropTask); err != nil {
		return err // the same key may come again with what is right
	}
	answer, err := d.answer(ctx, by, t)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if answer.Task.Status == pending {
		status = http.StatusAccepted
		w.Header().Set("Retry-After", answer.retryAfter(t, now))
	}
	w.Header().Set("Location", answer.Task.StatusEndpoint)
	d.write(w, status, answer)
	return nil
}

// mostParts bounds how many things one submission asks for.
const mostParts = 20

// parts lists what a submission asks for, each whole: one, or several that come as
// a list. What is not offered is refused, rather than left out without a word.
func (s *submission) parts() ([]part, error) {
	if k := s.Callback.Kind(); len(s.Callback) > 0 && k != 'n' {
		return nil, problem(callbacksNotOffered, "nothing is sent to a callback: leave it out, and read the task's status_endpoint")
	}
	list := s.Items
	switch {
	case list == nil:
		list = []part{{Resource: s.Resource, Action: s.Action}}
	case s.Resource != nil || s.Action != nil:
		return nil, fmt.Errorf("%w: with items, resource and action stand in each of them and nowhere else", access.ErrInvalid)
	case len(list) == 0 || len(list) > mostParts:
		return nil, fmt.Errorf("%w: %d items; there are 1 to %d", access.ErrInvalid, len(list), mostParts)
	}
	for i := range list {
		p := &list[i]
		q := question{s.Subject, p.Action, p.Resource, s.Context}
		if err := q.check(whole); err != nil {
			return nil, err
		}
		// What an item does not say, the whole says. A denial of one evaluation covers
		// what that was of, and so at most one of several.
		p.Denial = cmp.Or(p.Denial, s.Denial)
		p.Requested.Until = cmp.Or(p.Requested.Until, s.Requested.Until)
		p.Requested.Emergency = cmp.Or(p.Requested.Emergency, s.Requested.Emergency)
		if a, b := p.Requested.Until, list[0].Requested.Until; (a == nil) != (b == nil) || (a != nil && *a != *b) {
			return nil, fmt.Errorf("%w: items of one submission end together: say one requested_until, or submit them apart", access.ErrInvalid)
		}
	}
	return list, nil
}

// prepare makes a task of a submission, and nothing durable.
func (d *door) prepare(ctx context.Context, by access.Actor, s *submission, parts []part, now time.Time) (t store.Task, err error) {
	if err := verify(d.Directory(), by, s); err != nil {
		return t, err
	}
	about := asked{Items: s.Items != nil}
	for _, p := range parts {
		q := question{s.Subject, p.Action, p.Resource, s.Context}
		scope, err := q.scope()
		if err != nil {
			return t, err
		}
		if err := d.binds(by, p.Denial, scope, now); err != nil {
			return t, err
		}
		about.Parts = append(about.Parts, askedPart{Scope: scope, Resource: p.Resource, Action: p.Action})
		t.Evaluation = strings.TrimPrefix(t.Evaluation+" "+p.Denial.EvaluationID, " ")
	}
	ask, err := d.askFor(ctx, by, s, parts, &about, now)
	if err != nil {
		return t, err
	}
	for to, v := range map[*string]any{&t.Ask: ask, &t.Client: s.Client, &t.Asked: about} {
		text, err := json.Marshal(v)
		if err != nil {
			return t, err
		}
		*to = string(text)
	}
	if t.ID, err = d.seal.handle("arq"); err != nil {
		return t, err
	}
	if t.Approval, err = d.seal.handle("apr"); err != nil {
		return t, err
	}
	t.Identity, t.At, t.End, t.Forget = by.Identity, now, now.Add(handleFor), now.Add(rememberIt)
	return t, nil
}

// binds refuses a submission that is not the answer to a denial of this caller's,
// for exactly this, in time (ARAP, Access Request Service Processing Rules).
func (d *door) binds(by access.Actor, with *denial, scope string, now time.Time) error {
	if with == nil || with.EvaluationID == "" || with.BindingToken != "" {
		return problem(invalidBinding, "denial.evaluation_id is what binds a submission here; no binding_token is issued, and so none is known")
	}
	var b bound
	if !d.seal.open("eval", with.EvaluationID, &b) || b.By != by.Identity || b.Scope != scope {
		return problem(invalidBinding, "denial.evaluation_id is not of a denial of yours of this subject, resource and action")
	}
	if !b.Requestable {
		return problem(notRequestable, "the denial had no context.access_request")
	}
	at, err := time.Parse(time.RFC3339Nano, with.ExpiresAt)
	if err != nil || !at.Equal(b.ExpiresAt) {
		return problem(invalidBinding, "denial.expires_at is not the denial's own context.access_request.expires_at")
	}
	if now.After(b.ExpiresAt.Add(skew)) {
		return problem(expiredDenial, "the denial could be answered until %s; evaluate again", b.ExpiresAt.Format(time.RFC3339))
	}
	return nil
}

// verify refuses an actor that the token does not vouch for: the first must be the
// token's own identity, and those beyond it people who answer for it. Whoever is
// not claimed need not be verified.
func verify(dir *access.Directory, by access.Actor, s *submission) error {
	var p struct {
		Act *actor `json:"act"`
	}
	if len(s.Subject.Properties) > 0 && s.Subject.Properties.Kind() == '{' {
		if err := parse(s.Subject.Properties, &p); err != nil {
			return err
		}
	}
	hands := dir.Hands(by.Identity)
	for _, chain := range []*actor{s.Client.Actor, p.Act} {
		for first := true; chain != nil; chain, first = chain.Act, false {
			id := cmp.Or(chain.ID, chain.Sub)
			if first && id != by.Identity || !first && !slices.Contains(hands, dir.PersonOf(id)) {
				return problem(unverifiedActor, "actor %.80q is not who this token is for, nor somebody who answers for it", id)
			}
		}
	}
	return nil
}
