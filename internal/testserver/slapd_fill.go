package testserver

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// All of these work through the admin's own connection, never through what is tested.

// Tree is a directory in the hands of its administrator.
type Tree struct{ Admin *ldap.Conn }

// PersonDN is where Person puts the person of that uid.
func (s *SlapdServer) PersonDN(uid string) string {
	return "uid=" + ldap.EscapeDN(uid) + "," + SlapdPeople
}

// GroupDN is where Group puts the group of that cn.
func (s *SlapdServer) GroupDN(cn string) string {
	return "cn=" + ldap.EscapeDN(cn) + "," + SlapdGroups
}

// Person adds a person and returns the entry's DN.
func (s *SlapdServer) Person(t testing.TB, uid string) string {
	t.Helper()
	dn := s.PersonDN(uid)
	s.Add(t, dn, map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {"a person"}, "sn": {"person"}})
	return dn
}

// Group adds a groupOfNames, with the placeholder if no member is given, and
// returns the entry's DN.
func (s *SlapdServer) Group(t testing.TB, cn string, members ...string) string {
	t.Helper()
	if len(members) == 0 {
		members = []string{SlapdPlaceholder}
	}
	dn := s.GroupDN(cn)
	s.Add(t, dn, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}, "member": members})
	return dn
}

// Add adds any entry.
func (s Tree) Add(t testing.TB, dn string, attributes map[string][]string) {
	t.Helper()
	req := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		req.Attribute(name, values)
	}
	if err := s.Admin.Add(req); err != nil {
		t.Fatalf("add %s: %v", dn, err)
	}
}

// Delete deletes an entry.
func (s Tree) Delete(t testing.TB, dn string) {
	t.Helper()
	if err := s.Admin.Del(ldap.NewDelRequest(dn, nil)); err != nil {
		t.Fatalf("delete %s: %v", dn, err)
	}
}

// DeletePerson deletes an entry and waits until no group lists it any more; only
// for servers with overlays.
func (s *SlapdServer) DeletePerson(t testing.TB, dn string) {
	t.Helper()
	s.Delete(t, dn)
	req := ldap.NewSearchRequest(SlapdGroups, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases,
		0, 0, false, "(member="+ldap.EscapeFilter(dn)+")", []string{"1.1"}, nil)
	Await(t, "refint", 2*time.Minute, func() error {
		res, err := s.Admin.Search(req)
		if err == nil && len(res.Entries) > 0 {
			err = fmt.Errorf("%d groups still list %s", len(res.Entries), dn)
		}
		return err
	})
}

// Modify adds and removes values of one attribute in one operation.
func (s Tree) Modify(t testing.TB, dn, attribute string, add, remove []string) {
	t.Helper()
	req := ldap.NewModifyRequest(dn, nil)
	if len(add) > 0 {
		req.Add(attribute, add)
	}
	if len(remove) > 0 {
		req.Delete(attribute, remove)
	}
	if err := s.Admin.Modify(req); err != nil {
		t.Fatalf("modify %s: %v", dn, err)
	}
}

// Values reads one attribute of an entry, sorted; nil if there is no such entry.
func (s Tree) Values(t testing.TB, dn, attribute string) []string {
	t.Helper()
	res, err := s.Admin.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=*)", []string{attribute}, nil))
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil
	}
	if err != nil {
		t.Fatalf("read %s: %v", dn, err)
	}
	return slices.Sorted(slices.Values(res.Entries[0].GetAttributeValues(attribute)))
}

// Spelled is the DN of an entry as the server spells it.
func (s Tree) Spelled(t testing.TB, dn string) string {
	t.Helper()
	res, err := s.Admin.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	if err != nil || len(res.Entries) != 1 {
		t.Fatalf("read %s: %v", dn, err)
	}
	return res.Entries[0].DN
}

// Members lists a group's member values, without the placeholder.
func (s *SlapdServer) Members(t testing.TB, group string) []string {
	t.Helper()
	return slices.DeleteFunc(s.Values(t, group, "member"), func(m string) bool { return m == SlapdPlaceholder })
}
