package authzen_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
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

// Several items are one request and one task, each with its own denial, its own
// state and its own way on.
func TestProfileItems(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		who := "eve"
		part := func(entitlement string) m {
			q := tuple(who, entitlement, "use")
			denied := d.denial(who, q)
			return m{"resource": q["resource"], "action": q["action"], "denial": m{"evaluation_id": denied.text("context.evaluation_id"), "expires_at": denied.text("context.access_request.expires_at")}}
		}
		body := func(items ...m) m {
			return m{"subject": sub("user", who), "context": m{"business_justification": "to do my work"}, "items": items}
		}
		items := func(r reply) (states []string) {
			list, _ := r.at("task.items").([]any)
			for _, v := range list {
				i, _ := v.(m)
				states = append(states, fmt.Sprint(i["resource"].(m)["id"], " ", i["status"], " ", i["result"] != nil))
			}
			return states
		}
		// 1. Asked together: the lobby needs nobody, the others wait.
		r := d.call("eve", "POST", authzen.Requests, body(part("dir:wiki"), part("dir:lobby"), part("dir:reports")))
		d.is("three", r, 202, "task.status", "pending", "result", nil)
		if got := items(r); !slices.Equal(got, []string{"dir:wiki pending false", "dir:lobby approved true", "dir:reports pending false"}) {
			t.Errorf("the items are %q", got)
		}
		req := d.requestOf(r.text("task.id"))
		if len(req.Items) != 3 || req.State != access.Pending {
			t.Errorf("the request is %+v", req)
		}
		// 2. Decided apart.
		ballot := func(v access.Verdict, e string) {
			t.Helper()
			if _, err := d.Engine.Vote(t.Context(), d.As("mia"), engine.Ballot{Request: req.ID, Digest: req.Digest, Verdict: v, Entitlements: []string{e}}); err != nil {
				t.Fatal(err)
			}
		}
		ballot(access.Deny, "dir:reports")
		ballot(access.Approve, "dir:wiki")
		r = d.call("eve", "GET", r.text("task.status_endpoint"), nil)
		d.is("decided", r, 200, "task.status", "partial", "result", nil, "task.links.cancel", nil)
		if got := items(r); !slices.Equal(got, []string{"dir:wiki approved true", "dir:lobby approved true", "dir:reports denied false"}) {
			t.Errorf("the items are %q", got)
		}
		// 3. Each is evaluated by itself; what was denied is not let through by the rest.
		d.Work()
		way := r.at("task.items").([]any)[0].(m)["result"].(m)["approval"]
		for e, want := range map[string]bool{"dir:wiki": true, "dir:lobby": true, "dir:reports": false} {
			got := d.evaluated(e, "eve", with(tuple("eve", e, "use"), m{"context": m{"approval": way}}), "decision", want)
			if (got.at("context.approval") != nil) != want {
				t.Errorf("%s: %s", e, got.raw)
			}
		}
		// 4. Cancelled: what waits, and nothing else.
		r = d.call("eve", "POST", authzen.Requests, body(part("dir:pay"), part("git:deploy")))
		d.is("two", r, 202, "task.status", "pending")
		d.is("cancelled", d.call("eve", "POST", r.text("task.links.cancel"), nil), 200, "task.status", "cancelled")
		who = "bob"
		r = d.call("bob", "POST", authzen.Requests, body(part("dir:lobby"), part("dir:wiki")))
		d.is("one granted, one waiting", r, 202, "task.status", "pending")
		r = d.call("bob", "POST", r.text("task.links.cancel"), nil)
		d.is("cancelled as far as it can be", r, 200, "task.status", "partial")
		if got := items(r); !slices.Equal(got, []string{"dir:lobby approved true", "dir:wiki cancelled false"}) {
			t.Errorf("the items are %q", got)
		}
		who = "eve"
		// 5. What does not bind each of them, and what is no list.
		wiki := part("dir:reports")
		bare := m{"resource": sub("entitlement", "dir:audit"), "action": m{"name": "use"}}
		for what, b := range map[string]m{
			"one without a denial":           body(wiki, bare),
			"one under another's denial":     body(wiki, with(bare, m{"denial": wiki["denial"]})),
			"a denial of one for the bundle": with(body(with(wiki, m{"denial": nil}), bare), m{"denial": wiki["denial"]}),
			"of another subject":             with(body(wiki), m{"subject": sub("user", "bob")}),
		} {
			d.problem(what, d.call("eve", "POST", authzen.Requests, b), 400, urn+"invalid_denial_binding")
		}
		for what, b := range map[string]m{
			"none":                    body([]m{}...),
			"beside a resource":       with(body(wiki), m{"resource": wiki["resource"]}),
			"too many":                body(slices.Repeat([]m{wiki}, 21)...),
			"one without a resource":  body(wiki, m{"action": wiki["action"], "denial": wiki["denial"]}),
			"no list":                 with(body(), m{"items": m{}}),
			"that end at two moments": body(wiki, with(wiki, m{"requested_access": m{"requested_until": "2026-03-02T20:00:00Z"}})),
		} {
			d.problem(what, d.call("eve", "POST", authzen.Requests, b), 400, "about:blank")
		}
		alone := with(body(with(wiki, m{"denial": nil})), m{"denial": wiki["denial"]})
		r = d.call("eve", "POST", authzen.Requests, alone)
		d.is("a list of one under the whole's denial", r, 202, "task.status", "pending")
		if got := items(r); len(got) != 1 {
			t.Errorf("it is answered with %q", got)
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
