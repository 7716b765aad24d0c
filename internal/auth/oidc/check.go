package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	exact "github.com/go-json-experiment/json"

	oidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/lessor-iam/lessor/internal/access"
)

// skew is how far two clocks may differ.
const skew = time.Minute

// claims are those of an ID token that are checked here.
type claims struct {
	Subject    string   `json:"sub"`
	Audience   audience `json:"aud"`
	Authorized string   `json:"azp"`
	Expires    float64  `json:"exp"`
	NotBefore  float64  `json:"nbf"`
	Issued     float64  `json:"iat"`
	Nonce      string   `json:"nonce"`
	ACR        string   `json:"acr"`
	AMR        []string `json:"amr"`
	AuthTime   int64    `json:"auth_time"`
	Session    string   `json:"sid"`
	all        map[string]any
}

// audience is one text or a list.
type audience []string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// checked reads an ID token of a sign-in that this browser began. go-oidc checks
// its signature, its issuer and that it is for us; the rest is here.
func (p *Provider) checked(ctx context.Context, says *found, raw, accessToken string, f Flow) (claims, error) {
	if raw == "" {
		return claims{}, denied("the provider sent no ID token")
	}
	t, err := says.check.Verify(ctx, raw)
	if err != nil {
		return claims{}, fmt.Errorf("%w: the ID token: %w", access.ErrDenied, err)
	}
	if err := kind(raw, "", "JWT"); err != nil {
		return claims{}, err
	}
	var c claims
	if err := read(t, &c); err != nil {
		return c, err
	}
	if err := p.when(c.Issued, c.Expires, c.NotBefore); err != nil {
		return c, err
	}
	switch {
	case c.Subject == "" || len(c.Subject) > 255 || c.Subject != t.Subject:
		return c, denied("the ID token is of nobody")
	case subtle.ConstantTimeCompare([]byte(c.Nonce), []byte(f.Nonce)) != 1:
		return c, denied("the ID token was made for another sign-in: its nonce differs")
	case p.otherwise(c):
		return c, denied("the ID token was made for another client")
	case unix(c.Issued).Before(f.Began.Add(-skew)):
		return c, denied("the ID token is older than this sign-in")
	}
	if t.AccessTokenHash != "" {
		if err := t.VerifyAccessToken(accessToken); err != nil {
			return c, fmt.Errorf("%w: the ID token belongs to another access token: %w", access.ErrDenied, err)
		}
	}
	return c, nil
}

// otherwise tells whether a token was made for somebody else and merely names us
// too: one for several must say that it is for us.
func (p *Provider) otherwise(c claims) bool {
	return !slices.Contains(c.Audience, p.ClientID) || (c.Authorized != "" && c.Authorized != p.ClientID) || (len(c.Audience) > 1 && c.Authorized == "")
}

// when holds a token's times against the clock.
func (p *Provider) when(issued, expires, notBefore float64) error {
	now := p.Now()
	switch {
	case issued <= 0 || expires <= 0:
		return denied("the token says not when it was made, or until when it holds")
	case !now.Before(unix(expires).Add(skew)):
		return denied("the token has expired")
	case unix(issued).After(now.Add(skew)) || unix(notBefore).After(now.Add(skew)):
		return denied("the token is from the future; compare the clocks")
	}
	return nil
}

// unix is a moment of a token. What is beyond any calendar is far in the future.
func unix(seconds float64) time.Time {
	return time.Unix(int64(min(max(seconds, 0), 1e11)), 0)
}

// read takes a token's claims exactly as they are named, each once: two readers
// must not see two tokens.
func read(t *oidc.IDToken, c *claims) error {
	var raw json.RawMessage
	if err := t.Claims(&raw); err != nil {
		return fmt.Errorf("%w: %w", access.ErrDenied, err)
	}
	if err := exact.Unmarshal(raw, &c.all); err != nil {
		return fmt.Errorf("%w: the ID token: %w", access.ErrDenied, err)
	}
	if err := exact.Unmarshal(raw, c); err != nil {
		return fmt.Errorf("%w: the ID token: %w", access.ErrDenied, err)
	}
	return nil
}

// kind refuses a token that says it is of another kind: one of another use by the
// same key would pass for this one.
func kind(raw string, may ...string) error {
	sig, err := jose.ParseSignedCompact(raw, signed())
	if err != nil || len(sig.Signatures) != 1 {
		return denied("the token cannot be read")
	}
	typ, _ := sig.Signatures[0].Protected.ExtraHeaders[jose.HeaderType].(string)
	if !slices.ContainsFunc(may, func(m string) bool { return strings.EqualFold(m, typ) }) {
		return fmt.Errorf("%w: the token is of kind %.40q, not %q", access.ErrDenied, typ, may)
	}
	return nil
}

func signed() (list []jose.SignatureAlgorithm) {
	for _, a := range algorithms {
		list = append(list, jose.SignatureAlgorithm(a))
	}
	return list
}

// Ended is what a provider says has ended: one of its sessions, or where Session
// is empty all of somebody's.
type Ended struct {
	ID      string // of the message: it counts once
	Subject string
	Session string
	Until   time.Time // as long as the message could be sent again
}

// Logout reads a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6).
// Whether it came before is for whoever keeps the ids.
func (p *Provider) Logout(ctx context.Context, raw string) (Ended, error) {
	// 1. It says that it is one, before anything is asked of anybody.
	if err := kind(raw, "", "JWT", "logout+jwt"); err != nil {
		return Ended{}, err
	}
	says, err := p.find(ctx)
	if err != nil {
		return Ended{}, err
	}
	// 2. Signature, issuer, audience, events, no nonce, jti, sub or sid: go-oidc.
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.http), callTime)
	defer cancel()
	t, err := says.check.VerifyLogout(ctx, raw)
	if err != nil {
		return Ended{}, fmt.Errorf("%w: the logout token: %w", access.ErrDenied, err)
	}
	// 3. The same once more, by the exact names, and its times.
	var c struct {
		Issued    float64                   `json:"iat"`
		Expires   float64                   `json:"exp"`
		NotBefore float64                   `json:"nbf"`
		Subject   string                    `json:"sub"`
		Session   string                    `json:"sid"`
		ID        string                    `json:"jti"`
		Events    map[string]map[string]any `json:"events"`
		Nonce     any                       `json:"nonce"`
	}
	var whole json.RawMessage
	if err := t.Claims(&whole); err != nil {
		return Ended{}, fmt.Errorf("%w: %w", access.ErrDenied, err)
	}
	if err := exact.Unmarshal(whole, &c); err != nil {
		return Ended{}, fmt.Errorf("%w: the logout token: %w", access.ErrDenied, err)
	}
	if err := p.when(c.Issued, c.Expires, c.NotBefore); err != nil {
		return Ended{}, err
	}
	if c.Events["http://schemas.openid.net/event/backchannel-logout"] == nil || c.Nonce != nil || c.ID == "" || len(c.ID) > 255 || c.Subject+c.Session == "" {
		return Ended{}, denied("the logout token is none")
	}
	return Ended{ID: c.ID, Subject: c.Subject, Session: c.Session, Until: unix(c.Expires).Add(2 * skew)}, nil
}
