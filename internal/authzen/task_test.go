package authzen_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/engine"
)

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
