package scim_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// newLine leads to the SCIM root at to, and can fail.
func newLine(t testing.TB, to string) *testserver.Line {
	t.Helper()
	return testserver.NewLine(t, testserver.Way{To: to,
		Lie: func(w http.ResponseWriter, _ *http.Request, _ []byte, odd bool) {
			if odd {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			w.Header().Set("Content-Type", "application/scim+json")
			_, _ = io.WriteString(w, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"any"}`)
		},
		Refuse: func(w http.ResponseWriter, odd bool) {
			status := http.StatusForbidden
			if odd {
				status = http.StatusBadRequest
			}
			w.Header().Set("Content-Type", "application/scim+json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"not today"}`)
		},
	})
}
