//go:build unix

package server

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// leastRoom is below how many free bytes a database's disk is as good as full: a
// storm writes its removals, events and receipts, and nothing may be lost for room.
const leastRoom = 512 << 20

// freeBytes is how much room a SQLite database has left to grow; ok is false where
// the database is not a file of this machine.
func (s *Server) freeBytes() (free uint64, ok bool) {
	path, is := strings.CutPrefix(s.current.Load().Database, "sqlite:")
	if !is || s.current.Load().DatabaseRef != "" {
		return 0, false
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &st); err != nil {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}

// roomLeft tells whether the database has room to grow.
func (s *Server) roomLeft(context.Context) (d Degraded, is bool) {
	free, ok := s.freeBytes()
	return Degraded{"disk", fmt.Sprintf("%d MiB are free where the database is", free>>20), "when it is full nothing can be stored: no grant, and no removal", "make room"}, ok && free < leastRoom
}
