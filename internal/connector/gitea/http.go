package gitea

import (
	"context"
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// dial gives the line to Gitea. It connects to nothing yet.
func (s *settings) dial() *call.Line {
	return call.New(call.Config{Base: s.base, Client: s.open(), Timeout: s.timeout, Parallel: parallel, MaxBody: maxBody,
		Type: "application/json", Agent: "lessor", Not: "not an answer of Gitea", Sign: s.credential, Refusal: refusal})
}

// call sends one request to path (already escaped, below the base) and decodes a
// 2xx answer into out, if given; the answer's header comes with it. Its error wraps one
// of the port's sentinels.
func (c *Connector) call(ctx context.Context, method, path string, body, out any) (http.Header, error) {
	a, err := c.line.Do(ctx, method, path, body, out)
	if err == nil && out == nil && method == http.MethodGet && a.Code != http.StatusNoContent { // a login page, say
		return nil, fmt.Errorf("%w: %s %s: %d is not an answer of Gitea", connector.ErrRefused, method, path, a.Code)
	}
	return a.Header, err
}
