package testserver

import (
	"encoding/hex"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// SambaArea is a part of the domain for one test: people here, groups there.
type SambaArea struct {
	*SambaServer
	People, Groups string
}

// Area makes one. SambaService may write member below its Groups.
func (s *SambaServer) Area(t testing.TB) *SambaArea {
	t.Helper()
	ou := fmt.Sprintf("OU=t%d,", s.made.Add(1))
	a := &SambaArea{SambaServer: s, People: ou + "OU=people," + SambaBase, Groups: ou + "OU=groups," + SambaBase}
	for _, dn := range []string{a.People, a.Groups} {
		s.Add(t, dn, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	return a
}

// logon is a logon name that nobody bears yet.
func (s *SambaServer) logon() string { return fmt.Sprintf("n%d", s.made.Add(1)) }

// PersonDN is where Person puts the person of that cn.
func (a *SambaArea) PersonDN(cn string) string { return "CN=" + escapeDN(cn) + "," + a.People }

// GroupDN is where Group puts the group of that cn.
func (a *SambaArea) GroupDN(cn string) string { return "CN=" + escapeDN(cn) + "," + a.Groups }

// escapeDN escapes as Samba wants it: an equals sign, too.
func escapeDN(value string) string { return strings.ReplaceAll(ldap.EscapeDN(value), "=", `\3D`) }

// Person adds a user who cannot log on, called cn in uid too, and returns the DN.
func (a *SambaArea) Person(t testing.TB, cn string) string {
	t.Helper()
	a.Add(t, a.PersonDN(cn), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {a.logon()}, "uid": {cn}})
	return a.PersonDN(cn)
}

// Login is a Person who can log on once there is a password.
func (a *SambaArea) Login(t testing.TB, cn string) string {
	t.Helper()
	const normalWithoutPassword = "544"
	a.Add(t, a.PersonDN(cn), map[string][]string{"objectClass": {"user"}, "sAMAccountName": {a.logon()}, "uid": {cn}, "userAccountControl": {normalWithoutPassword}})
	return a.PersonDN(cn)
}

// Group adds a global security group and returns the entry's DN.
func (a *SambaArea) Group(t testing.TB, cn string, members ...string) string {
	t.Helper()
	attributes := map[string][]string{"objectClass": {"group"}, "sAMAccountName": {a.logon()}}
	if len(members) > 0 {
		attributes["member"] = members
	}
	a.Add(t, a.GroupDN(cn), attributes)
	return a.GroupDN(cn)
}

// Password lets a user log on with it.
func (s *SambaServer) Password(t testing.TB, dn, password string) {
	t.Helper()
	var quoted strings.Builder
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		quoted.Write([]byte{byte(u), byte(u >> 8)})
	}
	s.Replace(t, dn, "unicodePwd", quoted.String())
	s.Replace(t, dn, "userAccountControl", "512")
}

// sambaAges moves back when a password was set, beside the module that lets nobody do so.
const sambaAges = `import sys
import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
dir, dn, seconds = sys.argv[1:]
lp = LoadParm()
lp.load(dir + "/smb.conf")
db = SamDB(url=dir + "/domain/private/sam.ldb", lp=lp, session_info=system_session())
was = int(str(db.search(dn, ldb.SCOPE_BASE, attrs=["pwdLastSet"])[0]["pwdLastSet"]))
m = ldb.Message()
m.dn = ldb.Dn(db, dn)
m["pwdLastSet"] = ldb.MessageElement(str(was - int(seconds) * 10**7), ldb.FLAG_MOD_REPLACE, "pwdLastSet")
db.modify(m, ["local_oid:1.3.6.1.4.1.7165.4.3.12:0"])
`

// SambaAges makes a user's password older by as much, in the files of the domain that
// runs from dir, as if that time had passed: nobody waits for the hour in which it
// still takes the one before. Debian's own Python has the bindings, as samba-tool wants it.
func SambaAges(dir, dn string, by time.Duration) error {
	out, err := exec.Command("/usr/bin/python3", "-c", sambaAges, dir, dn, strconv.Itoa(int(by.Seconds()))).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ages: %w: %s", err, out)
	}
	return nil
}

// Replace replaces all values of an attribute.
func (s Tree) Replace(t testing.TB, dn, attribute string, values ...string) {
	t.Helper()
	req := ldap.NewModifyRequest(dn, nil)
	req.Replace(attribute, values)
	if err := s.Admin.Modify(req); err != nil {
		t.Fatalf("modify %s: %v", dn, err)
	}
}

// Rename gives an entry a new cn in its place and returns the DN.
func (s Tree) Rename(t testing.TB, dn, cn string) string {
	t.Helper()
	rdn := "CN=" + escapeDN(cn)
	if err := s.Admin.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, "")); err != nil {
		t.Fatalf("rename %s: %v", dn, err)
	}
	return rdn + dn[strings.Index(dn, ",OU="):]
}

// GUID is an entry's objectGUID as people write it.
func (s *SambaServer) GUID(t testing.TB, dn string) string {
	t.Helper()
	raw := s.Values(t, dn, "objectGUID")
	if len(raw) != 1 || len(raw[0]) != 16 {
		t.Fatalf("%s has no objectGUID", dn)
	}
	b := []byte(raw[0])
	for _, part := range [][]byte{b[:4], b[4:6], b[6:8]} {
		slices.Reverse(part)
	}
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Members lists a group's member values.
func (s *SambaServer) Members(t testing.TB, group string) []string {
	return s.Values(t, group, "member")
}
