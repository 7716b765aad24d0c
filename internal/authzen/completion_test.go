package authzen_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// approvedTask is a task of eve's that was approved, with its approval as a context.
func (d *desk) approvedTask(entitlement string) (q, context m) {
	d.t.Helper()
	r := d.asked("eve", "eve", entitlement)
	d.Approve("mia", d.requestOf(r.text("task.id")))
	r = d.call("eve", "GET", r.text("task.status_endpoint"), nil)
	d.is("approved", r, 200, "task.status", "approved")
	return tuple("eve", entitlement, "use"), m{"context": m{"approval": r.at("result.approval")}}
}

func (d *desk) evaluated(what, token string, q m, members ...any) reply {
	d.t.Helper()
	r := d.call(token, "POST", authzen.Evaluation, q)
	d.is(what, r, 200, members...)
	return r
}

// Completion Semantics: approved is not yet held, held is true, and true only for
// as long as the grant lives.
func TestProfileReevaluation(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q, ctx := d.approvedTask("dir:wiki")
		d.evaluated("approved, not seen", "eve", with(q, ctx), "decision", false, "context.reason", "grant_pending", "context.next_action", "retry", "context.retry_after", 5.0, "context.access_request", nil)
		d.evaluated("without it", "eve", q, "decision", false, "context.reason", "grant_pending", "context.next_action", nil)
		d.Work()
		r := d.evaluated("seen", "eve", with(q, ctx), "decision", true, "context.reason", nil, "context.next_action", nil)
		if r.text("context.approval.id") != ctx["context"].(m)["approval"].(m)["id"] || r.text("context.approval.approved_until") == "" {
			t.Errorf("the approval is not said: %s", r.raw)
		}
		d.evaluated("by itself", "eve", q, "decision", true, "context.approval", nil)
		// What the caller writes of the times counts for nothing.
		lie := m{"context": m{"approval": with(ctx["context"].(m)["approval"].(m), m{"approved_until": "2099-01-01T00:00:00Z"})}}
		if err := d.Engine.Return(t.Context(), d.As("eve"), d.Grants()[0].ID, "done"); err != nil {
			t.Fatal(err)
		}
		for what, c := range map[string]m{"given back": ctx, "given back, and lied": lie} {
			r = d.evaluated(what, "eve", with(q, c), "decision", false, "context.reason", "approval_expired", "context.next_action", "request")
			if r.text("context.access_request.expires_at") == "" || r.text("context.evaluation_id") == "" {
				t.Errorf("%s: nothing to ask with: %s", what, r.raw)
			}
		}
	})
}

// An approval runs out with its grant.
func TestProfileApprovalExpires(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q, ctx := d.approvedTask("dir:wiki")
		d.Work()
		d.evaluated("held", "eve", with(q, ctx), "decision", true)
		d.Clock.To(d.Grants()[0].End)
		d.evaluated("at its end", "eve", with(q, ctx), "decision", false, "context.reason", "approval_expired", "context.next_action", "request")
		d.Work()
		d.evaluated("after it", "eve", with(q, ctx), "decision", false, "context.reason", "approval_expired")
	})
}

