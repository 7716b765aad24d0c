// Package oidc asks an OpenID provider who somebody is, and believes nothing of
// the answer that it has not checked: the browser it began with, the issuer, the
// audience, the key, the time, and how strongly somebody was made to prove it.
// It keeps no sign-in that is under way (the browser carries it), knows nobody
// of ours and begins no session: whom an answer means is for whoever asked.
//
//	Begin -> the provider -> Finish -> Answer      (code, PKCE, state, nonce)
//	                         Logout -> Ended       (the provider says so, by a signed token)
package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	oidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/lessor-iam/lessor/internal/access"
)

// What a sign-in ends with instead of an answer.
var (
	ErrDown    = errors.New("the provider cannot be reached")                 // nothing is known of anybody
	ErrRefused = errors.New("the provider did not sign in")                   // it says so itself: denied, given up
	ErrWeak    = errors.New("the provider answered with less than was asked") // it is known who, but not as strongly as asked
)

// Config is one provider and what we are there. ID, Issuer, ClientID,
// Redirect, Now and Rand are needed.
type Config struct {
	ID        string // ours, never the provider's
	Name      string
	Issuer    string // exactly as its tokens say it
	ClientID  string
	Secret    func() (string, error) // read anew at each use; nil: a public client
	Redirect  string                 // where it sends browsers back to, this provider's alone
	Scopes    []string               // besides openid
	Wants     []string               // claims by which somebody is found: asked for beside the token where it has them not
	Strengths []Strength             // weakest first
	Now       func() time.Time
	Rand      io.Reader // safe for concurrent use
}

// Strength is a name that rules use, and what an answer must say to deserve it.
// Of ACR one must be there, of AMR all.
type Strength struct {
	Name   string
	ACR    []string
	AMR    []string
	MaxAge time.Duration // how long after somebody proved it the name holds; zero: as long as the session
}

// Provider is one provider. It is safe for concurrent use.
type Provider struct {
	Config
	http *http.Client

	mu     sync.Mutex
	known  *found
	failed error
	tried  time.Time
}

// found is what a provider says of itself.
type found struct {
	*oidc.Provider
	check *oidc.IDTokenVerifier
	meta  meta
}

// meta are the claims of the discovery document that go-oidc does not read.
type meta struct {
	Keys       string   `json:"jwks_uri"`
	EndSession string   `json:"end_session_endpoint"`
	SaysIssuer bool     `json:"authorization_response_iss_parameter_supported"`
	Claims     bool     `json:"claims_parameter_supported"`
	Algorithms []string `json:"id_token_signing_alg_values_supported"`
}

const (
	callTime    = 10 * time.Second // of one call to a provider
	longestBody = 1 << 20          // of one of its answers
	foundFor    = time.Hour        // how long what it says of itself is believed
	failedFor   = 3 * time.Second  // how long it is left alone after it could not be reached
	keysEvery   = 5 * time.Second  // at most so often its keys are read anew, whoever sends tokens of unknown keys
)

// algorithms are those by which a token may be signed: with a key that only the
// provider has. None of them is "none", and none makes a secret of a public key.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

// New returns a provider, or says what is missing. It connects to nothing.
func New(c Config) (*Provider, error) {
	if c.ID == "" || c.Issuer == "" || c.ClientID == "" || c.Redirect == "" || c.Now == nil || c.Rand == nil {
		return nil, fmt.Errorf("%w: a provider needs ID, Issuer, ClientID, Redirect, Now and Rand", access.ErrInvalid)
	}
	if err := safe(c.Issuer); err != nil {
		return nil, fmt.Errorf("%w: issuer: %w", access.ErrInvalid, err)
	}
	for _, s := range c.Strengths {
		if s.Name == "" || len(s.ACR)+len(s.AMR) == 0 {
			return nil, fmt.Errorf("%w: a strength needs a name, and acr or amr", access.ErrInvalid)
		}
	}
	return &Provider{Config: c, http: client(&wire{next: http.DefaultTransport})}, nil
}

// find reads what the provider says of itself, or has it from before. While it
// cannot be reached one of many waits, and the others hear the same soon after.
func (p *Provider) find(ctx context.Context) (*found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	switch age := now.Sub(p.tried); {
	case p.known != nil && age < foundFor:
		return p.known, nil
	case p.failed != nil && age < failedFor:
		return nil, p.failed
	}
	f, err := p.discover(context.WithoutCancel(ctx)) // whoever asked may go; the answer is for all
	p.tried = p.Now()
	if err != nil {
		p.failed = fmt.Errorf("%w: %s: %w", ErrDown, p.Issuer, err)
		if p.known != nil { // what it said an hour ago is better than nothing; keys are read anew in any case
			return p.known, nil
		}
		return nil, p.failed
	}
	p.known, p.failed = f, nil
	return f, nil
}

func (p *Provider) discover(ctx context.Context) (*found, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.http), callTime)
	defer cancel()
	says, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, err
	}
	f := &found{Provider: says}
	if err := says.Claims(&f.meta); err != nil {
		return nil, err
	}
	at := says.Endpoint()
	for _, u := range []string{at.AuthURL, at.TokenURL, f.meta.Keys} {
		if err := safe(u); err != nil {
			return nil, err
		}
	}
	may := slices.DeleteFunc(slices.Clone(algorithms), func(a string) bool {
		return len(f.meta.Algorithms) > 0 && !slices.Contains(f.meta.Algorithms, a)
	})
	if len(may) == 0 {
		return nil, fmt.Errorf("%w: it signs by none of %v", access.ErrInvalid, algorithms)
	}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.WithoutCancel(ctx), client(&wire{next: p.http.Transport, every: keysEvery, now: p.Now})), f.meta.Keys)
	// Times are checked by check.go, which allows for clocks that differ.
	f.check = oidc.NewVerifier(p.Issuer, keys, &oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: may, SkipExpiryCheck: true})
	return f, nil
}

// oauth is what we are at the provider.
func (p *Provider) oauth(f *found) (*oauth2.Config, error) {
	c := &oauth2.Config{ClientID: p.ClientID, Endpoint: f.Endpoint(), RedirectURL: p.Redirect, Scopes: append([]string{oidc.ScopeOpenID}, p.Scopes...)}
	if p.Secret != nil {
		var err error
		if c.ClientSecret, err = p.Secret(); err != nil {
			return nil, fmt.Errorf("the secret at the provider: %w", err)
		}
	}
	return c, nil
}

// safe refuses an address to which codes, secrets and tokens would travel in the
// clear, past this machine.
func safe(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()))) {
		return fmt.Errorf("%w: the provider's address %.200q is not one that begins with https://", access.ErrInvalid, address)
	}
	return nil
}
