package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

const (
	// mostRead is how many bytes one reading may have: far more than a million people do.
	mostRead = 4 << 30
	anything = "(objectClass=*)"
)

// longAgo, as a deadline, ends whatever a connection is about at once.
var longAgo = time.Unix(1, 0)

var errTooLong = fmt.Errorf("the answers have more than %d bytes", mostRead)

// line is the one connection of a reading.
type line struct {
	s    *Source
	conn *goldap.Conn
	raw  *metered
}

// metered counts what is read, so that no reading grows without bound.
type metered struct {
	net.Conn
	left int64
}

// Read fails once there was too much; the library reads from one goroutine alone.
func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

func (l *line) close() {
	_ = l.raw.Close()
	_ = l.conn.Close()
}

// dial connects, secures, binds, and holds that the server is of the dialect it is said
// to be: nothing is asked before all four are done. The library knows no contexts, so
// the moment ctx ends the connection is cut, which ends whatever waits for it.
func (s *Source) dial(ctx context.Context) (l *line, err error) {
	password := s.cfg.Password()
	if password == "" {
		return nil, fmt.Errorf("there is no password for %s: nothing was sent", s.cfg.BindDN)
	}
	within, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(within, "tcp", s.address)
	if err != nil {
		return nil, err
	}
	raw := &metered{Conn: nc, left: mostRead}
	defer context.AfterFunc(within, func() { _ = raw.SetDeadline(longAgo) })()
	if l, err = s.secure(within, raw); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("TLS with %s: %w", s.address, err)
	}
	l.conn.SetTimeout(s.cfg.Timeout)
	if err = l.conn.Bind(s.cfg.BindDN, password); err != nil {
		err = fmt.Errorf("bind as %s: %w", s.cfg.BindDN, err)
	} else {
		err = l.checkDialect()
	}
	if err = errors.Join(err, within.Err()); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (s *Source) secure(ctx context.Context, raw *metered) (*line, error) {
	if s.starttls || s.cfg.Plain {
		conn := goldap.NewConn(raw, false)
		conn.Start()
		if s.cfg.Plain {
			return &line{s, conn, raw}, nil
		}
		if err := conn.StartTLS(s.tls); err != nil {
			_ = raw.Close()
			_ = conn.Close()
			return nil, err
		}
		return &line{s, conn, raw}, nil
	}
	sec := tls.Client(raw, s.tls)
	if err := sec.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	conn := goldap.NewConn(sec, true)
	conn.Start()
	return &line{s, conn, raw}, nil
}

// activeDirectory is the capability that every domain controller names to everybody (MS-ADTS 3.1.1.3.4.3).
const activeDirectory = "1.2.840.113556.1.4.800"

func (l *line) checkDialect() error {
	e, err := l.entry("", anything, "supportedCapabilities")
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchObject) {
		return err
	}
	is := e != nil && slices.Contains(e.GetEqualFoldAttributeValues("supportedCapabilities"), activeDirectory)
	switch {
	case is && l.s.cfg.Dialect != ActiveDirectory:
		return fmt.Errorf("the server is a domain controller of Active Directory, not of dialect %s", l.s.cfg.Dialect)
	case !is && l.s.cfg.Dialect == ActiveDirectory:
		return fmt.Errorf("the server is no domain controller of Active Directory, as dialect %s says", ActiveDirectory)
	}
	return nil
}

// search asks once. A continuation reference is an error: part of the answer lies where
// nobody told us to go.
func (l *line) search(req *goldap.SearchRequest) (*goldap.SearchResult, error) {
	if l.s.cfg.Dialect == ActiveDirectory && req.BaseDN != "" && req.Scope != goldap.ScopeBaseObject {
		// Else a domain controller refers to its other partitions.
		req.Controls = append(slices.Clone(req.Controls), goldap.NewControlString(goldap.ControlTypeMicrosoftDomainScope, true, ""))
	}
	res, err := l.conn.Search(req)
	if err == nil && len(res.Referrals) > 0 {
		err = errors.New("the answer refers to another server: it is not whole")
	}
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", or(req.BaseDN, "the server's root"), err)
	}
	return res, nil
}

// entry reads one entry by name; nil, and LDAP's error, if it is not there.
func (l *line) entry(dn, filter string, attributes ...string) (*goldap.Entry, error) {
	res, err := l.search(goldap.NewSearchRequest(dn, goldap.ScopeBaseObject, goldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil))
	if err != nil || len(res.Entries) == 0 {
		return nil, err
	}
	return res.Entries[0], nil
}

// pages reads all of a subtree that matches, page by page.
func (l *line) pages(filter string, attributes []string, take func(*goldap.Entry) error) error {
	paging := goldap.NewControlPaging(uint32(l.s.cfg.PageSize))
	for {
		// No size limit of ours: one of the server's is an error, and so is an answer that ends early.
		res, err := l.search(goldap.NewSearchRequest(l.s.cfg.PeopleBase, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false,
			filter, attributes, []goldap.Control{paging}))
		if err != nil {
			return err
		}
		for _, e := range res.Entries {
			if err := take(e); err != nil {
				return err
			}
		}
		more, _ := goldap.FindControl(res.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if more == nil || len(more.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(more.Cookie)
	}
}
