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

// Workloads lists a page of those one may know of; mine: only those one answers for.
func (c *Client) Workloads(ctx context.Context, s engine.WorkloadsSought, limit int) (api.WorkloadPage, error) {
	q := url.Values{"mine": {strconv.FormatBool(s.Mine)}, "limit": {strconv.Itoa(limit)}}
	for name, value := range map[string]string{"words": s.Words, "lacks": s.Lacks, "after": s.After} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return call[api.WorkloadPage](ctx, c, http.MethodGet, "/workloads", q, nil)
}

// Workload tells all of one.
func (c *Client) Workload(ctx context.Context, id string) (engine.WorkloadStory, error) {
	return call[engine.WorkloadStory](ctx, c, http.MethodGet, "/workloads/"+url.PathEscape(id), nil, nil)
}

// WorkloadCoverage counts of how many is known what should be of all.
func (c *Client) WorkloadCoverage(ctx context.Context, mine bool) (engine.Coverage, error) {
	return call[engine.Coverage](ctx, c, http.MethodGet, "/workload-coverage", url.Values{"mine": {strconv.FormatBool(mine)}}, nil)
}

// RegisterWorkload writes one down.
func (c *Client) RegisterWorkload(ctx context.Context, w engine.NewWorkload) (access.Registration, error) {
	return call[access.Registration](ctx, c, http.MethodPost, "/workloads", nil, w)
}

// Registrations lists the workloads that one is asked to answer for.
func (c *Client) Registrations(ctx context.Context) ([]access.Registration, error) {
	return call[[]access.Registration](ctx, c, http.MethodGet, "/registrations", nil, nil)
}

// AcceptWorkload answers for one from now on.
func (c *Client) AcceptWorkload(ctx context.Context, registration string) (access.Registration, error) {
	return call[access.Registration](ctx, c, http.MethodPost, "/registrations/"+url.PathEscape(registration)+"/accept", nil, nil)
}

// DeclineWorkload refuses to, or takes a proposal back.
func (c *Client) DeclineWorkload(ctx context.Context, registration, reason string) error {
	return c.why(ctx, "/registrations/"+url.PathEscape(registration)+"/decline", reason)
}

// ReviewWorkload says that its contract is still right.
func (c *Client) ReviewWorkload(ctx context.Context, id, note string) error {
	return c.why(ctx, "/workloads/"+url.PathEscape(id)+"/review", note)
}

// ChangeContract puts another in its contract's place.
func (c *Client) ChangeContract(ctx context.Context, id string, to access.Contract, reason string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1/workloads/"+url.PathEscape(id)+"/contract", nil, api.NewContract{Contract: to, Reason: reason})
	return err
}

// RetireWorkload ends one, and all it was granted.
func (c *Client) RetireWorkload(ctx context.Context, id, reason string) (api.Retired, error) {
	return call[api.Retired](ctx, c, http.MethodPost, "/workloads/"+url.PathEscape(id)+"/retire", nil, map[string]string{"reason": reason})
}

func (c *Client) why(ctx context.Context, path, reason string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1"+path, nil, map[string]string{"reason": reason})
	return err
}
