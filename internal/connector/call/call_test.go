package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// line leads to a service that answers so.
func line(t *testing.T, answer http.HandlerFunc, change ...func(*Config)) *Line {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	cfg := Config{Base: server.URL, Client: server.Client(), Timeout: 20 * time.Second, Parallel: 2, MaxBody: 64,
		Type: "application/json", Not: "not ours",
		Sign:    func(r *http.Request) error { r.Header.Set("Authorization", "Bearer t0ken"); return nil },
		Refusal: func(resp *http.Response, _ []byte) error { return Meaning(resp.StatusCode) }}
	for _, f := range change {
		f(&cfg)
	}
	l := New(cfg)
	t.Cleanup(l.Close)
	return l
}

// What comes back says whether anything may have been done.
func TestOutcome(t *testing.T) {
	t.Parallel()
	noToken := errors.New("no token")
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		change func(*Config)
		want   error
		says   string
	}{
		"an answer": {answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"a":1}`) }},
		"a long answer": {answer: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `"`+strings.Repeat("a", 99)+`"`)
		},
			want: connector.ErrRefused, says: "over 64 bytes"},
		"no JSON": {answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) },
			want: connector.ErrRefused, says: "not ours"},
		"a broken answer": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "20")
			_, _ = io.WriteString(w, `{"a":`)
		}, want: connector.ErrUnanswered},
		"a broken line": {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: connector.ErrUnanswered},
		"a status":      {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, want: connector.ErrRefused},
		"no token": {answer: func(http.ResponseWriter, *http.Request) { t.Error("it was sent all the same") },
			change: func(c *Config) { c.Sign = func(*http.Request) error { return noToken } }, want: noToken},
		"silence": {answer: func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body); <-r.Context().Done() },
			change: func(c *Config) { c.Timeout = 300 * time.Millisecond }, want: connector.ErrUnanswered},
		"nobody there": {answer: func(http.ResponseWriter, *http.Request) {},
			change: func(c *Config) {
				c.Client = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					return nil, errors.New("no route")
				}}}
			}, want: connector.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := line(t, c.answer)
			if c.change != nil {
				l = line(t, c.answer, c.change)
			}
			var out any
			_, err := l.Do(t.Context(), http.MethodPost, "/x", 1, &out)
			if !errors.Is(err, c.want) || c.want != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v %q", err, c.want, c.says)
			}
			if err == nil && fmt.Sprint(out) != "map[a:1]" {
				t.Errorf("read %v", out)
			}
		})
	}
}

// No more calls are under way than the line lets through, whoever waits gives up when
// its time is up, and Close ends them all.
func TestBounded(t *testing.T) {
	t.Parallel()
	var inside atomic.Int32
	entered := make(chan struct{}, 9)
	l := line(t, func(_ http.ResponseWriter, r *http.Request) {
		if inside.Add(1) > 2 {
			t.Error("a third call at once")
		}
		entered <- struct{}{}
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	})
	ends := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := l.Do(t.Context(), http.MethodPut, "/x", 1, nil)
			ends <- err
		}()
		<-entered
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := l.Do(ctx, http.MethodGet, "/x", nil, nil); !errors.Is(err, connector.ErrUnreachable) {
		t.Errorf("a call that had to wait for too long: %v", err)
	}
	l.Close()
	for range 2 {
		if err := <-ends; !errors.Is(err, connector.ErrUnanswered) {
			t.Errorf("a call that Close ended: %v", err)
		}
	}
	if _, err := l.Do(t.Context(), http.MethodGet, "/x", nil, nil); !errors.Is(err, connector.ErrUnreachable) {
		t.Errorf("a call after Close: %v", err)
	}
}

func TestMeaning(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]error{
		301: connector.ErrRefused, 303: connector.ErrUnanswered, 400: connector.ErrRefused, 404: connector.ErrRefused,
		408: connector.ErrUnanswered, 429: connector.ErrRefused, 500: connector.ErrUnanswered, 501: connector.ErrRefused, 504: connector.ErrUnanswered,
	} {
		if got := Meaning(code); !errors.Is(got, want) {
			t.Errorf("%d: %v, want %v", code, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	req := &http.Request{Header: http.Header{"Authorization": {"Bearer t0ken"}}}
	if got, want := Quote("bad t0ken\nthere, ééé", req, 21), `"bad [token]\nthere, éé"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestUnsent(t *testing.T) {
	t.Parallel()
	err := Unsent(fmt.Errorf("%w: GET /x: eof", connector.ErrUnanswered))
	if !errors.Is(err, connector.ErrUnreachable) || errors.Is(err, connector.ErrUnanswered) || !strings.Contains(err.Error(), "GET /x: eof") {
		t.Error(err)
	}
	if err := Unsent(connector.ErrRefused); !errors.Is(err, connector.ErrRefused) {
		t.Error(err)
	}
}
