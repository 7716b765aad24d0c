package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// What every 389 Directory Server here holds from its start is what every slapd
// does (SlapdBase and below), but for the administrator.
const (
	DS389Admin       = "cn=Directory Manager"
	DS389AdminSecret = "Dm-7f3c-x"
)

// DS389ACIs let the service account read what names people and groups, and write
// nothing but member: on ou=groups, then on ou=people. docs/connectors/ldap.md
// gives these statements to the reader.
var DS389ACIs = [2][]string{
	{`(targetattr="member")(version 3.0; acl "lessor: members"; allow (read, search, compare, write) userdn="ldap:///cn=svc-lessor,ou=svc,dc=example,dc=org";)`,
		`(targetattr="objectClass || cn")(version 3.0; acl "lessor: groups"; allow (read, search, compare) userdn="ldap:///cn=svc-lessor,ou=svc,dc=example,dc=org";)`},
	{`(targetattr="objectClass || uid || memberOf")(version 3.0; acl "lessor: people"; allow (read, search, compare) userdn="ldap:///cn=svc-lessor,ou=svc,dc=example,dc=org";)`},
}

// DS389Server is one running 389 Directory Server.
type DS389Server struct {
	URL      string // ldaps://127.0.0.1:…
	PlainURL string // ldap://127.0.0.1:…
	Paper
	Tree // bound as DS389Admin
	Dir  string
}

// PersonDN is where Person puts the person of that uid.
func (s *DS389Server) PersonDN(uid string) string {
	return "uid=" + ldap.EscapeDN(uid) + "," + SlapdPeople
}

// GroupDN is where Group puts the group of that cn.
func (s *DS389Server) GroupDN(cn string) string { return "cn=" + ldap.EscapeDN(cn) + "," + SlapdGroups }

// Person adds a person and returns the entry's DN.
func (s *DS389Server) Person(t testing.TB, uid string) string {
	t.Helper()
	s.Add(t, s.PersonDN(uid), map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {"a person"}, "sn": {"person"}})
	return s.PersonDN(uid)
}

// Group adds a groupOfNames, which may be empty here, and returns the entry's DN.
func (s *DS389Server) Group(t testing.TB, cn string, members ...string) string {
	t.Helper()
	attributes := map[string][]string{"objectClass": {"groupOfNames"}, "cn": {cn}}
	if len(members) > 0 {
		attributes["member"] = members
	}
	s.Add(t, s.GroupDN(cn), attributes)
	return s.GroupDN(cn)
}

