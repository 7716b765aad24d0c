package report

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Operations is how the work stands: what is being removed, how each lane goes,
// what waits to be told.
type Operations struct {
	Removing    []Removal // the longest first; at most mostRemoving
	AllRemoving int
	Systems     []Underway
	Queue       []store.Queued // of everything; empty where only some systems were asked for
}

// Underway is how far a system's lane has come, as is stored.
type Underway = store.Underway

// Removal is one assignment that is being removed, with the last grant that was a reason for it.
type Removal struct {
	store.Job

	Grant  string // empty: nobody granted it
	Ended  access.EndReason
	Late   bool
	Age    time.Duration
	Leased bool // somebody is about it now
}

// mostRemoving is how many removals are listed one by one.
const mostRemoving = 50

// Work reads how the work of these systems stands; queue asks for what waits to be told, too.
func Work(ctx context.Context, db *store.DB, systems []string, queue bool, now time.Time) (o Operations, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		o = Operations{}
		if len(systems) > 0 {
			jobs, err := tx.Removing(ctx, mostRemoving, systems...)
			if err != nil {
				return err
			}
			for _, j := range jobs {
				r, err := removal(ctx, tx, j, now)
				if err != nil {
					return err
				}
				o.Removing = append(o.Removing, r)
			}
			if o.Systems, err = tx.Underways(ctx, systems, now); err != nil {
				return err
			}
		}
		for _, u := range o.Systems {
			o.AllRemoving += u.Removing
		}
		if queue {
			o.Queue, err = tx.Queue(ctx)
		}
		return err
	})
	return o, err
}

func removal(ctx context.Context, tx *store.Tx, j store.Job, now time.Time) (Removal, error) {
	r := Removal{Job: j, Age: now.Sub(j.Work.Since), Leased: now.Before(j.Work.LeaseUntil)}
	r.Late = r.Age > LateAfter
	grants, err := tx.GrantsAt(ctx, j.ID)
	if err != nil {
		return r, err
	}
	var last access.Grant
	for _, g := range grants {
		if g.State == access.Ended && !g.EndedAt.Before(last.EndedAt) {
			last = g
		}
	}
	r.Grant, r.Ended = last.ID, last.Ended
	return r, nil
}
