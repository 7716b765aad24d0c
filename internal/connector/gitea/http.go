package gitea

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/lessor-iam/lessor/internal/connector"
)

// call sends one request to path (already escaped, below the base) and decodes a
// 2xx answer into out, if given; the answer's header comes with it. Its error wraps one
// of the port's sentinels.
func (c *Connector) call(ctx context.Context, method, path string, body, out any) (http.Header, error) {
	leave := c.slot(ctx)
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)() // Close ends calls under way
	if err := errors.Join(ctx.Err(), c.closed.Err()); err != nil {
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	req, sent, err := c.request(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		if !sent.Load() {
			return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
		}
		return nil, fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if resp.StatusCode/100 != 2 {
		return nil, refusal(resp, raw)
	}
	switch {
	case out == nil && method == http.MethodGet && resp.StatusCode != http.StatusNoContent: // a login page, say
		return nil, fmt.Errorf("%w: %s %s: %d is not an answer of Gitea", connector.ErrRefused, method, path, resp.StatusCode)
	case out == nil: // the status is the whole answer
		return resp.Header, nil
	case err != nil:
		return nil, fmt.Errorf("%w: %s %s: %w", connector.ErrUnanswered, method, path, err)
	case len(raw) > maxBody:
		return nil, fmt.Errorf("%w: %s %s: the answer is over %d bytes", connector.ErrRefused, method, path, maxBody)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, fmt.Errorf("%w: %s %s: not an answer of Gitea: %w", connector.ErrRefused, method, path, err)
	}
	return resp.Header, nil
}

// slot waits for one of the connector's slots, no longer than the call may take,
// and gives the function that leaves it.
func (c *Connector) slot(ctx context.Context) (leave func()) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }
	case <-ctx.Done():
	case <-c.closed.Done():
	}
	return func() {}
}

// request builds it, and a flag that is up once a connection was had: from then on
// we cannot know that nothing went out. It goes down where the transport turns to
// another connection, which for a write it does only when nothing of it was written
// or the server has said that it did not take it up.
func (c *Connector) request(ctx context.Context, method, path string, body any) (*http.Request, *atomic.Bool, error) {
	var rd io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", connector.ErrRefused, err)
		}
		rd = bytes.NewReader(raw)
	}
	sent := new(atomic.Bool)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { sent.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, rd)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	if err := c.credential(req); err != nil {
		return nil, nil, err
	}
	req.Header.Set("User-Agent", "lessor")
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, sent, nil
}
