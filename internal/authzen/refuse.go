package authzen

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
)

// Problem types of the profile (ARAP, Error Responses), and those beside it.
const (
	problems            = "urn:openid:authzen:access-request:error:"
	notRequestable      = problems + "not_requestable"
	expiredDenial       = problems + "expired_denial"
	invalidBinding      = problems + "invalid_denial_binding"
	duplicateRequest    = problems + "duplicate_request"
	unknownTask         = problems + "unknown_task"
	taskExpired         = problems + "task_expired"
	invalidTaskState    = problems + "invalid_task_state"
	ours                = "https://github.com/lessor-iam/lessor/problems/"
	callbacksNotOffered = ours + "callbacks_not_offered"
	unverifiedActor     = ours + "unverified_actor"
)

// titles says what each problem type is, with its status.
var titles = map[string]struct {
	status int
	title  string
}{
	notRequestable:      {http.StatusBadRequest, "What was denied cannot be asked for"},
	expiredDenial:       {http.StatusGone, "The denial has expired"},
	invalidBinding:      {http.StatusBadRequest, "This does not belong to the denial"},
	duplicateRequest:    {http.StatusConflict, "The Idempotency-Key was used for something else"},
	unknownTask:         {http.StatusNotFound, "There is no such task"},
	taskExpired:         {http.StatusGone, "The task's handle has expired"},
	invalidTaskState:    {http.StatusConflict, "The task is no longer in a state for this"},
	callbacksNotOffered: {http.StatusBadRequest, "Callbacks are not offered"},
	unverifiedActor:     {http.StatusForbidden, "The actor is not who the token is for"},
}

// refusal is an answer that is an error.
type refusal struct {
	status int
	kind   string // a problem type; empty: none
	detail string
	retry  int // seconds
}

// Error implements error.
func (f *refusal) Error() string { return f.detail }

// tooMany refuses whoever has spent what they may send.
var tooMany = &refusal{status: http.StatusTooManyRequests, detail: "too many requests; wait a second", retry: 1}

func problem(kind, format string, a ...any) *refusal {
	return &refusal{status: titles[kind].status, kind: kind, detail: fmt.Sprintf(format, a...)}
}

// refusalOf maps what went wrong to what HTTP calls it. What is none of the
// sentinels is ours: it tells nothing, and the log says what it is.
func (d *door) refusalOf(r *http.Request, by access.Actor, err error) *refusal {
	known := (*refusal)(nil)
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, access.ErrUnavailable) {
		d.Log.ErrorContext(r.Context(), "failed", "path", r.URL.Path, "by", by.Identity, "error", err.Error())
		return &refusal{status: http.StatusServiceUnavailable, retry: 2, detail: "the database cannot be asked at the moment; nothing was done, try again"}
	}
	for _, s := range []struct {
		err    error
		status int
	}{
		{access.ErrInvalid, http.StatusBadRequest}, {access.ErrNotFound, http.StatusNotFound}, {access.ErrDenied, http.StatusForbidden},
		{access.ErrConflict, http.StatusConflict}, {access.ErrGone, http.StatusGone}, {access.ErrHalted, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, s.err) {
			return &refusal{status: s.status, detail: err.Error()}
		}
	}
	d.Log.ErrorContext(r.Context(), "failed", "path", r.URL.Path, "by", by.Identity, "error", err.Error())
	return &refusal{status: http.StatusInternalServerError, detail: "something failed here; the server's log says what"}
}

// head writes the headers that go with a refusal of either kind.
func (f *refusal) head(w http.ResponseWriter, kind string) {
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.retry))
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(f.status)
}

// speak refuses with a message (Authorization API, Error Responses).
func (f *refusal) speak(w http.ResponseWriter) {
	f.head(w, "text/plain; charset=utf-8")
	_, _ = fmt.Fprintln(w, fit(f.detail)) // whoever asked has gone if this fails
}

// detail refuses with problem details (RFC 9457).
func (f *refusal) explain(w http.ResponseWriter) {
	p := struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{f.kind, titles[f.kind].title, f.status, fit(f.detail)}
	if p.Type == "" {
		p.Type, p.Title = "about:blank", http.StatusText(f.status)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Errorf("write a refusal: %w", err)) // net/http ends the connection
	}
	f.head(w, "application/problem+json")
	_, _ = w.Write(raw) // whoever asked has gone if this fails
}

// fit cuts a text and makes it valid UTF-8.
func fit(s string) string {
	const most = 1000
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
