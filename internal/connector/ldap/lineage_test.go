package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

var (
	_ connector.Lineage = (*Connector)(nil)
	_ connector.Chooser = (*Connector)(nil)
)

const makersSecret = "Mk-77d1!x"

// slapdMakers lets uid=ann and uid=bob, who hold the keys of the directory, write all
// of it, and the service account see who created what: docs/connectors/ldap.md gives
// that statement to the reader.
const slapdMakers = `access to attrs=creatorsName,createTimestamp by dn.exact="cn=svc-lessor,ou=svc,dc=example,dc=org" read by * break
access to dn.subtree="dc=example,dc=org" by dn.exact="uid=ann,ou=people,dc=example,dc=org" write by dn.exact="uid=bob,ou=people,dc=example,dc=org" write by * break`

// hand is somebody's own connection.
func hand(t *testing.T, url, dn, secret string) testserver.Tree {
	t.Helper()
	conn, err := goldap.DialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.Bind(dn, secret); err != nil {
		t.Fatalf("bind as %s: %v", dn, err)
	}
	return testserver.Tree{Admin: conn}
}

// traced lists what accounts made, and fails the test if a time is not now.
func traced(t *testing.T, c *Connector, by ...string) (list []string) {
	t.Helper()
	traces, err := c.Traces(t.Context(), by)
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range traces {
		if since := time.Since(tr.At); !tr.At.IsZero() && (since < -time.Minute || since > 10*time.Minute) {
			t.Errorf("%s %s at %s", tr.By, tr.What, tr.At)
		}
		what, _, _ := strings.Cut(tr.What, " at 20")
		list = append(list, tr.By+" "+what)
	}
	return slices.Sorted(slices.Values(list))
}

// What somebody made in OpenLDAP, and whom he let in, is read for him and nobody
// else, for as long as it is so; what the directory's own administrator did is no account's.
func TestTracesOpenLDAP(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Access: slapdMakers})
	people := map[string]string{}
	for _, who := range []string{"ann", "bob", "cyd"} {
		people[who] = s.Person(t, who)
		s.Modify(t, people[who], "userPassword", []string{makersSecret}, nil)
	}
	team := s.Group(t, "team")
	cfg := config(s)
	cfg.AccessLog, cfg.Lineage, cfg.PageSize = "cn=accesslog", true, 2
	c := connect(t, cfg)
	if got := traced(t, c); len(got) != 0 {
		t.Errorf("at first: %q", got)
	}
	ann, bob := hand(t, s.PlainURL, people["ann"], makersSecret), hand(t, s.PlainURL, people["bob"], makersSecret)
	door, eve := s.GroupDN("door"), s.PersonDN("eve")
	ann.Add(t, door, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"door"}, "member": {people["cyd"]}})
	ann.Add(t, eve, map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {"eve"}, "cn": {"e"}, "sn": {"e"}})
	ann.Modify(t, team, "member", []string{eve, people["cyd"]}, nil)
	bob.Modify(t, team, "member", nil, []string{people["cyd"]})
	bob.Modify(t, team, "member", []string{people["cyd"]}, nil) // now it is bob's doing

	anns := []string{"ann created " + door, "ann created " + eve, "ann let " + eve + " into " + team}
	equal(t, "ann", traced(t, c, "ann", team), anns...)
	equal(t, "bob", traced(t, c, "bob"), "bob let "+people["cyd"]+" into "+team)
	equal(t, "cyd", traced(t, c, "cyd", "no such account"))
	equal(t, "everybody", traced(t, c), append(slices.Clone(anns), "bob let "+people["cyd"]+" into "+team)...)
	s.Delete(t, door)
	s.Modify(t, team, "member", nil, []string{eve})
	equal(t, "undone", traced(t, c, "ann"), "ann created "+eve)
	// Her own entry is gone, and what she made is not. How she was named is not known any more.
	s.DeletePerson(t, people["ann"])
	dn := DNPrefix + people["ann"] + " created " + eve
	equal(t, "gone", traced(t, c, "ann"), "ann created "+eve)
	equal(t, "gone, by DN", traced(t, c, DNPrefix+people["ann"]), dn)
	equal(t, "everybody, her gone", traced(t, c), dn, "ann created "+eve, "bob let "+people["cyd"]+" into "+team)
}

