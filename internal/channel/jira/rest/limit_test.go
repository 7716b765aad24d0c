package rest_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

// world is a clock and a Jira that refuses as told.
type world struct {
	now    time.Time
	refuse []answer // while there are some
	player
}

func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	a := answer{body: `{"id":"10010","fields":{}}`}
	if len(w.refuse) > 0 {
		a, w.refuse = w.refuse[0], w.refuse[1:]
	}
	w.answers = []answer{a}
	return w.player.RoundTrip(r)
}

func (w *world) dial(t *testing.T, jitter float64) rest.Site {
	t.Helper()
	s, err := rest.New(rest.Config{Kind: rest.Cloud, Base: "https://example.atlassian.net", Token: func() string { return token },
		Transport: w, Now: func() time.Time { return w.now }, Jitter: func() float64 { return jitter }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJiraIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		wait   time.Duration
	}{
		{"seconds", 429, h("Retry-After", "30"), 30 * time.Second},
		{"as documented", 429, h("Retry-After", "1847", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "2025-10-08T15:00:00Z", "RateLimit-Reason", "jira-quota-global-based"), 1847 * time.Second},
		{"an ISO time", 429, h("X-RateLimit-Reset", "2026-11-25T12:05:00Z"), 5 * time.Minute},
		{"an ISO time without seconds", 429, h("X-RateLimit-Reset", "2026-11-25T12:05Z"), 5 * time.Minute},
		{"an HTTP date", 429, h("Retry-After", "Wed, 25 Nov 2026 12:01:00 GMT"), time.Minute},
		{"a time that is past", 429, h("X-RateLimit-Reset", "2026-11-25T11:00:00Z"), time.Second},
		{"now", 429, h("Retry-After", "0"), time.Second},
		{"a year", 429, h("Retry-After", "31536000"), time.Hour},
		{"no number", 429, h("Retry-After", "NaN"), 2 * time.Second},
		{"for ever", 429, h("Retry-After", "+Inf"), time.Hour},
		{"nonsense", 429, h("Retry-After", "soon", "X-RateLimit-Reset", "1764072000"), 2 * time.Second},
		{"no header", 429, nil, 2 * time.Second},
		{"503 with", 503, h("Retry-After", "60"), time.Minute},
		{"503 without", 503, nil, 2 * time.Second},
	} {
		w := &world{now: noon, refuse: []answer{{status: c.status, header: c.header}}}
		s := w.dial(t, 0)
		var e *rest.Error
		if _, err := s.Issue(soon(t), "10010"); !errors.As(err, &e) || e.Wait != c.wait {
			t.Errorf("%s: %v, want to wait %s", c.name, err, c.wait)
			continue
		}
		// Until then nothing is sent, and nobody is kept waiting.
		w.now = noon.Add(c.wait - time.Millisecond)
		for range 3 {
			_, err := s.Myself(soon(t))
			if !errors.Is(err, rest.ErrLimited) || !errors.As(err, &e) || e.Wait != time.Millisecond || e.Status != 0 {
				t.Errorf("%s, held back: %v", c.name, err)
			}
		}
		if len(w.got) != 1 {
			t.Errorf("%s: %d requests were sent", c.name, len(w.got))
		}
		w.now = noon.Add(c.wait)
		if _, err := s.Issue(soon(t), "10010"); err != nil || len(w.got) != 2 {
			t.Errorf("%s, afterwards: %v", c.name, err)
		}
	}
}

// Without a word on how long, waits double up to a bound, and begin anew once it went well.
func TestWaitsGrow(t *testing.T) {
	t.Parallel()
	w := &world{now: noon}
	s := w.dial(t, 0)
	try := func() time.Duration {
		var e *rest.Error
		if _, err := s.Issue(soon(t), "10010"); errors.As(err, &e) {
			w.now = w.now.Add(e.Wait)
			return e.Wait
		}
		return 0
	}
	w.refuse = make([]answer, 12)
	for i := range w.refuse {
		w.refuse[i] = answer{status: 429}
	}
	var got []time.Duration
	for range 13 {
		got = append(got, try())
	}
	for i, want := range []time.Duration{2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 0} {
		if got[i] != want*time.Second {
			t.Errorf("wait %d is %s, want %d s", i, got[i], want)
		}
	}
	w.refuse = []answer{{status: 429}}
	if wait := try(); wait != 2*time.Second {
		t.Errorf("after a good answer it waits %s", wait)
	}
	late := &world{now: noon, refuse: []answer{{status: 429}}}
	s = late.dial(t, 0.5)
	var e *rest.Error
	if _, err := s.Issue(soon(t), "10010"); !errors.As(err, &e) || e.Wait != 2500*time.Millisecond {
		t.Errorf("with jitter: %v", err)
	}
}
