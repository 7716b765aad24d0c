package scim

import (
	"context"
	"sync"
)

// lanes lets one write at a time through to each group. Servers exist that read,
// patch and store a group without a lock, and that append a member twice when
// two adds cross; ours at least never cross.
type lanes struct {
	mu   sync.Mutex
	byID map[string]*lane
}

type lane struct {
	turn  chan struct{}
	users int
}

// enter waits for the group's turn and gives the function that ends it.
func (l *lanes) enter(ctx context.Context, id string) (func(), error) {
	l.mu.Lock()
	if l.byID == nil {
		l.byID = map[string]*lane{}
	}
	ln := l.byID[id]
	if ln == nil {
		ln = &lane{turn: make(chan struct{}, 1)}
		l.byID[id] = ln
	}
	ln.users++
	l.mu.Unlock()
	select {
	case ln.turn <- struct{}{}:
		return func() { <-ln.turn; l.leave(id, ln) }, nil
	case <-ctx.Done():
		l.leave(id, ln)
		return nil, ctx.Err()
	}
}

func (l *lanes) leave(id string, ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ln.users--; ln.users == 0 {
		delete(l.byID, id)
	}
}
