package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

const (
	maxBody   = 32 << 20 // a longer answer is refused, never cut
	mediaType = "application/scim+json"
)

// call sends one request to path (already escaped, below the base) and decodes a
// 2xx answer into out, if given. Its error wraps one of the port's sentinels.
func (c *Connector) call(ctx context.Context, method, path string, body, out any) error {
	leave := c.slot(ctx)
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	// Close ends calls under way.
	defer context.AfterFunc(c.closed, cancel)()
	if err := errors.Join(ctx.Err(), c.closed.Err()); err != nil {
		return fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	req, sent, err := c.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		if !sent.Load() {
			return fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
		}
		return fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if resp.StatusCode/100 != 2 {
		return refusal(resp, raw, c.now())
	}
	switch {
	case out == nil: // a write: the status is the whole hint
		return nil
	case err != nil:
		return fmt.Errorf("%w: %s %s: %w", connector.ErrUnanswered, method, path, err)
	case len(raw) > maxBody:
		return fmt.Errorf("%w: %s %s: answer over %d bytes", connector.ErrRefused, method, path, maxBody)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%w: %s %s: not SCIM: %w", connector.ErrRefused, method, path, err)
	}
	return nil
}

// slot waits for one of the connector's slots, no longer than the call may take,
// and gives the function that leaves it.
func (c *Connector) slot(ctx context.Context) (leave func()) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }
	case <-ctx.Done():
	case <-c.closed.Done():
	}
	return func() {}
}

// request builds it, and a flag that is up once a connection was had: from then
// on we cannot know that nothing went out.
func (c *Connector) request(ctx context.Context, method, path string, body any) (*http.Request, *atomic.Bool, error) {
	token := c.token()
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return nil, nil, fmt.Errorf("%w: no usable token", connector.ErrUnreachable)
	}
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
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, rd)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", mediaType)
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	return req, sent, nil
}

// refusal turns a status other than 2xx into what it means for the write.
func refusal(resp *http.Response, raw []byte, now time.Time) error {
	what := meaning(resp.StatusCode)
	if errors.Is(what, connector.ErrNoObject) && !scimError(raw) {
		// A gateway's page, or a wrong base path: it says nothing about the object,
		// and read as "gone" it would prove removals that never happened.
		what = connector.ErrRefused
	}
	err := fmt.Errorf("%w: %s %s: %d %s%s", what, resp.Request.Method, resp.Request.URL.Path,
		resp.StatusCode, http.StatusText(resp.StatusCode), detail(raw, resp.Request))
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge,
		http.StatusRequestURITooLong, http.StatusUnprocessableEntity:
		err = &contentError{err}
	}
	if wait, ok := retryAfter(resp.Header.Get("Retry-After"), now); ok {
		return &connector.RetryAfter{Err: err, Wait: wait}
	}
	return err
}

// contentError is a refusal that a part of what was sent may be the cause of.
type contentError struct{ error }

func (e *contentError) Unwrap() error { return e.error }

func meaning(status int) error {
	switch {
	case status == http.StatusNotFound || status == http.StatusGone:
		return connector.ErrNoObject
	case status == http.StatusRequestTimeout, status == http.StatusSeeOther:
		return connector.ErrUnanswered // either may follow a deed
	case status == http.StatusNotImplemented:
		return connector.ErrRefused
	case status >= 300 && status < 500:
		return connector.ErrRefused
	}
	return connector.ErrUnanswered
}

// scimError says that the answer is a SCIM server's own.
func scimError(raw []byte) bool {
	var e struct {
		Schemas []string `json:"schemas"`
	}
	return json.Unmarshal(raw, &e) == nil &&
		slices.Contains(e.Schemas, "urn:ietf:params:scim:api:messages:2.0:Error")
}

// detail quotes the server's own words, short, on one line, and without the token
// if that is what it complains about.
func detail(raw []byte, req *http.Request) string {
	var e struct {
		ScimType string `json:"scimType"`
		Detail   string `json:"detail"`
	}
	if json.Unmarshal(raw, &e) != nil || e.Detail == "" {
		return ""
	}
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	clean := func(s string) string {
		r := []rune(strings.ReplaceAll(s, token, "[token]"))
		return string(r[:min(len(r), 200)])
	}
	return fmt.Sprintf(" (%q %q)", clean(e.ScimType), clean(e.Detail))
}

// retryAfter reads both forms of the header; more than a day is a day.
func retryAfter(h string, now time.Time) (time.Duration, bool) {
	const day = 24 * time.Hour
	if n, err := strconv.Atoi(h); err == nil {
		if n < 0 {
			return 0, false
		}
		return time.Duration(min(n, int(day/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(h)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), day), true
}
