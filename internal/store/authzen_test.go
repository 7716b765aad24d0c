package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// A task is begun once for a key of an identity, is given its request once, and
// is forgotten when its time has come.
func TestTasks(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		task := func(id, who, key string) Task {
			return Task{ID: id, Approval: "apr-" + id, Identity: who, RepeatKey: key, Body: "b", Asked: "a", Evaluation: "e", Ask: "{}", Client: "null",
				At: noon, End: noon.Add(time.Hour), Forget: noon.Add(2 * time.Hour)}
		}
		begin := func(v Task, now time.Time, began bool, want Task) {
			t.Helper()
			is, new, err := db.BeginTask(ctx, v, now)
			same(t, "task", is, err, want)
			if new != began {
				t.Errorf("%s began: %v", v.ID, new)
			}
		}
		a := task("a", "eve", "k")
		begin(a, noon, true, a)
		begin(task("b", "eve", "k"), noon, false, a)
		begin(task("c", "bob", "k"), noon, true, task("c", "bob", "k"))
		must(t, db.NameTask(ctx, "a", "rq-1"))
		must(t, db.NameTask(ctx, "a", "rq-1"))
		if err := db.NameTask(ctx, "a", "rq-2"); !errors.Is(err, access.ErrConflict) {
			t.Errorf("a second request: %v", err)
		}
		a.Request = "rq-1"
		got, err := db.Task(ctx, "a")
		same(t, "by handle", got, err, a)
		got, err = db.ApprovalTask(ctx, "apr-a")
		same(t, "by approval", got, err, a)
		got, err = db.RepeatedTask(ctx, "eve", "k")
		same(t, "by key", got, err, a)
		must(t, db.DropTask(ctx, "a"))
		must(t, db.DropTask(ctx, "c"))
		if _, err := db.Task(ctx, "c"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("dropped: %v", err)
		}
		got, err = db.Task(ctx, "a")
		same(t, "one with a request is not dropped", got, err, a)
		late := task("d", "eve", "k2")
		begin(late, noon.Add(2*time.Hour), true, late)
		if _, err := db.Task(ctx, "a"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("past its time: %v", err)
		}
	})
}

// Reasons are open grants only, in order, each once from page to page.
func TestReasons(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		base(t, db)
		must(t, db.Read(t.Context(), func(tx *Tx) error {
			ctx, g := context.WithoutCancel(t.Context()), grant("gr-1", "rq-1", "as-1")
			asked, err := tx.Request(ctx, "rq-1")
			must(t, err)
			for range 8 { // compiled in between
				list, err := db.Reasons(ctx, g.Identity, g.Entitlement)
				if err != nil || len(list) != 1 || list[0].Grant != "gr-1" || !list[0].End.Equal(g.End) {
					t.Fatalf("reasons: %+v, %v", list, err)
				}
				same(t, "what it came of", list[0].Asked, nil, asked)
			}
			if list, err := db.Reasons(ctx, "somebody", g.Entitlement); err != nil || len(list) != 0 {
				t.Errorf("of somebody else: %+v, %v", list, err)
			}
			for _, page := range []func(after string) ([]Reason, error){
				func(after string) ([]Reason, error) { return tx.ReasonsOf(ctx, g.Identity, g.Entitlement, after, 5) },
				func(after string) ([]Reason, error) { return tx.ReasonsFor(ctx, g.Entitlement, g.Identity, after, 5) },
			} {
				if list, err := page(""); err != nil || len(list) != 1 {
					t.Errorf("a page: %+v, %v", list, err)
				}
				if list, err := page("gr-1"); err != nil || len(list) != 0 {
					t.Errorf("the next: %+v, %v", list, err)
				}
			}
			return nil
		}))
	})
}
