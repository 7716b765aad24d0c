package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxBody  = 8 << 20 // a longer answer is refused, never cut
	maxPages = 200     // of one list; more is ErrStrange
)

// line is the way to one site.
type line struct {
	base, email string
	token       func() string
	timeout     time.Duration
	now         func() time.Time
	client      *http.Client
	limit       *limiter
}

// call is one request; path is escaped and below the base.
type call struct {
	method, path string
	query        url.Values
	body         any
	experimental bool // the contract wants us to opt in
	reads        bool // it changes nothing, though it is no GET
}

func (c call) writes() bool { return c.method != http.MethodGet && !c.reads }

func (c call) String() string { return c.method + " " + c.path }

func get(path string, query ...string) call {
	c := call{method: http.MethodGet, path: path}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			if c.query == nil {
				c.query = url.Values{}
			}
			c.query.Add(query[i], query[i+1])
		}
	}
	return c
}

func send(method, path string, body any) call { return call{method: method, path: path, body: body} }

// do sends one request and decodes a 2xx answer into out, if given.
func (l *line) do(ctx context.Context, c call, out any) error {
	// 1. Not while Jira wants to be left alone, and not without a token.
	if wait := l.limit.held(); wait > 0 {
		return &Error{Kind: ErrLimited, Call: c.String(), Wait: wait, Messages: []string{"not sent: Jira asked to be left alone"}}
	}
	token := l.token()
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return &Error{Kind: ErrUnreachable, Call: c.String(), Messages: []string{"no usable token"}}
	}
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	req, sent, err := l.request(ctx, c, token)
	if err != nil {
		return &Error{Kind: ErrInvalid, Call: c.String(), Cause: err}
	}
	// 2. Send. From the moment there was a connection a write may have arrived.
	resp, err := l.client.Do(req)
	if err != nil {
		return &Error{Kind: unheard(c, sent.Load()), Call: c.String(), Cause: bare(err)}
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	// 3. What the answer means.
	if resp.StatusCode/100 != 2 {
		failed := refusal(resp, raw, c).scrub(l.email, token)
		if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
			failed.Wait = l.limit.refused(resp.Header)
		}
		return failed
	}
	l.limit.passed()
	if out == nil {
		return nil // a write: what is seen later counts, not this answer
	}
	switch {
	case err != nil:
		return &Error{Kind: unheard(c, true), Call: c.String(), Status: resp.StatusCode, Cause: err}
	case len(raw) > maxBody:
		return &Error{Kind: odd(c), Call: c.String(), Status: resp.StatusCode, Messages: []string{fmt.Sprintf("answer over %d bytes", maxBody)}}
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &Error{Kind: odd(c), Call: c.String(), Status: resp.StatusCode, Cause: err}
	}
	return nil
}

// unheard is what it means that no answer came.
func unheard(c call, sent bool) error {
	if sent && c.writes() {
		return ErrUnanswered
	}
	return ErrUnreachable
}

// odd is what it means that the answer was 2xx and cannot be read: a write was
// most likely done.
func odd(c call) error {
	if c.writes() {
		return ErrUnanswered
	}
	return ErrStrange
}

// bare drops the address from an error of net/http: ours names the call, and an
// address may hold words of a search.
func bare(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// request builds it, and a flag that is up once a connection was had.
func (l *line) request(ctx context.Context, c call, token string) (*http.Request, *atomic.Bool, error) {
	var body io.Reader
	if c.body != nil {
		raw, err := json.Marshal(c.body)
		if err != nil {
			return nil, nil, err
		}
		body = bytes.NewReader(raw)
	}
	sent := new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	address := l.base + c.path
	if len(c.query) > 0 {
		address += "?" + c.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, c.method, address, body)
	if err != nil {
		return nil, nil, err
	}
	if l.email != "" {
		req.SetBasicAuth(l.email, token)
	} else {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "lessor")
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.experimental {
		req.Header.Set("X-ExperimentalApi", "opt-in")
	}
	return req, sent, nil
}
