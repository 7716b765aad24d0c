package jira

import (
	"context"
	"sync"
)

// turns lets one reading or telling at a time through to each ticket of this
// process: two at once would say everything twice.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

type turn struct {
	free  chan struct{}
	users int
}

// take waits for the ticket's turn and returns what gives it back.
func (t *turns) take(ctx context.Context, id string) (give func(), err error) {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	at := t.of[id]
	if at == nil {
		at = &turn{free: make(chan struct{}, 1)}
		t.of[id] = at
	}
	at.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if at.users--; at.users == 0 {
			delete(t.of, id)
		}
	}
	select {
	case at.free <- struct{}{}:
		return func() { <-at.free; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
