package server

import (
	"context"
	"sync"
	"time"
)

// joinEvery is how often at most the directory is made anew because of words that may
// wait: a provider's first load has tens of thousands, and each would cost as much as
// all of them.
const joinEvery = 250 * time.Millisecond

// patience is the one reading that is waited for by whatever may wait.
type patience struct {
	mu      sync.Mutex
	timer   *time.Timer // nil: nobody waits
	closed  bool
	reading sync.WaitGroup
}

// later has what may wait read soon, once for all that is said until then.
func (r *roster) later(read func()) {
	p := &r.waits
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil || p.closed {
		return
	}
	p.reading.Add(1)
	p.timer = time.AfterFunc(joinEvery, func() {
		defer p.reading.Done()
		p.mu.Lock()
		p.timer = nil // whatever is said from here on has a reading of its own
		p.mu.Unlock()
		read()
	})
}

// rest ends the waiting: the database is about to be closed.
func (r *roster) rest() {
	p := &r.waits
	p.mu.Lock()
	p.closed = true
	if p.timer != nil && p.timer.Stop() {
		p.reading.Done()
	}
	p.mu.Unlock()
	p.reading.Wait()
}

// upToDate has in force what must not wait: that somebody has left, or is suspended. What
// may wait it does not ask for.
func (r *roster) upToDate() error {
	ctx, cancel := context.WithTimeout(context.Background(), rosterWait)
	defer cancel()
	urgent, err := r.db.Urgent(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	version := r.version
	r.mu.Unlock()
	if urgent <= version {
		return nil
	}
	return r.keepUp(ctx)
}

// sees waits until the directory in force has what was stored before, together with
// whoever else waits for it.
func (r *roster) sees(ctx context.Context) error {
	asked := time.Now()
	r.sight.Lock()
	defer r.sight.Unlock()
	r.mu.Lock()
	asOf := r.asOf
	r.mu.Unlock()
	if asOf.After(asked) {
		return nil
	}
	wait := time.NewTimer(joinEvery - asked.Sub(asOf))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return r.keepUp(ctx)
	}
}
