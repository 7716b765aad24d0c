package ldap

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

func TestNew(t *testing.T) {
	t.Parallel()
	good := Config{
		URL: "ldaps://ldap.example.org", BindDN: "cn=svc,dc=x", Password: func() string { return "x" },
		PeopleBase: "ou=people,dc=x", GroupsBase: "ou=groups,dc=x",
	}
	for name, c := range map[string]struct {
		bend func(*Config)
		says string // "" if it is good
	}{
		"ldaps":                 {func(*Config) {}, ""},
		"StartTLS":              {func(c *Config) { c.URL = "ldap://ldap.example.org:389/" }, ""},
		"plain on loopback":     {func(c *Config) { c.URL, c.Plain = "ldap://127.0.0.1", true }, ""},
		"plain elsewhere":       {func(c *Config) { c.URL, c.Plain = "ldap://ldap.example.org", true }, "loopback"},
		"plain ldaps":           {func(c *Config) { c.Plain = true }, "Plain"},
		"no URL":                {func(c *Config) { c.URL = "" }, "URL"},
		"http":                  {func(c *Config) { c.URL = "https://ldap.example.org" }, "ldaps://"},
		"no host":               {func(c *Config) { c.URL = "ldaps://" }, "ldaps://"},
		"password in URL":       {func(c *Config) { c.URL = "ldaps://u:hunter2@h" }, "alone"},
		"base in URL":           {func(c *Config) { c.URL = "ldaps://h/dc=x" }, "alone"},
		"anonymous":             {func(c *Config) { c.BindDN = "" }, "BindDN"},
		"BindDN no DN":          {func(c *Config) { c.BindDN = "svc" }, "BindDN"},
		"no password":           {func(c *Config) { c.Password = nil }, "Password"},
		"no people":             {func(c *Config) { c.PeopleBase = " " }, "PeopleBase"},
		"no groups":             {func(c *Config) { c.GroupsBase = "groups" }, "GroupsBase"},
		"attribute with filter": {func(c *Config) { c.AccountAttribute = "uid=*)(x" }, "AccountAttribute"},
		"attribute by OID":      {func(c *Config) { c.AccountAttribute = "0.9.2342.19200300.100.1.1" }, ""},
		"class with filter":     {func(c *Config) { c.ObjectClass = "*)(x=" }, "ObjectClass"},
		"memberUid":             {func(c *Config) { c.MemberAttribute = "memberuid" }, "memberUid"},
		"placeholder":           {func(c *Config) { c.Placeholder = "nobody" }, "Placeholder"},
		"timeout":               {func(c *Config) { c.Timeout = -1 }, "Timeout"},
		"page":                  {func(c *Config) { c.PageSize = -1 }, "PageSize"},
		"connections":           {func(c *Config) { c.Connections = 1000 }, "Connections"},
	} {
		cfg := good
		c.bend(&cfg)
		_, err := New(cfg)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v, want an error that says %q", name, err, c.says)
		}
	}
	for class, want := range map[string]string{"": "cn=nobody,ou=groups,dc=x", "GroupOfUniqueNames": "cn=nobody,ou=groups,dc=x", "group": ""} {
		cfg := good
		cfg.ObjectClass = class
		c, err := New(cfg)
		if err != nil || c.placeholder.text != want {
			t.Errorf("class %q: placeholder %q, want %q (%v)", class, c.placeholder.text, want, err)
		}
	}
}

