package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
)

// statuses is the one map from what went wrong to what HTTP calls it.
var statuses = []struct {
	err    error
	status int
}{
	{access.ErrInvalid, http.StatusBadRequest},
	{access.ErrNotFound, http.StatusNotFound},
	{access.ErrDenied, http.StatusForbidden},
	{access.ErrConflict, http.StatusConflict},
	{access.ErrGone, http.StatusGone},
	{access.ErrHalted, http.StatusServiceUnavailable},
}

// What is told where the database could not be asked, and after how many seconds to try again.
const (
	unasked      = "the database cannot be asked at the moment; nothing was done, try again"
	unaskedRetry = "2"

	problemUnavailable = "urn:lessor:problem:unavailable"
)

// problem turns an engine's error into problem details (RFC 9457). What is none
// of the sentinels is ours: it tells nothing, and whoever asked says so in the log.
func problem(err error) (answer error, ours bool) {
	if errors.Is(err, access.ErrUnavailable) { // why, the log says: it has names of machines in it
		return huma.ErrorWithHeaders(&huma.ErrorModel{Status: http.StatusServiceUnavailable, Title: http.StatusText(http.StatusServiceUnavailable), Detail: unasked},
			http.Header{"Retry-After": {unaskedRetry}}), true
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return &huma.ErrorModel{Status: s.status, Title: http.StatusText(s.status), Detail: err.Error(), Errors: parts(err)}, false
		}
	}
	if with := huma.HeadersError(nil); errors.As(err, &with) {
		return err, false
	}
	if known := huma.StatusError(nil); errors.As(err, &known) {
		return known, false
	}
	return &huma.ErrorModel{Status: http.StatusInternalServerError, Title: "Internal Server Error", Detail: "something failed here; the server's log says what"}, true
}

// problemTypes names what each status means here: the type of problem details.
var problemTypes = map[int]string{
	http.StatusBadRequest: "invalid", http.StatusUnprocessableEntity: "invalid", http.StatusUnauthorized: "no-token", http.StatusForbidden: "denied",
	http.StatusNotFound: "not-found", http.StatusMethodNotAllowed: "not-found", http.StatusNotAcceptable: "wrong-kind", http.StatusUnsupportedMediaType: "wrong-kind",
	http.StatusConflict: "conflict", http.StatusGone: "gone", http.StatusServiceUnavailable: "halted", http.StatusRequestEntityTooLarge: "too-long", http.StatusTooManyRequests: "too-many", http.StatusInternalServerError: "failed",
}

// problemType is a name and not a place: there is nothing to fetch.
func problemType(status int) string {
	if name, ok := problemTypes[status]; ok {
		return "urn:lessor:problem:" + name
	}
	return "about:blank"
}

// parts lists the problems of an error that holds several, one a line.
func parts(err error) []*huma.ErrorDetail {
	lines := strings.Split(err.Error(), "\n")
	if len(lines) < 2 {
		return nil
	}
	var list []*huma.ErrorDetail
	for _, l := range lines {
		list = append(list, &huma.ErrorDetail{Message: l})
	}
	return list
}

// How much of a refusal is told.
const (
	mostParts = 20
	mostText  = 1000
)

// brief keeps every refusal short and fit to be written: the validator would
// give back all it was sent, whatever that was and however long.
func brief(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	short := *m
	short.Detail, short.Errors = fit(m.Detail), nil
	if short.Type = problemType(m.Status); m.Detail == unasked {
		short.Type = problemUnavailable
	}
	for _, part := range m.Errors[:min(len(m.Errors), mostParts)] {
		short.Errors = append(short.Errors, &huma.ErrorDetail{Message: fit(part.Message), Location: fit(part.Location)})
	}
	return &short, nil
}

// fit cuts a text and makes it valid UTF-8.
func fit(s string) string {
	if len(s) > mostText {
		s = s[:mostText] + "…"
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// say answers outside of any verb.
func say(w http.ResponseWriter, status int, detail string) {
	raw, err := json.Marshal(&huma.ErrorModel{Type: problemType(status), Status: status, Title: http.StatusText(status), Detail: detail})
	if err != nil {
		panic(fmt.Errorf("write a refusal: %w", err)) // net/http ends the connection
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // whoever asked has gone if this fails
}
