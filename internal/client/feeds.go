package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Feeds lists what each feed of people has.
func (c *Client) Feeds(ctx context.Context) ([]engine.FeedState, error) {
	return call[[]engine.FeedState](ctx, c, http.MethodGet, "/feeds", nil, nil)
}

// ReadFeed has a feed read now.
func (c *Client) ReadFeed(ctx context.Context, feed string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1/feeds/"+url.PathEscape(feed)+"/read", nil, nil)
	return err
}

// PreviewFeed tells what would follow if a feed were read now.
func (c *Client) PreviewFeed(ctx context.Context, feed string) (engine.FeedPreview, error) {
	return call[engine.FeedPreview](ctx, c, http.MethodGet, "/feeds/"+url.PathEscape(feed)+"/preview", nil, nil)
}

// Held lists up to limit records of a feed about which somebody must decide.
func (c *Client) Held(ctx context.Context, feed string, doubted bool, after string, limit int) ([]engine.HeldRecord, error) {
	q := url.Values{"doubted": {strconv.FormatBool(doubted)}, "after": {after}, "limit": {strconv.Itoa(limit)}}
	return call[[]engine.HeldRecord](ctx, c, http.MethodGet, "/feeds/"+url.PathEscape(feed)+"/held", q, nil)
}

// ConfirmFeed says that so many have left of whom it was not believed.
func (c *Client) ConfirmFeed(ctx context.Context, feed string, count int, reason string) (api.HasLeft, error) {
	var in api.InConfirm
	in.Body.Count, in.Body.Reason = count, reason
	return call[api.HasLeft](ctx, c, http.MethodPost, "/feeds/"+url.PathEscape(feed)+"/confirm", nil, in.Body)
}

// DecideRecord says which identity a held record is; empty: a new one.
func (c *Client) DecideRecord(ctx context.Context, feed, key, is, reason string) (engine.HeldRecord, error) {
	var in api.InDecide
	in.Body.Key, in.Body.Is, in.Body.Reason = key, is, reason
	return call[engine.HeldRecord](ctx, c, http.MethodPost, "/feeds/"+url.PathEscape(feed)+"/decide", nil, in.Body)
}
