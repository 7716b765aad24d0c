package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// writers wait for SQLite's only one, and each has a turn. Who comes first goes first, but
// what goes on with a batch of many goes when nobody else waits, and after a few of them
// at the latest: the many are revocations too. The pool of connections knows no order: it
// picks any of those who wait, and who is not picked waits on.
type writers struct {
	mu     sync.Mutex
	taken  bool
	first  []chan struct{} // who waits, each in the order in which they came
	more   []chan struct{} // … of those who go on with many
	passed int             // how many of the first had their turn since one of the others waited
}

// mostPassed is how many deeds go before a batch that goes on: together they take a few
// times as long as one of its turns.
const mostPassed = 4

// goesOn marks a context of those who go on with many.
type goesOn struct{}

// GoingOn says of the transactions under it that they go on with what one before has
// begun, a batch too large for one: others who write go first.
func GoingOn(ctx context.Context) context.Context { return context.WithValue(ctx, goesOn{}, true) }

// take waits for a turn, which is to be given back if there is no error.
func (w *writers) take(ctx context.Context) error {
	w.mu.Lock()
	if !w.taken {
		w.taken = true
		w.mu.Unlock()
		return nil
	}
	mine, line := make(chan struct{}), &w.first
	if ctx.Value(goesOn{}) != nil {
		line = &w.more
	}
	*line = append(*line, mine)
	w.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	at := slices.Index(*line, mine)
	if at >= 0 {
		*line = slices.Delete(*line, at, at+1)
	}
	w.mu.Unlock()
	if at < 0 { // it was given meanwhile
		w.give()
	}
	return ctx.Err()
}

// give lets the next one have the turn.
func (w *writers) give() {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := &w.first
	switch {
	case len(w.more) == 0:
		w.passed = 0
	case len(w.first) == 0 || w.passed >= mostPassed:
		line, w.passed = &w.more, 0
	default:
		w.passed++
	}
	if len(*line) == 0 {
		w.taken = false
		return
	}
	next := (*line)[0]
	*line = slices.Delete(*line, 0, 1)
	close(next)
}

// theTurn runs do when it is its turn to write; on PostgreSQL it always is.
func (db *DB) theTurn(ctx context.Context, do func() error) error {
	if db.Dialect != SQLite {
		return do()
	}
	if err := db.writers.take(ctx); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer db.writers.give()
	return do()
}
