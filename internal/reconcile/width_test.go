package reconcile_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

// meeting is a target whose changes wait until two batches of them are under way.
type meeting struct {
	*enginetest.Target
	came chan struct{}
}

func (m meeting) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	select {
	case m.came <- struct{}{}:
	case <-m.came:
	case <-ctx.Done():
		return nil
	}
	return m.Target.Apply(ctx, changes)
}

// While one batch waits for the target another is claimed: a slow answer to the one
// does not keep the other past its end.
func TestBatchesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := enginetest.Open(t, store.SQLite, enginetest.Virtual)
		target := f.Targets["dir"]
		target.Batch = 1
		lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: meeting{target, make(chan struct{})}, Holder: "wide", Width: 2,
			Pace: f.Engine.Pace, Backstop: time.Minute, Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { lane.Run(ctx); close(ended) }()
		f.Granted("eve", wiki(hour), "mia")
		f.Granted("bob", wiki(hour), "mia")
		lane.Nudge(time.Now())
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if !target.Holds("eve", "wiki") || !target.Holds("bob", "wiki") {
			t.Errorf("held are %v: one batch waited for the other", target.Held())
		}
		time.Sleep(time.Duration(hour) + 100*time.Millisecond)
		synctest.Wait()
		if held := target.Held(); len(held) > 0 {
			t.Errorf("held after their end: %v", held)
		}
		cancel()
		<-ended
		f.Check()
	})
}

// hanging is a target whose changes of one account wait until they may go on.
type hanging struct {
	*enginetest.Target
	account string
	on      atomic.Pointer[chan struct{}] // nil: they do not wait
}

func (h *hanging) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	if on := h.on.Load(); on != nil && changes[0].Account == h.account {
		select {
		case <-*on:
		case <-ctx.Done():
		}
	}
	return h.Target.Apply(ctx, changes)
}

// What comes due while one batch waits for the target is the other's, who slept when
// the first was claimed.
func TestWhatComesDueMeanwhileIsTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := enginetest.Open(t, store.SQLite, enginetest.Virtual)
		target := &hanging{Target: f.Targets["dir"], account: "bob"}
		lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: "wide", Width: 2,
			Pace: f.Engine.Pace, Backstop: 24 * time.Hour, Now: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { lane.Run(ctx); close(ended) }()
		f.Granted("bob", wiki(hour-access.Term(time.Second)), "mia")
		f.Granted("eve", wiki(hour), "mia")
		lane.Nudge(time.Now()) // both in one batch; the other sleeps on
		time.Sleep(time.Second)
		synctest.Wait()
		on := make(chan struct{})
		target.on.Store(&on)
		time.Sleep(time.Duration(hour) - 1500*time.Millisecond) // bob's is over, eve's is soon
		synctest.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !target.Holds("bob", "wiki") || target.Holds("eve", "wiki") {
			t.Errorf("held are %v, want bob's alone: the target keeps that waiting, and eve's is over", target.Held())
		}
		close(on)
		cancel()
		<-ended
		f.Check()
	})
}
