package ldap

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// proxy is the line between the connector and the server: it ends the TLS, reads the
// messages, and can fail on the way.
type proxy struct {
	t        testing.TB
	upstream string // the server's plain address
	account  string // who writes, for what comes late
	secret   string
	url      string
	listener net.Listener

	mu     sync.Mutex
	fault  connectortest.Fault
	mute   bool                         // takes everything in and answers nothing
	before func(op *ber.Packet)         // called for each request, before it passes
	answer func(op *ber.Packet) *uint16 // the code to answer a request with in slapd's stead; nil: pass
	ranges int                          // most member values in an answer, the rest range by range; 0: all
	held   [][]byte                     // modifies that wait for the line to be mended
	open   map[net.Conn]bool
	count  map[ber.Tag]int // requests by operation
}

func newProxy(t testing.TB, s *testserver.SlapdServer) *proxy {
	t.Helper()
	return proxyTo(t, s.Cert, strings.TrimPrefix(s.PlainURL, "ldap://"), testserver.SlapdService, testserver.SlapdServiceSecret)
}

func proxyTo(t testing.TB, cert tls.Certificate, upstream, account, secret string) *proxy {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{
		t: t, upstream: upstream, account: account, secret: secret, url: "ldaps://" + l.Addr().String(),
		listener: l, open: map[net.Conn]bool{}, count: map[ber.Tag]int{},
	}
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

// serve carries one connection until either side ends it.
func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	down := p.fault == connectortest.Down
	p.open[client] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.open, client)
		p.mu.Unlock()
	}()
	if down {
		return
	}
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer server.Close()
	c := &carried{p: p, client: client, server: server}
	go c.back()
	c.forth()
}

// carried is one connection on its way through.
type carried struct {
	p              *proxy
	client, server net.Conn
	writing        sync.Mutex
	mu             sync.Mutex
	lost           map[int64]bool // requests whose answer gets lost
	from           map[int64]int  // searches for member values: the first wanted
}

func (c *carried) forth() {
	in := bufio.NewReader(c.client)
	for {
		m, err := ber.ReadPacket(in)
		if err != nil || len(m.Children) < 2 {
			return
		}
		if m = c.request(m); m != nil {
			if _, err := c.server.Write(m.Bytes()); err != nil {
				return
			}
		}
	}
}

// request decides what becomes of one request, and gives what of it shall pass.
func (c *carried) request(m *ber.Packet) *ber.Packet {
	p, op, id := c.p, m.Children[1], m.Children[0].Value.(int64)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[op.Tag]++
	if p.before != nil {
		p.before(op)
	}
	if p.mute {
		return nil
	}
	if p.answer != nil {
		if code := p.answer(op); code != nil {
			c.reply(id, op.Tag+1, *code)
			return nil
		}
	}
	if op.Tag == goldap.ApplicationSearchRequest && p.ranges > 0 {
		m = c.askAll(id, m)
	}
	if op.Tag != goldap.ApplicationModifyRequest && op.Tag != goldap.ApplicationExtendedRequest {
		return m
	}
	switch p.fault {
	case connectortest.LostAnswer:
		c.mu.Lock()
		c.lost = map[int64]bool{id: true}
		c.mu.Unlock()
	case connectortest.Lie:
		c.reply(id, op.Tag+1, goldap.LDAPResultSuccess)
		return nil
	case connectortest.Refuse:
		c.reply(id, op.Tag+1, goldap.LDAPResultUnwillingToPerform)
		return nil
	case connectortest.Late:
		p.held = append(p.held, m.Bytes())
		return nil
	}
	return m
}

func (c *carried) reply(id int64, tag ber.Tag, code uint16) {
	m := ber.NewSequence("message")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, uint64(code), ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "by the proxy", ""))
	m.AppendChild(op)
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.client.Write(m.Bytes())
}

// back carries the answers. Where one is to be lost, the connection ends instead.
func (c *carried) back() {
	defer c.client.Close()
	in := bufio.NewReader(c.server)
	for {
		m, err := ber.ReadPacket(in)
		if err != nil || len(m.Children) < 2 {
			return
		}
		c.mu.Lock()
		lost := c.lost[m.Children[0].Value.(int64)]
		c.mu.Unlock()
		if lost {
			return
		}
		m = c.cut(m)
		c.writing.Lock()
		_, err = c.client.Write(m.Bytes())
		c.writing.Unlock()
		if err != nil {
			return
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
		for _, m := range held {
			p.late(t, m)
		}
	}
}

// late sends a modify that was held back, as the same account, and waits for its effect.
func (p *proxy) late(t testing.TB, modify []byte) {
	t.Helper()
	server, err := net.Dial("tcp", p.upstream)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	bind := ber.NewSequence("message")
	bind.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, ""))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, goldap.ApplicationBindRequest, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, p.account, ""))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, p.secret, ""))
	bind.AppendChild(op)
	for _, m := range [][]byte{bind.Bytes(), modify} {
		if _, err := server.Write(m); err != nil {
			t.Fatal(err)
		}
		answer, err := ber.ReadPacket(server)
		if err != nil {
			t.Fatal(err)
		}
		if code := answer.Children[1].Children[0].Value; code != int64(0) {
			t.Logf("a late request is answered with code %v", code)
		}
	}
}

// askAll turns a search for a range of members into one for all, as slapd knows no
// ranges, and notes where the range begins.
func (c *carried) askAll(id int64, m *ber.Packet) *ber.Packet {
	op := m.Children[1]
	attributes := ber.NewSequence("")
	for _, a := range op.Children[7].Children {
		name, option, _ := strings.Cut(a.Data.String(), ";")
		attributes.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, name, ""))
		if name != "member" {
			continue
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(option, "range="), "-")
		from, _ := strconv.Atoi(first) // 0 if no range is named
		c.mu.Lock()
		if c.from == nil {
			c.from = map[int64]int{}
		}
		c.from[id] = from
		c.mu.Unlock()
	}
	return rebuilt(m, rebuilt(op, attributes, 7), 1)
}

// rebuilt is the packet with one child replaced.
func rebuilt(p, child *ber.Packet, at int) *ber.Packet {
	out := ber.Encode(p.ClassType, p.TagType, p.Tag, nil, "")
	for i, c := range p.Children {
		if i == at {
			c = child
		}
		out.AppendChild(c)
	}
	return out
}

// cut leaves of a found entry's members the range that was asked for, named as
// Active Directory names it.
func (c *carried) cut(m *ber.Packet) *ber.Packet {
	c.mu.Lock()
	from, asked := c.from[m.Children[0].Value.(int64)]
	c.mu.Unlock()
	op := m.Children[1]
	if !asked || op.Tag != goldap.ApplicationSearchResultEntry {
		return m
	}
	attributes := ber.NewSequence("")
	for _, a := range op.Children[1].Children {
		values := a.Children[1].Children
		name := "member"
		if to := from + c.p.ranges; to < len(values) {
			name, values = fmt.Sprintf("member;range=%d-%d", from, to-1), values[from:to]
		} else if from > 0 {
			name, values = fmt.Sprintf("member;range=%d-*", from), values[from:]
		}
		attribute := ber.NewSequence("")
		attribute.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, name, ""))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(v)
		}
		attribute.AppendChild(set)
		attributes.AppendChild(attribute)
	}
	return rebuilt(m, rebuilt(op, attributes, 1), 1)
}
