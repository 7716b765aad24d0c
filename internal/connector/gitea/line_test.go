package gitea

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

// line is the way between connector and Gitea: a proxy with the server's own
// certificate, that can fail.
type line struct {
	w      world
	addr   string
	client *http.Client
	proxy  *httputil.ReverseProxy

	mu     sync.Mutex
	server *http.Server
	fault  connectortest.Fault
	turn   int         // which of two answers is due
	held   []heldWrite // in the order they came
}

type heldWrite struct {
	req  *http.Request
	body []byte
}

func newLine(t testing.TB, w world) *line {
	t.Helper()
	to, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.CA}, ForceAttemptHTTP2: true}
	t.Cleanup(through.CloseIdleConnections)
	l := &line{w: w, addr: "127.0.0.1:0", client: &http.Client{Transport: through}, proxy: httputil.NewSingleHostReverseProxy(to)}
	l.proxy.Transport = through
	l.proxy.ErrorLog = log.New(io.Discard, "", 0) // a caller that hangs up is no news
	l.up(t)
	t.Cleanup(l.down)
	return l
}

func (l *line) up(t testing.TB) {
	t.Helper()
	at, err := net.Listen("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr = at.Addr().String()
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: time.Minute, ErrorLog: l.proxy.ErrorLog,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{l.w.Cert}}}
	go func(s *http.Server) { _ = s.ServeTLS(at, "", "") }(l.server)
}

// down closes the listener and every connection.
func (l *line) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.server.Close()
}

// breaks is a Target's Break.
func (l *line) breaks(c *Connector) func(testing.TB, connectortest.Fault) (mend func()) {
	return func(t testing.TB, f connectortest.Fault) func() {
		t.Helper()
		l.set(f)
		if f == connectortest.Down {
			l.down()
			// What was open is closed; whether the client has noticed yet is chance.
			c.client.CloseIdleConnections()
		}
		return func() {
			t.Helper()
			if f == connectortest.Down {
				l.up(t)
			}
			for _, h := range l.set("") {
				resp, err := l.forward(context.Background(), h.req, h.body)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
			}
		}
	}
}

func (l *line) set(f connectortest.Fault) (held []heldWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = f
	held, l.held = l.held, nil
	return held
}

// forward sends a write on to the server.
func (l *line) forward(ctx context.Context, r *http.Request, body []byte) (*http.Response, error) {
	out, err := http.NewRequestWithContext(ctx, r.Method, l.w.URL+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	return l.client.Do(out)
}

// ServeHTTP lets reads through, and does to writes what the fault says.
func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	fault := l.fault
	l.turn++
	odd := l.turn%2 == 1
	l.mu.Unlock()
	if r.Method == http.MethodGet || fault == "" {
		l.proxy.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch fault {
	case connectortest.LostAnswer:
		if resp, err := l.forward(r.Context(), r, body); err == nil {
			_ = resp.Body.Close()
		}
		panic(http.ErrAbortHandler) // ends the stream without a word
	case connectortest.Lie:
		w.WriteHeader(http.StatusNoContent)
	case connectortest.Refuse:
		code := http.StatusForbidden
		if odd {
			code = http.StatusUnprocessableEntity
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"message":"not today","url":"https://git.example.org/api/swagger"}`)
	case connectortest.Late:
		l.mu.Lock()
		l.held = append(l.held, heldWrite{r, body})
		l.mu.Unlock()
		<-r.Context().Done()
	}
}
