package openssh

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// What the documentation gives the reader to type: [TestDocumentedAccount] holds
// them against the page, and every test runs with them. Only the user lessor and
// its rule for sudo are not made here: they would be the machine's.
const (
	setUp = `install -d -m 755 /etc/ssh/lessor /etc/ssh/lessor/principals
install -m 644 lessor-ca.pub /etc/ssh/lessor/ca.pub
install -m 644 lessor-key.pub /etc/ssh/lessor/key.pub
install -m 644 /dev/null /etc/ssh/lessor/people
ssh-keygen -k -f /etc/ssh/lessor/krl -s /etc/ssh/lessor/ca.pub
install -m 644 /dev/null /etc/ssh/lessor/principals/deploy
echo ann >> /etc/ssh/lessor/people`

	sshdLines = `TrustedUserCAKeys /etc/ssh/lessor/ca.pub
RevokedKeys /etc/ssh/lessor/krl
AuthorizedPrincipalsFile none
AuthorizedPrincipalsCommand /usr/local/sbin/lessor-openssh-host principals %u %k
AuthorizedPrincipalsCommandUser root

Match User lessor
    AuthenticationMethods publickey
    AuthorizedKeysFile /etc/ssh/lessor/key.pub
    TrustedUserCAKeys none
    ForceCommand sudo -n /usr/local/sbin/lessor-openssh-host serve
    PermitTTY no
    DisableForwarding yes`
)

// world is one sshd with the host's program.
type world struct {
	*testserver.OpenSSHServer
	ca, key string
	mu      sync.Mutex // people and principals, as the host's owner writes them
}

var programDir atomic.Pointer[string]

// program builds the host's program, once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lessor-openssh-host-")
	if err != nil {
		return "", err
	}
	programDir.Store(&dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	cmd := exec.Command("go", "build", "-o", dir, "../../../cmd/lessor-openssh-host")
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir := programDir.Load(); dir != nil { // where any test has built it
		_ = os.RemoveAll(*dir)
	}
	os.Exit(code)
}

// open starts a server of its own. more stands before the documented lines, for
// sshd goes by what it reads first.
func open(t testing.TB, more ...string) *world {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	testserver.OpenSSH(t, func(s *testserver.OpenSSHServer) string {
		w.OpenSSHServer = s
		w.ca, w.key = s.KeyGen(t, "lessor-ca"), s.KeyGen(t, "lessor-key")
		cmd := exec.Command("sh", "-ec", strings.ReplaceAll(setUp, "/etc/ssh/lessor", s.Dir+"/lessor"))
		cmd.Dir = s.Dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		s.AddUser(t, "deploy")
		call := fmt.Sprintf("/usr/bin/env %s %s/lessor-openssh-host -dir %s/lessor -run %s/run -config %s/sshd_config -page 20",
			strings.Join(s.Env(), " "), bin, s.Dir, s.Dir, s.Dir)
		return strings.Join(more, "\n") + "\n" + strings.NewReplacer("/etc/ssh/lessor", s.Dir+"/lessor", "sudo -n ", "",
			"/usr/local/sbin/lessor-openssh-host", call, "CommandUser root", "CommandUser "+s.Admin,
			"User lessor", "User "+s.Admin).Replace(sshdLines)
	})
	return w
}

func (w *world) config() Config {
	return Config{Address: w.Address, User: w.Admin, Key: func() string { return w.key }, HostKeys: w.HostKey, CA: func() string { return w.ca }}
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

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.Dir, "lessor"}, parts...)...)
}

