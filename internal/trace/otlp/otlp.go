// Package otlp sends spans to whoever collects them, by OTLP over HTTP in its JSON
// form (https://opentelemetry.io/docs/specs/otlp/). It waits for nobody and keeps
// nobody waiting: what is too much at once, or is not taken, is dropped and counted.
//
// OpenTelemetry's own library would be 22 modules and 8 MB for this one call.
package otlp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/trace"
)

// Span is one span that is over.
type Span struct {
	Name       string
	Is         trace.Context
	Parent     trace.SpanID // none: it is its trace's first
	From, To   time.Time
	Failed     string // why, in a word; empty: it did not
	Attributes []Attribute
	Links      []trace.Context
}

// Attribute is said of a span; never a person, and never a secret.
type Attribute struct{ Key, Value string }

// Config is what a sender is made of. Every field but Token is needed.
type Config struct {
	Endpoint   string                 // without /v1/traces
	Token      func() (string, error) // asked anew for each call; nil: nothing is shown
	Resource   []Attribute            // which program, which replica
	Client     *http.Client
	Every      time.Duration // how long a span waits at most until it is sent
	Batch      int           // … and with how many others
	Waiting    int           // how many spans may wait; more are dropped
	CallWithin time.Duration
	Log        *slog.Logger
}

// Sender sends spans. It is safe for concurrent use.
type Sender struct {
	Config
	queue         chan Span
	sent, dropped atomic.Uint64
}

// New returns a sender; Run sends.
func New(c Config) *Sender { return &Sender{Config: c, queue: make(chan Span, c.Waiting)} }

// Add has a span sent, or drops it.
func (s *Sender) Add(span Span) {
	select {
	case s.queue <- span:
	default:
		s.dropped.Add(1)
	}
}

// Counts says how many spans were taken, and how many were dropped.
func (s *Sender) Counts() (sent, dropped uint64) { return s.sent.Load(), s.dropped.Load() }

// Run sends until the context ends, and then what waits, once.
func (s *Sender) Run(ctx context.Context) {
	tick := time.NewTicker(s.Every)
	defer tick.Stop()
	failing := false
	var batch []Span
	flush := func() {
		if len(batch) == 0 {
			return
		}
		err := s.send(context.WithoutCancel(ctx), batch)
		switch {
		case err == nil:
			s.sent.Add(uint64(len(batch)))
		default:
			s.dropped.Add(uint64(len(batch)))
			if !failing { // said once, until it works again: the log is no place for every span
				s.Log.WarnContext(ctx, "spans could not be sent and are dropped", "error", err.Error())
			}
		}
		failing, batch = err != nil, nil
	}
	for {
		select {
		case span := <-s.queue:
			if batch = append(batch, span); len(batch) >= s.Batch {
				flush()
			}
		case <-tick.C:
			flush()
		case <-ctx.Done():
			for len(s.queue) > 0 && len(batch) < s.Waiting {
				batch = append(batch, <-s.queue)
			}
			flush()
			return
		}
	}
}

// send makes one call. What was not taken is not sent again: it is a picture, not the work.
func (s *Sender) send(ctx context.Context, batch []Span) error {
	body, err := json.Marshal(s.request(batch))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.CallWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint+"/v1/traces", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.Token != nil {
		token, err := s.Token()
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.Client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", resp.Status)
	}
	if err != nil {
		return err
	}
	var said struct {
		PartialSuccess struct {
			RejectedSpans json.Number `json:"rejectedSpans"`
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &said) == nil && said.PartialSuccess.RejectedSpans != "" && said.PartialSuccess.RejectedSpans != "0" {
		return errors.New("the collector refuses some spans")
	}
	return nil
}

// The names of OTLP's JSON form. Ids are hex there, and numbers of 64 bits text.
type (
	message struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   attributed   `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	attributed struct {
		Attributes []attribute `json:"attributes"`
	}
	scopeSpans struct {
		Scope struct {
			Name string `json:"name"`
		} `json:"scope"`
		Spans []span `json:"spans"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value struct {
			StringValue string `json:"stringValue"`
		} `json:"value"`
	}
	span struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		ParentID   string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Links      []link      `json:"links,omitempty"`
		Status     *status     `json:"status,omitempty"`
	}
	link struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	}
	status struct {
		Code    int    `json:"code"`
		Message string `json:"message,omitempty"`
	}
)

// OTLP's numbers for a span that is no call to or from outside, and for one that failed.
const (
	kindInternal = 1
	statusError  = 2
)

func (s *Sender) request(batch []Span) message {
	in := scopeSpans{}
	in.Scope.Name = "github.com/lessor-iam/lessor"
	for _, b := range batch {
		o := span{TraceID: b.Is.Trace.String(), SpanID: b.Is.Span.String(), ParentID: b.Parent.String(), Name: b.Name, Kind: kindInternal,
			Start: nanos(b.From), End: nanos(b.To), Attributes: attributes(b.Attributes)}
		for _, l := range b.Links {
			o.Links = append(o.Links, link{l.Trace.String(), l.Span.String()})
		}
		if b.Failed != "" {
			o.Status = &status{statusError, b.Failed}
		}
		in.Spans = append(in.Spans, o)
	}
	return message{[]resourceSpans{{Resource: attributed{attributes(s.Resource)}, ScopeSpans: []scopeSpans{in}}}}
}

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func attributes(list []Attribute) []attribute {
	out := make([]attribute, len(list))
	for i, a := range list {
		out[i].Key, out[i].Value.StringValue = a.Key, a.Value
	}
	return out
}
