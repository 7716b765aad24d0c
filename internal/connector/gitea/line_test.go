package gitea

import (
	"io"
	"net/http"
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// onLine is a connector whose line to Gitea can fail.
func onLine(t testing.TB, w world) (*Connector, *testserver.Line) {
	t.Helper()
	var c *Connector
	l := testserver.NewLine(t, testserver.Way{To: w.URL, Paper: &w.Paper,
		Lie: func(w http.ResponseWriter, _ *http.Request, _ []byte, _ bool) { w.WriteHeader(http.StatusNoContent) },
		Refuse: func(w http.ResponseWriter, odd bool) {
			code := http.StatusForbidden
			if odd {
				code = http.StatusUnprocessableEntity
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"message":"not today","url":"https://git.example.org/api/swagger"}`)
		},
		Cut: func() {
			c.line.Client.CloseIdleConnections()
			if c.issuer != nil {
				c.issuer.line.Client.CloseIdleConnections()
			}
		},
	})
	cfg := w.config()
	cfg.URL, cfg.IssuerToken = l.URL, w.issuerToken(t)
	c = connect(t, cfg)
	return c, l
}
