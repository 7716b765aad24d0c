// Package ldap reads people from an LDAP directory: OpenLDAP and its kin, 389 Directory
// Server, Active Directory. Who is who it knows by the name that the server itself gives
// an entry for life; a DN, a uid or an address may come to somebody else.
//
// It reads page by page over one bound connection, takes no part of an answer for the
// whole, follows no referral, and writes nothing. What groups lie within groups the
// directory says, or nobody does.
package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/source"
)

// What Config.Dialect may say. It is never guessed: with another, everybody would have another key.
const (
	OpenLDAP        = "openldap" // and whatever keeps to RFC 4511 and RFC 4530
	Dialect389      = "389"      // 389 Directory Server
	ActiveDirectory = "ad"       // Active Directory, and Samba as its domain controller
)

// What Config.GroupBy may say.
const (
	ByMember   = "member"   // what the group lists, and nobody in groups within it
	ByMemberOf = "memberOf" // who the directory says is in it; in Active Directory through any number of groups
)

// Config may be wrong; New says how.
type Config struct {
	Feed access.Feed
	// URL is "ldaps://host[:636]", or "ldap://host[:389]", which speaks StartTLS before anything else.
	URL string
	// Plain leaves StartTLS out; on loopback only.
	Plain bool
	// BindDN is who we are. Anonymous is refused: it reads what it may, not what is.
	BindDN string
	// Password is asked anew for every reading. Empty: nothing is sent, because many servers take it for anonymous.
	Password func() string
	// CA are the roots trusted for URL; nil means the system's.
	CA      *x509.CertPool
	Dialect string
	// PeopleBase is the subtree people are looked for in.
	PeopleBase string
	// Filter is what people match; "" means (objectClass=inetOrgPerson), and in Active Directory every user.
	Filter string
	// GroupBy tells who is in the groups that the feed fills; "" means ByMember, and in Active Directory ByMemberOf.
	GroupBy string
	// ExternalTypes are the values of the attribute for external that mean that somebody is; nil means externalTypes.
	ExternalTypes []string
	// PageSize is how many entries are asked for at once; 0 means 500.
	PageSize int
	// Timeout bounds one request; the reading's context bounds all of them. 0 means 30 s.
	Timeout time.Duration
}

// Source is one directory.
type Source struct {
	cfg      Config
	dialect  dialect
	address  string // host:port
	tls      *tls.Config
	starttls bool
	key      string              // attribute
	columns  map[string][]string // what we call it -> the attributes, of which the first that is there counts
	groups   map[string]string   // DN as the settings spell it -> its normal form
}

var _ source.Source = (*Source)(nil)

// dialect is what one make of directory calls things.
type dialect struct {
	key     string
	filter  string
	groupBy string
	columns map[string][]string
}

var dialects = map[string]dialect{
	OpenLDAP: {key: "entryUUID", filter: "(objectClass=inetOrgPerson)", groupBy: ByMember, columns: map[string][]string{
		"user": {"uid"}, "name": {"displayName", "cn"}, "mail": {"mail"}, "department": {"departmentNumber"}, "manager": {"manager"},
		"external": {"employeeType"}, "active": {"pwdAccountLockedTime"}, "end": {"shadowExpire"}}},
	Dialect389: {key: "nsUniqueId", filter: "(objectClass=inetOrgPerson)", groupBy: ByMember, columns: map[string][]string{
		"user": {"uid"}, "name": {"displayName", "cn"}, "mail": {"mail"}, "department": {"departmentNumber"}, "manager": {"manager"},
		"external": {"employeeType"}, "active": {"nsAccountLock"}, "end": {"shadowExpire"}}},
	ActiveDirectory: {key: "objectGUID", filter: "(&(objectCategory=person)(objectClass=user))", groupBy: ByMemberOf, columns: map[string][]string{
		"user": {"sAMAccountName"}, "name": {"displayName", "cn"}, "mail": {"mail"}, "department": {"department"}, "manager": {"manager"},
		"external": {"employeeType"}, "active": {"userAccountControl"}, "end": {"accountExpires"}}},
}

// externalTypes are the usual words for whoever is not one of the house.
var externalTypes = []string{"contractor", "consultant", "external", "freelancer", "guest", "partner", "supplier", "vendor", "true"}

// changing are attributes that may come to somebody else, or change with a marriage.
var changing = []string{"dn", "distinguishedName", "uid", "cn", "sn", "givenName", "displayName", "mail", "sAMAccountName", "userPrincipalName", "uidNumber"}

