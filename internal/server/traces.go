package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/trace"
	"github.com/lessor-iam/lessor/internal/trace/otlp"
	"github.com/lessor-iam/lessor/internal/watch"
)

// How spans are sent.
const (
	spansEvery  = 2 * time.Second
	spansBatch  = 512
	spansWait   = 8192 // a storm makes more than anybody looks at: what is beyond is dropped
	spansWithin = 10 * time.Second
)

// trace has spans of what is done sent, beside the figures.
func (s *Server) trace(c *config.Traces) {
	var token func() (string, error)
	if c.TokenRef != "" {
		token = func() (string, error) {
			v, err := secret.Open(c.TokenRef)
			return strings.TrimSpace(v.Reveal()), err
		}
	}
	host, _ := os.Hostname() // for people reading; the random part is what makes it unique
	s.collect = otlp.New(otlp.Config{Endpoint: c.Endpoint, Token: token, Every: spansEvery, Batch: spansBatch, Waiting: spansWait, CallWithin: spansWithin, Log: s.log,
		Client:   &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, // a token goes nowhere else
		Resource: []otlp.Attribute{{Key: "service.name", Value: "lessor"}, {Key: "service.version", Value: programVersion()}, {Key: "service.instance.id", Value: host + "/" + rand.Text()}}})
	s.spans = watch.NewSpans(s.db, s.collect, s.log)
	s.engine.Watch = func(d engine.Did) { s.figures.Verb(d); s.spans.Verb(d) }
	for _, lane := range s.lanes {
		lane.Under = watch.Begin
		lane.Watch = func(ctx context.Context, t reconcile.Turn) { s.figures.Turn(t); s.spans.Turn(ctx, t) }
	}
}

// sendSpans makes and sends spans until what it returns is called, which sends what waits.
func (s *Server) sendSpans() (stop func()) {
	if s.spans == nil {
		return func() {}
	}
	begin := func(run func(context.Context)) (end func()) {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() { run(ctx); close(ended) }()
		return func() { cancel(); <-ended }
	}
	sent, made := begin(s.collect.Run), begin(s.spans.Run)
	return func() { made(); sent() }
}

func (s *Server) spanCounts() (sent, dropped uint64) {
	if s.spans == nil {
		return 0, 0
	}
	return s.spans.Counts()
}

// underTrace has a request belong to the span its caller names, if any.
func underTrace(r *http.Request) *http.Request {
	c, ok := trace.Parse(r.Header.Get(trace.Header))
	if !ok {
		return r
	}
	return r.WithContext(trace.With(r.Context(), c))
}
