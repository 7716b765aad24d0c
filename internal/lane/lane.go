// Package lane has what is due done at its moment: it sleeps until then, unless it is
// told of something sooner. It knows nothing of what the work is, and asks for none
// while none is due: asking for work is a write, and all who write take turns.
package lane

import (
	"context"
	"sync"
	"time"
)

// Config is what a lane is made of. Every field is needed.
type Config struct {
	// Work does some of what is due, under that holder's name, and returns how much it took
	// up. Its context does not end with the lane's: what was begun is seen through.
	Work func(ctx context.Context, holder string) (taken int, err error)
	// Next is the moment at which something is due next, which may be over; ok is false where
	// nothing is.
	Next func(ctx context.Context) (at time.Time, ok bool, err error)
	// Trouble is told of errors of either; they are waited out.
	Trouble  func(ctx context.Context, err error)
	Retry    time.Duration // how long after one
	Backstop time.Duration // how long it sleeps at most when nothing is known to be due
	Now      func() time.Time
}

// shortestRetry bounds how often errors come.
const shortestRetry = 100 * time.Millisecond

// Lane is one or several who work on what is due of one kind.
type Lane struct {
	Config
	mu   sync.Mutex
	due  time.Time // the soonest of what nobody has woken for yet; zero: nothing
	told chan struct{}
}

// New returns a lane; Run starts it.
func New(c Config) *Lane { return &Lane{Config: c, told: make(chan struct{}, 1)} }

// Nudge says that work is due at that moment. It never blocks, and loses nothing.
func (l *Lane) Nudge(due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.due.IsZero() || due.Before(l.due) {
		l.due = due
	}
	select {
	case l.told <- struct{}{}:
	default:
	}
}

// Run works until the context ends, each holder for itself: while one waits for a target
// another takes up what is due. They are to each other what two replicas are.
func (l *Lane) Run(ctx context.Context, holders ...string) {
	var all sync.WaitGroup
	for _, h := range holders {
		all.Go(func() { l.run(ctx, h) })
	}
	all.Wait()
}

func (l *Lane) run(ctx context.Context, holder string) {
	for ctx.Err() == nil {
		n, err := l.Work(context.WithoutCancel(ctx), holder)
		if err == nil && n > 0 {
			continue
		}
		wait := l.Retry
		if err == nil {
			wait, err = l.idle(ctx)
		}
		if err != nil && ctx.Err() == nil {
			l.Trouble(ctx, err)
			wait = max(l.Retry, shortestRetry)
		}
		l.sleep(ctx, wait)
	}
}

// idle returns how long nothing is due.
func (l *Lane) idle(ctx context.Context) (time.Duration, error) {
	next, ok, err := l.Next(ctx)
	if err != nil || !ok {
		return l.Backstop, err
	}
	return max(0, min(next.Sub(l.Now()), l.Backstop)), nil
}

// sleep waits so long, or until something is due that it was told of meanwhile.
func (l *Lane) sleep(ctx context.Context, wait time.Duration) {
	until := l.Now().Add(wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-l.told:
		}
		switch due, ok := l.take(); {
		case !ok: // another holder has it
		case !due.After(l.Now()): // by a clock that was set ahead, too
			return
		case due.Before(until):
			until = due
			timer.Reset(until.Sub(l.Now()))
		}
	}
}

// take takes what was told.
func (l *Lane) take() (due time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	due, l.due = l.due, time.Time{}
	return due, !due.IsZero()
}
