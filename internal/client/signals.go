package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lessor-iam/lessor/internal/api"
)

// DecideHeld has what is held of a transmitter done, or dropped.
func (c *Client) DecideHeld(ctx context.Context, transmitter string, heed bool, reason string) (api.Held, error) {
	return call[api.Held](ctx, c, http.MethodPost, "/signals/"+url.PathEscape(transmitter)+"/held", nil, api.InHeld{Heed: heed, Reason: reason})
}
