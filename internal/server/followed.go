package server

import (
	"context"

	"github.com/lessor-iam/lessor/internal/watch"
)

// replicaCount counts who serves, as far as this one knows.
func (s *Server) replicaCount() (alike, other int) {
	for _, r := range s.replicas() {
		if r.Alike {
			alike++
		} else {
			other++
		}
	}
	return alike, other
}

// followed is how far the witnesses of the files have signed the log.
func (s *Server) followed(ctx context.Context) (f watch.Followed, err error) {
	list := s.current.Load().Witnesses.List
	if len(list) == 0 {
		return f, nil
	}
	at, err := s.engine.Witnessing(ctx)
	if err != nil {
		return f, err
	}
	f = watch.Followed{Behind: map[string]int64{}, Late: at.Behind}
	for _, w := range list {
		f.Behind[w.ID] = max(0, at.Head.Size-at.Last[w.Key])
	}
	return f, nil
}
