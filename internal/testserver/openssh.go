package testserver

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// OpenSSHServer is a real sshd with users of its own: they stand in a file that
// only it reads (by nss_wrapper), so that no test makes users on the machine. It
// needs no root. Everybody is the one who runs the tests; where that is root,
// the users are nobody, for sshd serves root in another way.
type OpenSSHServer struct {
	Address string
	Dir     string
	HostKey string // the public key, as in a .pub file
	Admin   string // a user who is whoever runs the tests
	preload string
	server  *exec.Cmd

	mu    sync.Mutex
	users map[string]int
}

// OpenSSH starts one. lines gives the end of its sshd_config.
func OpenSSH(t testing.TB, lines func(*OpenSSHServer) string) *OpenSSHServer {
	t.Helper()
	s := &OpenSSHServer{Dir: openFolder(t), Admin: "admin", users: map[string]int{}, preload: nssWrapper(t)}
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd = "/usr/sbin/sshd"; !executable(sshd) {
			Missing(t, "sshd (openssh-server)")
		}
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // its service makes it, where it runs
			t.Fatal(err)
		}
	}
	// 1. Keys and users.
	s.KeyGen(t, "hostkey")
	s.HostKey = s.Read(t, "hostkey.pub")
	s.users[s.Admin], s.users["root"] = os.Geteuid(), 0
	s.users["sshd"] = 0
	if os.Geteuid() != 0 {
		s.users["sshd"] = os.Geteuid()
	}
	s.writeUsers(t)
	s.Write(t, "group", fmt.Sprintf("root:x:0:\nrun:x:%d:\n", os.Getegid()))
	// 2. The server.
	s.Address = fmt.Sprintf("127.0.0.1:%d", Port(t))
	_, port, _ := net.SplitHostPort(s.Address)
	s.Write(t, "sshd_config", fmt.Sprintf(`Port %s
ListenAddress 127.0.0.1
HostKey %s/hostkey
PidFile none
UsePAM no
StrictModes no
LoginGraceTime 60
MaxStartups 500
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile %s/keys/%%u
%s`, port, s.Dir, s.Dir, lines(s)))
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(s.Dir, "sshd_config")) //nolint:gosec // a test's own
	cmd.Env = append(os.Environ(), s.Env()...)
	Start(t, cmd)
	s.server = cmd
	s.await(t)
	return s
}

// await waits until it says what it is.
func (s *OpenSSHServer) await(t testing.TB) {
	t.Helper()
	Await(t, "sshd", 2*time.Minute, func() error {
		conn, err := net.DialTimeout("tcp", s.Address, time.Second)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, err = conn.Read(make([]byte, 4))
		return err
	})
}

// Reload makes it read its configuration anew; open sessions go on.
func (s *OpenSSHServer) Reload(t testing.TB) {
	t.Helper()
	if err := s.server.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.await(t)
}

// Env makes a program see the server's users.
func (s *OpenSSHServer) Env() []string {
	return []string{"LD_PRELOAD=" + s.preload, "NSS_WRAPPER_PASSWD=" + filepath.Join(s.Dir, "passwd"), "NSS_WRAPPER_GROUP=" + filepath.Join(s.Dir, "group")}
}

// AddUser makes users who may log in by key; nobody has a password.
func (s *OpenSSHServer) AddUser(t testing.TB, names ...string) {
	t.Helper()
	uid := os.Geteuid()
	if uid == 0 {
		uid = 65534
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		s.users[n] = uid
	}
	s.writeUsers(t)
}

func (s *OpenSSHServer) writeUsers(t testing.TB) {
	t.Helper()
	var b strings.Builder
	for name, uid := range s.users {
		gid := os.Getegid()
		if os.Geteuid() == 0 && uid != 0 {
			gid = uid
		}
		fmt.Fprintf(&b, "%s:*:%d:%d::%s:/bin/sh\n", name, uid, gid, filepath.Join(s.Dir, "home"))
	}
	s.Write(t, "passwd.new", b.String())
	// Whole or not at all: sshd reads it for every connection.
	if err := os.Rename(filepath.Join(s.Dir, "passwd.new"), filepath.Join(s.Dir, "passwd")); err != nil {
		t.Fatal(err)
	}
}

// KeyGen makes an ed25519 key pair in the server's folder, and gives the private one.
func (s *OpenSSHServer) KeyGen(t testing.TB, name string) string {
	t.Helper()
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", filepath.Join(s.Dir, name)).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	return s.Read(t, name)
}

// Read reads a file of the server's folder.
func (s *OpenSSHServer) Read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Write writes one.
func (s *OpenSSHServer) Write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // sshd's users read it
		t.Fatal(err)
	}
}

// openFolder is one that other users can reach, with a home for all of them.
func openFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lessor-sshd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, d := range []string{dir, filepath.Join(dir, "home"), filepath.Join(dir, "keys")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // sshd's users reach it
			t.Fatal(err)
		}
	}
	return dir
}

func nssWrapper(t testing.TB) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/*/libnss_wrapper.so", "/usr/lib*/libnss_wrapper.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	Missing(t, "libnss_wrapper.so (libnss-wrapper)")
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
