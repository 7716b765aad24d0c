package kubernetes

import (
	"context"

	"github.com/lessor-iam/lessor/internal/connector/call"
)

// dial gives the line to the API server. It connects to nothing yet.
func (s *settings) dial() *call.Line {
	return call.New(call.Config{Base: s.base, Client: s.open(), Timeout: s.timeout, Parallel: parallel, MaxBody: maxBody,
		Type: "application/json", Agent: "lessor", Not: "not an API server's answer", Sign: s.credential, Refusal: refusal})
}

// call sends one request to path (already escaped, below the base) and decodes a
// 2xx answer into out, if given. Its error wraps one of the port's sentinels.
func (c *Connector) call(ctx context.Context, method, path string, body, out any) error {
	_, err := c.line.Do(ctx, method, path, body, out)
	return err
}
