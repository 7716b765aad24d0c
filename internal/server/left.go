package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/lessor-iam/lessor/internal/store"
)

// This file has what a process left undone in the background begun anew, seconds after it
// is gone, by whoever is there. River alone would wait for as long as such a piece of work
// may take at most, which for some is half an hour, and then for its leader.
//
// Nothing is begun anew that its worker goes on with. A replica says every replicaEvery
// that it lives, and stops what it works on when it could not for workerHolds; the others
// take it for gone when they have looked for workerGone and seen no new word. They compare
// no clocks: each has its own, and of what another wrote it only looks whether it differs.
//
//	last word                       workerHolds            workerGone
//	|-- works --------------------->| stops what it does   | the others take it up
//
// What this does not see, a process that stands still between two instructions and then
// goes on, does no harm: any work in the background may be done twice.
const (
	workerHolds = 10 * time.Second
	workerGone  = 12 * time.Second
	workerLooks = 5 * time.Second // who did not look for that long knows nothing of the time between
)

// workerName is how a replica calls itself to those who work in the background.
func workerName(replica string) string { return worker + replica }

const worker = "lessor/"

// errUnheard is why work is stopped in the middle.
var errUnheard = errors.New("this replica could not say for too long that it lives, and others may have taken its work up")

// hold is until when this replica may go on with what it works on. One that never began
// has no end: on SQLite there is nobody else.
type hold struct {
	mu    sync.Mutex
	from  time.Time // when it began to say that it lives, the last time that it could
	over  context.Context
	end   context.CancelCauseFunc
	timer *time.Timer
}

// renew prolongs it. What was stopped stays stopped.
func (h *hold) renew(from time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.timer == nil || !h.timer.Stop() || h.expired() {
		if h.end != nil {
			h.end(errUnheard)
		}
		h.over, h.end = context.WithCancelCause(context.Background())
	}
	end := h.end
	h.from, h.timer = from, time.AfterFunc(workerHolds-time.Since(from), func() { end(errUnheard) })
}

// expired tells it by the clock: one that has stood still has timers that are late.
func (h *hold) expired() bool { return time.Since(h.from) >= workerHolds }

// until is what ends with it; nil: nothing ends it.
func (h *hold) until() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over != nil && h.expired() {
		h.end(errUnheard)
	}
	return h.over
}

// whileHeld stops work in the middle when this replica may not go on with it.
type whileHeld struct {
	river.MiddlewareDefaults
	holding *hold
}

// Work implements [rivertype.WorkerMiddleware].
func (w *whileHeld) Work(ctx context.Context, _ *rivertype.JobRow, do func(context.Context) error) error {
	over := w.holding.until()
	if over == nil {
		return do(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(over, func() { cancel(context.Cause(over)) })()
	err := do(ctx)
	if err != nil && over.Err() != nil {
		err = errors.Join(context.Cause(over), err)
	}
	return err
}

// signs is what a replica has seen of the lives of others.
type signs struct {
	looked time.Time
	of     map[string]sign
}

// sign is somebody's last word, by a clock of their own, and since when it has been the last.
type sign struct{ said, since time.Time }

// gone picks what was left by replicas that are gone. What was begun must have been read
// before the words were: whoever has spoken since may have begun something since. asked
// and had are when the words were asked for and there.
func (w *signs) gone(begun []store.Begun, words []store.Replica, asked, had time.Time) (list []store.Begun) {
	if asked.Sub(w.looked) > workerLooks {
		w.of = nil
	}
	w.looked = had
	said := map[string]time.Time{} // nothing: it has left, or was never heard
	for _, b := range begun {
		if id, ours := strings.CutPrefix(b.By, worker); ours {
			said[id] = time.Time{}
		}
	}
	for _, r := range words {
		said[r.ID] = r.Seen
	}
	of := map[string]sign{}
	for id, at := range said {
		of[id] = sign{at, had}
		if last, ok := w.of[id]; ok && last.said.Equal(at) {
			of[id] = last
		}
	}
	w.of = of
	for _, b := range begun {
		id, ours := strings.CutPrefix(b.By, worker)
		if ours && asked.Sub(of[id].since) >= workerGone {
			list = append(list, b)
		}
	}
	return list
}

// takeUp gives back what replicas that are gone have left. All do it, and it does not
// matter who comes first.
func (s *Server) takeUp(ctx context.Context, watched *signs) {
	if s.db.Dialect != store.Postgres {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longestBeat)
	defer cancel()
	begun, err := s.db.Begun(ctx)
	if err != nil {
		return // the next look is soon
	}
	asked := time.Now()
	words, err := s.db.Replicas(ctx)
	if err != nil {
		return
	}
	if err := s.giveBack(ctx, watched.gone(begun, words, asked, time.Now())); err != nil && ctx.Err() == nil {
		s.log.WarnContext(ctx, "background work of a process that is gone could not be taken up yet", "error", err.Error())
	}
}

// takeUpOwn gives back what an earlier life of this process has left: nobody else works
// on a SQLite file.
func (s *Server) takeUpOwn(ctx context.Context) error {
	if s.db.Dialect != store.SQLite {
		return nil
	}
	begun, err := s.db.Begun(ctx)
	if err == nil {
		err = s.giveBack(ctx, begun)
	}
	if err != nil {
		return fmt.Errorf("background work that was left: %w", err)
	}
	return nil
}

// giveBack lets somebody begin anew what was left. What is left again and again may be
// what its workers die of, and waits for longer each time.
func (s *Server) giveBack(ctx context.Context, list []store.Begun) (err error) {
	for _, b := range list {
		wait := time.Duration(0)
		if b.Left > 0 {
			wait = min(time.Second<<min(b.Left, 9), slowestRetry)
		}
		s.log.WarnContext(ctx, "background work is taken up that a process left when it ended", "kind", b.Kind, "by", strings.TrimPrefix(b.By, worker), "begun", b.At, "wait", wait)
		err = errors.Join(err, s.db.GiveBack(ctx, b, time.Now(), wait))
	}
	return err
}
