// Package vault is the secret store Vault, and OpenBao, by their KV version 2 engine. A
// reference is PATH#FIELD below one mount; each generation is a version of the secret.
//
// The generation stands in the secret beside the worth, so that one write puts both in
// force, and every write says which version it replaces (check-and-set): one that lands
// late is refused by the server. Other fields of the secret stay as they are. What is
// forgotten is destroyed, not deleted: a deleted version can be brought back.
//
// It makes no mount, policy or token, renews none, follows no redirect, never sends a
// write again that went unanswered, and never quotes what a write was answered.
package vault

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
	"github.com/lessor-iam/lessor/internal/deliver"
)

const (
	parallel = 8
	maxBody  = 4 << 20 // a longer answer is refused, never cut
	tries    = 10      // of a Put whose secret others write to at the same time
)

// Config may be wrong; New says how.
type Config struct {
	// URL is the server, https://host[:port]. Plain http is for this machine's own loopback.
	URL string
	// Mount is where the KV version 2 engine is. Empty means secret.
	Mount string
	// Namespace is the one that everything is in, where the server has namespaces.
	Namespace string
	// Token is asked anew for every request, so that it can be rotated. Empty: the
	// request is not sent.
	Token func() string
	// CA are the roots that URL is trusted by. Nil means the system's.
	CA *x509.CertPool
	// Timeout bounds one request; the call's context bounds all of them. 0 means 30 s.
	Timeout time.Duration
}

// Store is one mount.
type Store struct {
	Config
	line *call.Line
	kv2  atomic.Bool // the mount was seen to be what it must be
}

var _ deliver.Store = (*Store)(nil)

var (
	mountForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$`)
	fieldForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
)

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Store, error) {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("vault: "+format, args...)) }
	base, err := checkURL(cfg.URL)
	if err != nil {
		say("URL %w", err)
	}
	if cfg.Mount == "" {
		cfg.Mount = "secret"
	}
	if !mountForm.MatchString(cfg.Mount) {
		say("Mount is a path of letters, digits, dot, underscore and hyphen, without a slash at either end")
	}
	if cfg.Namespace != "" && !mountForm.MatchString(cfg.Namespace) {
		say("Namespace is a path of letters, digits, dot, underscore and hyphen, without a slash at either end")
	}
	if cfg.Token == nil {
		say("Token is needed")
	}
	if cfg.Timeout < 0 {
		say("Timeout %s must not be negative", cfg.Timeout)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	s := &Store{Config: cfg}
	s.line = call.New(call.Config{Base: base + "/v1", Client: client(cfg.CA), Timeout: cfg.Timeout, Parallel: parallel, MaxBody: maxBody,
		Type: "application/json", Agent: "lessor", Not: "not an answer of Vault's", Sign: s.sign, Refusal: refusal})
	return s, nil
}

func checkURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("is not a URL")
	}
	host := u.Hostname()
	ip, _ := netip.ParseAddr(host)
	switch {
	case host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("must be scheme, host and path alone, e.g. https://vault.example.org:8200")
	case u.Scheme == "http" && (host == "localhost" || ip.IsLoopback()):
	case u.Scheme != "https":
		return "", errors.New("must begin with https://: http is for this machine's own loopback alone")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func client(ca *x509.CertPool) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{RootCAs: ca, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: parallel,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
		},
		// A redirect would carry the token and the worth to a place nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// sign puts what we are known by on a request. Without it nothing is sent.
func (s *Store) sign(req *http.Request) error {
	token := s.Token()
	if token == "" || strings.ContainsAny(token, "\r\n") {
		return fmt.Errorf("%w: there is no usable token", connector.ErrUnreachable)
	}
	req.Header.Set("X-Vault-Token", token)
	req.Header.Set("X-Vault-Request", "true")
	if s.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", s.Namespace)
	}
	return nil
}

// Close makes calls under way fail, and later ones be refused unsent.
func (s *Store) Close() error {
	s.line.Close()
	return nil
}

// place is where a reference leads.
type place struct{ path, field string }

// CheckRef: a reference is PATH#FIELD.
func (s *Store) CheckRef(ref string) error {
	_, err := parse(ref)
	return err
}

func parse(ref string) (place, error) {
	path, field, _ := strings.Cut(ref, "#")
	if len(ref) > 500 || !mountForm.MatchString(path) || !fieldForm.MatchString(field) || strings.HasPrefix(field, numbers) {
		return place{}, fmt.Errorf("%w: a reference is PATH#FIELD below the mount, such as billing/database#password, of letters, digits, dot, underscore and hyphen; FIELD does not begin with %s", connector.ErrRefused, numbers)
	}
	return place{path, field}, nil
}
