package server

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/report"
)

// Numbers implements [web.Proof].
func (p proof) Numbers(ctx context.Context, from, to time.Time) (report.Numbers, error) {
	return report.Count(ctx, p.s.db, p.s.world.Load().Directory, from, to)
}

// Work implements [web.Proof].
func (p proof) Work(ctx context.Context, systems []string, queue bool, now time.Time) (report.Operations, error) {
	return report.Work(ctx, p.s.db, systems, queue, now)
}
