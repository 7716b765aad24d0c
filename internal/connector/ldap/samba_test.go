package ldap

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Against a real domain controller: accounts by objectGUID, as is the default,
// and by an attribute that can hold every name.
func TestConformanceSamba(t *testing.T) {
	t.Parallel()
	s := testserver.Samba(t)
	for name, attribute := range map[string]string{"objectGUID": "", "uid": "uid"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.Area(t)
			mayResetPasswords(t, a)
			connectortest.Run(t, func(t *testing.T) connectortest.Target { return sambaTarget(t, a, attribute) })
		})
	}
}

// sambaConfig is for a connector to an area as the service account.
func sambaConfig(a *testserver.SambaArea) Config {
	return Config{
		URL: a.URL, CA: a.CA, BindDN: testserver.SambaService,
		Password:   func() string { return testserver.SambaServiceSecret },
		PeopleBase: a.People, GroupsBase: a.Groups, Timeout: 30 * time.Second,
		MembersAtOnce: 100, // Samba gives ranges to those who ask only
	}
}

func sambaProxy(t testing.TB, s *testserver.SambaServer) *proxy {
	t.Helper()
	return proxyTo(t, s.Cert, strings.TrimPrefix(s.PlainURL, "ldap://")+":389", testserver.SambaService, testserver.SambaServiceSecret)
}

func sambaTarget(t testing.TB, a *testserver.SambaArea, attribute string) connectortest.Target {
	p := sambaProxy(t, a.SambaServer)
	cfg := sambaConfig(a)
	// The proxy's certificate is the server's, which is for another address.
	cfg.URL, cfg.PageSize, cfg.AccountAttribute = strings.Replace(p.url, "127.0.0.1", "localhost", 1), 20, attribute
	names, dns := &named{by: map[string]string{}}, &named{by: map[string]string{}}
	dnOf := func(account string) string { return dns.of("cn=" + account) }
	c := connect(t, cfg)
	large := 1200 // more than one batch; each takes a while to make
	if attribute != "" {
		large = 300
	}
	return connectortest.Target{
		Connector: c,
		Account: func(t testing.TB, name string) string {
			dn := a.Login(t, name)
			if attribute == "" {
				name = GUIDPrefix + a.GUID(t, dn)
			}
			dns.set("cn="+name, dn)
			return names.set(dn, name)
		},
		DropAccount: func(t testing.TB, account string) { a.Delete(t, dnOf(account)) },
		Object: func(t testing.TB, name string) string {
			return a.Spelled(t, a.Group(t, name))
		},
		DropObject: func(t testing.TB, object string) { a.Delete(t, object) },
		Put: func(t testing.TB, object string, accounts ...string) {
			var add []string
			for _, account := range accounts {
				add = append(add, dnOf(account))
			}
			a.Modify(t, object, "member", add, nil)
		},
		Members: func(t testing.TB, object string) []string {
			var list []string
			for _, m := range a.Members(t, object) {
				list = append(list, names.of(m))
			}
			return slices.Sorted(slices.Values(list))
		},
		Nest: func(t testing.TB, outer, inner string) { a.Modify(t, outer, "member", []string{inner}, nil) },
		Enter: func(t testing.TB, account, _ string, worth []byte) bool {
			return binds(t, a.URL, a.CA, dnOf(account), worth)
		},
		Break: p.fail,
		Rings: true,
		Large: large,
		// A cn has no more than 64 characters.
		NameLimit: 64,
		Hostile: []string{
			"cn=nobody,ou=people", "ou=groups", `\,`, `a\`, `*)(|(member=*`, "cn=a+sn=b", `\23`, "#", "a  b   c",
			"member;range=0-1", "\u00a0nbsp", "ﬁ", "\u212a", "ß", "<SID=S-1-5-32-544>", "DEL:x", "CNF:x",
		},
	}
}
