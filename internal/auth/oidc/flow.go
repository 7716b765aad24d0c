package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	oidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/lessor-iam/lessor/internal/access"
)

// Flow is one sign-in under way. The browser that began it carries it, in a
// cookie that nobody else reads: nothing is kept here, so that nobody can fill
// the house with sign-ins that are begun and never finished. Changing it gains
// its bearer nothing: what somebody is taken for rests on the answer alone.
type Flow struct {
	Provider string    `json:"p"`
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	Strength string    `json:"g,omitempty"` // asked for; empty: any
	For      string    `json:"f,omitempty"` // who wants to be known better; empty: a new sign-in
	Next     string    `json:"t,omitempty"` // where the browser goes afterwards
	Began    time.Time `json:"b"`
}

// FlowTime is how long somebody may take at the provider.
const FlowTime = 15 * time.Minute

// Answer is what a provider said of somebody, checked.
type Answer struct {
	Subject     string
	Session     string    // the provider's own id of its session; empty: it has none
	Strength    string    // the strongest it deserves, or the one asked for; empty: none
	StrongUntil time.Time // zero: as long as the session
	Claims      map[string]any
}

// Text is a claim that is one text; empty where there is none.
func (a Answer) Text(claim string) string { text, _ := a.Claims[claim].(string); return text }

// Begin starts a sign-in, as strong as named: the address to send the browser
// to, and what the browser must bring back.
func (p *Provider) Begin(ctx context.Context, strength string) (address string, f Flow, err error) {
	says, err := p.find(ctx)
	if err != nil {
		return "", f, err
	}
	// A secret that cannot be read fails here, before somebody goes there for nothing.
	c, err := p.oauth(says)
	if err != nil {
		return "", f, err
	}
	raw := make([]byte, 96)
	if _, err := io.ReadFull(p.Rand, raw); err != nil {
		return "", f, fmt.Errorf("randomness: %w", err)
	}
	write := base64.RawURLEncoding.EncodeToString
	f = Flow{Provider: p.ID, State: write(raw[:32]), Nonce: write(raw[32:64]), Verifier: write(raw[64:]), Strength: strength, Began: p.Now().UTC().Truncate(time.Second)}
	asked, err := p.asks(says.meta, strength)
	if err != nil {
		return "", f, err
	}
	opts := append(asked, oauth2.S256ChallengeOption(f.Verifier), oidc.Nonce(f.Nonce))
	return c.AuthCodeURL(f.State, opts...), f, nil
}

// asks are the parameters that ask for a strength. "acr_values" is a wish: a
// provider with a session may answer by less and say nothing. Only a claim that
// is essential has somebody asked again, and even its answer is checked.
func (p *Provider) asks(m meta, strength string) ([]oauth2.AuthCodeOption, error) {
	claim, acrs := map[string]any{}, []string(nil)
	var opts []oauth2.AuthCodeOption
	for _, s := range p.Strengths {
		acrs = append(acrs, s.ACR...)
	}
	if strength != "" {
		i := slices.IndexFunc(p.Strengths, func(s Strength) bool { return s.Name == strength })
		if i < 0 {
			return nil, fmt.Errorf("%w: %s knows no sign-in by %.40q", access.ErrNotFound, p.ID, strength)
		}
		s := p.Strengths[i]
		if acrs = s.ACR; len(acrs) == 0 { // by methods alone: nothing can be asked but that it be done anew
			opts = append(opts, oauth2.SetAuthURLParam("prompt", "login"))
		}
		claim["essential"] = true
		if s.MaxAge > 0 {
			opts = append(opts, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(s.MaxAge.Seconds()))))
		}
	}
	switch {
	case len(p.Strengths) == 0:
	case m.Claims:
		token := map[string]any{"auth_time": nil, "amr": nil}
		if len(acrs) > 0 {
			claim["values"] = acrs
			token["acr"] = claim
		}
		raw, err := json.Marshal(map[string]any{"id_token": token})
		if err != nil {
			return nil, err
		}
		opts = append(opts, oauth2.SetAuthURLParam("claims", string(raw)))
	case len(acrs) > 0:
		opts = append(opts, oauth2.SetAuthURLParam("acr_values", joined(acrs)))
	}
	return opts, nil
}

func joined(list []string) (text string) {
	for i, s := range list {
		if i > 0 {
			text += " "
		}
		text += s
	}
	return text
}