// Whom we speak to, and as whom.
func TestDoor(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	s.Group(t, "eng", s.Person(t, "ann"))
	const wrong = "wr0ng-s3cret"
	localhost := func(u string) string { return strings.Replace(u, "127.0.0.1", "localhost", 1) }
	for name, c := range map[string]struct {
		bend func(*Config)
		want error
		says string
	}{
		"ldaps":                  {func(*Config) {}, nil, ""},
		"ldaps by name":          {func(c *Config) { c.URL = localhost(c.URL) }, nil, ""},
		"StartTLS":               {func(c *Config) { c.URL = s.PlainURL }, nil, ""},
		"plain":                  {func(c *Config) { c.URL, c.Plain = s.PlainURL, true }, nil, ""},
		"another CA":             {func(c *Config) { c.CA = x509.NewCertPool() }, connector.ErrUnreachable, "certificate"},
		"another CA, StartTLS":   {func(c *Config) { c.URL, c.CA = s.PlainURL, x509.NewCertPool() }, connector.ErrUnreachable, "certificate"},
		"another name":           {func(c *Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "127.0.0.2", 1) }, connector.ErrUnreachable, "127.0.0."},
		"ldaps where ldap is":    {func(c *Config) { c.URL = strings.Replace(s.PlainURL, "ldap:", "ldaps:", 1) }, connector.ErrUnreachable, "TLS"},
		"wrong password":         {func(c *Config) { c.Password = func() string { return wrong } }, connector.ErrRefused, "Invalid Credentials"},
		"empty password":         {func(c *Config) { c.Password = func() string { return "" } }, connector.ErrUnreachable, "no password"},
		"nobody of that name":    {func(c *Config) { c.BindDN = "cn=x,dc=example,dc=org" }, connector.ErrRefused, "bind as cn=x"},
		"a person without right": {func(c *Config) { c.BindDN, c.Password = person(t, s) }, connector.ErrRefused, "may not see"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(s)
			c.bend(&cfg)
			conn := connect(t, cfg)
			seen := lookAt(t, conn, "ann", "eng")
			applied := conn.Apply(t.Context(), []connector.Change{add("ann", "eng")})[0].Err
			if c.want == nil {
				if seen.Err != nil || !seen.Direct || applied != nil {
					t.Errorf("%+v, %v", seen, applied)
				}
				return
			}
			for _, err := range []error{seen.Err, applied} {
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %v and %q", err, c.want, c.says)
				}
				if err != nil && (strings.Contains(err.Error(), wrong) || strings.Contains(err.Error(), testserver.SlapdServiceSecret)) {
					t.Errorf("the error tells the password: %v", err)
				}
			}
		})
	}
}

// person is somebody who may bind and read nothing.
func person(t *testing.T, s *testserver.SlapdServer) (dn string, password func() string) {
	dn = s.Person(t, "eve")
	s.Modify(t, dn, "userPassword", []string{"eve-s3cret"}, nil)
	return dn, func() string { return "eve-s3cret" }
}

// A rotated password is used for the next connection.
func TestPasswordIsAskedAnew(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	s.Group(t, "eng", s.Person(t, "ann"))
	password := "old"
	cfg := config(s)
	cfg.Connections = 1
	cfg.Password = func() string { return password }
	c := connect(t, cfg)
	if seen := lookAt(t, c, "ann", "eng"); seen.Err == nil {
		t.Errorf("with a wrong password: %+v", seen)
	}
	password = testserver.SlapdServiceSecret
	if seen := lookAt(t, c, "ann", "eng"); seen.Err != nil || !seen.Direct {
		t.Errorf("with the new one: %+v", seen)
	}
}

