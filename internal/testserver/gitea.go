package testserver

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// GiteaServer is a real Gitea with SQLite. One is shared by all tests of a process,
// because starting it takes seconds; whoever uses it keeps to names of their own.
type GiteaServer struct {
	URL string
	Paper
	Token  string // of an administrator of the server, who is called GiteaAdmin
	Client *http.Client
	dir    string
	bin    string
	as     *syscall.Credential
	life   io.Closer // open while the server is to run
}

// GiteaAdmin administers each [GiteaServer]; GiteaPassword is everybody's there.
const (
	GiteaAdmin    = "siteadmin"
	GiteaPassword = "gitea-test-4471"
)

var gitea struct {
	sync.Mutex
	made *GiteaServer
	err  error
}

// Gitea returns the server, started by the first who asks and ended with the process.
// It is built from source, which takes minutes, so it is missing more often than other
// servers, and only LESSOR_TEST_LONG insists on it.
func Gitea(t testing.TB) *GiteaServer {
	t.Helper()
	bin := filepath.Join(moduleRoot(t), ".tools", "gitea")
	if _, err := os.Stat(filepath.Join(bin, "gitea")); err != nil {
		if os.Getenv("LESSOR_TEST_LONG") != "" {
			t.Fatal("gitea is missing; scripts/build-gitea builds it")
		}
		t.Skip("NOT TESTED: gitea is missing; scripts/build-gitea builds it, in minutes")
	}
	gitea.Lock()
	defer gitea.Unlock()
	if gitea.made == nil && gitea.err == nil {
		gitea.made, gitea.err = startGitea(t, bin)
	}
	if gitea.err != nil {
		t.Fatalf("Gitea: %v", gitea.err)
	}
	return gitea.made
}

// giteaConfig is its app.ini: nothing is mailed, watched or sent anywhere, and
// passwords are hashed so cheaply as only a test may.
const giteaConfig = `
APP_NAME = test
RUN_MODE = prod
RUN_USER = %[1]s
WORK_PATH = %[2]s
[server]
PROTOCOL = https
HTTP_ADDR = 127.0.0.1
HTTP_PORT = %[3]d
ROOT_URL = https://127.0.0.1:%[3]d/
LOCAL_ROOT_URL = https://127.0.0.1:%[3]d/
CERT_FILE = %[2]s/server.pem
KEY_FILE = %[2]s/server.key
STATIC_ROOT_PATH = %[4]s
OFFLINE_MODE = true
DISABLE_SSH = false
START_SSH_SERVER = false
SSH_ROOT_PATH = %[2]s/ssh
SSH_CREATE_AUTHORIZED_KEYS_FILE = false
LFS_START_SERVER = true
LFS_JWT_SECRET = dGhpcyBpcyBub3QgYSBzZWNyZXQgYnV0IGEgdGVzdCE
[database]
DB_TYPE = sqlite3
PATH = %[2]s/gitea.db
SQLITE_TIMEOUT = 60000
SQLITE_JOURNAL_MODE = WAL
LOG_SQL = false
[repository]
ROOT = %[2]s/repositories
[security]
INSTALL_LOCK = true
SECRET_KEY = a-test-only-8812
INTERNAL_TOKEN = eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYmYiOjE3MDAwMDAwMDB9.4Z0f5Tn1ZV6zJ8F1mX2nq3g5y0b0Xw9sLJcQnDqk1eE
PASSWORD_HASH_ALGO = bcrypt$4
PASSWORD_COMPLEXITY = off
[oauth2]
JWT_SECRET = dGhpcyBpcyBub3QgYSBzZWNyZXQgYnV0IGEgdGVzdCE
[service]
AUTO_WATCH_NEW_REPOS = false
AUTO_WATCH_ON_CHANGES = false
DISABLE_REGISTRATION = true
[mailer]
ENABLED = false
[cron]
ENABLED = false
[update_checker]
ENABLED = false
[actions]
ENABLED = false
[indexer]
ISSUE_INDEXER_TYPE = db
[log]
MODE = console
LEVEL = Warn
`

// giteaKeeper runs the server for as long as its standard input is open, which is as
// long as the test process lives, even if that is killed.
const giteaKeeper = `"$1/gitea" web --config "$2/app.ini" >"$2/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -KILL $server
wait $server
rm -rf "$2"`

