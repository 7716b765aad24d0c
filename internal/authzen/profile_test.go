package authzen_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// The Access Request and Approval Profile, by its sections. docs/standards.md
// says which test holds which of its MUSTs.

const urn = "urn:openid:authzen:access-request:error:"

// problem fails the test unless the answer is this problem.
func (d *desk) problem(what string, r reply, status int, kind string) {
	d.t.Helper()
	d.is(what, r, status, "type", kind, "status", float64(status))
	if r.head.Get("Content-Type") != "application/problem+json" || r.text("title") == "" || r.text("detail") == "" {
		d.t.Errorf("%s: %s %s", what, r.head.Get("Content-Type"), r.raw)
	}
}

// Requestable Denial Context: only where an ask would be let stand, to somebody
// who may ask, with what binds the answer and until when.
func TestProfileRequestableDenial(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.token("eve looks", "eve", engine.ScopeEvaluate)
		d.Change(func(c *enginetest.Company) {
			c.People["pat"] = access.Identity{ID: "pat", Kind: access.Person, Name: "pat", Accounts: map[string]string{"dir": "pat"}}
		})
		d.token("pat", "pat", engine.ScopeEvaluate, engine.ScopeRequest)
		r := d.denial("eve", tuple("eve", "dir:wiki", "use"))
		at, err := time.Parse(time.RFC3339, r.text("context.access_request.expires_at"))
		if err != nil || !at.Equal(d.Now().Add(10*time.Minute)) {
			t.Errorf("expires_at is %s", r.text("context.access_request.expires_at"))
		}
		if _, err := time.Parse(time.RFC3339, r.text("context.evaluated_at")); err != nil {
			t.Error(err)
		}
		if again := d.denial("eve", tuple("eve", "dir:wiki", "use")); again.text("context.evaluation_id") == r.text("context.evaluation_id") {
			t.Error("two evaluations have one id")
		}
		schema := d.call("", "GET", r.text("context.access_request.request_schema_url"), nil)
		d.is("the schema", schema, 200, "type", "object")
		for what, c := range map[string]struct {
			token string
			q     m
		}{
			"a token that may not ask":                    {"eve looks", tuple("eve", "dir:wiki", "use")},
			"for somebody else, whom one may not ask for": {"bob", tuple("eve", "dir:wiki", "use")},
			"without an account there":                    {"nora", tuple("nora", "git:deploy", "use")},
			"where nobody could approve":                  {"pat", tuple("pat", "dir:wiki", "use")},
			"somebody who has left":                       {"mia", tuple("zoe", "dir:wiki", "use")},
			"nobody the directory knows":                  {"mia", tuple("noone", "dir:wiki", "use")},
			"nothing the catalog has":                     {"eve", tuple("eve", "dir:nothing", "use")},
			"an action that is none":                      {"eve", tuple("eve", "dir:wiki", "dance")},
			"another type of subject":                     {"eve", with(tuple("eve", "dir:wiki", "use"), m{"subject": sub("workload", "eve")})},
		} {
			r := d.call(c.token, "POST", authzen.Evaluation, c.q)
			d.is(what, r, 200, "decision", false, "context.reason", "not_granted", "context.access_request", nil)
		}
		// A manager asks for who is theirs, where somebody else approves.
		d.denial("mia", tuple("eve", "git:deploy", "use"))
	})
}

