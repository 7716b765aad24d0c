package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Credentials lists those you answer for, all of them or of one system.
func (c *Client) Credentials(ctx context.Context, system string) ([]engine.CredentialKept, error) {
	query := url.Values{}
	if system != "" {
		query.Set("system", system)
	}
	return call[[]engine.CredentialKept](ctx, c, http.MethodGet, "/credentials", query, nil)
}

// Credential shows one.
func (c *Client) Credential(ctx context.Context, id string) (engine.CredentialKept, error) {
	return call[engine.CredentialKept](ctx, c, http.MethodGet, "/credentials/"+url.PathEscape(id), nil, nil)
}

// Rotate has a credential made anew.
func (c *Client) Rotate(ctx context.Context, w engine.Deed) (access.Rotation, error) {
	return c.deed(ctx, "rotate", w)
}

// Retire ends a credential for good.
func (c *Client) Retire(ctx context.Context, w engine.Deed) (access.Rotation, error) {
	return c.deed(ctx, "retire", w)
}

// Compromised has a credential killed at once.
func (c *Client) Compromised(ctx context.Context, w engine.Deed) (access.Rotation, error) {
	return c.deed(ctx, "compromised", w)
}

func (c *Client) deed(ctx context.Context, verb string, w engine.Deed) (access.Rotation, error) {
	return call[access.Rotation](ctx, c, http.MethodPost, "/credentials/"+url.PathEscape(w.Credential)+"/"+verb, nil, w)
}
