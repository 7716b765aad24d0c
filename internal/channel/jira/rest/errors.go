package rest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// What a call can fail with; each Error wraps one of them.
var (
	// ErrMissing: deleted, never there, or hidden from this token: Jira says no more.
	ErrMissing = fmt.Errorf("missing or hidden: %w", access.ErrNotFound)
	// ErrDenied: the token is not accepted, or may not do it.
	ErrDenied = fmt.Errorf("jira: %w", access.ErrDenied)
	// ErrConflict: it is not, or no longer, as the call presumed.
	ErrConflict = fmt.Errorf("jira: %w", access.ErrConflict)
	// ErrInvalid: Jira, or this package before it, refuses what was to be sent.
	ErrInvalid = fmt.Errorf("jira: %w", access.ErrInvalid)
	// ErrLimited: Jira wants to be left alone for Error.Wait. Nothing was done.
	ErrLimited = errors.New("jira: rate limit")
	// ErrUnanswered: the write may have taken effect. Read before repeating it.
	ErrUnanswered = errors.New("jira: no answer, it may have taken effect")
	// ErrUnreachable: nothing was done; nothing is known.
	ErrUnreachable = errors.New("jira: unreachable")
	// ErrStrange: an answer that no Jira gives: another server, a wrong base, a sign-in page.
	ErrStrange = errors.New("jira: strange answer")
	// ErrNoCall: this kind of Jira has no such call.
	ErrNoCall = errors.New("jira: this kind of site has no such call")
)

// Error is how a call failed. It never holds the token.
type Error struct {
	Kind     error         // one of the above
	Call     string        // method and path
	Status   int           // of the answer; 0 if there was none
	Messages []string      // Jira's own words, short
	Wait     time.Duration // leave Jira alone for this long; 0: it did not ask
	Cause    error         // what happened below HTTP, if anything
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.Error())
	if e.Call != "" {
		b.WriteString(": " + e.Call)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ": %d %s", e.Status, http.StatusText(e.Status))
	}
	if e.Wait > 0 {
		fmt.Fprintf(&b, ", wait %s", e.Wait)
	}
	for _, m := range e.Messages {
		fmt.Fprintf(&b, ": %q", m)
	}
	if e.Cause != nil {
		b.WriteString(": " + e.Cause.Error())
	}
	return b.String()
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// invalid refuses what is not sent at all.
func invalid(format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Messages: []string{fmt.Sprintf(format, args...)}}
}

// refusal says what an answer other than 2xx means for the call.
func refusal(resp *http.Response, raw []byte, call call) *Error {
	said, ours := words(raw)
	return &Error{Kind: meaning(resp, call, ours), Call: call.String(), Status: resp.StatusCode, Messages: said}
}

func meaning(resp *http.Response, c call, ours bool) error {
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests:
		return ErrLimited
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		return ErrDenied
	case s == http.StatusNotFound && anonymous(resp.Header):
		return ErrDenied // it hid everything, as it took us for nobody
	case s == http.StatusNotFound && ours:
		return ErrMissing
	case s == http.StatusConflict:
		return ErrConflict
	case s == http.StatusBadRequest, s == http.StatusRequestEntityTooLarge, s == http.StatusUnprocessableEntity:
		return ErrInvalid
	case c.writes() && (s == http.StatusRequestTimeout || s == http.StatusTooEarly || s == http.StatusSeeOther || s >= 500 && s != http.StatusNotImplemented):
		return ErrUnanswered
	case s == http.StatusRequestTimeout, s >= 500:
		return ErrUnreachable
	}
	return ErrStrange
}

// anonymous says that Jira did not take the token, though it answered: a 404 of
// such an answer says nothing of the issue.
func anonymous(h http.Header) bool {
	reason := h.Get("X-Seraph-LoginReason")
	return strings.Contains(reason, "AUTHENTICATED_FAILED") || strings.Contains(reason, "AUTHENTICATION_DENIED") ||
		strings.EqualFold(h.Get("X-AUSERNAME"), "anonymous")
}

// words are Jira's own, of the platform, the service desk or a problem document;
// ours says that it is one of the first two, so that a gateway's 404, or that of
// a wrong address, is not taken for a missing issue.
func words(raw []byte) (said []string, ours bool) {
	var e struct {
		Messages []string                   `json:"errorMessages"`
		Errors   map[string]json.RawMessage `json:"errors"`
		Message  *string                    `json:"errorMessage"` // the service desk's
		Detail   string                     `json:"detail"`       // a problem document's
	}
	if json.Unmarshal(raw, &e) != nil {
		return nil, false
	}
	ours = e.Messages != nil || e.Errors != nil || e.Message != nil
	said = append(said, e.Messages...)
	for field, m := range e.Errors {
		var text string
		if json.Unmarshal(m, &text) == nil {
			said = append(said, field+": "+text)
		}
	}
	slices.Sort(said)
	if e.Message != nil {
		said = append(said, *e.Message)
	}
	if e.Detail != "" {
		said = append(said, e.Detail)
	}
	said = said[:min(len(said), 5)]
	for i, m := range said {
		r := []rune(m)
		said[i] = string(r[:min(len(r), 200)])
	}
	return said, ours
}

// scrub takes the token out of what is said, whichever way it may be quoted.
func (e *Error) scrub(email, token string) *Error {
	for i, m := range e.Messages {
		m = strings.ReplaceAll(m, token, "[token]")
		e.Messages[i] = strings.ReplaceAll(m, base64.StdEncoding.EncodeToString([]byte(email+":"+token)), "[token]")
	}
	return e
}