// Access Request Service Processing Rules: what is submitted belongs to a denial of
// this caller's, of exactly this, that still stands.
func TestProfileDenialBinding(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q := tuple("eve", "dir:wiki", "use")
		denied := d.denial("eve", q)
		good := submission(q, denied)
		bind := func(change m) m { return with(good, m{"denial": with(good["denial"].(m), change)}) }
		bad := urn + "invalid_denial_binding"
		not := d.call("eve", "POST", authzen.Evaluation, tuple("eve", "dir:nothing", "use"))
		deploy := tuple("eve", "git:deploy", "use")
		for what, c := range map[string]struct {
			body   m
			status int
			kind   string
		}{
			"no denial":              {with(good, m{"denial": nil}), 400, bad},
			"no evaluation_id":       {bind(m{"evaluation_id": ""}), 400, bad},
			"an id made up":          {bind(m{"evaluation_id": "eval_" + strings.Repeat("A", 120)}), 400, bad},
			"an id cut":              {bind(m{"evaluation_id": denied.text("context.evaluation_id")[:40]}), 400, bad},
			"an id of somebody else": {submission(deploy, d.denial("mia", deploy)), 400, bad},
			"a binding token":        {bind(m{"binding_token": "eyJhbGciOiJub25lIn0.e30."}), 400, bad},
			"no expires_at":          {bind(m{"expires_at": ""}), 400, bad},
			"a later expires_at":     {bind(m{"expires_at": "2030-01-01T00:00:00Z"}), 400, bad},
			"another subject":        {with(good, m{"subject": sub("user", "bob")}), 400, bad},
			"another resource":       {with(good, m{"resource": sub("entitlement", "dir:root")}), 400, bad},
			"another action":         {with(good, m{"action": m{"name": "hold"}}), 400, bad},
			"another name of it":     {with(good, m{"resource": sub("dir", "wiki")}), 400, bad},
			"more properties":        {with(good, m{"resource": with(sub("entitlement", "dir:wiki"), m{"properties": m{"level": 9}})}), 400, bad},
			"not requestable": {with(tuple("eve", "dir:nothing", "use"), m{"denial": m{"evaluation_id": not.text("context.evaluation_id"), "expires_at": good["denial"].(m)["expires_at"]}}),
				400, urn + "not_requestable"},
		} {
			d.problem(what, d.call("eve", "POST", authzen.Requests, c.body), c.status, c.kind)
		}
		d.problem("by somebody else", d.call("bob", "POST", authzen.Requests, good), 400, bad)
		d.problem("on another path", d.call("eve", "POST", authzen.Requests, with(good, m{"context": m{}})), 400, "about:blank")
		// A little late is taken for clocks that differ; more is late.
		d.Clock.Pass(10*time.Minute + 20*time.Second)
		d.is("a little late", d.call("eve", "POST", authzen.Requests, good), 202)
		d.Clock.Pass(20 * time.Second)
		d.problem("late", d.call("eve", "POST", authzen.Requests, good), 410, urn+"expired_denial")
		// The actor may be said elsewhere, and nothing else (Binding Token Integrity).
		acting := with(q, m{"subject": with(sub("user", "eve"), m{"properties": m{"act": m{"sub": "eve"}, "a": 1.0}})})
		sent := submission(acting, d.denial("eve", acting))
		sent["subject"] = with(sub("user", "eve"), m{"properties": m{"a": 1}})
		sent["client"] = m{"actor": m{"id": "eve"}}
		d.is("the actor said elsewhere", d.call("eve", "POST", authzen.Requests, sent), 202)
	})
}

// Access Request Submission and Response: one request, through the one verb, and a
// handle that says nothing.
func TestProfileSubmission(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q := tuple("eve", "dir:wiki", "use")
		body := with(submission(q, d.denial("eve", q)), m{"requested_access": m{"requested_until": "2026-03-02T20:00:00Z", "emergency": true, "role": "x"},
			"client": m{"id": "gateway", "name": "Gateway", "source": m{"session_id": "s", "external_url": "https://acme.example/browse/ACC-41"}}, "futureField": 1})
		r := d.call("eve", "POST", authzen.Requests, body)
		d.is("submitted", r, 202, "task.status", "pending", "result", nil)
		id := r.text("task.id")
		at := d.url + authzen.Requests + "/" + id
		if len(id) < 40 || r.text("task.status_endpoint") != at || r.head.Get("Location") != at || r.text("task.links.cancel") != at+"/cancel" {
			t.Errorf("the handle is %s, Location %s", r.raw, r.head.Get("Location"))
		}
		if strings.Contains(r.raw, "mia") || strings.Contains(r.raw, "manager") {
			t.Errorf("it says who approves: %s", r.raw)
		}
		req := d.requestOf(id)
		if req.Requester != "eve" || req.Beneficiary != "eve" || req.Channel != authzen.Channel || len(req.Items) != 1 || req.Items[0].Entitlement != "dir:wiki" {
			t.Errorf("the request is %+v", req)
		}
		if !strings.Contains(req.Reason, "to do my work") || !strings.Contains(req.Reason, "emergency") || req.Ticket != "jira:ACC-41" {
			t.Errorf("reason %q, ticket %q", req.Reason, req.Ticket)
		}
		if end := req.Start.Add(req.Term.D()); !req.Fixed || !end.Equal(time.Date(2026, 3, 2, 20, 0, 0, 0, time.UTC)) {
			t.Errorf("it would end at %s", end)
		}
		if strings.Contains(fmt.Sprint(req), id) {
			t.Error("whoever may see the request sees the handle")
		}
		if len(req.Items[0].Decision.Stages) == 0 || req.State != access.Pending {
			t.Errorf("an emergency skipped somebody: %+v", req)
		}
	})
}

