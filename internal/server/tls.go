package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/secret"
)

const (
	paperEvery = time.Minute         // how often the certificate is read anew
	paperEnds  = 14 * 24 * time.Hour // how long before its end that is said
)

// paper is the certificate that is shown to whoever connects. It is read anew while
// the server works, so that it can be renewed in place; one that cannot be used
// leaves the old one shown, and that is said.
type paper struct {
	from config.TLS
	now  func() time.Time
	log  *slog.Logger

	mu   sync.Mutex
	held *tls.Certificate
	read time.Time
}

// show is what [tls.Config] asks with each connection.
func (p *paper) show(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if since := now.Sub(p.read); p.held != nil && since >= 0 && since < paperEvery {
		return p.held, nil
	}
	fresh, err := readPaper(p.from)
	p.read = now
	switch {
	case err != nil && p.held == nil:
		return nil, err
	case err != nil:
		p.log.Error("the certificate cannot be read anew; the old one is shown", "error", err.Error())
	default:
		p.held = fresh
	}
	if why := ending(p.held, now); why != "" {
		p.log.Warn(why)
	}
	return p.held, nil
}

// readPaper reads the certificate and its key, which must belong together.
func readPaper(from config.TLS) (*tls.Certificate, error) {
	chain, err := os.ReadFile(from.Certificate)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate of tls in lessor.yaml: %w", access.ErrInvalid, err)
	}
	key, err := secret.Open(from.KeyRef)
	if err != nil {
		return nil, fmt.Errorf("%w: key_ref of tls in lessor.yaml: %w", access.ErrInvalid, err)
	}
	pair, err := tls.X509KeyPair(chain, []byte(key.Reveal()))
	if err != nil {
		return nil, fmt.Errorf("%w: tls of lessor.yaml: %s and its key: %w", access.ErrInvalid, from.Certificate, err)
	}
	return &pair, nil
}

// ending says that a certificate is over or will soon be.
func ending(c *tls.Certificate, now time.Time) string {
	if left := c.Leaf.NotAfter.Sub(now); left < paperEnds {
		return fmt.Sprintf("tls of lessor.yaml: the certificate ends at %s: renew it", c.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return ""
}

// tlsConfig is how the server speaks TLS; nil where it does not.
func tlsConfig(c *config.Config, now func() time.Time, log *slog.Logger) (*tls.Config, error) {
	if c.TLS == nil {
		return nil, nil
	}
	p := &paper{from: *c.TLS, now: now, log: log}
	if _, err := p.show(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.show, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// checkTLS says whether TLS would work. What is not set where it is checked is a warning.
func checkTLS(c *config.Config, now time.Time) (warnings []string, err error) {
	if c.TLS == nil {
		return nil, nil
	}
	if name, ok := strings.CutPrefix(c.TLS.KeyRef, "env:"); ok && os.Getenv(name) == "" {
		return []string{fmt.Sprintf("key_ref of tls: %s is not set here: whether the certificate fits it is not checked", c.TLS.KeyRef)}, nil
	}
	held, err := readPaper(*c.TLS)
	if err != nil {
		return nil, err
	}
	if why := ending(held, now); why != "" {
		warnings = append(warnings, why)
	}
	return warnings, nil
}

// overTLS has a listener speak TLS, if that is configured.
func (s *Server) overTLS(l net.Listener) (net.Listener, error) {
	t, err := tlsConfig(s.current.Load(), time.Now, s.log)
	if err != nil || t == nil {
		return l, err
	}
	return tls.NewListener(l, t), nil
}

// stayOnTLS has browsers that came by TLS never try without it.
func stayOnTLS(do http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil {
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		do.ServeHTTP(w, r)
	})
}

// Scheme is how the server's address begins.
func (s *Server) Scheme() string {
	if s.current.Load().TLS != nil {
		return "https"
	}
	return "http"
}

// Listen opens the configured address, or the given one. Without TLS only loopback
// is listened on.
func (s *Server) Listen(addr string) (net.Listener, error) {
	c := s.current.Load()
	if addr == "" {
		addr = c.Listen
	}
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); c.TLS == nil && (err != nil || (host != "localhost" && (ip == nil || !ip.IsLoopback()))) {
		return nil, fmt.Errorf("%w: listen %q is not a loopback address such as 127.0.0.1:7317, and lessor.yaml has no tls: tokens would travel in the clear", access.ErrInvalid, addr)
	}
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: something listens on %s already: stop it, or say another address with --listen or in lessor.yaml", access.ErrConflict, addr)
	case err != nil:
		return nil, fmt.Errorf("%w: listen on %s: %w", access.ErrInvalid, addr, err)
	}
	over, err := s.overTLS(l)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return over, nil
}
