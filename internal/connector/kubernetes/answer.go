package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// What a refusal says besides what it means for the holding.
var (
	// errExists: something of that name is there already.
	errExists = errors.New("already exists")
	// errChanged: it is not the one we meant any more.
	errChanged = errors.New("changed meanwhile")
	// errForgotten: the API server does not know any more what was since then.
	errForgotten = errors.New("no longer known")
	// errUnknown: what we showed lets nobody in.
	errUnknown = errors.New("not let in")
)

// refusal turns a status other than 2xx into what it means for the request.
func refusal(resp *http.Response, raw []byte) error {
	var s status
	own := json.Unmarshal(raw, &s) == nil && s.Kind == "Status"
	what := meaning(resp.StatusCode, s, own)
	err := fmt.Errorf("%w: %s %s: %d %s%s", what, resp.Request.Method, resp.Request.URL.Path, resp.StatusCode, http.StatusText(resp.StatusCode), detail(s, resp.Request))
	switch {
	case own && s.Reason == "AlreadyExists":
		err = fmt.Errorf("%w: %w", errExists, err)
	case own && s.Reason == "Conflict":
		err = fmt.Errorf("%w: %w", errChanged, err)
	case own && resp.StatusCode == http.StatusUnauthorized && s.Reason == "Unauthorized":
		err = fmt.Errorf("%w: %w", errUnknown, err)
	case own && s.forgotten():
		err = fmt.Errorf("%w: %w", errForgotten, err)
	}
	if wait := retryAfter(resp.Header.Get("Retry-After"), s); wait > 0 {
		return &connector.RetryAfter{Err: err, Wait: wait}
	}
	return err
}

// meaning of a status. A 404 that does not name what is missing is a gateway's page,
// or an API that is not there: read as "gone" it would prove removals that never
// happened.
func meaning(code int, s status, own bool) error {
	if code == http.StatusNotFound && own && s.Reason == "NotFound" && s.Details.Name != "" {
		return connector.ErrNoObject
	}
	return call.Meaning(code)
}

// forgotten says that a version is too old to go on from.
func (s status) forgotten() bool { return s.Reason == "Expired" || s.Reason == "Gone" }

// detail quotes the server's own words, short, on one line, and without the token if
// that is what it complains about.
func detail(s status, req *http.Request) string {
	if s.Message == "" {
		return ""
	}
	return " (" + call.Quote(s.Message, req, 300) + ")"
}

// retryAfter reads how long the server wants to be left alone; more than an hour is
// an hour. API servers give seconds, never a date.
func retryAfter(header string, s status) time.Duration {
	n, err := strconv.Atoi(header)
	if err != nil {
		n = s.Details.RetryAfterSeconds
	}
	return time.Duration(min(max(n, 0), 3600)) * time.Second
}