// What each answer to a write means; read off real answers, the codes put in by the proxy.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	ann := s.Person(t, "ann")
	for code, want := range map[uint16]struct {
		err  error
		wait bool
	}{
		goldap.LDAPResultInsufficientAccessRights: {connector.ErrRefused, false},
		goldap.LDAPResultUnwillingToPerform:       {connector.ErrRefused, false},
		goldap.LDAPResultReferral:                 {connector.ErrRefused, false},
		goldap.LDAPResultConstraintViolation:      {connector.ErrRefused, false},
		goldap.LDAPResultObjectClassViolation:     {connector.ErrRefused, false},
		goldap.LDAPResultAssertionFailed:          {connector.ErrRefused, false},
		goldap.LDAPResultConfidentialityRequired:  {connector.ErrRefused, false},
		goldap.LDAPResultBusy:                     {connector.ErrRefused, true},
		goldap.LDAPResultUnavailable:              {connector.ErrUnanswered, true},
		goldap.LDAPResultOther:                    {connector.ErrUnanswered, false},
		goldap.LDAPResultTimeLimitExceeded:        {connector.ErrUnanswered, false},
		199:                                       {connector.ErrUnanswered, false}, // no code anybody knows
		4096:                                      {connector.ErrUnanswered, false},
	} {
		group := "g" + goldap.LDAPResultCodeMap[code] + string(rune('a'+code%26))
		s.Group(t, group, testserver.SlapdPlaceholder, s.Person(t, group))
		p := newProxy(t, s)
		p.answer = func(op *ber.Packet) *uint16 {
			if op.Tag == goldap.ApplicationModifyRequest {
				return &code
			}
			return nil
		}
		cfg := config(s)
		cfg.URL = p.url
		c := connect(t, cfg)
		for _, r := range c.Apply(t.Context(), []connector.Change{add("ann", group), remove(group, group)}) {
			var wait *connector.RetryAfter
			if !errors.Is(r.Err, want.err) || errors.As(r.Err, &wait) != want.wait {
				t.Errorf("code %d: %v, want %v (wait %t)", code, r.Err, want.err, want.wait)
			}
			for _, other := range []error{connector.ErrRefused, connector.ErrUnanswered, connector.ErrNoObject, connector.ErrUnreachable} {
				if !errors.Is(want.err, other) && errors.Is(r.Err, other) {
					t.Errorf("code %d: %v is also %v", code, r.Err, other)
				}
			}
		}
	}
	// Gone between reading and writing: nothing to remove, nothing to add to.
	group := s.Group(t, "fleeting", ann)
	s.Person(t, "bob")
	p := newProxy(t, s)
	once := true
	p.before = func(op *ber.Packet) {
		if op.Tag == goldap.ApplicationModifyRequest && once {
			once = false
			s.Delete(t, group)
		}
	}
	cfg := config(s)
	cfg.URL = p.url
	results := connect(t, cfg).Apply(t.Context(), []connector.Change{remove("ann", "fleeting"), add("bob", "fleeting")})
	if results[0].Err != nil || !errors.Is(results[1].Err, connector.ErrNoObject) {
		t.Errorf("a group that goes away meanwhile: %v, %v", results[0].Err, results[1].Err)
	}
}

// An answer without end must not fill the memory.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() { _, _ = io.Copy(theirs, endless{}) }()
	m := &metered{Conn: ours}
	m.left.Store(1 << 20)
	var got bytes.Buffer
	_, err := io.Copy(&got, m)
	if !errors.Is(err, connector.ErrRefused) || got.Len() > 1<<20 {
		t.Errorf("read %d bytes, then %v", got.Len(), err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A long-idle connection is not trusted again.
func TestIdleConnectionsAge(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	s.Group(t, "eng", s.Person(t, "ann"))
	p := newProxy(t, s)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	cfg := config(s)
	cfg.URL, cfg.Connections, cfg.Now = p.url, 1, func() time.Time { return now }
	c := connect(t, cfg)
	for _, step := range []struct {
		wait  time.Duration
		binds int
	}{{0, 1}, {maxIdle / 2, 1}, {maxIdle + 1, 2}} {
		now = now.Add(step.wait)
		if seen := lookAt(t, c, "ann", "eng"); !seen.Direct || !seen.At.Equal(now) {
			t.Errorf("%+v", seen)
		}
		p.mu.Lock()
		if n := p.count[goldap.ApplicationBindRequest]; n != step.binds {
			t.Errorf("after %s: %d binds, want %d", step.wait, n, step.binds)
		}
		p.mu.Unlock()
	}
}

// The statements docs/connectors/ldap.md gives are the ones these tests run under.
func TestDocsGiveOurStatements(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	conf, err1 := os.ReadFile(filepath.Join(s.Dir, "slapd.conf"))
	docs, err2 := os.ReadFile("../../../docs/connectors/ldap.md")
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(docs), "```\naccess to ")
	block, _, _ := strings.Cut(rest, "\n```")
	if !ok || strings.Count(block, "access to ") != 3 {
		t.Fatalf("the statements are not where they were: %q", block)
	}
	for _, statement := range strings.Split("access to "+block, "\n\n") {
		if !strings.Contains(string(conf), statement) {
			t.Errorf("the server runs without %q", statement)
		}
	}
}
