package watch

import (
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/trace"
	"github.com/lessor-iam/lessor/internal/trace/otlp"
)

// Spans makes of what was done the spans of the requests it was about. A request's
// trace and its first span follow from what is stored, so that whichever replica
// votes, claims, acts, looks or settles adds to the same one.
//
//	submit -> decide, conclude;  vote -> conclude;  claim, look, act, sessions, settle;  return, revoke, …
type Spans struct {
	db    *store.DB
	out   *otlp.Sender
	log   *slog.Logger
	queue chan any // engine.Did or turn
	lost  atomic.Uint64
	known map[string]trace.Context // by request; of the one goroutine that asks
}

// turn is a batch with the span of its own it was done under.
type turn struct {
	reconcile.Turn
	under trace.Context
}

// How much waits to be looked up, and how many requests are remembered.
const (
	mostQueued = 1024
	mostKnown  = 10_000
	askWithin  = 10 * time.Second
)

// NewSpans returns spans that go out by a sender. Run makes them.
func NewSpans(db *store.DB, out *otlp.Sender, log *slog.Logger) *Spans {
	return &Spans{db: db, out: out, log: log, queue: make(chan any, mostQueued), known: map[string]trace.Context{}}
}

// Begin gives what is done under the context a span of its own, in a trace of its own.
func Begin(ctx context.Context) context.Context {
	var c trace.Context
	_, _ = rand.Read(c.Trace[:]) // it never fails
	_, _ = rand.Read(c.Span[:])
	return trace.With(ctx, c)
}

// Verb takes a verb that is over. It does not block.
func (s *Spans) Verb(d engine.Did) {
	if len(d.Happened) > 0 && d.Verb != "claim" && d.Verb != "settle" { // those two are steps of a batch
		s.add(d)
	}
}

// Turn takes a batch that is over. It does not block.
func (s *Spans) Turn(ctx context.Context, t reconcile.Turn) {
	if len(t.Tasks) > 0 {
		s.add(turn{t, trace.From(ctx)})
	}
}

func (s *Spans) add(what any) {
	select {
	case s.queue <- what:
	default:
		s.lost.Add(1)
	}
}

// Counts says how many spans were taken by whoever collects them, and how many were
// dropped; what waited too long to be looked up counts as one.
func (s *Spans) Counts() (sent, dropped uint64) {
	sent, dropped = s.out.Counts()
	return sent, dropped + s.lost.Load()
}

// Run makes spans until the context ends, and then of what waits.
func (s *Spans) Run(ctx context.Context) {
	for {
		select {
		case what := <-s.queue:
			s.make(ctx, what)
		case <-ctx.Done():
			for len(s.queue) > 0 {
				s.make(ctx, <-s.queue)
			}
			return
		}
	}
}

// make asks the database what it was about, and adds its spans. What cannot be asked is dropped.
func (s *Spans) make(ctx context.Context, what any) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
	defer cancel()
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		switch w := what.(type) {
		case engine.Did:
			return s.verb(ctx, tx, w)
		case turn:
			return s.turn(ctx, tx, w)
		}
		return nil
	})
	if err != nil {
		s.lost.Add(1)
		s.log.DebugContext(ctx, "spans of a deed are dropped", "error", err.Error())
	}
}

// first is the trace of a request's life, and its first span.
func (s *Spans) first(ctx context.Context, tx *store.Tx, request string) (trace.Context, error) {
	if c, ok := s.known[request]; ok {
		return c, nil
	}
	c := trace.Of(request)
	said, err := tx.TraceOf(ctx, request)
	if err != nil {
		return c, err
	}
	if id, ok := trace.ParseID(said); ok {
		c.Trace = id
	}
	if len(s.known) >= mostKnown {
		clear(s.known)
	}
	s.known[request] = c
	return c, nil
}

