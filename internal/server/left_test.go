package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lessor-iam/lessor/internal/store"
)

// Whatever becomes of the words that one replica says and of the looks that another takes,
// nothing is taken up that its worker may still go on with; and what a worker left that
// has died is, in time.
func TestNobodyTakesUpWhatIsGoneOnWith(t *testing.T) {
	t.Parallel()
	slowest := time.Duration(0)
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 12))
			one := &worked{rng: rand.New(rand.NewPCG(seed, 21)), trouble: seed%3 != 0}
			one.hold.renew(time.Now())
			ctx, end := context.WithCancel(t.Context())
			var lives sync.WaitGroup
			lives.Go(func() { onTick(ctx, replicaEvery, one.speaks) })
			two, taken := signs{}, 0
			look := func() {
				<-time.After(some(rng, replicaEvery)) // a database takes its time
				begun, goesOn := []store.Begun{{Kind: "x", By: workerName("one")}}, one.hold.until()
				asked := time.Now()
				words := one.words()
				<-time.After(some(rng, replicaEvery))
				if len(two.gone(begun, words, asked, time.Now())) > 0 {
					if taken++; goesOn.Err() == nil {
						t.Errorf("seed %d: taken up while its worker goes on", seed)
					}
				}
			}
			for range 60 {
				<-time.After(replicaEvery)
				if one.trouble && rng.IntN(6) == 0 {
					<-time.After(some(rng, 20*time.Second)) // whoever looks stands still, too
				}
				look()
			}
			if !one.trouble && taken > 0 {
				t.Errorf("seed %d: taken up although its worker said all the time that it lives", seed)
			}
			end()
			lives.Wait()
			died := time.Now()
			for before := taken; taken == before; {
				<-time.After(replicaEvery)
				look()
			}
			slowest = max(slowest, time.Since(died))
		})
	}
	t.Logf("taken up at most %s after the last word", slowest)
	if slowest > 30*time.Second { // its looks take up to four seconds each
		t.Errorf("it takes %s", slowest)
	}
}

// worked is a replica whose words may be late, lost, or heard although it does not know.
type worked struct {
	rng     *rand.Rand
	trouble bool
	hold    hold
	mu      sync.Mutex
	said    time.Time
}

// some part of a time.
func some(rng *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(most)))
}

func (w *worked) speaks() {
	began, how := time.Now(), 0
	if w.trouble {
		how = w.rng.IntN(4)
	}
	switch how {
	case 1: // not heard
		<-time.After(longestBeat)
		return
	case 2: // heard, and the answer lost
		w.says(began)
		return
	case 3: // heard late
		<-time.After(some(w.rng, longestBeat))
		if w.rng.IntN(3) == 0 {
			<-time.After(some(w.rng, 15*time.Second)) // and then it stood still
		}
	}
	w.says(began)
	w.hold.renew(began)
}

func (w *worked) says(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = at
}

func (w *worked) words() []store.Replica {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said.IsZero() {
		return nil
	}
	return []store.Replica{{ID: "one", Seen: w.said}}
}

// Work is stopped in the middle when the replica could not say for too long that it lives,
// says why, and is not begun then either; after its next word it is.
func TestWorkIsStoppedWhenUnheard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hold{}
		w := &whileHeld{holding: h}
		if err := w.Work(t.Context(), nil, func(ctx context.Context) error { return ctx.Err() }); err != nil || h.until() != nil {
			t.Errorf("where nobody else works: %v", err)
		}
		h.renew(time.Now())
		began := time.Now()
		untilStopped := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		if err := w.Work(t.Context(), nil, untilStopped); !errors.Is(err, errUnheard) || time.Since(began) != workerHolds {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if err := w.Work(t.Context(), nil, untilStopped); !errors.Is(err, errUnheard) || time.Since(began) != workerHolds {
			t.Errorf("begun when it may not be: after %s, %v", time.Since(began), err)
		}
		h.renew(time.Now())
		if err := w.Work(t.Context(), nil, func(ctx context.Context) error { return ctx.Err() }); err != nil {
			t.Errorf("heard again: %v", err)
		}
		// Each word prolongs it, for what is under way, too.
		began = time.Now()
		go func() {
			for range 10 {
				<-time.After(replicaEvery)
				h.renew(time.Now())
			}
		}()
		if err := w.Work(t.Context(), nil, untilStopped); !errors.Is(err, errUnheard) || time.Since(began) != 10*replicaEvery+workerHolds {
			t.Errorf("with ten more words it is stopped after %s: %v", time.Since(began), err)
		}
	})
}

// Who has not looked for a while begins to watch anew, and work of other programs is left alone.
func TestSigns(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	old := []store.Replica{{ID: "a", Seen: noon}}
	w := signs{}
	look := func(after time.Duration, words []store.Replica, by ...string) (n int) {
		begun := []store.Begun{}
		for _, b := range by {
			begun = append(begun, store.Begun{By: b})
		}
		at := noon.Add(after)
		return len(w.gone(begun, words, at, at))
	}
	for after := range int64(12) {
		if n := look(time.Duration(after)*time.Second, old, "lessor/a", "other_2026"); n != 0 {
			t.Fatalf("after %d s: %d", after, n)
		}
	}
	if n := look(12*time.Second, old, "lessor/a", "lessor/a", "other_2026", "lessor/new"); n != 2 {
		t.Errorf("after 12 s: %d, want both of a", n)
	}
	if n := look(18*time.Second, old, "lessor/a"); n != 0 {
		t.Errorf("nobody looked meanwhile: %d", n)
	}
	for after := range int64(12) {
		look(time.Duration(19+after)*time.Second, nil, "lessor/a") // it has left
	}
	if n := look(31*time.Second, nil, "lessor/a"); n != 1 {
		t.Errorf("12 s after it has left: %d", n)
	}
}
