package server

import (
	"context"
	"errors"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// standingIn is how long one may answer for another, as the files in force say.
func (s *Server) standingIn() engine.StandingIn {
	c := s.current.Load().StandIn
	return engine.StandingIn{LongestDelegation: c.DelegateLongest, EscalateAfter: c.EscalateAfter}
}

// escalator asks the managers where a stage has waited too long.
type escalator struct {
	river.WorkerDefaults[engine.EscalateJob]
	s *Server
}

// Work implements river.Worker.
func (w *escalator) Work(ctx context.Context, job *river.Job[engine.EscalateJob]) error {
	_, err := w.s.engine.Escalate(ctx, job.Args.Request)
	if errors.Is(err, access.ErrNotFound) {
		return nil
	}
	return err
}
