package authzen

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Where a task stands (ARAP, Task Status Values). Each is read off the request; a
// task has no state of its own.
//
//	submitted, pending   pending
//	approved             approved, if this entitlement was granted; denied, if others only
//	denied               denied
//	expired              expired
//	cancelled            cancelled
//	no request           failed: it could not be asked for
const (
	pending   = "pending"
	approved  = "approved"
	denied    = "denied"
	expired   = "expired"
	cancelled = "cancelled"
	failed    = "failed"
)

// statusOf is where the task of one entitlement stands.
func statusOf(r access.Request, g access.Grant) string {
	switch {
	case r.Open():
		return pending
	case r.State == access.Approved && g.ID != "":
		return approved
	case r.State == access.Expired:
		return expired
	case r.State == access.Cancelled:
		return cancelled
	}
	return denied
}

// answer is what a program is told of a task: where it stands, and nothing of
// who approves, of rules, or of what others hold.
type answer struct {
	Task   task    `json:"task"`
	Result *result `json:"result,omitzero"`
}

type task struct {
	ID             string            `json:"id"`
	Status         string            `json:"status"`
	StatusEndpoint string            `json:"status_endpoint"`
	ExpiresAt      time.Time         `json:"expires_at"`
	Links          map[string]string `json:"links,omitempty"`
}

// result says how to go on: by asking again (ARAP, Completion Semantics).
type result struct {
	Mode     string   `json:"mode"`
	Approval approval `json:"approval"`
}

func (a answer) retryAfter(t store.Task, now time.Time) string {
	waited := int(now.Sub(t.At).Seconds())
	return strconv.Itoa(min(60, max(5, waited/10))) // the longer it takes, the less often it is worth a look
}

// answer reads where a task stands.
func (d *door) answer(ctx context.Context, by access.Actor, t store.Task) (answer, error) {
	at := base(ctx) + Requests + "/" + t.ID
	a := answer{Task: task{ID: t.ID, Status: failed, StatusEndpoint: at, ExpiresAt: t.End}}
	ask, err := askOf(t)
	if err != nil || t.Request == "" || t.Request == noRequest {
		return a, err
	}
	r, g, _, err := d.Engine.Asked(ctx, by, t.Request, ask.Entitlements[0])
	if errors.Is(err, access.ErrNotFound) {
		return a, problem(unknownTask, "there is no such task of yours")
	} else if err != nil {
		return a, err
	}
	a.Task.Status = statusOf(r, g)
	a.Task.Links = map[string]string{"ticket": base(ctx) + "/requests/" + r.ID}
	switch a.Task.Status {
	case pending:
		a.Task.Links["cancel"] = at + "/cancel"
	case approved:
		a.Result = &result{Mode: "reevaluate", Approval: approval{ID: t.Approval, ApprovedAt: g.At, ApprovedUntil: g.End}}
	}
	return a, nil
}

// mine finds a task of this caller's. The handle finds it and opens nothing:
// somebody else's is not there, whoever has the handle.
func (d *door) mine(r *http.Request, by access.Actor) (store.Task, error) {
	t, err := d.Shelf.Task(r.Context(), r.PathValue("task"))
	switch {
	case errors.Is(err, access.ErrNotFound), err == nil && t.Identity != by.Identity:
		return t, problem(unknownTask, "there is no such task of yours")
	case err != nil:
		return t, err
	case !d.Now().Before(t.End):
		return t, problem(taskExpired, "the handle was good until %s", t.End.Format(time.RFC3339))
	}
	return t, nil
}

func (d *door) status(w http.ResponseWriter, r *http.Request, by access.Actor) error {
	t, err := d.mine(r, by)
	if err != nil {
		return err
	}
	if t, err = d.resume(r.Context(), by, t); err != nil {
		return err
	}
	a, err := d.answer(r.Context(), by, t)
	if err != nil {
		return err
	}
	if a.Task.Status == pending {
		w.Header().Set("Retry-After", a.retryAfter(t, d.Now()))
	}
	d.write(w, http.StatusOK, a)
	return nil
}

func (d *door) cancel(w http.ResponseWriter, r *http.Request, by access.Actor) error {
	// 1. Whose task, and why.
	t, err := d.mine(r, by)
	if err != nil {
		return err
	}
	var why struct {
		Reason  string `json:"reason"`
		Comment string `json:"comment"`
	}
	if r.ContentLength != 0 {
		raw, err := body(w, r)
		if err != nil {
			return err
		}
		if err := parse(raw, &why); err != nil {
			return err
		}
	}
	// 2. The verb says whether this actor may, and whether it is still open.
	if t, err = d.resume(r.Context(), by, t); err != nil {
		return err
	}
	if t.Request == noRequest {
		return problem(invalidTaskState, "the task has ended already")
	}
	note := strings.Trim(why.Reason+": "+why.Comment, ": ")
	if err := d.Engine.Cancel(r.Context(), by, t.Request, note); errors.Is(err, access.ErrGone) || errors.Is(err, access.ErrConflict) {
		return problem(invalidTaskState, "the task has ended already")
	} else if err != nil {
		return err
	}
	// 3. What came of it.
	a, err := d.answer(r.Context(), by, t)
	if err != nil {
		return err
	}
	d.write(w, http.StatusOK, a)
	return nil
}
