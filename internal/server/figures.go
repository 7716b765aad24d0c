package server

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// Numbers implements [web.Proof].
func (p proof) Numbers(ctx context.Context, from, to time.Time) (n report.Numbers, err error) {
	err = p.s.readAfar(ctx, func(db *store.DB) error {
		n, err = report.Count(ctx, db, p.s.world.Load().Directory, from, to)
		return err
	})
	return n, err
}

// Work implements [web.Proof].
func (p proof) Work(ctx context.Context, systems []string, queue bool, now time.Time) (report.Operations, error) {
	return report.Work(ctx, p.s.db, systems, queue, now)
}
