package server

import (
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
)

// glass is who may take what without approval, as the files in force say.
func (s *Server) glass() *engine.Glass {
	c := s.current.Load().BreakGlass
	if c == nil {
		return nil
	}
	return &engine.Glass{Group: c.Group, Entitlements: c.Entitlements, Bundle: c.Bundle, Longest: c.Longest, Most: c.Most,
		Incident: c.Incident, Security: c.Security, StepUp: c.StepUp}
}

// readEvery is how often every system is read whole.
func (s *Server) readEvery() time.Duration { return s.current.Load().Inventory }