// verb adds a verb's span to each request it was about, and its parts below it.
func (s *Spans) verb(ctx context.Context, tx *store.Tx, d engine.Did) error {
	var requests, begun, grants, assignments []string
	for _, h := range d.Happened {
		switch {
		case h.Request != "":
			requests = append(requests, h.Request)
			if h.Kind == "request.submitted" {
				begun = append(begun, h.Request)
			}
		case h.Grant != "":
			grants = append(grants, h.Grant)
		case h.Assignment != "":
			assignments = append(assignments, h.Assignment)
		}
	}
	of, err := tx.RequestsOfGrants(ctx, grants)
	if err != nil {
		return err
	}
	behind, err := tx.RequestsBehind(ctx, assignments)
	if err != nil {
		return err
	}
	for _, r := range of {
		requests = append(requests, r)
	}
	for _, list := range behind {
		requests = append(requests, list...)
	}
	slices.Sort(requests)
	for _, request := range slices.Compact(requests) {
		first, err := s.first(ctx, tx, request)
		if err != nil {
			return err
		}
		span := otlp.Span{Name: d.Verb, Is: below(first), Parent: first.Span, From: d.From, To: d.To, Attributes: []otlp.Attribute{{Key: "lessor.request", Value: request}, {Key: "lessor.channel", Value: d.By.Channel}}}
		if slices.Contains(begun, request) {
			span.Is, span.Parent = first, trace.SpanID{}
			if d.Under.Trace == first.Trace {
				span.Parent = d.Under.Span
			}
		} else if !d.Under.None() && d.Under.Trace != first.Trace {
			span.Links = []trace.Context{d.Under}
		}
		for _, h := range d.Happened {
			if h.Request == request && h.To != "" {
				span.Attributes = append(span.Attributes, otlp.Attribute{Key: h.Kind, Value: word(h.To)})
			}
		}
		s.out.Add(span)
		for _, p := range d.Parts {
			if p.Request == request {
				s.out.Add(otlp.Span{Name: p.Name, Is: below(first), Parent: span.Is.Span, From: p.From, To: p.To})
			}
		}
	}
	return nil
}

// turn adds a batch's span, and each of its steps to each request it was about.
func (s *Spans) turn(ctx context.Context, tx *store.Tx, t turn) error {
	ids := make([]string, len(t.Tasks))
	for i, task := range t.Tasks {
		ids[i] = task.ID
	}
	behind, err := tx.RequestsBehind(ctx, ids)
	if err != nil {
		return err
	}
	failed := map[string]string{}
	for _, o := range t.Outcomes {
		switch {
		case o.Unanswered:
			failed[o.Assignment] = "unanswered"
		case !o.Looked:
			failed[o.Assignment] = "troubled"
		}
	}
	system := otlp.Attribute{Key: "lessor.system", Value: t.System}
	if len(t.Steps) > 0 && !t.under.None() {
		s.out.Add(otlp.Span{Name: "batch", Is: t.under, From: t.Steps[0].From, To: t.Steps[len(t.Steps)-1].To, Attributes: []otlp.Attribute{system}, Failed: failure(t.Err)})
	}
	for _, step := range t.Steps {
		for _, assignment := range step.Of {
			for _, request := range behind[assignment] {
				first, err := s.first(ctx, tx, request)
				if err != nil {
					return err
				}
				span := otlp.Span{Name: step.Name, Is: below(first), Parent: first.Span, From: step.From, To: step.To,
					Attributes: []otlp.Attribute{{Key: "lessor.request", Value: request}, {Key: "lessor.assignment", Value: assignment}, system}}
				if !t.under.None() {
					span.Links = []trace.Context{t.under}
				}
				if step.Name == "settle" {
					if span.Failed = failed[assignment]; t.Err != nil {
						span.Failed = failure(t.Err)
					}
				}
				s.out.Add(span)
			}
		}
	}
	return nil
}

// failure says in a word how something went wrong, and nothing where it did not.
func failure(err error) string {
	if err == nil {
		return ""
	}
	return Outcome(err)
}

// below is a new span of the same trace.
func below(c trace.Context) trace.Context {
	_, _ = rand.Read(c.Span[:])
	return c
}