// What is sent must be of the right types, and what is not offered is refused.
func TestProfileSubmissionRefused(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q := tuple("eve", "dir:wiki", "use")
		good := submission(q, d.denial("eve", q))
		for what, c := range map[string]struct {
			body   m
			status int
			kind   string
		}{
			"a callback":        {with(good, m{"callback": m{"endpoint": "https://pep.example/x"}}), 400, "https://github.com/lessor-iam/lessor/problems/callbacks_not_offered"},
			"items":             {with(good, m{"items": []m{{"resource": q["resource"], "action": q["action"]}}}), 400, "https://github.com/lessor-iam/lessor/problems/items_not_offered"},
			"no subject":        {with(good, m{"subject": nil}), 400, "about:blank"},
			"no resource":       {with(good, m{"resource": nil}), 400, "about:blank"},
			"no action":         {with(good, m{"action": nil}), 400, "about:blank"},
			"a subject's type":  {with(good, m{"subject": "eve"}), 400, "about:blank"},
			"no justification":  {with(good, m{"context": m{"business_justification": " "}}), 400, "about:blank"},
			"no time":           {with(good, m{"requested_access": m{"requested_until": "tomorrow"}}), 400, "about:blank"},
			"a time gone by":    {with(good, m{"requested_access": m{"requested_until": "2026-03-01T00:00:00Z"}}), 400, "about:blank"},
			"a time beyond all": {with(good, m{"requested_access": m{"requested_until": "2029-03-01T00:00:00Z"}}), 400, "about:blank"},
		} {
			d.problem(what, d.call("eve", "POST", authzen.Requests, c.body), c.status, c.kind)
		}
		d.problem("as text", d.call("eve", "POST", authzen.Requests, good, "Content-Type", "text/plain"), 400, "about:blank")
		d.problem("nothing", d.call("eve", "POST", authzen.Requests, ""), 400, "about:blank")
		d.token("eve looks", "eve", engine.ScopeEvaluate)
		d.problem("by a token that may not ask", d.call("eve looks", "POST", authzen.Requests, good), 403, "about:blank")
		r := d.call("", "POST", authzen.Requests, good)
		d.problem("by nobody", r, 401, "about:blank")
		if r.head.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("WWW-Authenticate is %q", r.head.Get("WWW-Authenticate"))
		}
		var n int
		list, err := d.Engine.List(t.Context(), d.As("eve"), "", true, "", 10)
		if n = len(list); n != 0 || err != nil {
			t.Errorf("%d requests came of it: %v", n, err)
		}
	})
}

// Delegation: an actor that the token does not vouch for is refused.
func TestProfileActor(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q := with(tuple("robot", "dir:wiki", "use"), m{"subject": sub("workload", "robot")})
		good := func(client m) m { return with(submission(q, d.denial("robot", q)), m{"client": client}) }
		for what, client := range map[string]m{
			"somebody else":          {"actor": m{"id": "bob"}},
			"somebody else beyond":   {"actor": m{"id": "robot", "act": m{"sub": "bob", "iss": "x"}}},
			"… and beyond the owner": {"actor": m{"id": "robot", "act": m{"sub": "eve", "act": m{"sub": "sara"}}}},
			"nobody":                 {"actor": m{"type": "ai_agent"}},
		} {
			d.problem(what, d.call("robot", "POST", authzen.Requests, good(client)), 403, "https://github.com/lessor-iam/lessor/problems/unverified_actor")
		}
		acting := with(q, m{"subject": with(sub("workload", "robot"), m{"properties": m{"act": m{"sub": "bob"}}})})
		d.problem("in the subject", d.call("robot", "POST", authzen.Requests, submission(acting, d.denial("robot", acting))), 403, "https://github.com/lessor-iam/lessor/problems/unverified_actor")
		d.is("itself and its owner", d.call("robot", "POST", authzen.Requests, good(m{"actor": m{"id": "robot", "type": "workload", "act": m{"sub": "eve"}}})), 202)
	})
}