// edit rewrites a file of the host's owner, whole.
func (w *world) edit(t testing.TB, change func(lines []string) []string, parts ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	path := w.path(parts...)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := change(strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
	text = []byte(strings.TrimPrefix(strings.Join(lines, "\n")+"\n", "\n"))
	tmp := path + ".new"
	if parts[0] == "principals" {
		tmp = w.path("new of " + parts[1])
	}
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

// account lets the host's owner list a person.
func (w *world) account(t testing.TB, name string) string {
	t.Helper()
	w.edit(t, func(l []string) []string { return append(l, Principal(name)) }, "people")
	return name
}

func (w *world) dropAccount(t testing.TB, name string) {
	t.Helper()
	w.edit(t, func(l []string) []string {
		return slices.DeleteFunc(l, func(x string) bool { return x == Principal(name) })
	}, "people")
}

// object makes a user and the principals file.
func (w *world) object(t testing.TB, name string) string {
	t.Helper()
	w.AddUser(t, name)
	if err := os.WriteFile(w.path("principals", name), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func (w *world) dropObject(t testing.TB, name string) {
	t.Helper()
	if err := os.Remove(w.path("principals", name)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) put(t testing.TB, object string, accounts ...string) {
	t.Helper()
	w.edit(t, func(l []string) []string {
		for _, a := range accounts {
			l = append(l, Principal(a))
		}
		return l
	}, "principals", object)
}

// members reads the file as sshd does, by another hand than the host's program.
func (w *world) members(t testing.TB, object string) []string {
	t.Helper()
	out, err := exec.Command("sed", `s/#.*//;s/^[ \t]*//;s/[ \t]*$//;s/.*[ \t]//;/^$/d`, w.path("principals", object)).Output()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		there[account(strings.TrimSuffix(line, "\n"))] = true
	}
	return slices.Sorted(maps.Keys(there))
}

func ref(account, object string) connector.Ref {
	return connector.Ref{Account: account, Object: object}
}

func add(account, object string) connector.Change {
	return connector.Change{Ref: ref(account, object), Want: true}
}

func remove(account, object string) connector.Change {
	return connector.Change{Ref: ref(account, object)}
}

// look looks at one holding, which must succeed.
func look(t testing.TB, c *Connector, account, object string) connector.Seen {
	t.Helper()
	s := c.Look(t.Context(), []connector.Ref{ref(account, object)})[0]
	if s.Err != nil {
		t.Fatalf("look at %s in %s: %v", account, object, s.Err)
	}
	return s
}

// apply applies changes that must succeed.
func apply(t testing.TB, c *Connector, changes ...connector.Change) {
	t.Helper()
	for _, r := range c.Apply(t.Context(), changes) {
		if r.Err != nil {
			t.Errorf("%v: %v", r.Ref, r.Err)
		}
	}
}

// person is somebody with a key, who logs in with OpenSSH's own ssh.
type person struct {
	w    *world
	name string // of the key's files
}

func (w *world) person(t testing.TB, name string) person {
	t.Helper()
	w.KeyGen(t, "id-"+name)
	return person{w, filepath.Join(w.Dir, "id-"+name)}
}

func (p person) publicKey(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(p.name + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// holds stores a certificate where ssh finds it.
func (p person) holds(t testing.TB, cert string) {
	t.Helper()
	if err := os.WriteFile(p.name+"-cert.pub", []byte(cert+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certified signs one with OpenSSH's own means.
func (p person) certified(t testing.TB, principals string, options ...string) {
	t.Helper()
	args := append([]string{"-q", "-s", filepath.Join(p.w.Dir, "lessor-ca"), "-I", "by hand", "-n", principals}, options...)
	if out, err := exec.Command("ssh-keygen", append(args, p.name+".pub")...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
}

// ssh is a command on the host as that user.
func (p person) ssh(ctx context.Context, user string, command ...string) *exec.Cmd {
	host, port, _ := strings.Cut(p.w.Address, ":")
	args := []string{"-F", "none", "-p", port, "-i", p.name, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", user + "@" + host}
	cmd := exec.CommandContext(ctx, "ssh", append(args, command...)...)
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// lets tells whether the host lets the person in as that user.
func (p person) lets(t testing.TB, user string) bool {
	t.Helper()
	out, err := p.ssh(t.Context(), user, "echo in").CombinedOutput()
	if err != nil && !strings.Contains(string(out), "Permission denied") {
		t.Fatalf("ssh: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out)) == "in"
}