// Finish takes what the provider had the browser bring, and says who it is. It
// is [access.ErrDenied] where anything does not fit, [ErrRefused] where the
// provider itself says no, [ErrWeak] where it answered with less than was asked.
func (p *Provider) Finish(ctx context.Context, f Flow, brought url.Values) (Answer, error) {
	// 1. It is this browser's own sign-in, of this provider, begun a moment ago.
	now := p.Now()
	switch {
	case f.Provider != p.ID:
		return Answer{}, denied("this browser began at another provider")
	case f.State == "" || f.Verifier == "" || f.Nonce == "" || subtle.ConstantTimeCompare([]byte(f.State), []byte(brought.Get("state"))) != 1 || len(brought["state"]) != 1:
		return Answer{}, denied("this browser did not begin this sign-in")
	case now.Sub(f.Began) > FlowTime || f.Began.Sub(now) > skew:
		return Answer{}, denied("it took too long; begin again")
	}
	says, err := p.find(ctx)
	if err != nil {
		return Answer{}, err
	}
	// 2. The answer came from where it was asked (RFC 9207): not from a provider that
	// passes on a code of another.
	if iss, said := brought["iss"]; (said && (len(iss) != 1 || iss[0] != p.Issuer)) || (!said && says.meta.SaysIssuer) {
		return Answer{}, denied("the answer is not from the provider that was asked")
	}
	if no := brought.Get("error"); no != "" {
		return Answer{}, fmt.Errorf("%w: %.60q %.200q", ErrRefused, no, brought.Get("error_description"))
	}
	if len(brought["code"]) != 1 || brought.Get("code") == "" {
		return Answer{}, denied("the answer has no code")
	}
	// 3. The code is worth something only together with what this browser kept.
	c, err := p.oauth(says)
	if err != nil {
		return Answer{}, err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.http), callTime)
	defer cancel()
	got, err := c.Exchange(ctx, brought.Get("code"), oauth2.VerifierOption(f.Verifier))
	if err != nil {
		var no *oauth2.RetrieveError
		if errors.As(err, &no) {
			return Answer{}, fmt.Errorf("%w: the provider does not take the code: %.60q %.200q", access.ErrDenied, no.ErrorCode, no.ErrorDescription)
		}
		return Answer{}, fmt.Errorf("%w: %w", ErrDown, err)
	}
	// 4. What it says, if all of it holds.
	raw, _ := got.Extra("id_token").(string)
	claims, err := p.checked(ctx, says, raw, got.AccessToken, f)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Subject: claims.Subject, Session: claims.Session, Claims: claims.all}
	if slices.ContainsFunc(p.Wants, func(claim string) bool { return a.Claims[claim] == nil }) {
		if err := p.more(ctx, says, got, a); err != nil {
			return Answer{}, err
		}
	}
	a.Strength, a.StrongUntil = p.strength(claims, f.Strength, now)
	if f.Strength != "" && a.Strength != f.Strength {
		return Answer{}, fmt.Errorf("%w: asked for %q, and it says acr %.60q, amr %.200q", ErrWeak, f.Strength, claims.ACR, claims.AMR)
	}
	return a, nil
}

// more adds what the provider tells of somebody beside the token, where it does:
// many put only the subject into the token. The token's own claims stand.
func (p *Provider) more(ctx context.Context, says *found, got *oauth2.Token, a Answer) error {
	if says.UserInfoEndpoint() == "" {
		return nil // then it has nothing more to tell
	}
	if err := safe(says.UserInfoEndpoint()); err != nil {
		return err
	}
	told, err := says.UserInfo(ctx, oauth2.StaticTokenSource(got))
	if err != nil {
		return fmt.Errorf("%w: what it knows of somebody: %w", ErrDown, err)
	}
	if told.Subject != a.Subject {
		return denied("the provider tells of somebody else than it signed in")
	}
	also := map[string]any{}
	if err := told.Claims(&also); err != nil {
		return fmt.Errorf("%w: %w", access.ErrDenied, err)
	}
	maps.DeleteFunc(also, func(k string, _ any) bool { _, has := a.Claims[k]; return has })
	maps.Copy(a.Claims, also)
	return nil
}

// strength is the one asked for if the answer deserves it, else the strongest
// that it deserves.
func (p *Provider) strength(c claims, asked string, now time.Time) (name string, until time.Time) {
	for _, s := range p.Strengths {
		if len(s.ACR) > 0 && !slices.Contains(s.ACR, c.ACR) {
			continue
		}
		if slices.ContainsFunc(s.AMR, func(m string) bool { return !slices.Contains(c.AMR, m) }) {
			continue
		}
		end := time.Time{}
		if s.MaxAge > 0 {
			at := time.Unix(c.AuthTime, 0)
			if end = at.Add(s.MaxAge); c.AuthTime == 0 || at.After(now.Add(skew)) || !now.Before(end) {
				continue
			}
		}
		name, until = s.Name, end
		if name == asked {
			break
		}
	}
	return name, until
}

// EndSession is where the provider lets somebody sign out of itself; empty where
// it does not, or has not been asked yet: no page waits for a provider.
func (p *Provider) EndSession(back string) string {
	if !p.mu.TryLock() {
		return ""
	}
	says := p.known
	p.mu.Unlock()
	if says == nil || says.meta.EndSession == "" || safe(says.meta.EndSession) != nil {
		return ""
	}
	u, err := url.Parse(says.meta.EndSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", back)
	u.RawQuery = q.Encode()
	return u.String()
}

func denied(why string) error { return fmt.Errorf("%w: %s", access.ErrDenied, why) }
