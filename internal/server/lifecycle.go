package server

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/engine"
)

// leaver goes on with what follows from somebody's having left.
type leaver struct {
	river.WorkerDefaults[engine.LeaveJob]
	s *Server
}

// Timeout implements river.Worker.
func (w *leaver) Timeout(*river.Job[engine.LeaveJob]) time.Duration { return inventoryTime }

// Work implements river.Worker.
func (w *leaver) Work(ctx context.Context, job *river.Job[engine.LeaveJob]) error {
	_, err := w.s.engine.LeaveOn(ctx, job.Args.Person)
	return err
}

// handoverReminder does what follows where nobody decided in time.
type handoverReminder struct {
	river.WorkerDefaults[engine.HandoverJob]
	s *Server
}

// Work implements river.Worker.
func (w *handoverReminder) Work(ctx context.Context, _ *river.Job[engine.HandoverJob]) error {
	_, err := w.s.engine.OverdueHandovers(ctx)
	return err
}
