// Package scim is the connector to SCIM 2.0 service providers (RFC 7643, 7644).
// A holding is a user's place in a group's members.
//
// It names users and groups by their immutable ids on the wire and never builds
// a path or a filter from a name without escaping it. It follows no redirect,
// speaks to no host but its own, and believes no filter: whatever comes back is
// compared again. It never replaces a whole member list, creates or deletes a
// user or a group, or retries a write.
package scim

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// How names in a Ref are read.
const (
	// GroupPrefix before an Object's name means: by the group's immutable id.
	// Without it the name is a displayName that exactly one group must bear.
	GroupPrefix = "group:"
	// UserPrefix before an Account's name means: by the user's immutable id.
	// Without it the name is a userName that exactly one user must bear.
	UserPrefix = "user:"
)

const (
	batch       = 500 // changes worth handing to Apply at once
	pageSize    = 200 // resources asked for at once; the server may give fewer
	parallel    = 4   // requests under way at once
	removeChunk = 200 // remove operations in one PATCH
	addChunk    = 500 // added members in one PATCH
	maxRefusals = 40  // refused PATCHes sent again by halves, per Apply and group
)

// Config may be wrong; New says how.
type Config struct {
	// BaseURL is the SCIM root, e.g. "https://idp.example.org/scim/v2". Plain
	// http is refused except on loopback: it would send the token in the clear.
	BaseURL string
	// Token gives the bearer token, asked anew for every request so that it can
	// be rotated. Empty: the request is not sent.
	Token func() string
	// CA are the roots trusted for BaseURL; nil means the system's.
	CA *x509.CertPool
	// Timeout bounds one HTTP request; the call's context bounds all of them.
	// Zero means 30 s.
	Timeout time.Duration
	// Client is used in place of our own transport; its redirects are still
	// refused. Optional.
	Client *http.Client
	// Now tells the time of a look. Nil means time.Now.
	Now func() time.Time
}

// Connector speaks to one SCIM service provider.
type Connector struct {
	line  *call.Line
	now   func() time.Time
	lanes lanes
}

var _ connector.Connector = (*Connector)(nil)

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Connector, error) {
	base, err := checkBase(cfg.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("scim: BaseURL: %w", err)
	}
	if cfg.Token == nil {
		return nil, errors.New("scim: Token is required")
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("scim: Timeout %s is negative", cfg.Timeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Connector{line: dial(base, cfg), now: cfg.Now}, nil
}

// checkBase gives the base without a trailing slash.
func checkBase(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("is not a URL")
	}
	switch {
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must be scheme, host and path alone, e.g. https://idp.example.org/scim/v2")
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	default:
		return "", errors.New("must be https (http only on loopback)")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func client(cfg Config) *http.Client {
	c := http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: cfg.CA, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: parallel,
		IdleConnTimeout:     time.Minute,
		ForceAttemptHTTP2:   true,
	}}
	if cfg.Client != nil {
		c = *cfg.Client
	}
	// A redirect would carry the token, or the write, to a place nobody configured.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// Capabilities is the same for every SCIM server: whether one has a second path
// is found out, and said, at each look.
func (c *Connector) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: batch, Effective: true}
}

// Close makes calls under way fail, and later ones be refused unsent.
func (c *Connector) Close() error {
	c.line.Close()
	return nil
}

// each runs do for 0..n-1 at once, and waits. What do sends waits for a slot.
func (c *Connector) each(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}
