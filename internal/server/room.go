package server

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// A disk that is full takes no removal either: a removal is written down before it is
// sent, and told in the log. So nothing is granted while there is still room, and what
// is left is for what takes access away. None of this can be stored: it holds for as
// long as this process sees it.

// roomEvery is how often the room is looked at. What is granted meanwhile takes
// far less than what is kept.
const roomEvery = 2 * time.Second

// room is what the database has left to grow, as this process sees it.
type room struct {
	free func() (bytes uint64, ok bool) // ok false: nobody can tell, as of a database elsewhere
	keep func() uint64                  // how much of it nothing is granted into
	now  func() time.Time
	// lease is for how long nothing is granted after the database refused a write for want
	// of room: removals are tried again sooner, and come first.
	lease   func() time.Duration
	log     *slog.Logger
	short   atomic.Pointer[access.Halt] // by the last look; nil: there is room
	refused atomic.Pointer[access.Halt] // when the database last refused a write; nil: never
}

func (s *Server) newRoom() *room {
	return &room{free: s.freeBytes, keep: func() uint64 { return s.current.Load().KeepFree }, now: s.now, lease: func() time.Duration { return s.current.Load().Pace.Lease }, log: s.log}
}

// look sees how much room there is. Once it is short there must be a quarter more
// before anything is granted again: else it would go back and forth with every page.
func (r *room) look() {
	free, ok := r.free()
	was, keep := r.short.Load(), r.keep()
	if was != nil {
		keep += keep / 4
	}
	if !ok || free >= keep {
		if was != nil {
			r.short.Store(nil)
			r.log.Warn("there is room again where the database is", "free", free)
		}
		return
	}
	h := access.Halt{Reason: access.HaltDisk, At: r.now(),
		Text: fmt.Sprintf("%d MiB are free where the database is, and up to %d MiB are kept for what takes access away (keep_free); make room", free>>20, keep>>20)}
	if was != nil {
		h.At = was.At
	} else {
		r.log.Error("nothing is granted from now on", "reason", h.Reason, "text", h.Text)
	}
	r.short.Store(&h)
}

// halted is why nothing is granted for want of room.
func (r *room) halted() (list []access.Halt) {
	if h := r.short.Load(); h != nil {
		return append(list, *h)
	}
	if h := r.refused.Load(); h != nil && r.now().Before(h.At.Add(r.lease())) {
		return append(list, *h)
	}
	return nil
}

// heeding passes on what transactions take, and heeds those refused for want of room:
// of a database on another machine nothing else tells.
func (r *room) heeding(timed func(kind string) func(int, error)) func(kind string) func(int, error) {
	return func(kind string) func(int, error) {
		ended := timed(kind)
		return func(tries int, err error) {
			ended(tries, err)
			if !store.IsFull(err) {
				return
			}
			h := access.Halt{Reason: access.HaltDisk, At: r.now(), Text: "the database refused a write for want of room; make some"}
			if was := r.refused.Swap(&h); was == nil || !h.At.Before(was.At.Add(r.lease())) {
				r.log.Error("nothing is granted from now on", "reason", h.Reason, "text", h.Text)
			}
		}
	}
}

// freeBytes is how much room a SQLite database has left to grow; ok is false where
// the database is not a file of this machine.
func (s *Server) freeBytes() (free uint64, ok bool) {
	path, is := strings.CutPrefix(s.current.Load().Database, "sqlite:")
	if !is || s.current.Load().DatabaseRef != "" {
		return 0, false
	}
	return freeAt(filepath.Dir(path))
}

// roomLeft tells whether the database has room to grow: twice what is kept is near
// enough to say so.
func (s *Server) roomLeft(context.Context) (d Degraded, is bool) {
	free, ok := s.freeBytes()
	keep := s.current.Load().KeepFree
	return Degraded{"disk", fmt.Sprintf("%d MiB are free where the database is", free>>20),
		fmt.Sprintf("below %d MiB nothing is granted, and when it is full nothing can be stored: no removal either", keep>>20), "make room"}, ok && free < 2*keep
}
