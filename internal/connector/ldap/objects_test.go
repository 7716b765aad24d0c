package ldap

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

var _ connector.Objects = (*Connector)(nil)

// told reads what objects say of themselves, by name.
func told(t testing.TB, c *Connector, objects ...string) map[string]connector.Object {
	t.Helper()
	got := map[string]connector.Object{}
	if err := c.Objects(t.Context(), objects, func(o connector.Object) error {
		if _, twice := got[o.Name]; twice {
			t.Errorf("%s is told twice", o.Name)
		}
		got[o.Name] = o
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// In a domain a group is worth what those it is in are, however far up; the rest is
// worth nothing.
func TestObjectsSamba(t *testing.T) {
	t.Parallel()
	s := testserver.Samba(t)
	a := s.Area(t)
	users, builtin := ",CN=Users,"+testserver.SambaBase, ",CN=Builtin,"+testserver.SambaBase
	plain, lead, inner, backup, odd, ring, operators := a.Group(t, "ob-plain"), a.Group(t, "ob-lead"), a.Group(t, "ob-inner"), a.Group(t, "ob-backup"), a.Group(t, "ob-odd"), a.Group(t, "ob-ring"), a.Group(t, "ob-operators")
	for _, in := range [][2]string{
		{"CN=Domain Admins" + users, lead}, {lead, inner}, {"CN=Account Operators" + builtin, operators},
		{"CN=Backup Operators" + builtin, backup}, {ring, plain}, {plain, ring},
	} {
		a.Modify(t, in[0], "member", []string{in[1]}, nil)
		t.Cleanup(func() { a.Modify(t, in[0], "member", nil, []string{in[1]}) })
	}
	a.Replace(t, odd, "adminCount", "1")
	a.Replace(t, plain, "description", "Reads the wiki; nothing else")
	all := "admin grant read write"
	var top string // Domain Admins is itself in Administrators
	for name, x := range map[string]struct{ powers, why string }{
		plain:               {},
		ring:                {},
		lead:                {all, "in CN=Domain Admins" + users + ", which is Domain Admins; in CN=Administrators" + builtin + ", which is Administrators"},
		inner:               {all, "in CN=Domain Admins" + users + ", which is Domain Admins; in CN=Administrators" + builtin + ", which is Administrators"},
		operators:           {"grant write", "in CN=Account Operators" + builtin + ", which is Account Operators"},
		backup:              {"admin read write", "in CN=Backup Operators" + builtin + ", which is Backup Operators"},
		odd:                 {"admin grant", "adminCount 1: it is protected like the administrators' groups, or once was"},
		"cn-that-is-nobody": {"-", ""},
	} {
		o, is := told(t, connect(t, sambaConfig(a)), name, name)[name]
		if is == (x.powers == "-") {
			t.Errorf("%s is told: %t", name, is)
		}
		if is && (strings.Join(o.Powers, " ") != x.powers || o.Why != x.why) {
			t.Errorf("%s: %q by %q, want %q by %q", name, o.Powers, o.Why, x.powers, x.why)
		}
		top += o.Description
	}
	if top != "Reads the wiki; nothing else" {
		t.Errorf("described as %q", top)
	}
	// The domain's own groups, where they are below groups_base.
	cfg := sambaConfig(a)
	cfg.GroupsBase = testserver.SambaBase
	own := told(t, connect(t, cfg), "CN=Enterprise Admins"+users, "CN=Guests"+builtin, "CN=Domain Users"+users)
	if o := own["CN=Enterprise Admins"+users]; strings.Join(o.Powers, " ") != all || !strings.HasPrefix(o.Why, "which is Enterprise Admins") || o.Description == "" {
		t.Errorf("%+v", o)
	}
	for _, name := range []string{"CN=Guests" + builtin, "CN=Domain Users" + users} {
		if o, is := own[name]; !is || len(o.Powers) > 0 || o.Why != "" {
			t.Errorf("%+v", o)
		}
	}
}

// mayDescribe is what the page says lets the account read descriptions.
const mayDescribe = `access to dn.subtree="ou=groups,dc=example,dc=org" attrs=description by dn.exact="cn=svc-lessor,ou=svc,dc=example,dc=org" read`

// Elsewhere there is a description, where it may be read, and no word of powers.
func TestObjects(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/ldap.md")
	if err != nil || !strings.Contains(string(page), "```\n"+mayDescribe+"\n```") {
		t.Errorf("the page does not say (%v):\n%s", err, mayDescribe)
	}
	for access, description := range map[string]string{"": "", mayDescribe + "\n": "Edits the wiki"} {
		s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Access: access})
		wiki, plain := s.Group(t, "wiki"), s.Group(t, "plain")
		s.Modify(t, wiki, "description", []string{"Edits the wiki"}, nil)
		got := told(t, connect(t, config(s)), wiki, plain, "wiki", "nobody", "wiki")
		for name, want := range map[string]string{wiki: description, "wiki": description, plain: ""} {
			if o, is := got[name]; !is || o.Description != want || len(o.Powers) > 0 || o.Why != "" {
				t.Errorf("%s: %+v, want %q", name, o, want)
			}
		}
		if len(got) != 3 {
			t.Errorf("told %+v", got)
		}
	}
}

// mayDescribe389 is the same in 389 Directory Server.
const mayDescribe389 = `(targetattr="description")(version 3.0; acl "lessor: descriptions"; allow (read, search, compare) userdn="ldap:///cn=svc-lessor,ou=svc,dc=example,dc=org";)`

func TestObjects389(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/ldap.md")
	if err != nil || !strings.Contains(string(page), "```\naci: "+mayDescribe389+"\n```") {
		t.Errorf("the page does not say (%v):\n%s", err, mayDescribe389)
	}
	s := testserver.DS389(t, false)
	wiki, plain := s.Group(t, "wiki"), s.Group(t, "plain")
	s.Modify(t, wiki, "description", []string{"Edits the wiki"}, nil)
	if got := told(t, connect(t, config389(s)), wiki, plain); len(got) != 2 || got[wiki].Description != "" {
		t.Errorf("told %+v", got)
	}
	s.Modify(t, testserver.SlapdGroups, "aci", []string{mayDescribe389}, nil)
	var got map[string]connector.Object
	testserver.Await(t, "the new right", time.Minute, func() error { // what a connection may see the server remembers
		if got = told(t, connect(t, config389(s)), wiki, plain); got[wiki].Description == "" {
			return errors.New("not yet")
		}
		return nil
	})
	if len(got) != 2 || got[wiki].Description != "Edits the wiki" || got[plain].Description != "" || len(got[wiki].Powers) > 0 {
		t.Errorf("told %+v", got)
	}
}

// Only what a domain makes itself counts: another group may end in the same number.
func TestTheDomainsOwnGroups(t *testing.T) {
	t.Parallel()
	sid := func(numbers ...uint32) []byte {
		raw := []byte{1, byte(len(numbers)), 0, 0, 0, 0, 0, 5}
		for _, n := range numbers {
			raw = binary.LittleEndian.AppendUint32(raw, n)
		}
		return raw
	}
	for _, x := range []struct {
		sid  []byte
		want uint32
	}{
		{sid(21, 1, 2, 3, 512), 512}, {sid(32, 544), 544}, {sid(21, 1, 2, 3, 544), 0}, {sid(32, 512), 0}, {sid(21, 512), 0},
		{sid(21, 1, 2, 3, 1104), 0}, {nil, 0}, {sid(21, 1, 2, 3, 512)[:20], 0}, {sid(5, 1, 2, 3, 512), 0},
	} {
		if got := ofItsOwn(x.sid); got != x.want {
			t.Errorf("%x: %d, want %d", x.sid, got, x.want)
		}
	}
}
