package client

import (
	"context"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
)

// Halts lists why nothing is granted now.
func (c *Client) Halts(ctx context.Context) ([]access.Halt, error) {
	return call[[]access.Halt](ctx, c, http.MethodGet, "/halts", nil, nil)
}

// AcceptClock says that the time is what the clocks say now.
func (c *Client) AcceptClock(ctx context.Context, reason string) (access.Halt, error) {
	return call[access.Halt](ctx, c, http.MethodPost, "/clock/accept", nil, api.Acceptance{Reason: reason})
}
