package ldap

import (
	"strconv"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// programs are the classes of entries that stand for programs and hosts alone; an entry
// of a person's class may be either, for many directories put programs there.
var programs = []string{"applicationProcess", "applicationEntity", "simpleSecurityObject", "msDS-ManagedServiceAccount", "msDS-GroupManagedServiceAccount", "computer"}

// kindOf says "machine" where the entry's classes do, and else nothing.
func kindOf(e *goldap.Entry) string {
	person, program := false, false
	for _, class := range e.GetEqualFoldAttributeValues("objectClass") {
		person = person || strings.EqualFold(class, "inetOrgPerson") || strings.EqualFold(class, "organizationalPerson") && !has(e, "computer")
		for _, p := range programs {
			program = program || strings.EqualFold(class, p)
		}
	}
	if program && !person || has(e, "computer") {
		return "machine"
	}
	return ""
}

func has(e *goldap.Entry, class string) bool {
	for _, c := range e.GetEqualFoldAttributeValues("objectClass") {
		if strings.EqualFold(c, class) {
			return true
		}
	}
	return false
}

// usedAt is when somebody last bound as the entry, where the server keeps that:
// OpenLDAP with lastbind or ppolicy, Active Directory within about two weeks.
func usedAt(e *goldap.Entry) time.Time {
	for _, attr := range []string{"pwdLastSuccess", "authTimestamp"} {
		if at, ok := moment(e.GetEqualFoldAttributeValue(attr)); ok {
			return at
		}
	}
	// 100 ns since 1601
	n, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("lastLogonTimestamp"), 10, 64)
	const to1970 = 116444736000000000
	if err != nil || n <= to1970 {
		return time.Time{}
	}
	n -= to1970
	return time.Unix(n/1e7, n%1e7*100).UTC()
}

// namedIn is the account of a DN whose first part names it; empty where it does not.
func (c *Connector) namedIn(k kind, dn string) string {
	parsed, err := goldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return ""
	}
	for _, a := range parsed.RDNs[0].Attributes {
		if strings.EqualFold(a.Type, k.attr) {
			return a.Value
		}
	}
	return ""
}
