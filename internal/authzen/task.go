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

// Where a task stands (ARAP, Task Status Values), and each item of one that has
// several. It is read off the request; a task has no state of its own.
//
//	undecided          pending
//	granted            approved
//	denied             denied
//	dropped            expired, if the request is; else cancelled
//	no request         failed: it could not be asked for
//	several that differ, none pending: partial
const (
	pending   = "pending"
	approved  = "approved"
	denied    = "denied"
	expired   = "expired"
	cancelled = "cancelled"
	failed    = "failed"
	partial   = "partial"
)

// statusOf is where one entitlement of a request stands.
func statusOf(r access.Request, entitlement string) string {
	i := r.Item(entitlement)
	switch {
	case i < 0: // edited away
		return denied
	case r.Items[i].Outcome == access.Undecided && r.Open():
		return pending
	case r.Items[i].Outcome == access.Granted:
		return approved
	case r.Items[i].Outcome == access.ItemDenied:
		return denied
	case r.State == access.Expired:
		return expired
	}
	return cancelled
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
	Items          []item            `json:"items,omitempty"`
}

// item is one of several parts of a task.
type item struct {
	Resource *entity `json:"resource"`
	Action   *deed   `json:"action"`
	Status   string  `json:"status"`
	Result   *result `json:"result,omitzero"`
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
	a := answer{Task: task{ID: t.ID, StatusEndpoint: at, ExpiresAt: t.End}}
	about, err := aboutOf(t)
	if err != nil {
		return a, err
	}
	// 1. Each part by itself.
	for _, p := range about.Parts {
		one := item{Resource: p.Resource, Action: p.Action, Status: failed}
		if t.Request != "" && t.Request != noRequest {
			r, g, _, err := d.Engine.Asked(ctx, by, t.Request, p.Entitlement)
			if errors.Is(err, access.ErrNotFound) {
				return a, problem(unknownTask, "there is no such task of yours")
			} else if err != nil {
				return a, err
			}
			a.Task.Links = map[string]string{"ticket": base(ctx) + "/requests/" + r.ID}
			if one.Status = statusOf(r, p.Entitlement); one.Status == approved {
				one.Result = &result{Mode: "reevaluate", Approval: approval{ID: t.Approval, ApprovedAt: g.At, ApprovedUntil: g.End}}
			}
		}
		a.Task.Items = append(a.Task.Items, one)
	}
	// 2. What they add up to. What came alone is answered alone.
	a.Task.Status = aggregate(a.Task.Items)
	if a.Task.Status == pending {
		a.Task.Links["cancel"] = at + "/cancel"
	}
	if !about.Items {
		a.Result, a.Task.Items = a.Task.Items[0].Result, nil
	}
	return a, nil
}

// aggregate is what items add up to (ARAP, Access Request Response).
func aggregate(items []item) string {
	all := items[0].Status
	for _, i := range items {
		switch {
		case i.Status == pending:
			return pending
		case i.Status != all:
			all = partial
		}
	}
	return all
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
