package enginetest

import (
	"sync"
	"time"
)

// Noon is when every fixture begins.
var Noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// Clock is time held by hand. It never goes back.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now tells the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Pass lets a while pass; nothing happens meanwhile.
func (c *Clock) Pass(d time.Duration) { c.To(c.Now().Add(d)) }

// To lets time pass until t, unless that is gone by.
func (c *Clock) To(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}