// Where it may not be seen it is not taken for nothing; and where nobody asked for
// it nothing is read.
func TestTracesThatMayNotBeRead(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	s.Person(t, "ann")
	cfg := config(s)
	c := connect(t, cfg)
	if got, err := c.Traces(t.Context(), nil); err != nil || got != nil {
		t.Errorf("not asked for: %v, %v", got, err)
	}
	if _, can := connector.As[connector.Lineage](c); can {
		t.Error("not asked for, it is there")
	}
	if _, can := connector.As[connector.Feed](c); !can {
		t.Error("there is no feed")
	}
	cfg.Lineage = true
	if _, can := connector.As[connector.Lineage](connect(t, cfg)); !can {
		t.Error("asked for, it is not there")
	}
	for _, by := range [][]string{nil, {"ann"}} {
		if got, err := connect(t, cfg).Traces(t.Context(), by); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "creatorsName") {
			t.Errorf("hidden: %v, %v", got, err)
		}
	}
}

// 389 Directory Server remembers creators as OpenLDAP does.
func TestTraces389(t *testing.T) {
	t.Parallel()
	s := testserver.DS389(t, true)
	ann := s.Person(t, "ann")
	s.Modify(t, ann, "userPassword", []string{makersSecret}, nil)
	for _, base := range []string{testserver.SlapdGroups, testserver.SlapdPeople} {
		s.Modify(t, base, "aci", []string{
			`(targetattr="creatorsName || createTimestamp")(version 3.0; acl "lessor: lineage"; allow (read, search, compare) userdn="ldap:///cn=svc-lessor,ou=svc,dc=example,dc=org";)`,
			`(targetattr="*")(version 3.0; acl "ann"; allow (all) userdn="ldap:///` + ann + `";)`}, nil)
	}
	cfg := config389(s)
	cfg.Lineage = true
	c := connect(t, cfg)
	hand(t, s.PlainURL, ann, makersSecret).Add(t, s.GroupDN("door"), map[string][]string{"objectClass": {"groupOfNames"}, "cn": {"door"}})
	want := "ann created " + s.GroupDN("door")
	equal(t, "ann", traced(t, c, "ann"), want)
	equal(t, "everybody", traced(t, c), want)
}

// Active Directory remembers an owner, who is whoever made it, but for administrators.
func TestTracesSamba(t *testing.T) {
	t.Parallel()
	s := testserver.Samba(t)
	a := s.Area(t)
	ann := a.Person(t, "ann")
	a.Password(t, ann, makersSecret)
	out, err := s.Shell(fmt.Sprintf("samba-tool dsacl set --objectdn='%s' --sddl='(A;CI;GA;;;%s)'", a.Groups, sidText(t, s.Values(t, ann, "objectSid")[0])))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cfg := sambaConfig(a)
	cfg.Lineage, cfg.PageSize = true, 2
	c := connect(t, cfg)
	who := GUIDPrefix + a.GUID(t, ann)
	a.Group(t, "team")
	equal(t, "at first", traced(t, c))
	hand(t, s.PlainURL, ann, makersSecret).Add(t, a.GroupDN("door"), map[string][]string{"objectClass": {"group"}})
	want := who + " owns " + a.GroupDN("door")
	equal(t, "ann", traced(t, c, who, a.GroupDN("team")), want)
	equal(t, "everybody", traced(t, c), want)
	equal(t, "another", traced(t, c, GUIDPrefix+a.GUID(t, a.Person(t, "bob"))))
}

// sidText writes an objectSid as people do.
func sidText(t *testing.T, raw string) string {
	t.Helper()
	b := []byte(raw)
	if len(b) < 8 || len(b) != 8+4*int(b[1]) {
		t.Fatalf("%x is no SID", b)
	}
	text := fmt.Sprintf("S-%d-%d", b[0], b[7])
	for i := 8; i < len(b); i += 4 {
		text += fmt.Sprintf("-%d", uint32(b[i])|uint32(b[i+1])<<8|uint32(b[i+2])<<16|uint32(b[i+3])<<24)
	}
	return text
}

// A descriptor that lies about its lengths is one without an owner.
func TestOwnerOf(t *testing.T) {
	t.Parallel()
	sid := "\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"
	head := func(at byte) string {
		return "\x01\x00\x00\x80" + string([]byte{at, 0, 0, 0}) + strings.Repeat("\x00", 12)
	}
	for descriptor, want := range map[string]string{
		"": "", head(20) + sid: sid, head(0) + sid: "", head(24) + sid: "", head(20) + sid[:8]: "", head(200) + sid: "",
		"\x01\x00\x00\x80\xff\xff\xff\xff" + strings.Repeat("\x00", 12) + sid: "",
	} {
		if got := ownerOf([]byte(descriptor)); got != want {
			t.Errorf("%q: %q, want %q", descriptor, got, want)
		}
	}
}