// Idempotency: the same key and body are the same task and the same request.
func TestProfileIdempotency(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q := tuple("eve", "dir:wiki", "use")
		body := submission(q, d.denial("eve", q))
		first := d.call("eve", "POST", authzen.Requests, body, "Idempotency-Key", "k1")
		d.is("first", first, 202)
		spread := fmt.Sprintf("{ \"action\" : {\"name\":\"use\"},\n \"context\": {\"business_justification\":\"to do my work\"}, \"resource\":{\"id\":\"dir:wiki\",\"type\":\"entitlement\"}, "+
			"\"subject\":{\"id\":\"eve\",\"type\":\"user\"}, \"denial\":{\"reason\":%q,\"expires_at\":%q,\"evaluation_id\":%q} }",
			"approval_required", body["denial"].(m)["expires_at"], body["denial"].(m)["evaluation_id"])
		d.Clock.Pass(time.Hour) // the denial has run out since
		for what, again := range map[string]any{"the same": body, "the same, written otherwise": spread} {
			d.is(what, d.call("eve", "POST", authzen.Requests, again, "Idempotency-Key", "k1"), 202, "task.id", first.text("task.id"))
		}
		d.problem("another body", d.call("eve", "POST", authzen.Requests, with(body, m{"context": m{"business_justification": "something else"}}), "Idempotency-Key", "k1"), 409, urn+"duplicate_request")
		deploy := tuple("bob", "git:deploy", "use")
		mias := submission(deploy, d.denial("mia", deploy))
		d.is("somebody else's key", d.call("mia", "POST", authzen.Requests, mias, "Idempotency-Key", "k1"), 202)
		if other := d.call("mia", "POST", authzen.Requests, mias, "Idempotency-Key", "k1"); other.text("task.id") == first.text("task.id") {
			t.Error("a key of two callers is one task")
		}
		d.problem("a key too long", d.call("eve", "POST", authzen.Requests, body, "Idempotency-Key", strings.Repeat("k", 201)), 400, "about:blank")
		if list, err := d.Engine.List(t.Context(), d.As("eve"), "", true, "", 10); err != nil || len(list) != 1 {
			t.Errorf("%d requests: %v", len(list), err)
		}
	})
}

// Many at once with one key are one task and one request.
func TestProfileIdempotencyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q := tuple("eve", "dir:wiki", "use")
		body := submission(q, d.denial("eve", q))
		var all sync.WaitGroup
		answers := make([]reply, 8)
		for i := range answers {
			all.Go(func() { answers[i] = d.call("eve", "POST", authzen.Requests, body, "Idempotency-Key", "k") })
		}
		all.Wait()
		for _, r := range answers {
			d.is("one of them", r, 202, "task.id", answers[0].text("task.id"))
		}
		if list, err := d.Engine.List(t.Context(), d.As("eve"), "", true, "", 10); err != nil || len(list) != 1 {
			t.Errorf("%d requests: %v", len(list), err)
		}
	})
}

// crashing is a shelf whose process stops right after it stored something.
type crashing struct {
	authzen.Shelf
	begin, name bool
}

var errStopped = errors.New("stopped")

func (c *crashing) BeginTask(ctx context.Context, t store.Task, now time.Time) (store.Task, bool, error) {
	is, began, err := c.Shelf.BeginTask(ctx, t, now)
	if c.begin && err == nil {
		err = errStopped
	}
	return is, began, err
}

func (c *crashing) NameTask(ctx context.Context, id, request string) error {
	if c.name {
		return errStopped
	}
	return c.Shelf.NameTask(ctx, id, request)
}

