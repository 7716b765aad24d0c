package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

const (
	maxBody   = 32 << 20 // a longer answer is refused, never cut
	mediaType = "application/scim+json"
)

// dial gives the line to the service. It connects to nothing yet.
func dial(base string, cfg Config) *call.Line {
	return call.New(call.Config{Base: base, Client: client(cfg), Timeout: cfg.Timeout, Parallel: parallel, MaxBody: maxBody,
		Type: mediaType, Not: "not SCIM", Sign: bearer(cfg.Token),
		Refusal: func(resp *http.Response, raw []byte) error { return refusal(resp, raw, cfg.Now()) }})
}

// bearer puts the token on a request. Without one nothing is sent.
func bearer(current func() string) func(*http.Request) error {
	return func(req *http.Request) error {
		token := current()
		if token == "" || strings.ContainsAny(token, "\r\n") {
			return fmt.Errorf("%w: no usable token", connector.ErrUnreachable)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		return nil
	}
}

// call sends one request to path (already escaped, below the base) and decodes a
// 2xx answer into out, if given. Its error wraps one of the port's sentinels.
func (c *Connector) call(ctx context.Context, method, path string, body, out any) error {
	_, err := c.line.Do(ctx, method, path, body, out)
	return err
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
	if status == http.StatusNotFound || status == http.StatusGone {
		return connector.ErrNoObject
	}
	return call.Meaning(status)
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
	return fmt.Sprintf(" (%s %s)", call.Quote(e.ScimType, req, 200), call.Quote(e.Detail, req, 200))
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
