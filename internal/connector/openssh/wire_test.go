package openssh

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

func mustHostKeys(t testing.TB, text string) []ssh.PublicKey {
	t.Helper()
	list, err := hostKeys(text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// proxy is the line between the connector and the host: it ends the SSH, reads the
// requests, and can fail on the way.
type proxy struct {
	address, hostKey string
	w                *world
	server           *ssh.ServerConfig

	mu    sync.Mutex
	fault connectortest.Fault
	held  []chan error // late changes: when told to go they are done, and say so
	await []chan struct{}
	open  map[net.Conn]bool
	sent  []host.Request
}

func newProxy(t testing.TB, w *world) *proxy {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), hostKey: string(ssh.MarshalAuthorizedKey(key.PublicKey())), w: w, open: map[net.Conn]bool{},
		server: &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}}
	p.server.AddHostKey(key)
	t.Cleanup(func() { _ = l.Close(); p.cutAll() })
	go func() {
		for {
			line, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(line)
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

func (p *proxy) failing() connectortest.Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

func (p *proxy) serve(line net.Conn) {
	defer line.Close()
	if p.failing() == connectortest.Down {
		return
	}
	p.mu.Lock()
	p.open[line] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.open, line)
		p.mu.Unlock()
	}()
	_, channels, requests, err := ssh.NewServerConn(line, p.server)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for one := range channels {
		channel, asked, err := one.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range asked {
				_ = r.Reply(r.Type == "exec", nil)
			}
		}()
		go p.carry(line, channel)
	}
}

// carry takes one request through.
func (p *proxy) carry(line net.Conn, channel ssh.Channel) {
	defer channel.Close()
	text, err := io.ReadAll(channel)
	var q host.Request
	if err != nil || json.Unmarshal(text, &q) != nil {
		return
	}
	p.mu.Lock()
	p.sent = append(p.sent, q)
	fault := p.fault
	if q.Verb != "change" {
		fault = ""
	}
	var goes, done = make(chan struct{}), make(chan error, 1)
	if fault == connectortest.Late {
		p.await, p.held = append(p.await, goes), append(p.held, done)
	}
	p.mu.Unlock()
	var out []byte
	switch fault {
	case connectortest.Lie:
		out, _ = json.Marshal(host.Answer{Done: true, Results: make([]*host.Failure, len(q.Changes))})
	case connectortest.Refuse:
		out, _ = json.Marshal(host.Answer{Done: true, Error: &host.Failure{Kind: host.Refused, Message: "by the proxy"}})
	case connectortest.Late:
		<-goes
		_, err := p.forward(text)
		done <- err
		return
	case connectortest.LostAnswer:
		_, _ = p.forward(text)
		_ = line.Close()
		return
	default:
		if out, err = p.forward(text); err != nil {
			_ = line.Close()
			return
		}
	}
	_, _ = channel.Write(out)
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
}

// forward asks the real host.
func (p *proxy) forward(text []byte) ([]byte, error) {
	key, err := ssh.ParsePrivateKey([]byte(p.w.key))
	if err != nil {
		return nil, err
	}
	client, err := ssh.Dial("tcp", p.w.Address, &ssh.ClientConfig{User: p.w.Admin, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: ssh.InsecureIgnoreHostKey()}) //nolint:gosec // the test's own host
	if err != nil {
		return nil, err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	session.Stdin = bytes.NewReader(text)
	return session.Output("serve")
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
		goes, done := p.await, p.held
		p.await, p.held = nil, nil
		p.mu.Unlock()
		for i := range goes {
			close(goes[i])
			err := errors.New("a late change is not done")
			select {
			case err = <-done[i]:
			case <-time.After(30 * time.Second):
			}
			if err != nil {
				t.Error(err)
			}
		}
	}
}