// An attribute by name or by OID.
var descriptor = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)$`)

// New checks the configuration; it sends nothing.
func New(cfg Config) (*Source, error) {
	d, known := dialects[cfg.Dialect]
	if !known {
		return nil, fmt.Errorf("dialect must be %s, %s or %s, not %q: whose keys they are is not guessed", OpenLDAP, Dialect389, ActiveDirectory, cfg.Dialect)
	}
	s := &Source{cfg: cfg, dialect: d, key: or(cfg.Feed.Key, d.key), columns: map[string][]string{}, groups: map[string]string{}}
	s.cfg.Filter, s.cfg.GroupBy = or(cfg.Filter, d.filter), or(cfg.GroupBy, d.groupBy)
	s.cfg.PageSize, s.cfg.Timeout = or(cfg.PageSize, 500), or(cfg.Timeout, 30*time.Second)
	if cfg.ExternalTypes == nil {
		s.cfg.ExternalTypes = externalTypes
	}
	return s, errors.Join(s.checkLine(), s.checkNames(), s.checkColumns())
}

func or[T comparable](v, otherwise T) T {
	if v == *new(T) {
		return otherwise
	}
	return v
}

func (s *Source) checkLine() error {
	u, err := url.Parse(s.cfg.URL)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return errors.New("url must be scheme, host and port alone, such as ldaps://ldap.example.org:636")
	case u.Scheme != "ldaps" && u.Scheme != "ldap":
		return errors.New("url must begin with ldaps:// or ldap://")
	case s.cfg.Plain && (u.Scheme == "ldaps" || !loopback(u.Hostname())):
		return errors.New("plain is for ldap:// on loopback only: it sends the password in the clear")
	case s.cfg.Password == nil:
		return errors.New("a password is needed")
	case s.cfg.PageSize < 1 || s.cfg.PageSize > 10000:
		return fmt.Errorf("page_size must be from 1 to 10000, not %d", s.cfg.PageSize)
	case s.cfg.Timeout < 0:
		return fmt.Errorf("timeout must not be negative, as %s is", s.cfg.Timeout)
	}
	port := "636"
	if u.Scheme == "ldap" {
		port, s.starttls = "389", !s.cfg.Plain
	}
	s.address = net.JoinHostPort(u.Hostname(), or(u.Port(), port))
	s.tls = &tls.Config{RootCAs: s.cfg.CA, ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Source) checkNames() error {
	var errs []error
	for what, name := range map[string]string{"bind_dn": s.cfg.BindDN, "people_base": s.cfg.PeopleBase} {
		if _, err := normal(name); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	if _, err := goldap.CompileFilter(s.cfg.Filter); err != nil {
		errs = append(errs, fmt.Errorf("filter: %w", err))
	}
	switch {
	case s.cfg.GroupBy != ByMember && s.cfg.GroupBy != ByMemberOf:
		errs = append(errs, fmt.Errorf("group_by must be %s or %s, not %q", ByMember, ByMemberOf, s.cfg.GroupBy))
	case s.cfg.GroupBy == ByMember && s.cfg.Dialect == ActiveDirectory:
		errs = append(errs, fmt.Errorf("group_by %s does not go with dialect %s, which shows the members of large groups in parts", ByMember, ActiveDirectory))
	}
	for group, dn := range s.cfg.Feed.Groups {
		key, err := normal(dn)
		if err != nil {
			errs = append(errs, fmt.Errorf("groups: %s must be filled by a group's DN: %w", group, err))
		}
		s.groups[dn] = key
	}
	return errors.Join(errs...)
}

// checkColumns joins what the settings say with what the dialect does.
func (s *Source) checkColumns() error {
	var errs []error
	if slices.ContainsFunc(changing, func(a string) bool { return strings.EqualFold(a, s.key) }) {
		errs = append(errs, fmt.Errorf("key must be an attribute that nobody else ever gets, such as %s: %s is not", s.dialect.key, s.key))
	}
	for name, attributes := range s.dialect.columns {
		s.columns[name] = attributes
	}
	for name, attribute := range s.cfg.Feed.Columns {
		if name == "groups" {
			errs = append(errs, errors.New("columns: who is in which group is asked by group_by, not by a column"))
		}
		s.columns[name] = []string{attribute}
	}
	for name, attributes := range s.columns {
		for _, a := range attributes {
			if !descriptor.MatchString(a) {
				errs = append(errs, fmt.Errorf("columns: %q for %s is no name of an attribute", a, name))
			}
		}
	}
	if !descriptor.MatchString(s.key) {
		errs = append(errs, fmt.Errorf("key: %q is no name of an attribute", s.key))
	}
	return errors.Join(errs...)
}

// normal is a DN so that two spellings of one name are the same; never the empty one.
func normal(dn string) (string, error) {
	d, err := goldap.ParseDN(dn)
	switch {
	case err != nil:
		return "", fmt.Errorf("%.80q is no DN: %w", dn, err)
	case len(d.RDNs) == 0:
		return "", errors.New("a DN is needed, such as ou=people,dc=example,dc=org")
	}
	return d.String(), nil
}
