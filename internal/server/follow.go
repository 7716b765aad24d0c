package server

import (
	"context"
	"sync"

	"github.com/lessor-iam/lessor/internal/inventory"
)

// follow hears, until the context ends, from every target that says when something
// changes. What files say of systems is in force until the server is started anew,
// so a reload leaves it alone; which objects are in our charge is looked up each time.
func (s *Server) follow(ctx context.Context) {
	var all sync.WaitGroup
	for id, r := range s.readers {
		told := func(ctx context.Context, err error) {
			if err := s.stockTaken(ctx, id, err); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "inventory", "system", id, "untold", err.Error())
			}
		}
		if f := inventory.Follow(inventory.FollowConfig{Reader: r, Told: told, Log: s.log}); f != nil {
			all.Go(func() { f.Run(ctx) })
		}
	}
	all.Wait()
}
