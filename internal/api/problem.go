package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

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
}

// problem turns an engine's error into problem details (RFC 9457). What is none
// of the sentinels is ours: it is logged where it arose and tells nothing.
func problem(err error) error {
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return &huma.ErrorModel{Status: s.status, Title: http.StatusText(s.status), Detail: err.Error(), Errors: parts(err)}
		}
	}
	if known := huma.StatusError(nil); errors.As(err, &known) {
		return known
	}
	return &huma.ErrorModel{Status: http.StatusInternalServerError, Title: "Internal Server Error", Detail: "something failed here; the server's log says what"}
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
