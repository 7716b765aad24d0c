package watch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/trace"
	"github.com/lessor-iam/lessor/internal/trace/otlp"
	"github.com/lessor-iam/lessor/internal/trace/otlp/otlptest"
	"github.com/lessor-iam/lessor/internal/watch"
)

// A request is asked for and voted on at one replica, and given, ended and removed by
// another, which knows of it by the database alone: all of it is one trace, that of
// whoever asked, and nobody is named in it.
func TestOneTrace(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		collector := otlptest.New(t)
		replica := func() (*watch.Spans, func()) {
			out := otlp.New(otlp.Config{Endpoint: collector.URL, Client: collector.Client(), Every: time.Hour, Batch: 1000, Waiting: 1000, CallWithin: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
			s := watch.NewSpans(f.DB, out, slog.New(slog.DiscardHandler))
			return s, func() { // what waits is made and sent at the end
				over, cancel := context.WithCancel(t.Context())
				cancel()
				s.Run(over)
				out.Run(over)
				if sent, dropped := s.Counts(); sent == 0 || dropped != 0 {
					t.Errorf("sent %d, dropped %d", sent, dropped)
				}
			}
		}
		asks, askedEnd := replica()
		works, workedEnd := replica()
		f.Engine.Watch = asks.Verb
		lane := f.Lane("dir", "other")
		lane.Under = watch.Begin
		lane.Watch = func(ctx context.Context, turn reconcile.Turn) { works.Turn(ctx, turn) }
		work := func() {
			t.Helper()
			for {
				n, err := lane.Once(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					return
				}
			}
		}
		caller, _ := trace.Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		r, err := f.Engine.Submit(trace.With(t.Context(), caller), f.As("eve"), engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to do my work", Term: access.Term(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if r = f.Approve("mia", r); r.State != access.Approved {
			t.Fatalf("%+v", r)
		}
		work()
		f.Clock.Pass(2 * time.Hour)
		f.Targets["dir"].BreakLook(enginetest.Blind)
		work()
		f.Clock.Pass(time.Minute)
		work()
		askedEnd()
		workedEnd()

		spans := collector.Spans()
		first := trace.Of(r.ID).Span.String()
		names := map[string]int{}
		ids := map[string]bool{}
		for _, s := range spans {
			if ids[s.SpanID] {
				t.Errorf("a second span %s: %+v", s.SpanID, s)
			}
			ids[s.SpanID] = true
			if s.TraceID == caller.Trace.String() {
				names[s.Name]++
			} else if s.Name != "batch" {
				t.Errorf("of another trace: %+v", s)
			}
			if s.Name == "submit" && (s.SpanID != first || s.ParentID != caller.Span.String()) {
				t.Errorf("the first span: %+v", s)
			}
		}
		for _, s := range spans {
			switch {
			case s.Name == "batch" || s.Name == "submit":
			case !ids[s.ParentID]:
				t.Errorf("its parent is nowhere: %+v", s)
			case slices.Contains([]string{"claim", "look", "act", "settle"}, s.Name) && (s.ParentID != first || len(s.Links) != 1 || !ids[s.Links[0].SpanID]):
				t.Errorf("a step: %+v", s)
			}
		}
		for name, least := range map[string]int{"submit": 1, "decide": 1, "vote": 1, "conclude": 1, "claim": 2, "look": 3, "act": 2, "settle": 3} {
			if names[name] < least {
				t.Errorf("%d spans %s, of at least %d: %v", names[name], name, least, names)
			}
		}
		if !slices.ContainsFunc(spans, func(s otlptest.Span) bool {
			return s.Name == "settle" && s.Status != nil && s.Status.Message == "troubled"
		}) {
			t.Error("no span says that a look failed")
		}
		for _, name := range []string{"eve", "mia", "to do my work"} {
			if strings.Contains(collector.Text(), `"`+name) {
				t.Errorf("%q is in what was sent", name)
			}
		}
		f.Check()
	})
}

// Who never hears of a caller's trace finds the same one on each replica.
func TestTraceByItself(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	collector := otlptest.New(t)
	out := otlp.New(otlp.Config{Endpoint: collector.URL, Client: collector.Client(), Every: time.Hour, Batch: 1000, Waiting: 1000, CallWithin: 10 * time.Second, Log: slog.New(slog.DiscardHandler)})
	s := watch.NewSpans(f.DB, out, slog.New(slog.DiscardHandler))
	f.Engine.Watch = s.Verb
	r := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	f.Approve("mia", r)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	s.Run(over)
	out.Run(over)
	for _, span := range collector.Spans() {
		if span.TraceID != trace.Of(r.ID).Trace.String() {
			t.Errorf("%+v", span)
		}
	}
	if n := len(collector.Spans()); n < 4 {
		t.Errorf("%d spans", n)
	}
	f.Check()
}

// A collector that refuses, hangs up or is too slow costs spans, which are counted,
// and nothing else.
func TestSpansAreDropped(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	answer := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		answer(w, r)
	}))
	defer server.Close()
	var said strings.Builder
	out := otlp.New(otlp.Config{Endpoint: server.URL, Client: server.Client(), Every: time.Hour, Batch: 10, Waiting: 10, CallWithin: 10 * time.Second, Log: slog.New(slog.NewTextHandler(&said, nil))})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for range 25 {
		out.Add(otlp.Span{Name: "x"})
	}
	if sent, dropped := out.Counts(); sent != 0 || dropped != 15 {
		t.Errorf("too many at once: %d, %d", sent, dropped)
	}
	for i, say := range []func(http.ResponseWriter, *http.Request){
		answer,
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"partialSuccess":{"rejectedSpans":"3"}}`)
		},
	} {
		mu.Lock()
		answer = say
		mu.Unlock()
		out.Add(otlp.Span{Name: "x"})
		out.Run(over)
		if sent, _ := out.Counts(); sent != 0 {
			t.Errorf("%d: sent %d", i, sent)
		}
	}
	if _, dropped := out.Counts(); dropped != 28 {
		t.Errorf("dropped %d", dropped)
	}
	mu.Lock()
	answer = func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(struct{}{}) }
	mu.Unlock()
	out.Add(otlp.Span{Name: "x"})
	out.Run(over)
	if sent, _ := out.Counts(); sent != 1 {
		t.Errorf("sent %d", sent)
	}
	if !strings.Contains(said.String(), "spans could not be sent") {
		t.Errorf("the log: %s", said.String())
	}
}
