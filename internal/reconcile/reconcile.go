// Package reconcile makes reality equal to authority: one lane a system takes
// the assignments that are due, acts once through the connector, looks, and
// tells the engine what it saw. That one loop provisions, expires, revokes,
// retries, repairs drift and survives crashes; there is no second path.
//
// It writes no state: the engine does. It remembers nothing: whatever it was
// about when it stopped, the lease runs out and the next holder looks again.
//
//	claim (intent stored) -> [look] -> act -> look -> [end sessions, look] -> settle (what was seen)
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/lane"
)

// Door is the part of the engine a lane needs.
type Door interface {
	// Claim leases due assignments; what it returns is durably intended.
	Claim(ctx context.Context, holder, system string, limit int) ([]engine.Task, error)
	// Settle takes what was seen and says how many outcomes came too late for their lease.
	Settle(ctx context.Context, holder string, outcomes []engine.Outcome) (refused int, err error)
	// NextDue returns when there is something to claim; ok false if never.
	NextDue(ctx context.Context, system string) (next time.Time, ok bool, err error)
}

// Config is what a lane is made of. Every field but Width, Seam, Under, Watch and Log is needed.
type Config struct {
	Door      Door
	System    string
	Connector connector.Connector
	Holder    string // unique among all lanes of this system, over restarts too
	Width     int    // how many batches may be under way at once; 0: one
	Pace      access.Pace
	Backstop  time.Duration // how long it sleeps at most when nothing is known to be due
	Now       func() time.Time
	Seam      func(step string) // called between steps; tests stop the process there
	// Under gives the context that a batch is done under one of its own; nil: it has none.
	Under func(context.Context) context.Context
	// Watch is told of each batch once it is over. It must not block.
	Watch func(context.Context, Turn)
	Log   *slog.Logger
}

// Lane reconciles one system. A sick target delays nobody but itself.
type Lane struct {
	Config
	loop   *lane.Lane
	claims sync.Mutex // of several runners one claims at a time: all would take the same
	beat   beat
}