// A submission that stops anywhere is one request when it comes again, and one
// that cannot be asked any more has failed for good.
func TestProfileCrash(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"before it is asked", "after it was asked"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			shelf := &crashing{begin: where == "before it is asked", name: where == "after it was asked"}
			d := open(t, store.SQLite, func(c *authzen.Config) { shelf.Shelf, c.Shelf = c.Shelf, shelf })
			q := tuple("bob", "git:deploy", "use")
			body := submission(q, d.denial("mia", q))
			d.problem("stopped", d.call("mia", "POST", authzen.Requests, body, "Idempotency-Key", "k"), 500, "about:blank")
			shelf.begin, shelf.name = false, false
			r := d.call("mia", "POST", authzen.Requests, body, "Idempotency-Key", "k")
			d.is("again", r, 202, "task.status", "pending")
			d.is("and again", d.call("mia", "POST", authzen.Requests, body, "Idempotency-Key", "k"), 202, "task.id", r.text("task.id"))
			if list, err := d.Engine.List(t.Context(), d.As("mia"), "", true, "", 10); err != nil || len(list) != 1 {
				t.Errorf("%d requests: %v", len(list), err)
			}
		})
	}
	t.Run("and never goes on", func(t *testing.T) {
		t.Parallel()
		var handle string
		shelf := &crashing{begin: true}
		d := open(t, store.SQLite, func(c *authzen.Config) {
			shelf.Shelf = tells{c.Shelf, &handle}
			c.Shelf = shelf
		})
		q := tuple("bob", "git:deploy", "use")
		d.problem("stopped", d.call("mia", "POST", authzen.Requests, submission(q, d.denial("mia", q))), 500, "about:blank")
		d.Change(func(c *enginetest.Company) { delete(c.People, "bob") })
		for range 2 {
			d.is("failed", d.call("mia", "GET", authzen.Requests+"/"+handle, nil), 200, "task.status", "failed", "result", nil)
		}
		d.problem("cancelled", d.call("mia", "POST", authzen.Requests+"/"+handle+"/cancel", nil), 409, urn+"invalid_task_state")
	})
}

// tells is a shelf that says which handle it stored.
type tells struct {
	authzen.Shelf
	handle *string
}

func (s tells) BeginTask(ctx context.Context, t store.Task, now time.Time) (store.Task, bool, error) {
	*s.handle = t.ID
	return s.Shelf.BeginTask(ctx, t, now)
}

// Task Status Values and State Transitions: read off the request.
func TestProfileTaskStatus(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		look := func(r reply) reply { return d.call("eve", "GET", r.text("task.status_endpoint"), nil) }
		waiting := d.asked("eve", "eve", "dir:wiki")
		d.Clock.Pass(2 * time.Minute)
		r := look(waiting)
		d.is("pending", r, 200, "task.status", "pending", "result", nil, "task.id", waiting.text("task.id"))
		if r.head.Get("Retry-After") != "12" || waiting.head.Get("Retry-After") != "5" || r.head.Get("Cache-Control") != "no-store" {
			t.Errorf("Retry-After is %q, then %q", waiting.head.Get("Retry-After"), r.head.Get("Retry-After"))
		}
		d.Approve("mia", d.requestOf(waiting.text("task.id")))
		r = look(waiting)
		d.is("approved", r, 200, "task.status", "approved", "result.mode", "reevaluate", "task.links.cancel", nil)
		if id := r.text("result.approval.id"); len(id) < 40 || id == waiting.text("task.id") || r.text("result.approval.approved_until") == "" || r.text("result.approval.approved_at") == "" {
			t.Errorf("the approval is %s", r.raw)
		}

		refused := d.asked("eve", "eve", "dir:reports")
		req := d.requestOf(refused.text("task.id"))
		if _, err := d.Engine.Vote(t.Context(), d.As("mia"), engine.Ballot{Request: req.ID, Digest: req.Digest, Verdict: access.Deny, Note: "the secret reason"}); err != nil {
			t.Fatal(err)
		}
		r = look(refused)
		d.is("denied", r, 200, "task.status", "denied", "result", nil)
		if strings.Contains(r.raw, "secret reason") || strings.Contains(r.raw, "mia") {
			t.Errorf("it tells what approvers said: %s", r.raw)
		}

		late := d.asked("eve", "eve", "dir:pay")
		d.Clock.To(d.requestOf(late.text("task.id")).AnswerBy)
		if _, err := d.Engine.ExpireRequests(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.is("expired", look(late), 200, "task.status", "expired", "result", nil)

		back := d.asked("eve", "eve", "git:deploy")
		if err := d.Engine.Cancel(t.Context(), d.As("eve"), d.requestOf(back.text("task.id")).ID, ""); err != nil {
			t.Fatal(err)
		}
		d.is("taken back elsewhere", look(back), 200, "task.status", "cancelled", "result", nil)

		// Access Request Response: what needs nobody is answered at once.
		q := tuple("eve", "dir:lobby", "use")
		r = d.call("eve", "POST", authzen.Requests, submission(q, d.denial("eve", q)))
		d.is("at once", r, 201, "task.status", "approved", "result.mode", "reevaluate")
		d.is("and later", look(r), 200, "task.status", "approved")
	})
}

