package kubernetes

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
	base             string // without a trailing slash
	ca               *x509.CertPool
	token            func() string // nil where a certificate is shown
	certificate, key func() string
	timeout, lingers time.Duration
	now              func() time.Time
}

// check finds everything that is wrong with a configuration.
func check(cfg Config) (settings, error) {
	s := settings{ca: cfg.CA, token: cfg.Token, certificate: cfg.Certificate, key: cfg.Key,
		timeout: cfg.Timeout, lingers: cfg.Lingers, now: cfg.Now}
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("kubernetes: "+format, args...)) }
	var err error
	if s.base, err = checkURL(cfg.URL); err != nil {
		say("URL %w", err)
	}
	if cfg.CA == nil {
		say("CA is needed: the roots that the API server's certificate is trusted by")
	}
	switch shown := cfg.Certificate != nil || cfg.Key != nil; {
	case shown && cfg.Token != nil:
		say("Token and Certificate: one of the two, not both")
	case shown && (cfg.Certificate == nil || cfg.Key == nil):
		say("Certificate and Key go together; one is missing")
	case !shown && cfg.Token == nil:
		say("Token, or Certificate and Key, is needed")
	}
	if cfg.Timeout < 0 || cfg.Lingers < 0 {
		say("Timeout %s and Lingers %s must not be negative", cfg.Timeout, cfg.Lingers)
	}
	if s.timeout == 0 {
		s.timeout = 30 * time.Second
	}
	if s.lingers == 0 {
		s.lingers = Lasting
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
		return "", errors.New("must be scheme, host and path alone, e.g. https://cluster.example.org:6443")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// open makes the client. It connects to nothing yet.
func (s *settings) open() *http.Client {
	conf := &tls.Config{RootCAs: s.ca, MinVersion: tls.VersionTLS12}
	if s.certificate != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.X509KeyPair([]byte(s.certificate()), []byte(s.key()))
			if err != nil {
				return nil, errors.New("the client certificate and its key cannot be read") // err may quote the key
			}
			return &pair, nil
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:     conf,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: parallel,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
			// One connection carries everything: where it has died unnoticed, a ping
			// finds out sooner than the requests' own time-outs.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		},
		// A redirect would carry the token, or the write, to a place nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// credential puts what we are known by on a request. Without it nothing is sent.
func (s *settings) credential(req *http.Request) error {
	if s.token == nil {
		if s.certificate() == "" || s.key() == "" {
			return fmt.Errorf("%w: there is no client certificate, or no key to it", connector.ErrUnreachable)
		}
		return nil
	}
	token := s.token()
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return fmt.Errorf("%w: there is no usable token", connector.ErrUnreachable)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}
