package server

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/engine"
)

// judgeEvery is how often every workload is held against its contract.
const judgeEvery = 10 * time.Minute

// judge holds workloads against their contracts and what readings saw.
type judge struct {
	river.WorkerDefaults[engine.JudgeJob]
	s *Server
}

// Timeout implements river.Worker.
func (w *judge) Timeout(*river.Job[engine.JudgeJob]) time.Duration { return inventoryTime }

// Work implements river.Worker.
func (w *judge) Work(ctx context.Context, _ *river.Job[engine.JudgeJob]) error {
	judged, err := w.s.engine.JudgeWorkloads(ctx)
	if judged.Findings > 0 {
		w.s.log.InfoContext(ctx, "workloads", "judged", judged.Workloads, "findings", judged.Findings, "waiting", judged.Waiting)
	}
	return err
}
