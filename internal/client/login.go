package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Waiting is a login that somebody is to allow at the portal.
type Waiting struct {
	Device  string `json:"device_code"` // a secret: who has it gets the token
	Code    string `json:"user_code"`
	Page    string `json:"verification_uri"`
	Expires int    `json:"expires_in"`
	Every   int    `json:"interval"`
}

// Login is a token that somebody let this program have.
type Login struct {
	Token    string    `json:"access_token"`
	Identity string    `json:"identity"`
	End      time.Time `json:"end"`
}

// AskLogin asks to act for somebody; program is what they are told of who asks.
func (c *Client) AskLogin(ctx context.Context, program string) (w Waiting, err error) {
	err = c.signIn(ctx, "/sign-in/cli/ask", map[string]string{"program": program}, &w)
	if err == nil && (w.Device == "" || w.Code == "" || w.Page == "") {
		err = fmt.Errorf("%w: the answer is not that of a server people sign in at", access.ErrInvalid)
	}
	return w, err
}

// Collect waits until somebody has let it in, has refused it, or it took too long.
func (c *Client) Collect(ctx context.Context, w Waiting) (l Login, err error) {
	every := time.Duration(max(w.Every, 1)) * time.Second
	for {
		select {
		case <-ctx.Done():
			return l, ctx.Err()
		case <-time.After(every):
		}
		err = c.signIn(ctx, "/sign-in/cli/collect", map[string]string{"device_code": w.Device}, &l)
		var no *refusal
		switch {
		case errors.As(err, &no) && no.Code == "authorization_pending":
		case errors.As(err, &no) && no.Code == "slow_down":
			every += 5 * time.Second
		case errors.As(err, &no) && no.Code == "access_denied":
			return l, fmt.Errorf("%w: it was refused at the portal", access.ErrDenied)
		case errors.As(err, &no) && no.Code == "expired_token":
			return l, fmt.Errorf("%w: nobody let it in within the time there was; begin again", access.ErrGone)
		default:
			return l, err
		}
	}
}

// Logout takes the client's own token back.
func (c *Client) Logout(ctx context.Context) error {
	return c.signIn(ctx, "/sign-in/cli/end", struct{}{}, nil)
}

// refusal is an answer as RFC 8628 has it.
type refusal struct {
	Code string `json:"error"`
	Says string `json:"error_description"`
	as   error
}

func (r *refusal) Error() string { return r.Says }
func (r *refusal) Unwrap() error { return r.as }

// signIn does one call of the door at which programs are let in.
func (c *Client) signIn(ctx context.Context, path string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer res.Body.Close()
	if raw, err = io.ReadAll(io.LimitReader(res.Body, 1<<20)); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if res.StatusCode < 300 {
		if out == nil {
			return nil
		}
		return json.Unmarshal(raw, out)
	}
	no := refusal{as: (&Problem{Status: res.StatusCode}).Unwrap()}
	if !strings.Contains(res.Header.Get("Content-Type"), "json") || json.Unmarshal(raw, &no) != nil || no.Code == "" {
		return fmt.Errorf("%w: nobody signs in at this server (%s): it has no sign-in.yaml, or is none of ours; use a token instead", access.ErrNotFound, res.Status)
	}
	return &no
}
