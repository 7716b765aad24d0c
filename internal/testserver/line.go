package testserver

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

// Way is how a [Line] leads to a web service, and in whose words it lies and refuses.
type Way struct {
	To    string // the service's URL, with its path
	Paper *Paper // what it shows, and the line in its place; nil: plain HTTP
	// Reads tells whether a request other than a GET is one all the same. Nil: none is.
	Reads func(*http.Request) bool
	// Lie answers success to a write of which nothing comes. Odd is every second time.
	Lie func(w http.ResponseWriter, r *http.Request, body []byte, odd bool)
	// Refuse answers that it will not be done.
	Refuse func(w http.ResponseWriter, odd bool)
	// Cut is called when the service goes down. What was open is closed then; whether
	// the client has noticed yet is chance, unless this lets go of it. Nil: it is.
	Cut func()
}

// Line is the way between a connector and a web service: a proxy that can fail.
type Line struct {
	URL string // the service's, as the connector is to know it

	way    Way
	to     *url.URL
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

// NewLine gives one that is whole, until the test ends.
func NewLine(t testing.TB, way Way) *Line {
	t.Helper()
	to, err := url.Parse(way.To)
	if err != nil {
		t.Fatal(err)
	}
	through, scheme := &http.Transport{}, "http"
	if way.Paper != nil {
		through.TLSClientConfig, through.ForceAttemptHTTP2, scheme = &tls.Config{RootCAs: way.Paper.CA}, true, "https"
	}
	t.Cleanup(through.CloseIdleConnections)
	l := &Line{way: way, to: to, addr: "127.0.0.1:0", client: &http.Client{Transport: through},
		proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})}
	l.proxy.Transport = through
	l.proxy.ErrorLog = log.New(io.Discard, "", 0) // a caller that hangs up is no news
	l.up(t)
	t.Cleanup(l.down)
	l.URL = scheme + "://" + l.addr + to.Path
	return l
}

func (l *Line) up(t testing.TB) {
	t.Helper()
	at, err := net.Listen("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr = at.Addr().String()
	server := &http.Server{Handler: l, ReadHeaderTimeout: time.Minute, ErrorLog: l.proxy.ErrorLog}
	l.server = server
	serve := server.Serve
	if p := l.way.Paper; p != nil {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{p.Cert}}
		serve = func(at net.Listener) error { return server.ServeTLS(at, "", "") }
	}
	go func() { _ = serve(at) }()
}

// down closes the listener and every connection.
func (l *Line) down() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.server.Close()
}

// Break makes it fail that way until mend is called.
func (l *Line) Break(t testing.TB, f connectortest.Fault) (mend func()) {
	t.Helper()
	l.set(f)
	if f == connectortest.Down {
		l.down()
		if l.way.Cut != nil {
			l.way.Cut()
		}
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

func (l *Line) set(f connectortest.Fault) (held []heldWrite) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = f
	held, l.held = l.held, nil
	return held
}

// forward sends a write on to the service.
func (l *Line) forward(ctx context.Context, r *http.Request, body []byte) (*http.Response, error) {
	out, err := http.NewRequestWithContext(ctx, r.Method, l.to.Scheme+"://"+l.to.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	return l.client.Do(out)
}

// ServeHTTP lets reads through, and does to writes what the fault says.
func (l *Line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	fault := l.fault
	l.turn++
	odd := l.turn%2 == 1
	l.mu.Unlock()
	if fault == "" || r.Method == http.MethodGet || l.way.Reads != nil && l.way.Reads(r) {
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
		l.way.Lie(w, r, body, odd)
	case connectortest.Refuse:
		l.way.Refuse(w, odd)
	case connectortest.Late:
		l.mu.Lock()
		l.held = append(l.held, heldWrite{r, body})
		l.mu.Unlock()
		<-r.Context().Done()
	}
}
