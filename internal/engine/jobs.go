package engine

import (
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"context"
)

// The background work the engine asks for. Each is inserted in the transaction
// that makes it necessary, and each may run twice, late, or on another replica.

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

func (d *deed) wakeSequencer(ctx context.Context) error {
	if d.events == 0 {
		return nil
	}
	return d.Enqueue(ctx, SequenceJob{}, &river.InsertOpts{UniqueOpts: sequenceOnce})
}