// Task Status Endpoint and Authorization: a handle opens nothing by itself.
func TestProfileTaskIsTheCallers(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		r := d.asked("eve", "eve", "dir:wiki")
		at := r.text("task.status_endpoint")
		d.token("eve again", "eve", engine.ScopeRequest)
		d.is("another token of the same", d.call("eve again", "GET", at, nil), 200, "task.status", "pending")
		for _, who := range []string{"bob", "mia", "sara", "anna", "owen", "eve.2"} {
			d.problem(who+" looks", d.call(who, "GET", at, nil), 404, urn+"unknown_task")
			d.problem(who+" cancels", d.call(who, "POST", at+"/cancel", nil), 404, urn+"unknown_task")
		}
		d.problem("nobody looks", d.call("", "GET", at, nil), 401, "about:blank")
		d.token("eve looks", "eve", engine.ScopeEvaluate)
		d.problem("for another purpose", d.call("eve looks", "GET", at, nil), 403, "about:blank")
		d.problem("made up", d.call("eve", "GET", authzen.Requests+"/arq_AAAA", nil), 404, urn+"unknown_task")
		d.problem("by its request", d.call("eve", "GET", authzen.Requests+"/"+d.requestOf(r.text("task.id")).ID, nil), 404, urn+"unknown_task")
		d.is("a list of them", d.call("eve", "GET", authzen.Requests, nil), 405)
		d.ahead(61 * 24 * time.Hour)
		d.problem("after its time", d.call("eve", "GET", at, nil), 410, urn+"task_expired")
		d.problem("of somebody else after its time", d.call("bob", "GET", at, nil), 404, urn+"unknown_task")
	})
}

// Cancellation.
func TestProfileCancellation(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		r := d.asked("eve", "eve", "dir:wiki")
		link := r.text("task.links.cancel")
		d.is("cancelled", d.call("eve", "POST", link, m{"reason": "changed_mind", "comment": "no longer needed"}), 200, "task.status", "cancelled", "task.id", r.text("task.id"))
		d.problem("again", d.call("eve", "POST", link, nil), 409, urn+"invalid_task_state")
		if req := d.requestOf(r.text("task.id")); req.State != access.Cancelled {
			t.Errorf("the request is %s", req.State)
		}
		r = d.asked("eve", "eve", "dir:wiki")
		d.is("by DELETE", d.call("eve", "DELETE", r.text("task.links.cancel"), nil), 200, "task.status", "cancelled")
		r = d.asked("eve", "eve", "dir:wiki")
		d.problem("with a body that is none", d.call("eve", "POST", r.text("task.links.cancel"), "{"), 400, "about:blank")
		d.Approve("mia", d.requestOf(r.text("task.id")))
		d.problem("once approved", d.call("eve", "POST", r.text("task.links.cancel"), nil), 409, urn+"invalid_task_state")
	})
}

// Approver Eligibility: whoever decides is who policy lets, and never oneself.
func TestProfileApprovers(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		r := d.asked("eve", "eve", "dir:wiki")
		req := d.requestOf(r.text("task.id"))
		for _, who := range []string{"eve", "eve.2", "robot", "bob", "sara", "owen"} {
			if _, err := d.Engine.Vote(t.Context(), d.As(who), engine.Ballot{Request: req.ID, Digest: req.Digest, Verdict: access.Approve}); !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrNotFound) {
				t.Errorf("%s approves: %v", who, err)
			}
			d.is("after "+who, d.call("eve", "GET", r.text("task.status_endpoint"), nil), 200, "task.status", "pending")
		}
	})
}
