package testserver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// What the domain holds from its start.
const (
	SambaBase        = "DC=ad,DC=example,DC=org"
	SambaAdmin       = "CN=Administrator,CN=Users," + SambaBase
	SambaAdminSecret = "Adm-7f3c!x"
	// SambaService is a user like any other who may also write member of the
	// groups below OU=groups.
	SambaService       = "CN=svc-lessor,OU=svc," + SambaBase
	SambaServiceSecret = "Svc-91d4!x"
)

// SambaAccount makes the service account, said to the domain's own tool on the
// domain controller. docs/connectors/ldap.md gives these statements to the reader.
const SambaAccount = `samba-tool user create svc-lessor "$PASSWORD" --userou=OU=svc
samba-tool user setexpiry svc-lessor --noexpiry
SID=$(samba-tool user show svc-lessor --attributes=objectSid | sed -n 's/^objectSid: //p')
samba-tool dsacl set --objectdn=OU=groups,DC=ad,DC=example,DC=org \
  --sddl="(OA;CIIO;WP;bf9679c0-0de6-11d0-a285-00aa003049e2;bf967a9c-0de6-11d0-a285-00aa003049e2;$SID)"`

// SambaServer is one running domain controller of a domain of its own.
type SambaServer struct {
	Address  string // 127.x.x.x
	URL      string // ldaps://127.x.x.x, shown a certificate of ours
	PlainURL string // ldap://127.x.x.x
	Paper
	Tree // bound as SambaAdmin
	Dir  string

	life io.Closer // open while the server is to run
	made atomic.Int64
}

// domain is the one of this test process. It is started by the first test that
// asks and ends with the process, however that ends.
var domain struct {
	once   sync.Once
	server *SambaServer
	err    error
}

// Samba is the test process's Active Directory. Its ports are fixed, so each
// process has a loopback address of its own; to listen below 1024 it must be root.
func Samba(t testing.TB) *SambaServer {
	t.Helper()
	for _, program := range []string{"samba", "samba-tool"} {
		if _, err := exec.LookPath("/usr/sbin/" + program); err != nil {
			if _, err := exec.LookPath(program); err != nil {
				Missing(t, "Samba's domain controller ("+program+")")
			}
		}
	}
	address, err := ownAddress()
	if errors.Is(err, fs.ErrPermission) {
		needsRoot(t, "Samba as a domain controller", "it listens on port 389")
	}
	if err != nil {
		t.Fatal(err)
	}
	domain.once.Do(func() { domain.server, domain.err = startSamba(address) })
	if domain.err != nil {
		t.Fatalf("Samba: %v", domain.err)
	}
	return domain.server
}

// needsRoot skips the test and says why, or fails it in the long run.
func needsRoot(t testing.TB, what, why string) {
	t.Helper()
	says := what + " cannot run here: " + why + ", which takes root"
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		t.Fatal(says)
	}
	t.Skip(says)
}

// ownAddress finds a loopback address on which nobody listens where Samba will.
func ownAddress() (string, error) {
	var last error
	for range 20 {
		ip := net.IPv4(127, byte(64+rand.IntN(128)), byte(rand.IntN(256)), byte(1+rand.IntN(254))).String()
		last = nil
		for _, port := range []string{"88", "389", "464", "636", "3268", "3269"} {
			l, err := net.Listen("tcp", net.JoinHostPort(ip, port))
			if err != nil {
				last = err
				break
			}
			_ = l.Close() // it was only to see that it can be had
		}
		if last == nil || errors.Is(last, fs.ErrPermission) {
			return ip, last
		}
	}
	return "", fmt.Errorf("no loopback address on which ports 88, 389, 464, 636, 3268 and 3269 are free: %w", last)
}

// sambaKeeper runs the server for as long as its standard input is open, which is
// as long as the test process lives, even if that is killed; then it removes all.
const sambaKeeper = `samba -F --no-process-group -M single -s "$1/smb.conf" >"$1/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -KILL $server
wait $server
rm -rf "$1"`