func startGitea(t testing.TB, bin string) (*GiteaServer, error) {
	dir, err := os.MkdirTemp(clusterParent(), "lessor-gitea-*")
	if err != nil {
		return nil, err
	}
	// 1. Certificate and settings, in a folder of the account it runs as.
	s := &GiteaServer{dir: dir, bin: bin}
	if s.Paper, err = certify(dir, net.IPv4(127, 0, 0, 1)); err != nil {
		return nil, err
	}
	name, err := s.account()
	if err != nil {
		return nil, err
	}
	port := Port(t)
	s.URL = "https://127.0.0.1:" + strconv.Itoa(port)
	if err := os.WriteFile(filepath.Join(dir, "app.ini"), fmt.Appendf(nil, giteaConfig, name, dir, port, bin), 0o600); err != nil {
		return nil, err
	}
	if err := s.hand(); err != nil {
		return nil, err
	}
	// 2. The server, for as long as this process lives.
	keep := s.command("/bin/sh", "-c", giteaKeeper, "sh", bin, dir)
	keep.SysProcAttr.Setpgid = true
	if s.life, err = keep.StdinPipe(); err != nil {
		return nil, err
	}
	if err := keep.Start(); err != nil {
		return nil, err
	}
	// 3. Ready when it says so itself; then its administrator.
	s.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CA}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for end := time.Now().Add(3 * time.Minute); ; {
		resp, err := s.Client.Get(s.URL + "/api/healthz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
			err = errors.New(resp.Status)
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("is not ready: %w\n%s", err, s.log())
		}
		<-time.After(50 * time.Millisecond)
	}
	out, err := s.Run(nil, "admin", "user", "create", "--admin", "--username", GiteaAdmin, "--password", GiteaPassword,
		"--email", GiteaAdmin+"@example.org", "--must-change-password=false", "--access-token", "--access-token-name", "all", "--access-token-scopes", "all")
	_, s.Token, _ = strings.Cut(strings.TrimSpace(string(out)), "successfully created... ")
	s.Token, _, _ = strings.Cut(s.Token, "\n")
	if err != nil || s.Token == "" {
		return nil, fmt.Errorf("make an administrator: %w\n%s", err, out)
	}
	return s, nil
}

// account finds out as whom it is to run: as nobody where the test is root, as whom
// Gitea refuses to.
func (s *GiteaServer) account() (string, error) {
	if os.Geteuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return "", err
		}
		return u.Username, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return "", errors.New("as root the server runs as the user nobody, and there is none")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return u.Username, nil
}

// hand gives it its folder.
func (s *GiteaServer) hand() error {
	if s.as == nil {
		return nil
	}
	return filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(s.as.Uid), int(s.as.Gid)))
	})
}

func (s *GiteaServer) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: s.as}
	cmd.Env = []string{"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "GITEA_WORK_DIR=" + s.dir}
	return cmd
}

func (s *GiteaServer) log() []byte {
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return log[max(0, len(log)-4000):]
}

// Run runs its command line, as its administrators and its sshd do.
func (s *GiteaServer) Run(env []string, args ...string) ([]byte, error) {
	cmd := s.command(filepath.Join(s.bin, "gitea"), append([]string{"--config", filepath.Join(s.dir, "app.ini")}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	return cmd.CombinedOutput()
}

// Database is the file with all that it knows.
func (s *GiteaServer) Database() string { return filepath.Join(s.dir, "gitea.db") }

// Ask sends a request of the API with a token, or as "name:password".
func (s *GiteaServer) Ask(as, method, path string, body any) (code int, answer []byte, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequest(method, s.URL+"/api/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return 0, nil, err
	}
	if name, password, ok := strings.Cut(as, ":"); ok {
		req.SetBasicAuth(name, password)
	} else {
		req.Header.Set("Authorization", "token "+as)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// Must sends a request of the administrator's that must be answered with success.
func (s *GiteaServer) Must(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	code, answer, err := s.Ask(s.Token, method, path, body)
	if err != nil || code/100 != 2 {
		t.Fatalf("%s %s: %d %s %v", method, path, code, answer, err)
	}
	return answer
}
