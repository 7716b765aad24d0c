package ldap

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

func TestConformance389(t *testing.T) {
	t.Parallel()
	for name, plugins := range map[string]bool{"plugins": true, "no plugin": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.DS389(t, plugins)
			s.Modify(t, testserver.SlapdPeople, "aci", []string{passwordACI}, nil)
			connectortest.Run(t, func(t *testing.T) connectortest.Target { return target389(t, s, plugins) })
		})
	}
}

func config389(s *testserver.DS389Server) Config {
	return Config{
		URL: s.URL, CA: s.CA, BindDN: testserver.SlapdService,
		Password:   func() string { return testserver.SlapdServiceSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, Timeout: 30 * time.Second,
	}
}

func target389(t testing.TB, s *testserver.DS389Server, plugins bool) connectortest.Target {
	p := proxyTo(t, s.Cert, strings.TrimPrefix(s.PlainURL, "ldap://"), testserver.SlapdService, testserver.SlapdServiceSecret)
	cfg := config389(s)
	cfg.URL, cfg.PageSize = p.url, 20
	names := &named{by: map[string]string{}}
	large := 1200 // more than one batch
	if plugins {
		large = 300 // it takes a while to keep memberOf
	}
	return connectortest.Target{
		Connector:   connect(t, cfg),
		Account:     func(t testing.TB, name string) string { return names.set(s.Person(t, name), name) },
		DropAccount: func(t testing.TB, account string) { s.Delete(t, s.PersonDN(account)) },
		Object:      func(t testing.TB, name string) string { return s.Spelled(t, s.Group(t, name)) },
		DropObject:  func(t testing.TB, object string) { s.Delete(t, object) },
		Put: func(t testing.TB, object string, accounts ...string) {
			var add []string
			for _, a := range accounts {
				add = append(add, s.PersonDN(a))
			}
			s.Modify(t, object, "member", add, nil)
		},
		Members: func(t testing.TB, object string) []string {
			var list []string
			for _, m := range s.Values(t, object, "member") {
				list = append(list, names.of(m))
			}
			return slices.Sorted(slices.Values(list))
		},
		Nest: func(t testing.TB, outer, inner string) { s.Modify(t, outer, "member", []string{inner}, nil) },
		Enter: func(t testing.TB, account, _ string, worth []byte) bool {
			return binds(t, s.URL, s.CA, s.PersonDN(account), worth)
		},
		Break:     p.fail,
		Rings:     true,
		Large:     large,
		NameLimit: 240,
		Hostile:   []string{"cn=nobody," + testserver.SlapdPeople, "ou=groups", `\,`, `a\`, `*)(|(member=*`, "cn=a+sn=b", `\23`, "#", "a  b   c", "ß"},
	}
}

// How it differs: groups may be empty, so there is no placeholder; the rights are
// those the page tells people to give; memberOf is a second path where it is kept.
func TestDS389(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/ldap.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, acis := range testserver.DS389ACIs {
		for _, aci := range acis {
			if !strings.Contains(string(page), "aci: "+aci+"\n") {
				t.Errorf("the page does not say:\naci: %s", aci)
			}
		}
	}
	s := testserver.DS389(t, true)
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	eng := s.Group(t, "eng", ann)
	inner := s.Group(t, "inner", bob)
	c := connect(t, config389(s))
	if seen := sees(t, c, "ann", "eng", true, true); !strings.HasSuffix(seen.Path, "memberOf") {
		t.Errorf("path %q does not name memberOf", seen.Path)
	}
	if c.dialect.demands || c.placeholder.text != "" {
		t.Errorf("not taken for 389 Directory Server: placeholder %q", c.placeholder.text)
	}
	apply(t, c, remove("ann", "eng"))
	equal(t, "members", s.Values(t, eng, "member"))
	sees(t, c, "ann", "eng", false, false)
	s.Modify(t, eng, "member", []string{inner}, nil)
	sees(t, c, "bob", "eng", false, true, "through "+inner+" > "+eng)

	// The codes are OpenLDAP's.
	put := goldap.NewModifyRequest(inner, nil)
	put.Add("member", []string{bob})
	if err := s.Admin.Modify(put); !goldap.IsErrorWithCode(err, goldap.LDAPResultAttributeOrValueExists) {
		t.Errorf("add again: %v", err)
	}
	take := goldap.NewModifyRequest(inner, nil)
	take.Delete("member", []string{ann})
	if err := s.Admin.Modify(take); !goldap.IsErrorWithCode(err, goldap.LDAPResultNoSuchAttribute) {
		t.Errorf("removal again: %v", err)
	}

	// The account may write member of groups and nothing else.
	svc, err := goldap.DialURL(s.PlainURL)
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	if err := svc.Bind(testserver.SlapdService, testserver.SlapdServiceSecret); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"a group's description": describe(svc, eng, "x"), "a person": describe(svc, ann, "x"), "itself": describe(svc, testserver.SlapdService, "x"),
		"a group": svc.Del(goldap.NewDelRequest(eng, nil)),
	} {
		if !goldap.IsErrorWithCode(err, goldap.LDAPResultInsufficientAccessRights) {
			t.Errorf("%s: %v, want that it may not (50)", what, err)
		}
	}

	// Members it may not read are not gone.
	s.Modify(t, eng, "aci", []string{`(targetattr="member")(version 3.0; acl "hide"; deny (read, search, compare) userdn="ldap:///` + testserver.SlapdService + `";)`}, nil)
	s.Modify(t, eng, "member", []string{ann}, nil)
	if seen := lookAt(t, c, "ann", "eng"); seen.Err == nil && !seen.Effective {
		t.Errorf("hidden members are taken for gone: %+v", seen)
	}
	if err := c.Apply(t.Context(), []connector.Change{remove("ann", "eng")})[0].Err; err != nil && !errors.Is(err, connector.ErrRefused) {
		t.Errorf("removal of a hidden member: %v", err)
	}
}
