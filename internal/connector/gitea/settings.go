package gitea

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// settings are a Config that was found right.
type settings struct {
	base             string // of the API, without a trailing slash
	ca               *x509.CertPool
	token            func() string
	timeout, lingers time.Duration
	now              func() time.Time
}

// check finds everything that is wrong with a configuration.
func check(cfg Config) (settings, error) {
	s := settings{ca: cfg.CA, token: cfg.Token, timeout: cfg.Timeout, lingers: cfg.Lingers, now: cfg.Now}
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("gitea: "+format, args...)) }
	base, err := checkURL(cfg.URL)
	if err != nil {
		say("URL %w", err)
	}
	s.base = base + "/api/v1"
	if cfg.Token == nil {
		say("Token is needed")
	}
	if cfg.Timeout < 0 || cfg.Lingers < 0 {
		say("Timeout %s and Lingers %s must not be negative", cfg.Timeout, cfg.Lingers)
	}
	switch {
	case cfg.NoLFS && cfg.Lingers != 0:
		say("Lingers and NoLFS: without LFS nothing lingers; one of the two, not both")
	case !cfg.NoLFS && s.lingers == 0:
		s.lingers = Lasting
	}
	if s.timeout == 0 {
		s.timeout = 30 * time.Second
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, errors.Join(wrong...)
}

func checkURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("is not a URL")
	}
	switch {
	case u.Scheme != "https":
		return "", errors.New("must begin with https://")
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must be scheme, host and path alone, e.g. https://git.example.org")
	case strings.Contains(u.Path+"/", "/api/"):
		return "", errors.New("is the address of Gitea's first page, without /api/v1")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// open makes the client. It connects to nothing yet.
func (s *settings) open() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{RootCAs: s.ca, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: parallel,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
			// One connection carries everything: where it has died unnoticed, a ping
			// finds out sooner than the requests' own time-outs.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		},
		// A redirect would carry the token, or the write, to a place nobody configured;
		// Gitea's own lead to what now has another name, and that is not what was meant.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// credential puts what we are known by on a request. Without it nothing is sent.
func (s *settings) credential(req *http.Request) error {
	token := s.token()
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return fmt.Errorf("%w: there is no usable token", connector.ErrUnreachable)
	}
	req.Header.Set("Authorization", "token "+token)
	return nil
}
