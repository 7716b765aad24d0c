package client

import (
	"context"
	"net/http"

	"github.com/lessor-iam/lessor/internal/engine"
)

// Recovery says how far a recovery has come, if there is one.
func (c *Client) Recovery(ctx context.Context) (engine.RecoveryState, error) {
	return call[engine.RecoveryState](ctx, c, http.MethodGet, "/recovery", nil, nil)
}

// ApproveRecovery is one person's word that recovery may be left.
func (c *Client) ApproveRecovery(ctx context.Context, note string) (engine.RecoveryState, error) {
	return call[engine.RecoveryState](ctx, c, http.MethodPost, "/recovery/approve", nil, map[string]string{"note": note})
}