// New returns a lane; Run starts it.
func New(c Config) *Lane {
	if c.Seam == nil {
		c.Seam = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lane{Config: c}
	l.loop = lane.New(lane.Config{
		Work: func(ctx context.Context, holder string) (int, error) {
			l.come(holder)
			return l.batch(ctx, holder)
		},
		Next: func(ctx context.Context) (time.Time, bool, error) { return l.Door.NextDue(ctx, l.System) },
		Trouble: func(ctx context.Context, err error) {
			l.Log.ErrorContext(ctx, "lane", "system", l.System, "error", err.Error())
		},
		Retry: c.Pace.Retry, Backstop: c.Backstop, Now: c.Now})
	return l
}

// Nudge says that work is due at that moment. It never blocks.
func (l *Lane) Nudge(due time.Time) { l.loop.Nudge(due) }

// Run works until the context ends, and then ends the batches it is about: what
// was sent is still looked at. While one batch waits for the target another is
// being claimed or settled: each under a holder's name of its own.
func (l *Lane) Run(ctx context.Context) {
	holders := make([]string, max(1, l.Width))
	for i := range holders {
		holders[i] = l.runner(i)
	}
	l.loop.Run(ctx, holders...)
}

// Once claims one batch, if any is due, and sees it through. It returns how
// many assignments it claimed.
func (l *Lane) Once(ctx context.Context) (claimed int, err error) { return l.batch(ctx, l.Holder) }

func (l *Lane) batch(ctx context.Context, holder string) (claimed int, err error) {
	turn := Turn{System: l.System}
	defer func() { turn.Err = err; l.tell(ctx, turn) }()
	most := max(1, l.Connector.Capabilities().Batch)
	began := l.Now()
	tasks, err := l.claim(ctx, holder, most)
	if err != nil || len(tasks) == 0 {
		return 0, err
	}
	if l.Under != nil {
		ctx = l.Under(ctx)
	}
	if l.Width > 1 {
		l.Nudge(l.Now()) // there may be more, now or before this is done: nobody sleeps through it
	}
	l.Seam("claimed")
	b := newBatch(tasks)
	turn.Tasks, turn.Steps = tasks, []Step{{"claim", began, l.Now(), b.ids(everyStep)}}
	// 1. Where a call may have landed already, look before acting.
	before := func(t *step) bool { return t.task.LookFirst || !t.task.Act }
	turn.timed(l.Now, "look", b.ids(before), func() { b.look(ctx, l, before) })
	l.Seam("looked first")
	// 2. Act once on what is not as wanted, if the call fits into the lease.
	turn.timed(l.Now, "act", b.ids(b.toDo), func() { b.act(ctx, l) })
	l.Seam("acted")
	// 3. Look: only this says what is so.
	sent := func(t *step) bool { return t.out.Sent }
	turn.timed(l.Now, "look", b.ids(sent), func() { b.look(ctx, l, sent) })
	l.Seam("looked")
	// 4. A session opened before may still use what is gone: end it, and look.
	turn.timed(l.Now, "sessions", b.ids(justGone), func() { b.sessions(ctx, l) })
	l.Seam("sessions ended")
	// 5. Record.
	turn.Outcomes = b.outcomes()
	turn.timed(l.Now, "settle", b.ids(everyStep), func() { turn.Refused, err = l.Door.Settle(ctx, holder, turn.Outcomes) })
	if err != nil {
		return len(tasks), fmt.Errorf("settle %d of %s: %w", len(tasks), l.System, err)
	}
	l.Seam("settled")
	l.Log.InfoContext(ctx, "reconciled", "system", l.System, "tasks", len(tasks), "sent", b.sent, "troubled", b.troubled(), "refused", turn.Refused)
	return len(tasks), nil
}

func (l *Lane) claim(ctx context.Context, holder string, most int) ([]engine.Task, error) {
	l.claims.Lock()
	defer l.claims.Unlock()
	return l.Door.Claim(ctx, holder, l.System, most)
}

// step is one task on its way through a batch.
type step struct {
	task engine.Task
	ref  connector.Ref
	out  engine.Outcome
}

type batch struct {
	steps []*step
	of    map[connector.Ref]*step
	lease time.Time // until when all are leased
	sent  int
}

func newBatch(tasks []engine.Task) *batch {
	b := &batch{of: map[connector.Ref]*step{}}
	for _, t := range tasks {
		s := &step{task: t, ref: connector.Ref{Account: t.Account, Object: t.Object}, out: engine.Outcome{Assignment: t.ID, Fence: t.Fence}}
		b.steps = append(b.steps, s)
		if b.of[s.ref] = s; b.lease.IsZero() || t.LeaseUntil.Before(b.lease) {
			b.lease = t.LeaseUntil
		}
	}
	return b
}

// look reads the chosen steps' holdings anew. It ends early enough to settle
// within the lease: a target that hangs at every call would otherwise never have
// its trouble recorded, and the lateness never be told.
func (b *batch) look(ctx context.Context, l *Lane, choose func(*step) bool) {
	var refs []connector.Ref
	for _, s := range b.steps {
		if choose(s) {
			refs = append(refs, s.ref)
		}
	}
	if len(refs) == 0 {
		return
	}
	at := l.Now() // a look is as old as its beginning
	call, cancel := context.WithTimeout(ctx, min(l.Pace.Call, b.lease.Sub(at)-l.Pace.Call/4))
	defer cancel()
	for _, seen := range l.Connector.Look(call, refs) {
		s := b.of[seen.Ref]
		if s == nil {
			continue
		}
		s.out.Looked = seen.Err == nil
		if seen.Err != nil {
			s.out.Away = !errors.Is(seen.Err, connector.ErrRefused) && !errors.Is(seen.Err, connector.ErrNoObject)
			s.trouble("look: ", seen.Err)
			continue
		}
		s.out.LookAt, s.out.Direct, s.out.Effective, s.out.Path, s.out.Residual = at, seen.Direct, seen.Effective, seen.Path, seen.Residual
	}
}

// everyStep chooses all of a batch.
func everyStep(*step) bool { return true }

// ids are the assignments of the chosen steps.
func (b *batch) ids(choose func(*step) bool) (list []string) {
	for _, s := range b.steps {
		if choose(s) {
			list = append(list, s.task.ID)
		}
	}
	return list
}

// toDo tells whether a change is under way that no look has seen done.
func (b *batch) toDo(s *step) bool {
	held := s.out.Direct || s.out.Effective
	return s.task.Act && (!s.out.Looked || held != s.task.Want)
}

// act sends every change that is still needed in one call whose deadline lies
// inside the lease (rule 1). What cannot be sent in time is left for the next holder.
func (b *batch) act(ctx context.Context, l *Lane) {
	var changes []connector.Change
	for _, s := range b.steps {
		if !b.toDo(s) {
			continue
		}
		if !l.Now().Add(l.Pace.Call).Before(s.task.LeaseUntil) {
			s.out.Looked, s.out.Trouble = false, "the lease was too short for another call"
			continue
		}
		s.out.Sent = true
		changes = append(changes, connector.Change{Ref: s.ref, Want: s.task.Want, Fence: s.task.Fence})
	}
	if b.sent = len(changes); b.sent == 0 {
		return
	}
	call, cancel := context.WithTimeout(ctx, l.Pace.Call)
	defer cancel()
	answered := map[connector.Ref]bool{}
	for _, res := range l.Connector.Apply(call, changes) {
		if s := b.of[res.Ref]; s != nil {
			answered[res.Ref] = true
			s.answer(res.Err)
		}
	}
	for _, c := range changes {
		if !answered[c.Ref] {
			b.of[c.Ref].answer(connector.ErrUnanswered)
		}
	}
}

// answer notes what the target answered, as the hint it is. An error that is
// not known to mean "nothing was done" means that something may yet be.
func (s *step) answer(err error) {
	s.out.Looked = false // an earlier look says nothing of what was sent after it
	s.out.Answer = "ok"
	if err == nil {
		return
	}
	s.out.Answer = err.Error()
	s.trouble("act: ", err)
	s.out.Unanswered = !errors.Is(err, connector.ErrRefused) && !errors.Is(err, connector.ErrNoObject) && !errors.Is(err, connector.ErrUnreachable)
}

// trouble notes what stood in the way, and how long the target wants to be left alone.
func (s *step) trouble(doing string, err error) {
	s.out.Trouble = doing + err.Error()
	if again := new(connector.RetryAfter); errors.As(err, &again) {
		s.out.Wait = max(s.out.Wait, again.Wait)
	}
}

func (b *batch) outcomes() []engine.Outcome {
	list := make([]engine.Outcome, len(b.steps))
	for i, s := range b.steps {
		list[i] = s.out
	}
	return list
}

func (b *batch) troubled() (n int) {
	for _, s := range b.steps {
		if s.out.Trouble != "" {
			n++
		}
	}
	return n
}
