package jirasim

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFaultsStrikeBeforeOrAfterTheDeed runs each over a real connection and
// looks whether the comment is there.
func TestFaultsStrikeBeforeOrAfterTheDeed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  Fault
		status int // 0 means no answer
		done   bool
	}{
		{"503", Fault{Status: 503}, 503, false},
		{"500 after", Fault{Status: 500, After: true}, 500, true},
		{"429 with a wait", Limit429(time.Minute), 429, false},
		{"hang", Fault{Hang: true}, 0, false},
		{"hang after", Fault{Hang: true, After: true}, 0, true},
		{"cut", Fault{Cut: true}, 0, false},
		{"cut after", Fault{Cut: true, After: true}, 0, true},
		{"slow", Fault{Delay: time.Millisecond}, 201, true},
		{"another path", Fault{Path: "/rest/api/3/issue/*/transitions", Status: 503}, 201, true},
		{"this path", Fault{Method: "POST", Path: "/rest/api/3/issue/*/comment", Status: 503}, 503, false},
		{"all paths below", Fault{Path: "/rest/api/**", Status: 503}, 503, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			tk := r.raised(t)
			server := httptest.NewServer(r)
			defer server.Close()
			r.Break(c.fault)
			status := say(t, server, tk.ID)
			want(t, "status", status, c.status)
			got, _ := r.Ticket(tk.ID)
			want(t, "done", len(got.Comments) == 1, c.done)
			want(t, "the next one is answered", say(t, server, tk.ID), 201)
		})
	}
}

// say posts one and gives the status, 0 when no whole answer came in time.
func say(t *testing.T, server *httptest.Server, issue string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	body := `{"body":{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"x"}]}]}}`
	req, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/rest/api/3/issue/"+issue+"/comment", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("lessor@example.com", "token-lessor")
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		return 0
	}
	return resp.StatusCode
}

func TestFaultsEnd(t *testing.T) {
	t.Parallel()
	r := setup(t)
	get := func() int { return r.ask(t, lessor, "GET", "/rest/api/3/myself", "").status }
	r.Break(Fault{Status: 503, Times: 2})
	want(t, "first", get(), 503)
	want(t, "second", get(), 503)
	want(t, "third", get(), 200)
	mend := r.Break(Fault{Status: 500, Times: -1})
	for range 5 {
		want(t, "always", get(), 500)
	}
	mend()
	want(t, "mended", get(), 200)
	r.Outage(true)
	want(t, "outage", get(), 503)
	want(t, "the page in an outage", r.get("/").Code, 503)
	if err := r.As(ExampleAgent).Edit("ACC-1", nil); err == nil {
		t.Error("there is no such ticket")
	}
	r.Outage(false)
	want(t, "after it", get(), 200)
}

func TestLimitsInEveryDress(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.Break(Limit429(1847 * time.Second))
	a := r.ask(t, lessor, "GET", "/rest/api/3/myself", "")
	want(t, "seconds", a.header.Get("Retry-After"), "1847")
	r.Break(Limit429Until(time.Date(2025, 10, 8, 15, 0, 0, 0, time.UTC)))
	a = r.ask(t, lessor, "GET", "/rest/api/3/myself", "")
	want(t, "ISO", a.header.Get("X-RateLimit-Reset"), "2025-10-08T15:00:00Z")
	want(t, "no seconds", a.header.Get("Retry-After"), "")
	r.Break(Fault{Status: 429})
	a = r.ask(t, lessor, "GET", "/rest/api/3/myself", "")
	want(t, "bare", a.header.Get("Retry-After")+a.header.Get("X-RateLimit-Reset"), "")
}

func TestTheRateIsKept(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *Config) { c.Rate = Rate{Calls: 3, Per: time.Minute} })
	get := func() answer { return r.ask(t, lessor, "GET", "/rest/api/3/myself", "") }
	for range 3 {
		want(t, "inside", get().status, 200)
	}
	r.clock.move(20 * time.Second)
	a := get()
	want(t, "beyond", a.status, 429)
	want(t, "the wait", a.header.Get("Retry-After"), "40")
	r.clock.move(40 * time.Second)
	want(t, "after the wait", get().status, 200)
	calls := r.Calls()
	want(t, "calls noted", len(calls), 5)
	want(t, "the refused one", calls[3].Status, 429)
	want(t, "who called", calls[4].User, ExampleBot)
}

func TestRunDeliversWhenDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		in := &inbox{answers: []int{503}}
		s, err := New(Config{URL: "https://acme.example.net", Site: Example(), Now: time.Now, Send: in.send})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		if err := s.AddWebhook(Webhook{URL: "https://lessor.example"}); err != nil {
			t.Fatal(err)
		}
		r := &room{Sim: s}
		r.raised(t)
		synctest.Wait()
		want(t, "sent at once", in.count(), 1)
		time.Sleep(10 * time.Minute) // in the bubble's time
		synctest.Wait()
		want(t, "and again after a refusal", in.count(), 2)
		s.Outage(true)
		r.raised(t)
		time.Sleep(time.Hour)
		want(t, "nothing in an outage", in.count(), 2)
		s.Outage(false)
		synctest.Wait()
		want(t, "after it", in.count(), 3)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
