package scim_test

import (
	"bytes"
	"context"
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

// line is the way between connector and target: a reverse proxy that can fail.
type line struct {
	to    *url.URL
	addr  string
	proxy *httputil.ReverseProxy

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

// newLine leads to the SCIM root at to; the connector's own is line.base().
func newLine(t *testing.T, to string) *line {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{to: u, addr: "127.0.0.1:0", proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: u.Scheme, Host: u.Host})}
	l.proxy.ErrorLog = log.New(io.Discard, "", 0) // a caller that hangs up is no news
	l.up(t)
	t.Cleanup(l.down)
	return l
}

func (l *line) base() string { return "http://" + l.addr + l.to.Path }

func (l *line) up(t testing.TB) {
	t.Helper()
	at, err := net.Listen("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr = at.Addr().String()
	l.server = &http.Server{Handler: l, ReadHeaderTimeout: time.Minute}
	go func(s *http.Server) { _ = s.Serve(at) }(l.server)
}

// down closes the listener and every connection.
func (l *line) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.server.Close()
}

// breaks is a Target's Break.
func (l *line) breaks(t testing.TB, f connectortest.Fault) (mend func()) {
	t.Helper()
	l.set(f)
	if f == connectortest.Down {
		l.down()
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

func (l *line) set(f connectortest.Fault) (held []heldWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = f
	held, l.held = l.held, nil
	return held
}

// forward sends a write on to the target.
func (l *line) forward(ctx context.Context, r *http.Request, body []byte) (*http.Response, error) {
	u := *r.URL
	u.Scheme, u.Host = l.to.Scheme, l.to.Host
	out, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	return http.DefaultClient.Do(out)
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
		panic(http.ErrAbortHandler) // closes the connection without a word
	case connectortest.Lie:
		if odd {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/scim+json")
		_, _ = io.WriteString(w, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"any"}`)
	case connectortest.Refuse:
		status := http.StatusForbidden
		if odd {
			status = http.StatusBadRequest
		}
		w.Header().Set("Content-Type", "application/scim+json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"not today"}`)
	case connectortest.Late:
		l.mu.Lock()
		l.held = append(l.held, heldWrite{r, body})
		l.mu.Unlock()
		<-r.Context().Done()
	}
}
