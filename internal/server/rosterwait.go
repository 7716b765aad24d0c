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
// may wait it does not ask for. Those who come while it is asked are answered by the next
// asking, together: it began after each of them came.
func (r *roster) upToDate() error {
	r.asked.mu.Lock()
	next := r.asked.next
	if next == nil {
		next = &asking{done: make(chan struct{})}
		r.asked.next = next
		if !r.asked.busy {
			r.asked.busy = true
			go r.answerThem()
		}
	}
	r.asked.mu.Unlock()
	<-next.done
	return next.err
}

// askings are those who are at the door, and wait for the one that is under way, or the next.
type askings struct {
	mu   sync.Mutex
	busy bool
	next *asking // nil: nobody waits for it
}

// asking is one look, and what came of it.
type asking struct {
	done chan struct{}
	err  error
}

// answerThem looks for all who wait, and again for those who came meanwhile.
func (r *roster) answerThem() {
	for {
		r.asked.mu.Lock()
		now := r.asked.next
		if r.asked.next = nil; now == nil {
			r.asked.busy = false
			r.asked.mu.Unlock()
			return
		}
		r.asked.mu.Unlock()
		now.err = r.isUpToDate()
		close(now.done)
	}
}

func (r *roster) isUpToDate() error {
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
