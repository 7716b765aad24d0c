package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// How pages are told that what they show has changed. A stream says so and no
// more: the page then looks again, as anybody who loads it.
const (
	streamEvery = 500 * time.Millisecond // how soon at the latest
	streamLife  = time.Minute            // the browser comes again by itself, and is asked who it is
	mostStreams = 1000
	mostOfOne   = 20 // … of one person: nobody takes them all
)

// streams counts those that are open, and ends them with the server. One looks at
// a time: however many there are, deeds and pages have the rest of the machine.
type streams struct {
	mu     sync.Mutex
	open   int
	of     map[string]int // identity -> open ones
	turn   sync.Mutex
	once   sync.Once
	ending chan struct{}
}

// begin counts one more of a person's; false if there are enough.
func (s *streams) begin(who string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= mostStreams || s.of[who] >= mostOfOne {
		return false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.open, s.of[who] = s.open+1, s.of[who]+1
	return true
}

func (s *streams) end(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open, s.of[who] = s.open-1, s.of[who]-1; s.of[who] == 0 {
		delete(s.of, who)
	}
}

// tagOf is what a page shows, as a short text.
func tagOf(shows ...any) string { return access.Digest(shows)[7:23] }

// shown answers whoever shows this page already that nothing is new.
func (v *visit) shown(tag string) bool {
	if v.r.URL.Query().Get("tag") != tag {
		return false
	}
	v.w.WriteHeader(http.StatusNoContent)
	return true
}

// liveAt is where a page hears that what it shows has changed.
func liveAt(on, tag string) string { return "/live?" + url.Values{"on": {on}, "tag": {tag}}.Encode() }

// tagNow is the tag of a page as it would be made now, by the page itself.
func (v *visit) tagNow(on string) (string, error) {
	v.dir, v.now = v.Directory(), v.Now().UTC()
	switch what, id, _ := strings.Cut(on, ":"); what {
	case "request":
		view, err := v.tellAll(id, false)
		return view.Tag, err
	case "grant":
		view, err := v.grantOf(id)
		return view.Tag, err
	case "access":
		view, err := v.holdings()
		return view.Tag, err
	case "work":
		view, err := v.work()
		return view.Tag, unknown(err)
	}
	return "", fmt.Errorf("%w: nothing of that name changes", access.ErrNotFound)
}

// live is a stream of server-sent events: one whenever the page that asks would be
// another one now. Whoever may not have the page has no stream of it.
func (p *portal) live(v *visit) error {
	// 1. May they, and what do they show.
	on, tag := v.r.FormValue("on"), v.r.FormValue("tag")
	now, err := v.tagNow(on)
	if err != nil {
		return err
	}
	if !p.stream.begin(v.by.Identity) {
		v.trouble(http.StatusServiceUnavailable, "Too many look on", "The page looks again by itself, a little slower.")
		return nil
	}
	defer p.stream.end(v.by.Identity)
	end := p.ends(v.r)
	// 2. A stream outlives the bounds of an ordinary answer.
	c := http.NewResponseController(v.w)
	_, _ = c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}) // where the server has none, there is nothing to lift
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.WriteHeader(http.StatusOK)
	send := func(text string) bool {
		_, err := fmt.Fprint(v.w, text)
		return err == nil && c.Flush() == nil
	}
	if !send("retry: 1000\n\n") {
		return nil
	}
	// 3. Until it is over.
	tick, over := time.NewTicker(streamEvery), time.NewTimer(streamLife)
	defer tick.Stop()
	defer over.Stop()
	for pulse := ""; ; {
		if now != tag {
			if tag = now; !send("event: changed\ndata: " + tag + "\n\n") {
				return nil
			}
		}
		select {
		case <-v.r.Context().Done():
			return nil
		case <-end:
			return nil
		case <-over.C:
			return nil
		case <-tick.C:
		}
		beat, err := p.Proof.Pulse(v.r.Context())
		if err != nil || beat == pulse {
			continue // whoever asked has gone, or nothing has happened
		}
		pulse = beat
		p.stream.turn.Lock()
		now, err = v.tagNow(on)
		p.stream.turn.Unlock()
		if err != nil {
			return nil // it is no longer theirs to know of; the page will say so
		}
	}
}

// ends is closed when the server is told to stop: it waits for every answer, and
// a stream is one that does not end by itself.
func (p *portal) ends(r *http.Request) <-chan struct{} {
	p.stream.once.Do(func() {
		p.stream.ending = make(chan struct{})
		if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
			s.RegisterOnShutdown(sync.OnceFunc(func() { close(p.stream.ending) }))
		}
	})
	return p.stream.ending
}
