package testserver

import (
	"crypto/tls"
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// The account that connectors are tested with must have no more than it needs,
// or the tests prove nothing about a real, restricted one.
func TestSlapd(t *testing.T) {
	t.Parallel()
	began := time.Now()
	s := Slapd(t, SlapdOptions{})
	t.Logf("ready after %s", time.Since(began))
	alice, bob := s.Person(t, "alice"), s.Person(t, "bob")
	eng := s.Group(t, "eng", alice)
	if got := s.Values(t, alice, "memberOf"); !slices.Equal(got, []string{eng}) {
		t.Errorf("memberOf = %q: the overlay does not work", got)
	}
	c, err := ldap.DialURL(s.URL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: s.CA}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	read := func(base string) int {
		res, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, 0, 0, 0, false, "(objectClass=*)", nil, nil))
		if err != nil {
			return 0
		}
		return len(res.Entries)
	}
	for _, base := range []string{SlapdBase, SlapdPeople, SlapdGroups} {
		if n := read(base); n != 0 {
			t.Errorf("anonymous sees %d entries below %s", n, base)
		}
	}
	if err := c.Bind(SlapdService, SlapdServiceSecret); err != nil {
		t.Fatal(err)
	}
	if n := read(SlapdGroups); n != 2 {
		t.Errorf("the service account sees %d entries below %s, want 2", n, SlapdGroups)
	}
	modify := func(dn, attribute, value string) error {
		req := ldap.NewModifyRequest(dn, nil)
		req.Add(attribute, []string{value})
		return c.Modify(req)
	}
	if err := modify(eng, "member", bob); err != nil {
		t.Errorf("the service account cannot add a member: %v", err)
	}
	for dn, attribute := range map[string]string{eng: "description", alice: "sn", SlapdService: "description"} {
		if err := modify(dn, attribute, "x"); !ldap.IsErrorAnyOf(err, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultNoSuchObject) {
			t.Errorf("the service account may write %s of %s: %v", attribute, dn, err)
		}
	}
	s.DeletePerson(t, bob)
	if got := s.Members(t, eng); !slices.Equal(got, []string{alice}) {
		t.Errorf("members = %q: refint does not work", got)
	}
}

func TestSlapdLoads(t *testing.T) {
	t.Parallel()
	s := Slapd(t, SlapdOptions{NoSync: true, NoOverlays: true, LDIF: "dn: uid=zoe,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\nuid: zoe\ncn: Zoe\nsn: Z\n\n"})
	if got := s.Values(t, s.PersonDN("zoe"), "uid"); !slices.Equal(got, []string{"zoe"}) {
		t.Errorf("uid = %q", got)
	}
}