func startSamba(address string) (*SambaServer, error) {
	dir, err := os.MkdirTemp("", "lessor-samba-*")
	if err != nil {
		return nil, err
	}
	s := &SambaServer{Dir: dir, Address: address, URL: "ldaps://" + address, PlainURL: "ldap://" + address}
	if s.Paper, err = certify(dir, net.ParseIP(address)); err != nil {
		return nil, err
	}
	// 1. A domain, and the account, through the domain's own tool.
	if err := s.provision(address); err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	// 2. The server, until this process ends.
	server := exec.Command("/bin/sh", "-c", sambaKeeper, "sh", dir)
	server.Env, server.SysProcAttr = sambaEnv(), &syscall.SysProcAttr{Setpgid: true}
	if s.life, err = server.StdinPipe(); err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(5 * time.Minute); ; { // of a machine that has much else to do
		if s.Admin, err = ldap.DialURL(s.PlainURL); err == nil {
			if err = s.Admin.Bind(SambaAdmin, SambaAdminSecret); err == nil {
				return s, nil
			}
			_ = s.Admin.Close()
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return nil, fmt.Errorf("is not ready: %w\n%s", err, log)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (s *SambaServer) provision(address string) error {
	for _, sub := range []string{"domain", "domain/ncalrpc", "domain/cache"} {
		if err := os.Mkdir(filepath.Join(s.Dir, sub), 0o755); err != nil {
			return err
		}
	}
	d := filepath.Join(s.Dir, "domain")
	args := []string{"domain", "provision", "--targetdir=" + d, "--realm=AD.EXAMPLE.ORG", "--domain=EXAMPLE", "--adminpass=" + SambaAdminSecret,
		"--server-role=dc", "--dns-backend=NONE", "--host-ip=" + address, "--host-name=dc1"}
	for _, option := range []string{
		"interfaces=" + address + "/8", "bind interfaces only=yes", "ldb:nosync=true",
		"vfs objects=dfs_samba4 acl_xattr xattr_tdb", "xattr_tdb:file=" + d + "/xattr.tdb",
	} {
		args = append(args, "--option="+option)
	}
	provision := exec.Command("samba-tool", args...)
	provision.Env = sambaEnv()
	if out, err := provision.CombinedOutput(); err != nil {
		return fmt.Errorf("samba-tool domain provision: %w\n%s", err, out)
	}
	if err := s.configure(filepath.Join(d, "etc", "smb.conf")); err != nil {
		return err
	}
	script := "set -e\nfor ou in svc people groups; do samba-tool ou add OU=$ou," + SambaBase + "; done\nPASSWORD='" + SambaServiceSecret + "'\n" + SambaAccount
	if out, err := s.Shell(script); err != nil {
		return fmt.Errorf("making the account: %w\n%s", err, out)
	}
	return nil
}

// sambaConf stands before what provisioning wrote: LDAP and Kerberos alone, and LDAP
// plain, too, for the proxy of tests; no disk is waited for.
const sambaConf = `[global]
pid directory = $DIR/domain
ncalrpc dir = $DIR/domain/ncalrpc
log file = $DIR/domain/log.%m
server services = ldap kdc
ldap server require strong auth = no
ldb:nosync = true
tls enabled = yes
tls keyfile = $DIR/server.key
tls certfile = $DIR/server.pem
tls cafile = $DIR/ca.pem
`

func (s *SambaServer) configure(written string) error {
	text, err := os.ReadFile(written)
	if err != nil {
		return err
	}
	var kept []string
	for _, line := range strings.Split(string(text), "\n") {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " = ")
		if name != "[global]" && !strings.Contains(sambaConf, "\n"+name+" = ") {
			kept = append(kept, line)
		}
	}
	conf := strings.ReplaceAll(sambaConf, "$DIR", s.Dir) + strings.Join(kept, "\n")
	return os.WriteFile(s.conf(), []byte(conf), 0o600)
}

func (s *SambaServer) conf() string { return filepath.Join(s.Dir, "smb.conf") }

// sambaEnv finds what Debian puts where only root's PATH leads.
func sambaEnv() []string { return append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin") }

// Shell runs statements with samba-tool on the domain controller.
func (s *SambaServer) Shell(script string) (string, error) {
	tool, err := exec.LookPath("samba-tool")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(s.Dir, "bin")
	wrapper := "#!/bin/sh\nexec '" + tool + "' \"$@\" -s '" + s.conf() + "'\n"
	// Once, before anybody shares it: written anew, another's shell would run half of it.
	if _, made := os.Stat(filepath.Join(bin, "samba-tool")); made != nil {
		if err := errors.Join(os.MkdirAll(bin, 0o755), os.WriteFile(filepath.Join(bin, "samba-tool"), []byte(wrapper), 0o755)); err != nil {
			return "", err
		}
	}
	sh := exec.Command("/bin/sh", "-c", "PATH='"+bin+"':$PATH\n"+script)
	sh.Env = sambaEnv()
	out, err := sh.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
