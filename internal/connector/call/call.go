// Package call is one bounded call to a web service, and what its outcome means in
// the port's words. It knows no service's formats and no holding, sends no request
// again, and believes no answer longer than it was told to read.
package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/trace"
)

// Config is what a connector has found right about its service. Every field is
// needed but Agent.
type Config struct {
	Base     string // without a trailing slash
	Client   *http.Client
	Timeout  time.Duration // bounds one call; its context bounds all of them
	Parallel int           // calls under way at once
	MaxBody  int64         // bytes; a longer answer is refused, never cut
	Type     string        // the media type of what is sent and asked for
	Agent    string        // what the service's own log calls us; empty: what Go says
	Not      string        // what an answer is that cannot be read, e.g. "not SCIM"
	// Sign puts what we are known by on a request. Where it gives an error nothing is
	// sent, and the error is the call's.
	Sign func(*http.Request) error
	// Refusal says what a status other than 2xx means for the request.
	Refusal func(resp *http.Response, raw []byte) error
}

// Line leads to one service. Its methods may be called concurrently.
type Line struct {
	Config
	slots  chan struct{}
	closed context.Context
	close  context.CancelFunc
}

// New gives the line. It connects to nothing yet.
func New(cfg Config) *Line {
	l := &Line{Config: cfg, slots: make(chan struct{}, cfg.Parallel)}
	l.closed, l.close = context.WithCancel(context.Background())
	return l
}

// Close makes calls under way fail, and later ones be refused unsent.
func (l *Line) Close() {
	l.close()
	l.Client.CloseIdleConnections()
}

// Closed ends with the line.
func (l *Line) Closed() context.Context { return l.closed }

// Answer is what came with a 2xx beside its body.
type Answer struct {
	Code   int
	Header http.Header
}

// Do sends one request to path (already escaped, below the base) and decodes a 2xx
// answer into out, if given. Its error wraps one of the port's sentinels.
func (l *Line) Do(ctx context.Context, method, path string, body, out any) (Answer, error) {
	leave := l.slot(ctx)
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, l.Timeout)
	defer cancel()
	defer context.AfterFunc(l.closed, cancel)() // Close ends calls under way
	resp, err := l.send(ctx, method, path, body)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, l.MaxBody+1))
	a := Answer{resp.StatusCode, resp.Header}
	switch {
	case resp.StatusCode/100 != 2:
		return Answer{}, l.Refusal(resp, raw)
	case out == nil: // the status is the whole hint
		return a, nil
	case err != nil:
		return Answer{}, fmt.Errorf("%w: %s %s: %w", connector.ErrUnanswered, method, path, err)
	case int64(len(raw)) > l.MaxBody:
		return Answer{}, fmt.Errorf("%w: %s %s: the answer is over %d bytes", connector.ErrRefused, method, path, l.MaxBody)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return Answer{}, fmt.Errorf("%w: %s %s: %s: %w", connector.ErrRefused, method, path, l.Not, err)
	}
	return a, nil
}

// Stream sends one GET and gives a 2xx answer's body to be read as it comes, for as
// long as its context lasts. Timeout bounds the time until the answer begins. It takes
// no slot. Close ends it.
func (l *Line) Stream(ctx context.Context, path string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(l.closed, func() { cancel(context.Canceled) })
	end := func() { unhook(); cancel(context.Canceled) }
	late := time.AfterFunc(l.Timeout, func() { cancel(context.DeadlineExceeded) })
	resp, err := l.send(ctx, http.MethodGet, path, nil)
	late.Stop()
	if err != nil {
		end()
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer end()
		defer resp.Body.Close()
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, l.MaxBody)) // what cannot be read says nothing more
		return nil, l.Refusal(resp, raw)
	}
	return &stream{resp.Body, end}, nil
}

// stream ends its call when it is closed.
type stream struct {
	io.ReadCloser
	end func()
}

func (s *stream) Close() error {
	s.end()
	return s.ReadCloser.Close()
}

// slot waits for one of the line's slots, no longer than the call may take, and gives
// the function that leaves it.
func (l *Line) slot(ctx context.Context) (leave func()) {
	select {
	case l.slots <- struct{}{}:
		return func() { <-l.slots }
	case <-ctx.Done():
	case <-l.closed.Done():
	}
	return func() {}
}

// send gives the answer, whatever its status, with its body to be read.
func (l *Line) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	if err := errors.Join(ctx.Err(), l.closed.Err()); err != nil {
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	req, sent, err := l.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	resp, err := l.Client.Do(req)
	switch {
	case err == nil:
		return resp, nil
	case !sent.Load():
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	return nil, fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
}

// request builds it, and a flag that is up once a connection was had: from then on
// we cannot know that nothing went out. It goes down where the transport turns to
// another connection, which for a write it does only when nothing of it was written
// or the server has said that it did not take it up.
func (l *Line) request(ctx context.Context, method, path string, body any) (*http.Request, *atomic.Bool, error) {
	var rd io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", connector.ErrRefused, err)
		}
		rd = bytes.NewReader(raw)
	}
	sent := new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, method, l.Base+path, rd)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	if under := trace.From(ctx); !under.None() {
		req.Header.Set(trace.Header, under.Parent()) // before it is signed
	}
	if err := l.Sign(req); err != nil {
		return nil, nil, err
	}
	if l.Agent != "" {
		req.Header.Set("User-Agent", l.Agent)
	}
	req.Header.Set("Accept", l.Type)
	if body != nil {
		req.Header.Set("Content-Type", l.Type)
	}
	return req, sent, nil
}
