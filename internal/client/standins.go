package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Cover says who answers for whom.
func (c *Client) Cover(ctx context.Context, everybody bool) (engine.Cover, error) {
	q := url.Values{}
	if everybody {
		q.Set("everybody", "true")
	}
	return call[engine.Cover](ctx, c, http.MethodGet, "/stand-ins", q, nil)
}

// Delegate lends the caller's right to approve.
func (c *Client) Delegate(ctx context.Context, a engine.Delegating) (access.Delegation, error) {
	return call[access.Delegation](ctx, c, http.MethodPost, "/delegations", nil, a)
}

// EndDelegation ends one before its end.
func (c *Client) EndDelegation(ctx context.Context, id, why string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1/delegations/"+url.PathEscape(id)+"/end", nil, api.Ending{Why: why})
	return err
}

// Away says that somebody is.
func (c *Client) Away(ctx context.Context, w engine.BeingAway) (access.Absence, error) {
	return call[access.Absence](ctx, c, http.MethodPost, "/absences", nil, w)
}

// Back says that somebody is back.
func (c *Client) Back(ctx context.Context, id, why string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1/absences/"+url.PathEscape(id)+"/end", nil, api.Ending{Why: why})
	return err
}