// Approval Reference Substitution: an id of an approval is authority for nothing.
func TestProfileApprovalIsNoBearer(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q, ctx := d.approvedTask("dir:wiki")
		d.Work()
		approval := ctx["context"].(m)["approval"].(m)
		put := func(v any) m { return m{"context": m{"approval": v}} }
		// For something else.
		for what, other := range map[string]m{
			"another entitlement": tuple("eve", "dir:reports", "use"),
			"more of it":          with(tuple("eve", "dir:reports", "use"), m{"resource": with(sub("entitlement", "dir:reports"), m{"properties": m{"a": 1}})}),
		} {
			d.evaluated(what, "eve", with(other, ctx), "decision", false, "context.reason", "out_of_scope", "context.next_action", "request")
		}
		d.evaluated("another subject", "eve", with(tuple("bob", "dir:wiki", "use"), ctx), "decision", false, "context.reason", "out_of_scope", "context.next_action", "none")
		// By somebody else, made up, or with a state that is not ours.
		bobs := tuple("bob", "dir:wiki", "use")
		for what, c := range map[string]struct {
			token string
			q     m
		}{
			"by somebody else":          {"bob", with(bobs, ctx)},
			"made up":                   {"bob", with(bobs, put(m{"id": "apr_" + strings.Repeat("A", 43), "approved_until": "2099-01-01T00:00:00Z"}))},
			"the task's own handle":     {"bob", with(bobs, put(m{"id": "arq_x"}))},
			"none":                      {"bob", with(bobs, put(m{}))},
			"a text":                    {"bob", with(bobs, put("approved"))},
			"a number for an id":        {"bob", with(bobs, put(m{"id": 7}))},
			"with a state not ours":     {"eve", with(tuple("eve", "dir:reports", "use"), put(with(approval, m{"state": "eyJhbGciOiJub25lIn0.e30."})))},
			"by security, who sees all": {"sara", with(tuple("sara", "dir:wiki", "use"), ctx)},
		} {
			r := d.evaluated(what, c.token, c.q, "decision", false, "context.reason", "approval_unverifiable", "context.next_action", "none", "context.approval", nil)
			if strings.Contains(r.raw, approval["id"].(string)) {
				t.Errorf("%s: the answer repeats it", what)
			}
		}
		// Where it is held for another reason, a wrong approval takes nothing away and is not said.
		d.evaluated("held anyway", "eve", with(q, put(m{"id": "apr_none"})), "decision", true, "context.approval", nil)
	})
}

// What remains mandatory is asked again: policy, and whether the subject is active.
func TestProfilePolicyAtReevaluation(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q, ctx := d.approvedTask("dir:wiki")
		d.Change(func(c *enginetest.Company) {
			c.Rules["no-wiki.cedar"] = `@id("no-wiki") @reason("Nobody may have the wiki now.") forbid (principal, action == Action::"request", resource) when { resource.entitlement == Entitlement::"dir:wiki" };`
		})
		d.evaluated("policy has changed", "eve", with(q, ctx), "decision", false, "context.reason", "policy_denied", "context.next_action", "none")
		d.Change(func(c *enginetest.Company) { delete(c.Rules, "no-wiki.cedar") })
		d.Work()
		d.evaluated("seen", "eve", with(q, ctx), "decision", true)
		// The caller is a program of eve's, still let in; eve has left.
		d.token("gate", "mia", "evaluate")
		d.Change(func(c *enginetest.Company) {
			eve := c.People["eve"]
			eve.Inactive = true
			c.People["eve"] = eve
		})
		d.evaluated("she has left", "gate", q, "decision", false, "context.reason", "subject_inactive", "context.access_request", nil)
		d.evaluated("and still holds it", "gate", tuple("eve", "dir:wiki", "hold"), "decision", true)
	})
}

// A second approval of the same is another one, and each ends with its own grant.
func TestProfileApprovalsAreApart(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q, first := d.approvedTask("dir:wiki")
		d.Work()
		ends := d.Grants()[0].End
		d.Clock.To(ends.Add(time.Minute))
		d.Work()
		_, second := d.approvedTask("dir:wiki")
		d.Work()
		r := d.evaluated("the first one again", "eve", with(q, first), "decision", true)
		if r.at("context.approval") != nil {
			t.Errorf("an ended approval is said to apply: %s", r.raw)
		}
		r = d.evaluated("the second", "eve", with(q, second), "decision", true)
		if r.text("context.approval.id") == "" {
			t.Errorf("the second is not said: %s", r.raw)
		}
		if g := d.Grants(); len(g) != 2 || g[1].State != access.Ended {
			t.Errorf("the grants are %+v", g)
		}
	})
}
