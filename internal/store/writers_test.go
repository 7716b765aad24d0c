package store

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// line lets some wait for a turn that is taken, one after the other (m of many that go
// on, any other for themselves), and says in which order they have it then.
func line(t *testing.T, who string) (order string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var w writers
		must(t, w.take(t.Context()))
		var all sync.WaitGroup
		for _, c := range who {
			ctx := t.Context()
			if c == 'm' {
				ctx = GoingOn(ctx)
			}
			all.Go(func() {
				if err := w.take(ctx); err != nil {
					t.Error(err)
				}
				order += string(c)
				w.give()
			})
			synctest.Wait()
		}
		w.give()
		all.Wait()
		if w.taken || len(w.first)+len(w.more) > 0 {
			t.Errorf("somebody has or waits for a turn: %+v", &w)
		}
	})
	return order
}

// Who comes first goes first; what goes on with many goes when nobody else waits, and
// after four of them at the latest.
func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	for who, want := range map[string]string{
		"abc":           "abc",
		"mma":           "amm",
		"ammb":          "abmm",
		"mmabcdefghij":  "abcdmefghmij",
		"abcdem":        "abcdme",
		"mmmabcdefghxy": "abcdmefghmxym",
	} {
		if got := line(t, who); got != want {
			t.Errorf("%s wait: %s, not %s", who, got, want)
		}
	}
}

// Who no longer waits is passed over, also where the turn was already given.
func TestWritersGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w writers
		must(t, w.take(t.Context()))
		ctx, leave := context.WithCancel(t.Context())
		for range 3 {
			go func() {
				if err := w.take(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("a turn for who had left: %v", err)
				}
			}()
		}
		had := make(chan error)
		go func() { had <- w.take(t.Context()) }()
		synctest.Wait()
		leave()
		synctest.Wait()
		w.give()
		must(t, <-had)
		// Given and left at once: whichever is seen, the turn is there again.
		for range 100 {
			ctx, leave := context.WithCancel(t.Context())
			over := make(chan struct{})
			go func() {
				defer close(over)
				if w.take(ctx) == nil {
					w.give()
				}
			}()
			synctest.Wait()
			go leave()
			w.give()
			<-over
			must(t, w.take(t.Context()))
		}
	})
}

// While one writes, and two lanes wait to go on with what they do, somebody comes: theirs
// is the next transaction.
func TestADeedGoesBeforeABatchThatGoesOn(t *testing.T) {
	t.Parallel()
	db := open(t, SQLite)
	var order []string // each is written within a transaction, of which there is one at a time
	in, out := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	do := func(ctx context.Context, name string, do func()) {
		all.Go(func() {
			if err := db.Write(ctx, func(*Tx) error {
				order = append(order, name)
				do()
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	do(t.Context(), "holder", func() { close(in); <-out })
	<-in
	waiting := func(n int) {
		for until := time.Now().Add(time.Minute); ; runtime.Gosched() {
			db.writers.mu.Lock()
			have := len(db.writers.first) + len(db.writers.more)
			db.writers.mu.Unlock()
			if have == n {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("%d wait, of %d", have, n)
			}
		}
	}
	for i, name := range []string{"lane 1", "lane 2", "person"} {
		ctx := t.Context()
		if strings.HasPrefix(name, "lane") {
			ctx = GoingOn(ctx)
		}
		do(ctx, name, func() {})
		waiting(i + 1)
	}
	close(out)
	all.Wait()
	if want := []string{"holder", "person", "lane 1", "lane 2"}; !slices.Equal(order, want) {
		t.Error(order)
	}
}