// DS389 starts one on loopback with LDAPS and ends it with the test. With plugins
// it keeps memberOf and lets go of members that are deleted.
func DS389(t testing.TB, plugins bool) *DS389Server {
	t.Helper()
	template, err := os.ReadFile("/usr/share/dirsrv/data/template-dse.ldif")
	if err != nil {
		Missing(t, "389 Directory Server (/usr/share/dirsrv)")
	}
	if os.Geteuid() != 0 {
		needsRoot(t, "389 Directory Server", "Debian's ends at once as anybody else")
	}
	s := &DS389Server{Dir: t.TempDir()}
	if s.Paper, err = certify(s.Dir, net.IPv4(127, 0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	plain, secure := Port(t), Port(t)
	s.PlainURL, s.URL = fmt.Sprintf("ldap://127.0.0.1:%d", plain), fmt.Sprintf("ldaps://127.0.0.1:%d", secure)
	s.configure(t, string(template), plain, secure, plugins)
	s.database(t)
	bin := slapdBinary(t, "ns-slapd")
	Start(t, exec.Command(bin, "-D", filepath.Join(s.Dir, "config"), "-i", filepath.Join(s.Dir, "run", "pid"), "-d", "0"))
	Await(t, "ns-slapd", 2*time.Minute, func() (err error) {
		if s.Admin, err = ldap.DialURL(s.PlainURL); err != nil {
			return err
		}
		return s.Admin.Bind(DS389Admin, DS389AdminSecret)
	})
	t.Cleanup(func() { _ = s.Admin.Close() })
	s.fill(t)
	return s
}

// configure writes what its own setup would from the same template; that one
// wants systemd, and fixed places.
func (s *DS389Server) configure(t testing.TB, template string, plain, secure int, plugins bool) {
	t.Helper()
	values := map[string]string{
		"ds_port": strconv.Itoa(plain), "ds_user": "root", "ds_passwd": "{CLEAR}" + DS389AdminSecret, "rootdn": DS389Admin, "fqdn": "localhost",
		"ldapi": s.Dir + "/ldapi", "ldapi_enabled": "off", "ldapi_autobind": "off", "db_lib": "bdb", "ds_suffix": SlapdBase,
	}
	for _, name := range []string{"config", "schema", "lock", "tmp", "cert", "ldif", "bak", "run", "inst", "log", "db", "db_home"} {
		dir := filepath.Join(s.Dir, name)
		if name == "schema" {
			dir = filepath.Join(s.Dir, "config", "schema")
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		values[name+"_dir"] = dir
	}
	var pairs []string
	for name, value := range values {
		pairs = append(pairs, "%"+name+"%", value)
	}
	dse := strings.NewReplacer(pairs...).Replace(template)
	dse = strings.Replace(dse, "nsslapd-port: ", fmt.Sprintf("nsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\nnsslapd-security: on\nnsslapd-securePort: %d\nnsslapd-port: ", secure), 1)
	on := "nsslapd-pluginenabled: "
	dse = plugin(t, dse, "7-bit check", on+"on", on+"off") // names are of every kind
	if plugins {
		dse = plugin(t, dse, "MemberOf Plugin", on+"off", on+"on")
		dse = plugin(t, dse, "referential integrity postoperation", on+"off", on+"on")
	}
	for name, text := range map[string]string{
		"dse.ldif": dse, "certmap.conf": "certmap default default\n", "slapd-collations.conf": "",
		"schema/99user.ldif": "dn: cn=schema\nobjectclass: top\nobjectclass: ldapSubentry\nobjectclass: subschema\ncn: schema\n",
	} {
		if err := os.WriteFile(filepath.Join(s.Dir, "config", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// plugin changes one line of a plug-in's entry.
func plugin(t testing.TB, dse, name, from, to string) string {
	t.Helper()
	head, tail, found := strings.Cut(dse, "cn: "+name+"\n")
	entry, rest, _ := strings.Cut(tail, "\n\n")
	if !found || !strings.Contains(entry, from) {
		t.Fatalf("this version of 389 Directory Server has no %q with %q", name, from)
	}
	return head + "cn: " + name + "\n" + strings.Replace(entry, from, to, 1) + "\n\n" + rest
}

// database puts our certificate where it looks for it.
func (s *DS389Server) database(t testing.TB) {
	t.Helper()
	at := func(name string) string { return filepath.Join(s.Dir, name) }
	for _, args := range [][]string{
		{"openssl", "pkcs12", "-export", "-in", at("server.pem"), "-inkey", at("server.key"), "-name", "Server-Cert", "-passout", "pass:x", "-out", at("server.p12")},
		{"certutil", "-N", "-d", at("cert"), "--empty-password"},
		{"pk12util", "-i", at("server.p12"), "-d", at("cert"), "-W", "x"},
		{"certutil", "-A", "-d", at("cert"), "-n", "CA", "-t", "CT,,", "-a", "-i", at("ca.pem")},
	} {
		if _, err := exec.LookPath(args[0]); err != nil {
			Missing(t, args[0])
		}
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
}

func (s *DS389Server) fill(t testing.TB) {
	t.Helper()
	s.Add(t, "cn=userRoot,cn=ldbm database,cn=plugins,cn=config", map[string][]string{
		"objectClass": {"top", "extensibleObject", "nsBackendInstance"}, "cn": {"userRoot"}, "nsslapd-suffix": {SlapdBase},
	})
	s.Add(t, `cn="`+SlapdBase+`",cn=mapping tree,cn=config`, map[string][]string{
		"objectClass": {"top", "extensibleObject", "nsMappingTree"}, "cn": {SlapdBase}, "nsslapd-state": {"backend"}, "nsslapd-backend": {"userRoot"},
	})
	s.Add(t, SlapdBase, map[string][]string{"objectClass": {"domain"}, "dc": {"example"}})
	for _, ou := range []string{"people", "groups", "svc"} {
		s.Add(t, "ou="+ou+","+SlapdBase, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {ou}})
	}
	s.Add(t, SlapdService, map[string][]string{
		"objectClass": {"organizationalRole", "simpleSecurityObject"}, "cn": {"svc-lessor"}, "userPassword": {SlapdServiceSecret},
	})
	s.Modify(t, SlapdGroups, "aci", DS389ACIs[0], nil)
	s.Modify(t, SlapdPeople, "aci", DS389ACIs[1], nil)
}
