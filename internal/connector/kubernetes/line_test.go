package kubernetes

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// onLine is a connector whose line to the API server can fail. Reviews are POSTs, and what
// is only tried is a DELETE, and yet they are reads; so is what spares says.
func onLine(t testing.TB, w world, spares ...string) (*Connector, *testserver.Line) {
	t.Helper()
	var c *Connector
	l := testserver.NewLine(t, testserver.Way{To: w.URL, Paper: &w.Paper,
		Reads: func(r *http.Request) bool {
			if slices.ContainsFunc(spares, func(end string) bool { return strings.HasSuffix(r.URL.Path, end) }) {
				return true
			}
			return strings.HasSuffix(r.URL.Path, "subjectaccessreviews") || strings.HasSuffix(r.URL.Path, "/selfsubjectreviews") || r.URL.Query().Has("dryRun")
		},
		Lie: func(w http.ResponseWriter, r *http.Request, body []byte, _ bool) {
			w.Header().Set("Content-Type", "application/json")
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write(body)
				return
			}
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
		},
		Refuse: func(w http.ResponseWriter, odd bool) {
			code, reason := http.StatusForbidden, "Forbidden"
			if odd {
				code, reason = http.StatusUnprocessableEntity, "Invalid"
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"`+reason+`","message":"not today"}`)
		},
		Cut: func() { c.line.Client.CloseIdleConnections() },
	})
	cfg := w.config()
	cfg.URL = l.URL
	c = connect(t, cfg)
	return c, l
}
