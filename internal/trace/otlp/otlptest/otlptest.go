// Package otlptest is a collector in memory: it takes OTLP over HTTP in its JSON form
// as the protocol's definition says it is, letter by letter, and refuses anything else.
package otlptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// Span is one that was taken.
type Span struct {
	TraceID    string      `json:"traceId"`
	SpanID     string      `json:"spanId"`
	ParentID   string      `json:"parentSpanId"`
	Name       string      `json:"name"`
	Kind       int         `json:"kind"`
	Start      string      `json:"startTimeUnixNano"`
	End        string      `json:"endTimeUnixNano"`
	Attributes []Attribute `json:"attributes"`
	Links      []struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	} `json:"links"`
	Status *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"status"`
}

// Attribute is one of a span, or of who sent it.
type Attribute struct {
	Key   string `json:"key"`
	Value struct {
		StringValue *string `json:"stringValue"`
	} `json:"value"`
}

type message struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []Attribute `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Scope struct {
				Name string `json:"name"`
			} `json:"scope"`
			Spans []Span `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

// Collector is one.
type Collector struct {
	*httptest.Server
	t     testing.TB
	mu    sync.Mutex
	spans []Span
	text  bytes.Buffer
}

// New starts one, until the test ends.
func New(t testing.TB) *Collector {
	c := &Collector{t: t}
	c.Server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.Close)
	return c
}

// Spans are those that were taken so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Text is all that was sent, as it was.
func (c *Collector) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func (c *Collector) take(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("collector: %s %s %s: %v", r.Method, r.URL.Path, r.Header.Get("Content-Type"), err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var m message
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		c.t.Errorf("collector: %v: %s", err, raw)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(raw)
	for _, resource := range m.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				if err := s.check(); err != nil {
					c.t.Errorf("collector: %v: %+v", err, s)
				}
				c.spans = append(c.spans, s)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{}")
}

var traceForm, spanForm = regexp.MustCompile(`^[0-9a-f]{32}$`), regexp.MustCompile(`^[0-9a-f]{16}$`)

// check holds a span to the protocol.
func (s Span) check() error {
	from, err := strconv.ParseUint(s.Start, 10, 64)
	if err != nil {
		return err
	}
	to, err := strconv.ParseUint(s.End, 10, 64)
	switch {
	case err != nil:
		return err
	case !traceForm.MatchString(s.TraceID) || !spanForm.MatchString(s.SpanID) || (s.ParentID != "" && !spanForm.MatchString(s.ParentID)):
		return fmt.Errorf("ids")
	case s.Name == "" || s.Kind < 1 || s.Kind > 5 || to < from:
		return fmt.Errorf("name, kind or times")
	case s.Status != nil && (s.Status.Code < 0 || s.Status.Code > 2):
		return fmt.Errorf("status")
	}
	for _, l := range s.Links {
		if !traceForm.MatchString(l.TraceID) || !spanForm.MatchString(l.SpanID) {
			return fmt.Errorf("link")
		}
	}
	for _, a := range s.Attributes {
		if a.Key == "" || a.Value.StringValue == nil {
			return fmt.Errorf("attribute %q", a.Key)
		}
	}
	return nil
}
