package rest

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	firstWait   = 2 * time.Second // after a refusal without a word on how long
	longestWait = 10 * time.Minute
	// longestAsked bounds what Jira may ask for: its longest window is an hour, and
	// a wrong clock at its end must not silence us for a year.
	longestAsked = time.Hour
)

// limiter holds back all calls to a site while it wants to be left alone.
type limiter struct {
	now    func() time.Time
	jitter func() float64 // in [0,1)

	mu    sync.Mutex
	until time.Time
	row   int // refusals in a row that did not say for how long
}

// held tells how long calls must still wait.
func (l *limiter) held() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.until.Sub(l.now()), 0)
}

// refused notes a 429 or 503 and gives the wait. Where Jira does not say how long,
// it doubles, with jitter, as many of us may have been refused at once.
func (l *limiter) refused(h http.Header) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	wait, ok := asked(h, now)
	if ok {
		wait = min(max(wait, time.Second), longestAsked)
	} else {
		// Calls under way at once are refused together: they count once.
		if !l.until.After(now) {
			l.row++
		}
		wait = min(firstWait<<min(max(l.row-1, 0), 20), longestWait)
		wait += time.Duration(l.jitter() * float64(wait) / 2)
	}
	if at := now.Add(wait); at.After(l.until) {
		l.until = at
	}
	return l.until.Sub(now)
}

// passed notes that a call was answered. One sent before a refusal tells nothing.
func (l *limiter) passed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.until.After(l.now()) {
		l.row = 0
	}
}

// asked reads how long Jira wants to be left alone: seconds, a date, or the ISO
// time at which its window begins anew.
func asked(h http.Header, now time.Time) (time.Duration, bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 {
		return time.Duration(min(n, longestAsked.Seconds()) * float64(time.Second)), true
	}
	if at, err := http.ParseTime(v); err == nil {
		return at.Sub(now), true
	}
	if at := instant(h.Get("X-RateLimit-Reset")); !at.IsZero() {
		return at.Sub(now), true
	}
	return 0, false
}
