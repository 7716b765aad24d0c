package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Leaving asks what somebody's leaving would do, or how far it is.
func (c *Client) Leaving(ctx context.Context, identity string) (engine.Leaving, error) {
	return call[engine.Leaving](ctx, c, http.MethodGet, "/leavers/"+url.PathEscape(identity), nil, nil)
}

// Leave says that somebody has left.
func (c *Client) Leave(ctx context.Context, identity, reason string) (engine.Left, error) {
	return call[engine.Left](ctx, c, http.MethodPost, "/leavers/"+url.PathEscape(identity), nil, api.InReason{Reason: reason})
}

// Rejoin takes that word back.
func (c *Client) Rejoin(ctx context.Context, identity, reason string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1/leavers/"+url.PathEscape(identity)+"/back", nil, api.InReason{Reason: reason})
	return err
}

// Handovers lists what is to be decided: the caller's own, or all of it.
func (c *Client) Handovers(ctx context.Context, all, decided bool, before string, limit int) ([]access.Handover, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if all {
		q.Set("all", "true")
	}
	if decided {
		q.Set("decided", "true")
	}
	if before != "" {
		q.Set("before", before)
	}
	return call[[]access.Handover](ctx, c, http.MethodGet, "/handovers", q, nil)
}

// OfferHandover offers it to somebody.
func (c *Client) OfferHandover(ctx context.Context, id, to, note string) (access.Handover, error) {
	return call[access.Handover](ctx, c, http.MethodPost, "/handovers/"+url.PathEscape(id)+"/offer", nil, api.InOffer{To: to, Note: note})
}

// DecideHandover accepts, declines or retires it.
func (c *Client) DecideHandover(ctx context.Context, id, how, note string) (access.Handover, error) {
	in := struct {
		Note string `json:"note,omitempty"`
	}{note}
	return call[access.Handover](ctx, c, http.MethodPost, "/handovers/"+url.PathEscape(id)+"/"+how, nil, in)
}
