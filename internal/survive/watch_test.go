package survive

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/store"
)

// watch holds what is said to be settled against the target while the storm lasts
// and while everything mends: what is called removed is gone and what is called held
// is there, at once and not only after the next reading of the whole has repaired it.
//
// It is no use where the protocol's own bound is broken, which is what a frozen
// process and a wire that delivers after the longest call do: there a call may land
// on what was rightly settled, and the inventory finds it.
type watch struct {
	l     *life
	mu    sync.Mutex
	seen  map[string]error // by assignment
	looks int
}

// run looks again and again until the context ends.
func (w *watch) run(ctx context.Context) {
	for ctx.Err() == nil {
		for _, s := range systems {
			w.once(ctx, s)
		}
		wait(ctx, 150*time.Millisecond)
	}
}

// once compares what stood still in the ledger while the target was read. A database or
// a target that cannot be read says nothing.
func (w *watch) once(ctx context.Context, system string) {
	before, err := w.settled(ctx, system)
	if err != nil {
		return
	}
	held, err := w.l.targets.held(ctx, system)
	if err != nil {
		return
	}
	after, err := w.settled(ctx, system)
	if err != nil {
		return
	}
	there := map[connector.Ref]bool{}
	for _, ref := range held {
		there[ref] = true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, j := range before {
		if after[id] != j {
			continue
		}
		w.looks++
		if is := there[connector.Ref{Account: j.Account, Object: j.Object}]; is != (j.State == access.Held) {
			w.seen[id] = fmt.Errorf("settled: %s at %s is called %s (assignment %s, lease %d), and at the target it is held: %t", j.Account, j.Object, j.State, id, j.Work.Fence, is)
		}
	}
}

// settled are the assignments that nobody is about and nothing is due for.
func (w *watch) settled(ctx context.Context, system string) (list map[string]store.Job, err error) {
	now := w.l.now()
	list = map[string]store.Job{}
	err = w.l.db.Read(ctx, func(tx *store.Tx) error {
		jobs, err := tx.AssignmentsAfter(ctx, "", 1<<30)
		for _, j := range jobs {
			quiet := j.Work.Holder == "" && (j.Work.Due.IsZero() || j.Work.Due.After(now)) && now.After(j.Work.SuspectUntil)
			if quiet && j.System == system && (j.State == access.Held || j.State == access.Absent) {
				list[j.ID] = j
			}
		}
		return err
	})
	return list, err
}

// problems is everything that was not so.
func (w *watch) problems() (list []error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.seen {
		list = append(list, p)
	}
	return list
}
