package authzen_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

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
