package engine

import (
	"context"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/lessor-iam/lessor/internal/store"
)

// The background work the engine asks for. Each but the first is inserted in the
// transaction that makes it necessary, and each may run twice, late, or on another replica.

// SequenceJob asks that the log take in every event that has no place yet.
type SequenceJob struct{}

// Kind implements river.JobArgs.
func (SequenceJob) Kind() string { return "sequence" }

// ExpireJob asks that unanswered requests be looked at.
type ExpireJob struct {
	Request string `json:"request" river:"unique"`
}

// Kind implements river.JobArgs.
func (ExpireJob) Kind() string { return "expire_requests" }

// PlanRotationsJob asks that the credentials that are due be made anew.
type PlanRotationsJob struct{}

// Kind implements river.JobArgs.
func (PlanRotationsJob) Kind() string { return "plan_rotations" }

// Notice is something somebody must be told, outside.
type Notice struct {
	To      []string  `json:"to"` // identity or group ids
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	Loud    int       `json:"loud"` // how often this has been told before
	At      time.Time `json:"at"`
}

// Kind implements river.JobArgs.
func (Notice) Kind() string { return "notice" }

// sequenceOnce keeps one waiting SequenceJob. A job already running may have
// read its last batch, so the server's periodic job closes that gap.
var sequenceOnce = river.UniqueOpts{ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled}}

// askToSequence asks for the SequenceJob after a commit that wrote events, and not in its
// transaction: River answers a job that is there already by updating its row, so that of
// all who write at one moment PostgreSQL would let one through, and have the others begin
// anew. The events without a place are the stored state from which the work is decided;
// if we stop in between, the periodic job finds them. One of a process asks at a time, and
// then once more for whoever committed meanwhile, for which who asked does not wait: in a
// storm somebody always has.
func (e *Engine) askToSequence(ctx context.Context) {
	e.unplaced.Add(1)
	if e.askOnce(ctx) {
		go func(ctx context.Context) {
			for e.askOnce(ctx) {
			}
		}(context.WithoutCancel(ctx))
	}
}

// askOnce asks, unless another of this process does, and tells whether more was committed
// meanwhile. Where it is asked for already that is only read: nobody waits for the writer.
func (e *Engine) askOnce(ctx context.Context) (again bool) {
	if !e.asking.CompareAndSwap(false, true) {
		return false
	}
	seen := e.unplaced.Load()
	asked, err := e.DB.Asked(ctx, SequenceJob{}.Kind())
	if err == nil && !asked {
		err = e.DB.Write(ctx, func(tx *store.Tx) error {
			return tx.Enqueue(ctx, SequenceJob{}, &river.InsertOpts{UniqueOpts: sequenceOnce})
		})
	}
	e.asking.Store(false)
	if err != nil {
		e.Log.DebugContext(ctx, "the sequencer could not be asked; it comes round by itself", "error", err.Error())
		return false
	}
	return e.unplaced.Load() != seen
}
