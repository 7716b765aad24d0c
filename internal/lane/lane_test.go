package lane_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lessor-iam/lessor/internal/lane"
)

// work is due at moments; who takes it up finds all that is due.
type work struct {
	mu     sync.Mutex
	due    []time.Time
	done   []time.Time // when each was taken up
	asked  int         // how often for work
	broken int         // so many times more it fails
	ahead  atomic.Int64
}

func (w *work) add(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = append(w.due, at)
}

func (w *work) take(context.Context, string) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.broken > 0 {
		w.broken--
		return 0, errors.New("no database")
	}
	var left []time.Time
	for _, at := range w.due {
		if at.After(w.now()) {
			left = append(left, at)
			continue
		}
		w.done = append(w.done, time.Now())
		n++
	}
	w.due = left
	return n, nil
}

func (w *work) next(context.Context) (at time.Time, ok bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.due {
		if !ok || d.Before(at) {
			at, ok = d, true
		}
	}
	return at, ok, nil
}

// now is the clock that all go by.
func (w *work) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// begin starts a lane of two for it.
func begin(t *testing.T, w *work) *lane.Lane {
	t.Helper()
	l := lane.New(lane.Config{Work: w.take, Next: w.next, Trouble: func(context.Context, error) {}, Retry: time.Second, Backstop: time.Hour, Now: w.now})
	ctx, stop := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	ended.Go(func() { l.Run(ctx, "one", "two") })
	t.Cleanup(func() { stop(); ended.Wait() })
	synctest.Wait()
	return l
}

// What is due later than it would wake asks nobody for work before.
func TestToldOfLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &work{}
		l := begin(t, w)
		before := w.asked
		for range 1000 {
			w.add(time.Now().Add(24 * time.Hour))
			l.Nudge(time.Now().Add(24 * time.Hour))
			time.Sleep(time.Second)
		}
		if w.asked != before {
			t.Errorf("asked %d times for work that is due tomorrow", w.asked-before)
		}
		time.Sleep(25 * time.Hour)
		if len(w.done) != 1000 {
			t.Errorf("%d done a day later", len(w.done))
		}
	})
}

// What is due sooner is done at its moment, told in whatever order, and at once if that is over.
func TestToldOfSooner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &work{}
		l := begin(t, w)
		began := time.Now()
		for _, in := range []time.Duration{50 * time.Minute, 20 * time.Minute, 40 * time.Minute, 10 * time.Minute, 0} {
			w.add(began.Add(in))
			l.Nudge(began.Add(in))
		}
		time.Sleep(time.Hour)
		for i, in := range []time.Duration{0, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 50 * time.Minute} {
			if i >= len(w.done) || !w.done[i].Equal(began.Add(in)) {
				t.Fatalf("done %v, begun %s", w.done, began)
			}
		}
	})
}

// What it was not told of it finds by itself, within the backstop; errors are waited out.
func TestToldOfNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &work{broken: 10}
		begin(t, w)
		w.add(time.Now())
		time.Sleep(time.Hour + 10*time.Second)
		if len(w.done) != 1 {
			t.Errorf("done %v", w.done)
		}
	})
}

// What is due by a clock that was set ahead is done at once, if told.
func TestTheClockIsSetAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &work{}
		w.add(time.Now().Add(30 * time.Minute))
		l := begin(t, w)
		w.ahead.Store(int64(2 * time.Hour))
		l.Nudge(w.now())
		synctest.Wait()
		if len(w.done) != 1 {
			t.Error("it sleeps on by a clock that is no more")
		}
	})
}
