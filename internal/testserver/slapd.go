package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// What every slapd here holds from its start.
const (
	SlapdBase        = "dc=example,dc=org"
	SlapdPeople      = "ou=people," + SlapdBase
	SlapdGroups      = "ou=groups," + SlapdBase
	SlapdAdmin       = "cn=admin," + SlapdBase // may do everything
	SlapdAdminSecret = "admin-7f3c"
	// SlapdService reads names and groups and writes nothing but member.
	SlapdService       = "cn=svc-lessor,ou=svc," + SlapdBase
	SlapdServiceSecret = "svc-91d4"
	// SlapdPlaceholder satisfies groupOfNames in a group that nobody is in.
	SlapdPlaceholder = "cn=nobody," + SlapdGroups
)

// SlapdOptions are what a test may want otherwise. The zero value is a server
// with the memberof, refint, syncprov and accesslog overlays that writes to disk
// before it answers.
type SlapdOptions struct {
	NoSync     bool   // dbnosync: answers before the disk has it
	NoOverlays bool   // neither memberof nor refint: members are left behind, memberOf is missing
	SizeLimit  int    // most entries in an answer to the service account; 0: no limit
	LDIF       string // loaded by slapadd, which runs no overlay: memberOf must be in it
	Access     string // more access statements, before the others
	Main       string // more lines of the main database
	Global     string // more lines before the databases
}

// SlapdServer is one running OpenLDAP.
type SlapdServer struct {
	URL      string // ldaps://127.0.0.1:…
	PlainURL string // ldap://127.0.0.1:…, StartTLS offered
	Paper
	Tree // bound as SlapdAdmin
	Dir  string

	bin, conf string
	cmd       *exec.Cmd
}

// Slapd starts one on loopback with LDAPS and ends it with the test.
func Slapd(t testing.TB, o SlapdOptions) *SlapdServer {
	t.Helper()
	bin := slapdBinary(t, "slapd")
	s := &SlapdServer{Dir: t.TempDir(), bin: bin}
	s.certificates(t)
	plain, secure := Port(t), Port(t)
	s.PlainURL, s.URL = fmt.Sprintf("ldap://127.0.0.1:%d", plain), fmt.Sprintf("ldaps://127.0.0.1:%d", secure)
	s.conf = s.configure(t, o)
	load := exec.Command(slapdBinary(t, "slapadd"), "-q", "-f", s.conf, "-b", SlapdBase)
	load.Stdin = strings.NewReader(slapdStart + o.LDIF)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.Again(t)
	Await(t, "slapd", 2*time.Minute, func() (err error) {
		if s.Admin, err = ldap.DialURL(s.PlainURL); err != nil {
			return err
		}
		return s.Admin.Bind(SlapdAdmin, SlapdAdminSecret)
	})
	t.Cleanup(func() { _ = s.Admin.Close() })
	return s
}

// slapdBinary finds what Debian puts where only root's PATH leads.
func slapdBinary(t testing.TB, name string) string {
	t.Helper()
	for _, at := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(at); err == nil {
			return path
		}
	}
	Missing(t, name)
	return ""
}

func (s *SlapdServer) configure(t testing.TB, o SlapdOptions) string {
	t.Helper()
	for _, d := range []string{"db", "log"} {
		if err := os.Mkdir(filepath.Join(s.Dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	limit, sync, overlays := "unlimited", "", slapdOverlays
	if o.SizeLimit > 0 {
		limit = fmt.Sprint(o.SizeLimit)
	}
	if o.NoSync {
		sync = "dbnosync"
	}
	if o.NoOverlays {
		overlays = ""
	}
	text := strings.NewReplacer(
		"$DIR", s.Dir, "$BASE", SlapdBase, "$PEOPLE", SlapdPeople, "$GROUPS", SlapdGroups,
		"$ADMIN", SlapdAdmin, "$SECRET", SlapdAdminSecret, "$SVC", SlapdService, "$NOBODY", SlapdPlaceholder,
		"$LIMIT", limit, "$SYNC", sync, "$OVERLAYS", strings.ReplaceAll(overlays, "$NOBODY", SlapdPlaceholder),
		"$MAIN", o.Main, "$GLOBAL", o.Global, "$ACCESS", o.Access,
	).Replace(slapdConf)
	return s.write(t, "slapd.conf", []byte(text))
}

func (s *SlapdServer) write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(s.Dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificates makes a CA and a server certificate of this test alone.
func (s *SlapdServer) certificates(t testing.TB) {
	t.Helper()
	var err error
	if s.Paper, err = certify(s.Dir, net.IPv4(127, 0, 0, 1), net.IPv6loopback); err != nil {
		t.Fatal(err)
	}
}

const slapdStart = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: ou=svc,dc=example,dc=org
objectClass: organizationalUnit
ou: svc

dn: cn=svc-lessor,ou=svc,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: svc-lessor
userPassword: ` + SlapdServiceSecret + `

`

// Refint alone lets go of members that are deleted. It does so a moment after the
// deletion is answered; were memberof-refint on too, a member made anew could be
// let go of once more.
const slapdOverlays = `overlay memberof
overlay refint
refint_attributes member
refint_nothing $NOBODY
`

// The service account may write member and read what names people and groups;
// nobody else may read anything. docs/connectors/ldap.md gives these statements
// to the reader: change both.
const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload refint
moduleload syncprov
moduleload accesslog
pidfile $DIR/slapd.pid
argsfile $DIR/slapd.args
TLSCACertificateFile $DIR/ca.pem
TLSCertificateFile $DIR/server.pem
TLSCertificateKeyFile $DIR/server.key
TLSVerifyClient never
threads 4
loglevel none
$GLOBAL

database mdb
suffix cn=accesslog
rootdn $ADMIN
directory $DIR/log
maxsize 4294967296
$SYNC
index objectClass,reqStart,reqEnd,reqResult,entryCSN,entryUUID eq
overlay syncprov
syncprov-reloadhint TRUE
syncprov-nopresent TRUE

database mdb
suffix $BASE
rootdn $ADMIN
rootpw $SECRET
directory $DIR/db
maxsize 4294967296
$SYNC
index objectClass,entryCSN,entryUUID eq
index uid,cn,member,memberOf eq
limits dn.exact="$SVC" size=$LIMIT time=unlimited
$ACCESS
access to attrs=userPassword
  by anonymous auth
  by * none
access to dn.subtree="$GROUPS" attrs=member
  by dn.exact="$SVC" write
  by * none
access to dn.subtree="$GROUPS" attrs=entry,objectClass,cn
  by dn.exact="$SVC" read
  by * none
access to dn.subtree="$PEOPLE" attrs=entry,objectClass,uid,memberOf
  by dn.exact="$SVC" read
  by * none
access to *
  by * none
overlay syncprov
syncprov-checkpoint 1000 5
overlay accesslog
logdb cn=accesslog
logops writes
logsuccess TRUE
$OVERLAYS
$MAIN
`
