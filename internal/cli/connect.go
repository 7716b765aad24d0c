package cli

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/config"
)

// connect finds the server and whose token to show it. The token comes from the
// environment or a file, never from the command line, where others could read it.
func (a *app) connect() (*client.Client, error) {
	base, err := a.base()
	if err != nil {
		return nil, err
	}
	token, err := a.token(base)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(token, unicode.IsControl) {
		return nil, fmt.Errorf("%w: the token has a line break or control character in it: it is one line of letters and digits", errUsage)
	}
	return a.client(base, token), nil
}

// client is the way to a server with that token.
func (a *app) client(base, token string) *client.Client {
	c := client.New(base, token)
	if a.paper != nil {
		c.Over(a.paper)
	}
	return c
}

// base is the server's address.
func (a *app) base() (string, error) {
	base := a.server
	if base == "" {
		base = a.env("LESSOR_SERVER")
	}
	if base == "" {
		listen, certificate, err := config.Listen(a.folder())
		if err != nil {
			return "", fmt.Errorf("%w: no server is named: give --server or $LESSOR_SERVER, or name the folder of a configuration with --dir or $LESSOR_DIR; of %s: %w", errUsage, a.folder(), err)
		}
		if base = listen; certificate != "" {
			if base, err = a.beside(listen, certificate); err != nil {
				return "", err
			}
		}
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	return strings.TrimRight(base, "/"), private(base)
}

// beside is the address of the server of this folder, on this machine: whoever can
// read the folder needs no authority to know its certificate, and its names need not
// lead here.
func (a *app) beside(listen, certificate string) (base string, err error) {
	chain, err := os.ReadFile(certificate)
	if err != nil {
		return "", fmt.Errorf("%w: certificate of tls in lessor.yaml: %w; give --server to reach it by its name", errUsage, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(chain)
	block, _ := pem.Decode(chain)
	if block == nil {
		return "", fmt.Errorf("%w: certificate of tls in lessor.yaml: %s holds none in PEM", errUsage, certificate)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("%w: certificate of tls in lessor.yaml: %s: %w", errUsage, certificate, err)
	}
	a.paper = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	switch {
	case len(leaf.DNSNames) > 0:
		a.paper.ServerName = leaf.DNSNames[0]
	case len(leaf.IPAddresses) > 0:
		a.paper.ServerName = leaf.IPAddresses[0].String()
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.To4() == nil {
			host = "::1"
		}
	}
	return "https://" + net.JoinHostPort(host, port), nil
}

// token is whose token to show: the one named, else the environment's, else the
// one that login keeps.
func (a *app) token(base string) (string, error) {
	if a.as != "" {
		raw, err := os.ReadFile(filepath.Join(a.folder(), "tokens", filepath.Base(a.as)))
		if err != nil {
			return "", fmt.Errorf("%w: no token for %q: %w; lessor token new makes one", errUsage, a.as, err)
		}
		if token := strings.TrimSpace(string(raw)); token != "" {
			return token, nil
		}
	} else if token := strings.TrimSpace(a.env("LESSOR_TOKEN")); token != "" {
		return token, nil
	} else if token, err := a.loggedIn(base); err != nil || token != "" {
		return token, err
	}
	return "", fmt.Errorf("%w: no token: sign in with lessor login, set LESSOR_TOKEN, or say whose with --as NAME (a file in the folder tokens)", errUsage)
}

// private refuses an address to which the token would travel in the clear, past
// this machine.
func private(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%w: the server's address %q is not one such as http://127.0.0.1:7317", errUsage, base)
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%w: to %s the token would travel in the clear; only https:// leaves this machine", errUsage, u.Host)
	}
	return nil
}
