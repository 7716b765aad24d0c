package ldap

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]testserver.SlapdOptions{
		"overlays":   {NoSync: true, Access: passwordAccess},
		"no overlay": {NoSync: true, NoOverlays: true, Access: passwordAccess}, // no memberOf, and members are left behind
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.Slapd(t, o)
			connectortest.Run(t, func(t *testing.T) connectortest.Target { return newTarget(t, s, o) })
		})
	}
}

// config is for a connector to s as the service account.
func config(s *testserver.SlapdServer) Config {
	return Config{
		URL: s.URL, CA: s.CA, BindDN: testserver.SlapdService,
		Password:   func() string { return testserver.SlapdServiceSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups,
		Timeout: 20 * time.Second,
	}
}

func connect(t testing.TB, cfg Config) *Connector {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// named remembers what each DN is called, for the server keeps DNs.
type named struct {
	mu sync.Mutex
	by map[string]string // DN key -> Ref.Account
}

func (n *named) set(dn, name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.by[keyOf(dn)] = name
	return name
}

func (n *named) of(dn string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return or(n.by[keyOf(dn)], "?"+dn)
}

func newTarget(t testing.TB, s *testserver.SlapdServer, o testserver.SlapdOptions) connectortest.Target {
	p := newProxy(t, s)
	cfg := config(s)
	cfg.URL = p.url
	cfg.PageSize = 20
	names := &named{by: map[string]string{}}
	c := connect(t, cfg)
	return connectortest.Target{
		Connector: c,
		Account: func(t testing.TB, name string) string {
			return names.set(s.Person(t, name), name)
		},
		DropAccount: func(t testing.TB, account string) {
			if o.NoOverlays {
				s.Delete(t, s.PersonDN(account))
			} else {
				s.DeletePerson(t, s.PersonDN(account))
			}
		},
		Object: func(t testing.TB, name string) string {
			return s.Spelled(t, s.Group(t, name)) // groups are known by DN
		},
		DropObject: func(t testing.TB, object string) { s.Delete(t, object) },
		Put: func(t testing.TB, object string, accounts ...string) {
			var add, remove []string
			for _, a := range accounts {
				add = append(add, s.PersonDN(a))
			}
			if slices.Contains(s.Values(t, object, "member"), testserver.SlapdPlaceholder) {
				remove = []string{testserver.SlapdPlaceholder}
			}
			s.Modify(t, object, "member", add, remove)
		},
		Members: func(t testing.TB, object string) []string {
			var list []string
			for _, m := range s.Members(t, object) {
				list = append(list, names.of(m))
			}
			return slices.Sorted(slices.Values(list))
		},
		Nest: func(t testing.TB, outer, inner string) {
			s.Modify(t, outer, "member", []string{inner}, nil)
		},
		Enter: func(t testing.TB, account, _ string, worth []byte) bool {
			return binds(t, s.PlainURL, nil, s.PersonDN(account), worth)
		},
		Break: p.fail,
		Rings: true,
		// slapd's mdb gives an RDN no more than 511 bytes, escapes included.
		NameLimit: 240,
		Hostile: []string{
			"cn=nobody," + testserver.SlapdPeople, "ou=groups", `\,`, `a\`, `*)(|(member=*`,
			"cn=a+sn=b", `\23`, "#", "a  b   c", "member;range=0-1", "\u00a0nbsp", "ﬁ", "\u212a", "ß",
		},
	}
}
