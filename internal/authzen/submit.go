package authzen

import (
	"cmp"
	"context"
	"errors"
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
	Items  jsontext.Value `json:"items"`
	Denial *struct {
		EvaluationID string `json:"evaluation_id"`
		ExpiresAt    string `json:"expires_at"`
		BindingToken string `json:"binding_token"`
	} `json:"denial"`
	Requested struct {
		Until     string `json:"requested_until"`
		Emergency bool   `json:"emergency"`
	} `json:"requested_access"`
	Callback jsontext.Value `json:"callback"`
	Client   client         `json:"client"`
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
			(&refusal{status: http.StatusTooManyRequests, detail: "too many requests; wait a second", retry: 1}).explain(w)
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
	if err := s.offered(); err != nil {
		return err
	}
	if err := s.check(whole); err != nil {
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
		if t, err = d.prepare(ctx, by, &s, now); err != nil {
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

// offered refuses what is not offered, rather than leave it out without a word.
func (s *submission) offered() error {
	if k := s.Callback.Kind(); len(s.Callback) > 0 && k != 'n' {
		return problem(callbacksNotOffered, "nothing is sent to a callback: leave it out, and read the task's status_endpoint")
	}
	if k := s.Items.Kind(); len(s.Items) > 0 && k != 'n' {
		return problem(itemsNotOffered, "submit each item by itself, with its own denial")
	}
	return nil
}

// prepare makes a task of a submission, and nothing durable.
func (d *door) prepare(ctx context.Context, by access.Actor, s *submission, now time.Time) (t store.Task, err error) {
	if t.Asked, err = s.scope(); err != nil {
		return t, err
	}
	if err := d.binds(by, s, t.Asked, now); err != nil {
		return t, err
	}
	dir := d.Directory()
	if err := verify(dir, by, s); err != nil {
		return t, err
	}
	ask, err := d.askFor(ctx, by, s, now)
	if err != nil {
		return t, err
	}
	text, err := json.Marshal(ask)
	if err != nil {
		return t, err
	}
	said, err := json.Marshal(s.Client)
	if err != nil {
		return t, err
	}
	if t.ID, err = d.seal.handle("arq"); err != nil {
		return t, err
	}
	if t.Approval, err = d.seal.handle("apr"); err != nil {
		return t, err
	}
	t.Identity, t.Evaluation, t.Ask, t.Client = by.Identity, s.Denial.EvaluationID, string(text), string(said)
	t.At, t.End, t.Forget = now, now.Add(handleFor), now.Add(rememberIt)
	return t, nil
}

// binds refuses a submission that is not the answer to a denial of this caller's,
// for exactly this, in time (ARAP, Access Request Service Processing Rules).
func (d *door) binds(by access.Actor, s *submission, scope string, now time.Time) error {
	if s.Denial == nil || s.Denial.EvaluationID == "" || s.Denial.BindingToken != "" {
		return problem(invalidBinding, "denial.evaluation_id is what binds a submission here; no binding_token is issued, and so none is known")
	}
	var b bound
	if !d.seal.open("eval", s.Denial.EvaluationID, &b) || b.By != by.Identity || b.Scope != scope {
		return problem(invalidBinding, "denial.evaluation_id is not of a denial of yours of this subject, resource and action")
	}
	if !b.Requestable {
		return problem(notRequestable, "the denial had no context.access_request")
	}
	at, err := time.Parse(time.RFC3339Nano, s.Denial.ExpiresAt)
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

// askFor reads the ask out of a submission. Whether it may be asked is for the engine.
func (d *door) askFor(ctx context.Context, by access.Actor, s *submission, now time.Time) (ask engine.Ask, err error) {
	dir := d.Directory()
	who, known := subject(dir, s.Subject)
	what := entitlements(dir, s.Resource, s.Action)
	if !known || len(what) == 0 {
		return ask, problem(notRequestable, "what was denied is no longer in the catalog, or the subject in the directory")
	}
	var said struct {
		Why string `json:"business_justification"`
	}
	if len(s.Context) > 0 {
		if err := parse(s.Context, &said); err != nil {
			return ask, err
		}
	}
	if strings.TrimSpace(said.Why) == "" {
		return ask, &refusal{status: http.StatusBadRequest, detail: "context.business_justification is missing: say in a sentence what the access is for"}
	}
	ask = engine.Ask{Beneficiary: who, Entitlements: what[:1], Reason: said.Why}
	if s.Requested.Emergency {
		ask.Reason = "(said to be an emergency) " + ask.Reason // a signal for people; it skips nobody
	}
	if c := s.Client.Source; c != nil && c.ExternalURL != "" {
		ask.Ticket = d.Ticket(c.ExternalURL) // a claim, as every ticket is
	}
	if s.Requested.Until == "" {
		_, ask.Term, err = d.Engine.CouldAsk(ctx, by, who, what[0])
		return ask, err
	}
	until, err := time.Parse(time.RFC3339Nano, s.Requested.Until)
	if err != nil || !until.After(now.Add(time.Second)) {
		return ask, &refusal{status: http.StatusBadRequest, detail: "requested_access.requested_until is not a time to come, as 2026-05-01T00:15:00Z"}
	}
	ask.Start, ask.Fixed, ask.Term = now.Truncate(time.Second), true, access.Term(until.Sub(now.Truncate(time.Second)).Truncate(time.Second))
	return ask, nil
}

// askOf is what a task asks of the engine.
func askOf(t store.Task) (ask engine.Ask, err error) {
	err = json.Unmarshal([]byte(t.Ask), &ask)
	ask.Reference = "task:" + digest([]byte(t.ID))[:40] // whoever may see the request learns no handle
	return ask, err
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
