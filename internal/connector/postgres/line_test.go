package postgres

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

// proxy is the line between the connector and the server: it ends the TLS, reads
// the messages, and can fail on the way.
type proxy struct {
	upstream, address string
	tls               *tls.Config
	listener          net.Listener

	mu      sync.Mutex
	fault   connectortest.Fault
	plain   bool                          // answers that it speaks no TLS
	instead func(statement string) string // what to send for a statement; nil: itself
	held    []*carried
	open    map[net.Conn]bool
	sent    []string // statements, as they came
}

func newProxy(t testing.TB, w *world) *proxy { t.Helper(); return newProxyOn(t, w, "127.0.0.1:0") }

func newProxyOn(t testing.TB, w *world, address string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{upstream: w.Address, address: l.Addr().String(), listener: l, open: map[net.Conn]bool{},
		tls: &tls.Config{Certificates: []tls.Certificate{w.Cert}}}
	t.Cleanup(func() { _ = l.Close(); p.cutAll() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}

// What stands in a first message in place of a type.
const sslRequest, cancelRequest = 80877103, 80877102

// first reads a message without a type.
func first(r io.Reader) (code uint32, whole []byte, err error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n < 8 || n > 1<<16 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	whole = append(head, make([]byte, n-8)...)
	_, err = io.ReadFull(r, whole[8:])
	return binary.BigEndian.Uint32(head[4:]), whole, err
}

// message reads one of those that follow.
func message(r io.Reader) (kind byte, whole []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	whole = append(head, make([]byte, binary.BigEndian.Uint32(head[1:])-4)...)
	_, err = io.ReadFull(r, whole[5:])
	return head[0], whole, err
}

func query(text string) []byte {
	m := binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(len(text)+5))
	return append(append(m, text...), 0)
}

// serve carries one connection until either side ends it.
func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	down, plain := p.fault == connectortest.Down, p.plain
	p.open[client] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.open, client)
		p.mu.Unlock()
	}()
	if code, _, err := first(client); down || err != nil || code != sslRequest {
		return
	}
	if plain {
		_, _ = client.Write([]byte{'N'})
		_, _ = io.Copy(io.Discard, client)
		return
	}
	if _, err := client.Write([]byte{'S'}); err != nil {
		return
	}
	secure := tls.Server(client, p.tls)
	code, hello, err := first(secure)
	if err != nil || code == cancelRequest { // what asks to cancel gets lost
		return
	}
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	if _, err := server.Write(hello); err != nil {
		return
	}
	c := &carried{p: p, client: secure, server: server}
	back := make(chan struct{})
	go func() { defer close(back); c.back() }()
	c.forth()
	c.mu.Lock()
	held := c.held != nil
	c.mu.Unlock()
	if !held {
		_ = server.Close()
		<-back
	}
}

// carried is one connection on its way through.
type carried struct {
	p      *proxy
	client *tls.Conn
	server net.Conn
	mu     sync.Mutex
	lose   bool          // the next answer gets lost, and the connection with it
	held   chan struct{} // a COMMIT waits; closed when the server has answered it
	sent   bool          // and was sent
}

func (c *carried) forth() {
	for {
		kind, m, err := message(c.client)
		if err != nil {
			return
		}
		if kind == 'Q' {
			m = c.request(strings.TrimSuffix(string(m[5:]), "\x00"))
		}
		c.mu.Lock()
		held := c.held != nil
		c.mu.Unlock()
		if held { // a client that gives up says so; not to the server
			continue
		}
		if _, err := c.server.Write(m); err != nil {
			return
		}
	}
}

// request decides what becomes of a simple query. Only COMMIT has an effect, so it
// is what gets lost or is late; lies and refusals concern the statements.
func (c *carried) request(text string) []byte {
	p := c.p
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, text)
	statement, isWrite := strings.CutPrefix(text, savepoint)
	statement = strings.TrimSuffix(statement, ";\nRELEASE SAVEPOINT lessor")
	instead := func(s string) []byte { return query(savepoint + s + ";\nRELEASE SAVEPOINT lessor") }
	switch {
	case isWrite && p.instead != nil:
		return instead(p.instead(statement))
	case isWrite && p.fault == connectortest.Lie:
		return instead("SET LOCAL application_name = 'a lie'")
	case isWrite && p.fault == connectortest.Refuse:
		return instead(refusal("42501"))
	case text == "COMMIT" && p.fault == connectortest.LostAnswer:
		c.mu.Lock()
		c.lose = true
		c.mu.Unlock()
	case text == "COMMIT" && p.fault == connectortest.Late:
		c.mu.Lock()
		c.held = make(chan struct{})
		c.mu.Unlock()
		p.held = append(p.held, c)
		return nil
	}
	return query(text)
}

// refusal is a statement that the server refuses with that code.
func refusal(code string) string {
	return "DO $r$BEGIN RAISE EXCEPTION 'by the proxy' USING ERRCODE = '" + code + "'; END$r$"
}

// back carries the answers. Where one is to be lost, the connection ends instead,
// once the server has done what was asked.
func (c *carried) back() {
	defer c.client.Close()
	for {
		kind, m, err := message(c.server)
		if err != nil {
			return
		}
		c.mu.Lock()
		lose, held := c.lose, c.held != nil && c.sent
		c.mu.Unlock()
		if kind == 'Z' && held {
			close(c.held)
			_ = c.server.Close()
			return
		}
		if kind == 'Z' && lose {
			return
		}
		if !lose && !held {
			_, _ = c.client.Write(m) // a client that is gone shows where it is read
		}
	}
}

// fail makes the line fail that way until mend.
func (p *proxy) fail(t testing.TB, f connectortest.Fault) (mend func()) {
	p.mu.Lock()
	p.fault = f
	p.mu.Unlock()
	if f == connectortest.Down {
		p.cutAll()
	}
	return func() {
		p.mu.Lock()
		p.fault = ""
		held := p.held
		p.held = nil
		p.mu.Unlock()
		for _, c := range held {
			c.mu.Lock()
			c.sent = true
			c.mu.Unlock()
			if _, err := c.server.Write(query("COMMIT")); err != nil {
				t.Error(err)
				continue
			}
			select {
			case <-c.held:
			case <-time.After(10 * time.Second):
				t.Error("a late COMMIT is not answered")
			}
		}
	}
}
