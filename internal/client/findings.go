package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Adopt asks for access that was found, on behalf of those who hold it.
func (c *Client) Adopt(ctx context.Context, m engine.Remedy) ([]access.Request, error) {
	return call[[]access.Request](ctx, c, http.MethodPost, "/findings/"+url.PathEscape(m.Finding)+"/adopt", nil, m)
}

// Remove has access removed that nobody granted.
func (c *Client) Remove(ctx context.Context, m engine.Remedy) (api.Removing, error) {
	return call[api.Removing](ctx, c, http.MethodPost, "/findings/"+url.PathEscape(m.Finding)+"/remove", nil, m)
}

// Accept lets be what was found.
func (c *Client) Accept(ctx context.Context, m engine.Remedy) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1/findings/"+url.PathEscape(m.Finding)+"/accept", nil, m)
	return err
}
