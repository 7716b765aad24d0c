package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Kind of site.
type Kind string

const (
	Cloud      Kind = "cloud"       // REST v3, users by accountId, bodies in ADF
	DataCenter Kind = "data-center" // REST v2, users by key, bodies in wiki markup
)

// Config may be wrong; New says how.
type Config struct {
	Kind Kind
	// Base is the site, e.g. "https://example.atlassian.net" or, with a context path,
	// "https://jira.example.org/jira". Plain http is refused except on loopback.
	Base string
	// Email makes it Basic authentication with an API token; empty: the token is a
	// bearer (a personal access token).
	Email string
	// Token gives the token, asked anew for every request so that it can be rotated.
	// Empty: the request is not sent.
	Token func() string
	// CA are the roots trusted for Base; nil means the system's.
	CA *x509.CertPool
	// Timeout bounds one request. Zero means 30 s.
	Timeout time.Duration
	// Transport is used in place of our own; redirects are still refused. Optional.
	Transport http.RoundTripper
	// Now tells the time. Nil means time.Now.
	Now func() time.Time
	// Jitter draws from [0,1), to spread waits. Nil means at random.
	Jitter func() float64
}

// New checks the configuration; it sends nothing.
func New(cfg Config) (Site, error) {
	base, err := checkBase(cfg.Base)
	switch {
	case err != nil:
		return nil, fmt.Errorf("jira: Base %w", err)
	case cfg.Token == nil:
		return nil, errors.New("jira: Token is required")
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("jira: Timeout %s is negative", cfg.Timeout)
	case strings.ContainsAny(cfg.Email, ":\r\n"):
		return nil, errors.New("jira: Email must not contain a colon or a line break")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Transport == nil {
		cfg.Transport = transport(base, cfg)
	}
	l := &line{
		base: strings.TrimRight(base.String(), "/"), email: cfg.Email, token: cfg.Token, timeout: cfg.Timeout, now: cfg.Now,
		client: &http.Client{
			Transport: cfg.Transport,
			// It would carry the token, or the write, to a place nobody configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		limit: &limiter{now: cfg.Now, jitter: cfg.Jitter},
	}
	switch cfg.Kind {
	case Cloud:
		return &cloud{site{line: l, root: "/rest/api/3", user: byAccount}}, nil
	case DataCenter:
		return &dataCenter{site{line: l, root: "/rest/api/2", user: byKey, optIn: true}}, nil
	}
	return nil, fmt.Errorf("jira: Kind %q: must be %q or %q", cfg.Kind, Cloud, DataCenter)
}

// site is what both kinds of site have in common; cloud and dataCenter add what differs.
type site struct {
	*line
	root  string
	user  func(person) User
	optIn bool // Data Center counts most of the service desk's API as experimental
}

type (
	cloud      struct{ site }
	dataCenter struct{ site }
)

var (
	_ Site = (*cloud)(nil)
	_ Site = (*dataCenter)(nil)
)

func checkBase(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "":
		return nil, errors.New("must be scheme, host and path alone, e.g. https://example.atlassian.net")
	case strings.ContainsAny(u.EscapedPath(), "%;"), strings.Contains(u.Path+"/", "/../"), strings.Contains(u.Path+"/", "/./"):
		return nil, errors.New("must have a plain path")
	case u.Scheme == "https":
	case u.Scheme == "http" && loopback(u.Hostname()):
	default:
		return nil, errors.New("must be https (http only on loopback)")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !mayDial(ip, u.Hostname()) {
		return nil, errors.New("must not be a link-local, multicast or unspecified address")
	}
	return u, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// mayDial says whether the site called host may be at ip. A name that suddenly
// leads to this machine or to a cloud's metadata address is not Jira. Private
// addresses are where many a Data Center is.
func mayDial(ip netip.Addr, host string) bool {
	ip = ip.Unmap()
	if ip.IsLoopback() {
		return loopback(host)
	}
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && !ip.IsLinkLocalUnicast()
}

// transport dials the base's host, checked at each address it resolves to, or the
// proxy that the environment names.
func transport(base *url.URL, cfg Config) *http.Transport {
	host := base.Hostname()
	checked := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !mayDial(at.Addr(), host) {
			return fmt.Errorf("%s leads to %s, where no Jira is called", host, address)
		}
		return nil
	}}
	free := &net.Dialer{Timeout: 10 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if to, _, err := net.SplitHostPort(address); err == nil && !strings.EqualFold(to, host) {
				return free.DialContext(ctx, network, address) // the proxy
			}
			return checked.DialContext(ctx, network, address)
		},
		TLSClientConfig:        &tls.Config{RootCAs: cfg.CA, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
	}
}
