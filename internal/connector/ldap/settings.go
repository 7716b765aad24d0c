package ldap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// settings is a Config that cannot be wrong.
type settings struct {
	address  string // host:port
	tls      *tls.Config
	starttls bool
	plain    bool
	bindDN   string
	password func() string
	people   dn
	groups   dn
	cfg      Config // what was asked for, where the dialect decides what is not

	memberAttr string
	asked      dn // the placeholder the settings name, if any
	nobody     dn // the usual one
	accessLog  dn // its text is "" where there is none

	pageSize    int
	atOnce      int
	timeout     time.Duration
	connections int
	now         func() time.Time
	spoken
}

// spoken is what depends on the dialect.
type spoken struct {
	dialect     dialect
	accountAttr string
	class       string
	placeholder dn // its text is "" where groups may be empty
	top         dn // groups in groups are looked for below it
}

// An attribute or class by name or by OID: it goes into filters as it is.
var descriptor = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)$`)

func check(cfg Config) (settings, error) {
	s := settings{
		bindDN: cfg.BindDN, password: cfg.Password, cfg: cfg,
		memberAttr:  or(cfg.MemberAttribute, "member"),
		pageSize:    or(cfg.PageSize, 500),
		atOnce:      cfg.MembersAtOnce,
		timeout:     or(cfg.Timeout, 30*time.Second),
		connections: or(cfg.Connections, 4),
		now:         cfg.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.checkURL(cfg); err != nil {
		return s, fmt.Errorf("ldap: URL: %w", err)
	}
	if cfg.Password == nil {
		return s, errors.New("ldap: Password is required")
	}
	if err := s.checkNames(cfg); err != nil {
		return s, err
	}
	switch {
	case s.timeout < 0:
		return s, fmt.Errorf("ldap: Timeout %s is negative", s.timeout)
	case s.pageSize < 1 || s.pageSize > 10000:
		return s, fmt.Errorf("ldap: PageSize %d is not between 1 and 10000", s.pageSize)
	case s.connections < 1 || s.connections > 64:
		return s, fmt.Errorf("ldap: Connections %d is not between 1 and 64", s.connections)
	case s.atOnce < 0:
		return s, fmt.Errorf("ldap: MembersAtOnce %d is negative", s.atOnce)
	case cfg.Lingers < 0:
		return s, fmt.Errorf("ldap: Lingers %s is negative", cfg.Lingers)
	}
	return s, s.checkDialect(cfg)
}

func (s *settings) checkDialect(cfg Config) error {
	d, known := dialects[or(cfg.Dialect, OpenLDAP)]
	s.spoken = s.in(d)
	switch {
	case !known:
		return fmt.Errorf("ldap: Dialect %q is none of %s, %s and %s; without it the server is asked", cfg.Dialect, OpenLDAP, Dialect389, ActiveDirectory)
	case cfg.Dialect != "" && s.byGUID() && !d.windows:
		return fmt.Errorf("ldap: AccountAttribute %s is of Active Directory only; it does not go with Dialect %s", guidAttr, cfg.Dialect)
	}
	return nil
}

func or[T comparable](v, otherwise T) T {
	if v == *new(T) {
		return otherwise
	}
	return v
}

func (s *settings) checkURL(cfg Config) error {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return errors.New("is not a URL")
	}
	if u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return errors.New("must be scheme, host and port alone, e.g. ldaps://ldap.example.org:636")
	}
	port := ""
	switch {
	case u.Scheme == "ldaps" && cfg.Plain:
		return errors.New("is ldaps, which cannot be Plain")
	case u.Scheme == "ldaps":
		port = "636"
	case u.Scheme == "ldap" && cfg.Plain && !loopback(u.Hostname()):
		return errors.New("Plain is for loopback only; use ldaps, or ldap with StartTLS")
	case u.Scheme == "ldap":
		port, s.starttls, s.plain = "389", !cfg.Plain, cfg.Plain
	default:
		return errors.New("must begin with ldaps:// or ldap://")
	}
	s.address = net.JoinHostPort(u.Hostname(), or(u.Port(), port))
	s.tls = &tls.Config{RootCAs: cfg.CA, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

func (s *settings) checkNames(cfg Config) (err error) {
	for field, name := range map[string]string{
		"AccountAttribute": or(cfg.AccountAttribute, "uid"), "MemberAttribute": s.memberAttr, "ObjectClass": or(cfg.ObjectClass, "group"),
	} {
		if !descriptor.MatchString(name) {
			return fmt.Errorf("ldap: %s %q is no name of the schema, e.g. uid", field, name)
		}
	}
	if strings.EqualFold(s.memberAttr, "memberUid") {
		return errors.New("ldap: MemberAttribute memberUid holds no DNs; only attributes that do, e.g. member, are supported")
	}
	if _, err := parseDN(cfg.BindDN); err != nil {
		return fmt.Errorf("ldap: BindDN: %w", err)
	}
	if s.people, err = parseDN(cfg.PeopleBase); err != nil {
		return fmt.Errorf("ldap: PeopleBase: %w", err)
	}
	if s.groups, err = parseDN(cfg.GroupsBase); err != nil {
		return fmt.Errorf("ldap: GroupsBase: %w", err)
	}
	if cfg.AccessLog != "" {
		if s.accessLog, err = parseDN(cfg.AccessLog); err != nil {
			return fmt.Errorf("ldap: AccessLog: %w", err)
		}
	}
	if s.nobody, err = parseDN("cn=nobody," + cfg.GroupsBase); err != nil {
		return fmt.Errorf("ldap: GroupsBase: %w", err)
	}
	if cfg.Placeholder == "" {
		return nil
	}
	if s.asked, err = parseDN(cfg.Placeholder); err != nil {
		return fmt.Errorf("ldap: Placeholder: %w", err)
	}
	return nil
}
