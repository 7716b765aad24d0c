package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// BreakGlass takes access without approval.
func (c *Client) BreakGlass(ctx context.Context, b engine.Breaking) (access.Emergency, error) {
	return call[access.Emergency](ctx, c, http.MethodPost, "/break-glass", nil, b)
}

// Emergencies lists uses of break-glass, newest first.
func (c *Client) Emergencies(ctx context.Context, before string) ([]access.Emergency, error) {
	q := url.Values{}
	if before != "" {
		q.Set("before", before)
	}
	return call[[]access.Emergency](ctx, c, http.MethodGet, "/break-glass", q, nil)
}

// Enrolled says what the caller may take by break-glass.
func (c *Client) Enrolled(ctx context.Context) (engine.Enrolment, error) {
	return call[engine.Enrolment](ctx, c, http.MethodGet, "/break-glass/enrolled", nil, nil)
}

// ReviewEmergency reviews a use of break-glass.
func (c *Client) ReviewEmergency(ctx context.Context, v engine.EmergencyReview) (access.Emergency, error) {
	return call[access.Emergency](ctx, c, http.MethodPost, "/break-glass/"+url.PathEscape(v.Emergency)+"/review", nil, v)
}

// Seal notes that a credential lies sealed.
func (c *Client) Seal(ctx context.Context, s engine.Sealing) (access.Seal, error) {
	return call[access.Seal](ctx, c, http.MethodPost, "/break-glass/seals", nil, s)
}

// Seals lists sealed credentials, newest first.
func (c *Client) Seals(ctx context.Context, before string) ([]access.Seal, error) {
	q := url.Values{}
	if before != "" {
		q.Set("before", before)
	}
	return call[[]access.Seal](ctx, c, http.MethodGet, "/break-glass/seals", q, nil)
}

// Unseal breaks or retires a seal.
func (c *Client) Unseal(ctx context.Context, u engine.Unsealing) (access.Seal, error) {
	return call[access.Seal](ctx, c, http.MethodPost, "/break-glass/seals/"+url.PathEscape(u.Seal)+"/unseal", nil, u)
}

// SettleSeal says in which incident a sealed credential was used.
func (c *Client) SettleSeal(ctx context.Context, u engine.SealUse) (access.Seal, error) {
	return call[access.Seal](ctx, c, http.MethodPost, "/break-glass/seals/"+url.PathEscape(u.Seal)+"/settle", nil, u)
}
