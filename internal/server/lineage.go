package server

import (
	"context"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/engine"
)

// genealogist asks targets what was made under access that is gone.
type genealogist struct {
	river.WorkerDefaults[engine.LineageJob]
	s *Server
}

// Work implements river.Worker. A target that cannot say now is asked again, for
// ever: until then nobody knows what is left behind.
func (w *genealogist) Work(ctx context.Context, job *river.Job[engine.LineageJob]) error {
	a, err := w.s.engine.Assignment(ctx, job.Args.Assignment)
	if err != nil {
		return err
	}
	r := w.s.readers[a.System]
	if r == nil {
		return nil
	}
	_, err = r.Lineage(ctx, job.Args.Assignment)
	if err != nil {
		w.s.log.WarnContext(ctx, "lineage", "system", a.System, "error", err.Error())
	}
	return err
}
