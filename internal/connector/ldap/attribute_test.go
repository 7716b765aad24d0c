package ldap

import (
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

var (
	_ connector.Attribution = (*Connector)(nil)
	_ connector.Accounts    = (*Connector)(nil)
)

// Who wrote a member is read off the access log; without one, who changed the
// group last; and where neither may be read, nobody is named.
func TestAuthors(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	team := s.Group(t, "team")
	s.Modify(t, team, "member", []string{ann}, nil)
	s.Modify(t, team, "member", []string{bob}, nil)
	refs := []connector.Ref{{Account: "ann", Object: "team"}, {Account: "bob", Object: "team"}}
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"the access log": {func(c *Config) { c.AccessLog = "cn=accesslog" }, testserver.SlapdAdmin + " at 20"},
		"the group itself": {func(c *Config) {
			c.BindDN, c.Password = testserver.SlapdAdmin, func() string { return testserver.SlapdAdminSecret }
		}, testserver.SlapdAdmin + ", perhaps: who changed the group last, at 20"},
		"neither may be read": {func(*Config) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(s)
			tc.change(&cfg)
			by, err := connect(t, cfg).Authors(t.Context(), refs)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range refs {
				if !strings.HasPrefix(by[r], tc.want) || (tc.want == "") != (by[r] == "") {
					t.Errorf("%v: %q, want %q", r, by[r], tc.want)
				}
			}
		})
	}
}

// An account made anew under an old name has another id.
func TestAccountsHaveIDs(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	for _, n := range []string{"ann", "bob"} {
		s.Person(t, n)
	}
	cfg := config(s)
	cfg.BindDN, cfg.Password, cfg.PageSize = testserver.SlapdAdmin, func() string { return testserver.SlapdAdminSecret }, 1
	c := connect(t, cfg)
	ids := func() map[string]string {
		list := map[string]string{}
		if err := c.Accounts(t.Context(), func(a connector.Account) error { list[a.Name] = a.ID; return nil }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := ids()
	s.DeletePerson(t, s.PersonDN("ann"))
	s.Person(t, "ann")
	after := ids()
	if len(before) != 2 || before["ann"] == "" || before["ann"] == after["ann"] || before["bob"] != after["bob"] {
		t.Errorf("before %v, after %v", before, after)
	}
}
