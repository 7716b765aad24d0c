// Package kubernetes is the secret store that a cluster's own Secrets are. A reference
// is NAMESPACE/NAME#KEY: consumers mount the Secret NAME as they always did.
//
// The generation stands in an annotation of the same object, so that one write puts both
// in force. Earlier generations are in a second Secret, NAME.lessor, until they are
// forgotten: its name is known beforehand, so that an account can be let at these two
// objects and at no other. Every write says which version of the object it replaces
// (resourceVersion); one that lands late is refused by the API server.
//
// It creates and updates Secrets and deletes none, lists and watches nothing, leaves
// other keys, labels and annotations as they are, and never quotes what a write was
// answered.
package kubernetes

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
	"github.com/lessor-iam/lessor/internal/deliver"
)

const (
	parallel = 8
	maxBody  = 4 << 20 // a longer answer is refused, never cut
	tries    = 10      // of a write to an object that others write to at the same time
)

// Config may be wrong; New says how.
type Config struct {
	// URL is the API server, https://host[:port][/path]. There is no plain http.
	URL string
	// CA are the roots that URL is trusted by: the cluster's own.
	CA *x509.CertPool
	// Token is asked anew for every request, so that it can be rotated. Empty: the
	// request is not sent.
	Token func() string
	// Timeout bounds one request; the call's context bounds all of them. 0 means 30 s.
	Timeout time.Duration
}

// Store is the Secrets of one cluster.
type Store struct {
	Config
	line *call.Line
}

var _ deliver.Store = (*Store)(nil)

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Store, error) {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("kubernetes: "+format, args...)) }
	base, err := checkURL(cfg.URL)
	if err != nil {
		say("URL %w", err)
	}
	if cfg.CA == nil {
		say("CA is needed: the roots that the API server's certificate is trusted by")
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
	s.line = call.New(call.Config{Base: base, Client: client(cfg.CA), Timeout: cfg.Timeout, Parallel: parallel, MaxBody: maxBody,
		Type: "application/json", Agent: "lessor", Not: "not an API server's answer", Sign: s.sign, Refusal: refusal})
	return s, nil
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
			HTTP2:               &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
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
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// Close makes calls under way fail, and later ones be refused unsent.
func (s *Store) Close() error {
	s.line.Close()
	return nil
}

// place is where a reference leads.
type place struct{ namespace, name, key string }

const earlierEnd = ".lessor" // of the name of the Secret with earlier generations

var (
	namespaceForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	nameForm      = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	// keyForm is shorter than a Secret's: it is part of an annotation's name as well.
	keyForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,48}[A-Za-z0-9])?$`)
)

// CheckRef: a reference is NAMESPACE/NAME#KEY.
func (s *Store) CheckRef(ref string) error {
	_, err := parse(ref)
	return err
}

func parse(ref string) (place, error) {
	object, key, _ := strings.Cut(ref, "#")
	namespace, name, _ := strings.Cut(object, "/")
	if !namespaceForm.MatchString(namespace) || len(name) > 240 || !nameForm.MatchString(name) || strings.HasSuffix(name, earlierEnd) || !keyForm.MatchString(key) {
		return place{}, fmt.Errorf("%w: a reference is NAMESPACE/NAME#KEY, such as billing/database#password; NAME is at most 240 long and does not end with %s, KEY is at most 50 of letters, digits, dot, underscore and hyphen", connector.ErrRefused, earlierEnd)
	}
	return place{namespace, name, key}, nil
}
