package server

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// A certificate is renewed in place: what lies there a minute later is shown, and
// one that cannot be used leaves the old one shown, which is said.
func TestTheCertificateIsRenewedInPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	testserver.Certify(t, dir)
	now, said := time.Now(), &bytes.Buffer{}
	c := &config.Config{TLS: &config.TLS{Certificate: filepath.Join(dir, "server.pem"), KeyRef: "file:" + filepath.Join(dir, "server.key")}}
	conf, err := tlsConfig(c, func() time.Time { return now }, slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		t.Helper()
		held, err := conf.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(held.Certificate[0])
	}
	first := shown()
	testserver.Certify(t, dir)
	if shown() != first {
		t.Error("read anew at once")
	}
	now = now.Add(paperEvery)
	second := shown()
	if second == first {
		t.Error("the new one is not shown")
	}
	if err := os.WriteFile(filepath.Join(dir, "server.pem"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(paperEvery)
	if shown() != second || !strings.Contains(said.String(), "the old one is shown") {
		t.Errorf("said %q", said)
	}
	if !strings.Contains(said.String(), "renew it") {
		t.Errorf("that it ends within a day is not said: %q", said)
	}
	if _, err := checkTLS(c, now); err == nil {
		t.Error("lessor check takes a certificate that is none")
	}
}

// Without TLS nothing but loopback is listened on, whoever says so; with it the
// doors are open to others, and browsers are told to come by TLS from then on.
func TestListensToOthersByTLSAlone(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen("0.0.0.0:0"); err == nil || s.Scheme() != "http" {
		t.Fatalf("%v", err)
	}
	dir := t.TempDir()
	paper := testserver.Certify(t, dir)
	c := *s.current.Load()
	c.Listen, c.TLS = "0.0.0.0:0", &config.TLS{Certificate: filepath.Join(dir, "server.pem"), KeyRef: "file:" + filepath.Join(dir, "server.key")}
	s.current.Store(&c)
	l, err := s.Listen("")
	if err != nil || s.Scheme() != "https" {
		t.Fatal(err)
	}
	h := &http.Server{Handler: stayOnTLS(s.Handler()), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	go func() { _ = h.Serve(l) }() // until it is closed
	defer h.Close()
	_, port, _ := strings.Cut(l.Addr().String(), "]:")
	if port == "" {
		_, port, _ = strings.Cut(l.Addr().String(), ":")
	}
	by := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: paper.CA}, ForceAttemptHTTP2: true}}
	res, err := by.Get("https://127.0.0.1:" + port + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %s %s", res.StatusCode, body, res.Proto)
	}
	_ = res.Body.Close()
	by.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS11
	by.CloseIdleConnections()
	if res, err := by.Get("https://127.0.0.1:" + port + "/healthz"); err == nil {
		_ = res.Body.Close()
		t.Error("TLS 1.1 is spoken")
	}
	c.TLS = &config.TLS{Certificate: filepath.Join(dir, "ca.pem"), KeyRef: c.TLS.KeyRef}
	if _, err := tlsConfig(&c, time.Now, s.log); err == nil || !strings.Contains(err.Error(), access.ErrInvalid.Error()) {
		t.Errorf("a key of another certificate: %v", err)
	}
}
