// Package client speaks to a running server over its JSON API. The command line
// and the demo stand on it. It keeps nothing, decides nothing, and retries
// nothing: every ask carries a reference, so whoever repeats it gets the same
// request again.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/policy"
)

// Client is one actor's way to one server. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// New takes "http://127.0.0.1:7317" and a token.
func New(base, token string) *Client {
	return &Client{base: strings.TrimRight(base, "/"), token: token, http: &http.Client{Timeout: 2 * time.Minute,
		// A redirect would carry the token to a place nobody named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Over has the client speak TLS as that says, and returns it.
func (c *Client) Over(t *tls.Config) *Client {
	c.http.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: t, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	return c
}

// ErrUnreachable: the server did not answer.
var ErrUnreachable = errors.New("the server cannot be reached")

// Problem is the server's answer that it did not do it. It unwraps to the
// sentinel that the status stands for.
type Problem struct {
	Type   string `json:"type"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

// Error is what the server said, with every part of it.
func (p *Problem) Error() string {
	text := p.Detail
	for _, e := range p.Errors {
		if !strings.Contains(text, e.Message) {
			text += "\n  " + strings.TrimSpace(e.Location+" "+e.Message)
		}
	}
	if text == "" {
		text = http.StatusText(p.Status)
	}
	return text
}

// Unwrap gives the sentinel.
func (p *Problem) Unwrap() error {
	if p.Type == "urn:lessor:problem:unavailable" {
		return access.ErrUnavailable
	}
	switch p.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return access.ErrInvalid
	case http.StatusUnauthorized, http.StatusForbidden:
		return access.ErrDenied
	case http.StatusNotFound:
		return access.ErrNotFound
	case http.StatusConflict:
		return access.ErrConflict
	case http.StatusGone:
		return access.ErrGone
	case http.StatusServiceUnavailable:
		return access.ErrHalted
	}
	return nil
}

// longestAnswer bounds what is read of one answer.
const longestAnswer = 256 << 20

// send does one call and returns the body of a good answer.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, in any) ([]byte, error) {
	raw, _, err := c.sent(ctx, method, path, query, in)
	return raw, err
}

// sent is send, with the answer's header.
func (c *Client) sent(ctx context.Context, method, path string, query url.Values, in any) ([]byte, http.Header, error) {
	var content io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, nil, err
		}
		content = bytes.NewReader(raw)
	}
	u := c.base + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, content)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key, ok := ctx.Value(keyOf{}).(string); ok {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, longestAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if res.StatusCode >= 300 {
		return nil, nil, problemOf(res, raw)
	}
	return raw, res.Header, nil
}

func problemOf(res *http.Response, raw []byte) *Problem {
	p := &Problem{}
	if json.Unmarshal(raw, p) != nil || (p.Detail == "" && len(p.Errors) == 0) {
		p.Detail = fmt.Sprintf("%s: %.200s", res.Status, strings.TrimSpace(string(raw)))
	}
	if p.Status = res.StatusCode; p.Status == http.StatusUnauthorized {
		p.Detail += " (the one sent is wrong, has expired, is of somebody no longer active, or is not in force yet: lessor token new, lessor reload)"
	}
	return p
}

func call[T any](ctx context.Context, c *Client, method, path string, query url.Values, in any) (out T, err error) {
	raw, err := c.send(ctx, method, "/api/v1"+path, query, in)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return out, fmt.Errorf("the server's answer: %w", err)
	}
	return out, nil
}

func (c *Client) tell(ctx context.Context, path, note string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1"+path, nil, map[string]string{"note": note})
	return err
}

type keyOf struct{}

// Once gives the next call a key: sent again with the same content within a day, it
// is not done again and is answered alike.
func Once(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOf{}, key)
}

// Page asks for a part of a list.
type Page struct {
	Cursor string // as the page before gave it; empty: from the beginning
	Limit  int
}

func (p Page) query() url.Values {
	q := url.Values{}
	if p.Cursor != "" {
		q.Set("cursor", p.Cursor)
	}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return q
}

// Submit asks.
func (c *Client) Submit(ctx context.Context, a engine.Ask) (access.Request, error) {
	return call[access.Request](ctx, c, http.MethodPost, "/requests", nil, a)
}

// Preview asks what policy would say, and asks nothing.
func (c *Client) Preview(ctx context.Context, a engine.Ask) ([]access.Item, error) {
	return call[[]access.Item](ctx, c, http.MethodPost, "/preview", nil, a)
}

// Request shows one with what came of it.
func (c *Client) Request(ctx context.Context, id string) (engine.Story, error) {
	return call[engine.Story](ctx, c, http.MethodGet, "/requests/"+url.PathEscape(id), nil, nil)
}

// Edit makes a new revision of the one with that digest.
func (c *Client) Edit(ctx context.Context, id, digest string, a engine.Ask) (access.Request, error) {
	return call[access.Request](ctx, c, http.MethodPut, "/requests/"+url.PathEscape(id), url.Values{"digest": {digest}}, a)
}

// Cancel takes a request back.
func (c *Client) Cancel(ctx context.Context, id, note string) error {
	return c.tell(ctx, "/requests/"+url.PathEscape(id)+"/cancel", note)
}

// Comment adds a remark.
func (c *Client) Comment(ctx context.Context, id, text string) error {
	return c.tell(ctx, "/requests/"+url.PathEscape(id)+"/comments", text)
}

// Explain shows which rules decide one entitlement of a request.
func (c *Client) Explain(ctx context.Context, id, entitlement, question, voter, stage string) (policy.Explanation, error) {
	q := url.Values{}
	for key, v := range map[string]string{"entitlement": entitlement, "question": question, "voter": voter, "stage": stage} {
		if v != "" {
			q.Set(key, v)
		}
	}
	return call[policy.Explanation](ctx, c, http.MethodGet, "/requests/"+url.PathEscape(id)+"/explain", q, nil)
}

// Vote casts a ballot.
func (c *Client) Vote(ctx context.Context, b engine.Ballot) (access.Request, error) {
	return call[access.Request](ctx, c, http.MethodPost, "/requests/"+url.PathEscape(b.Request)+"/votes", nil, b)
}

// Withdraw takes one's vote back.
func (c *Client) Withdraw(ctx context.Context, request, vote string) error {
	_, err := c.send(ctx, http.MethodDelete, "/api/v1/requests/"+url.PathEscape(request)+"/votes/"+url.PathEscape(vote), nil, nil)
	return err
}

// Grant shows one with the looks it rests on.
func (c *Client) Grant(ctx context.Context, id string) (api.Sight, error) {
	return call[api.Sight](ctx, c, http.MethodGet, "/grants/"+url.PathEscape(id), nil, nil)
}

// Return gives a grant back.
func (c *Client) Return(ctx context.Context, id, note string) error {
	return c.tell(ctx, "/grants/"+url.PathEscape(id)+"/return", note)
}

// Revoke ends somebody's grant.
func (c *Client) Revoke(ctx context.Context, id, reason string) error {
	return c.tell(ctx, "/grants/"+url.PathEscape(id)+"/revoke", reason)
}

// Evidence fetches a grant's bundle, byte for byte.
func (c *Client) Evidence(ctx context.Context, id string) ([]byte, error) {
	return c.send(ctx, http.MethodGet, "/api/v1/grants/"+url.PathEscape(id)+"/evidence", nil, nil)
}

// Audited says what an audit saw: for auditors and security, by a token that is good for it.
func (c *Client) Audited(ctx context.Context, run engine.AuditRun) (engine.Audited, error) {
	return call[engine.Audited](ctx, c, http.MethodPost, "/findings/audited", nil, run)
}

// Tickets lists up to limit tickets with ids above after, and what came of each:
// for auditors and security.
func (c *Client) Tickets(ctx context.Context, after string, limit int) ([]engine.TicketStory, error) {
	q := Page{Limit: limit}.query()
	if after != "" {
		q.Set("after", after)
	}
	return call[[]engine.TicketStory](ctx, c, http.MethodGet, "/tickets", q, nil)
}

// Confirm says that a ticket which came by an unproven way is one's own.
func (c *Client) Confirm(ctx context.Context, ticket string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1/tickets/confirm", nil, map[string]string{"ticket": ticket})
	return err
}

// Status tells how the server is doing.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return call[api.Status](ctx, c, http.MethodGet, "/status", nil, nil)
}

// Reload has rules, directory and catalog read anew.
func (c *Client) Reload(ctx context.Context) error { return c.tell(ctx, "/reload", "") }

// ConfirmFiles has them read anew as the second person, who has looked at those of that digest.
func (c *Client) ConfirmFiles(ctx context.Context, digest string) error {
	_, err := c.send(ctx, http.MethodPost, "/api/v1/reload", url.Values{"confirm": {digest}}, map[string]string{"note": ""})
	return err
}

// Files lists up to limit files that were in force or asked for, with ids below before, newest first.
func (c *Client) Files(ctx context.Context, before string, limit int) ([]access.Files, error) {
	q := Page{Limit: limit}.query()
	if before != "" {
		q.Set("before", before)
	}
	return call[[]access.Files](ctx, c, http.MethodGet, "/files", q, nil)
}
