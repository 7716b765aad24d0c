//go:build !unix

package server

import "context"

func (s *Server) freeBytes() (free uint64, ok bool) { return 0, false }

func (s *Server) roomLeft(context.Context) (d Degraded, is bool) { return d, false }
