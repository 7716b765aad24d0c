package testserver

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// cluster is the one PostgreSQL of this test process. It is started by the
// first test that asks and ends with the process, however that ends.
var cluster struct {
	once sync.Once
	port int
	err  error
	how  string    // databases are copied
	life io.Closer // open while the server is to run; held here so that it is never collected
	made atomic.Int64

	full    sync.Once // the one that others are made like
	fullErr error
}

// Postgres returns the URL of a fresh, empty database, dropped when the test ends.
func Postgres(t testing.TB) (dsn string) {
	t.Helper()
	start(t)
	return create(t, "template1")
}

// PostgresLike returns the URL of a fresh database with what fill leaves in one, dropped
// when the test ends. fill is called once in a process, whoever asks: what it takes is
// taken once, and the rest are copies of files.
func PostgresLike(t testing.TB, fill func(dsn string) error) (dsn string) {
	t.Helper()
	start(t)
	const full = "filled"
	cluster.full.Do(func() {
		if cluster.fullErr = runOn(clusterURL(cluster.port, "postgres"), "create database "+full); cluster.fullErr == nil {
			cluster.fullErr = fill(clusterURL(cluster.port, full))
		}
	})
	if cluster.fullErr != nil {
		t.Fatalf("PostgreSQL: the database that others are made like: %v", cluster.fullErr)
	}
	return create(t, full)
}

func create(t testing.TB, like string) (dsn string) {
	t.Helper()
	name := fmt.Sprintf("t%d", cluster.made.Add(1))
	onCluster(t, "create database "+name+" template "+like+cluster.how)
	t.Cleanup(func() { // it is only in the way, and the cluster goes with the process: a machine too busy to drop it fails nothing
		if err := runOn(clusterURL(cluster.port, "postgres"), "drop database "+name+" with (force)"); err != nil {
			t.Logf("PostgreSQL: %s is left: %v", name, err)
		}
	})
	return clusterURL(cluster.port, name)
}

// start has the cluster running.
func start(t testing.TB) {
	t.Helper()
	bin := postgresBin()
	if bin == "" {
		Missing(t, "the PostgreSQL server (/usr/lib/postgresql/*/bin/initdb)")
	}
	port := Port(t)
	cluster.once.Do(func() {
		cluster.port = port
		if postgresVersion(bin) >= 15 { // where every page would go through the log, at four times the cost
			cluster.how = " strategy file_copy"
		}
		cluster.life, cluster.err = startCluster(bin, port)
	})
	if cluster.err != nil {
		t.Fatalf("PostgreSQL: %v", cluster.err)
	}
}

func clusterURL(port int, database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", port, database)
}

func onCluster(t testing.TB, stmt string) {
	t.Helper()
	if err := runOn(clusterURL(cluster.port, "postgres"), stmt); err != nil {
		t.Fatalf("PostgreSQL: %s: %v", stmt, err)
	}
}

func runOn(dsn, stmt string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()                                       // what was asked of it has been answered
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // of a machine that has much else to do
	defer cancel()
	_, err = db.ExecContext(ctx, stmt)
	return err
}

// postgresBin finds the newest installed server, or nothing.
func postgresBin() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	found = slices.DeleteFunc(found, func(bin string) bool {
		_, err := os.Stat(filepath.Join(bin, "initdb"))
		return err != nil
	})
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b string) int { return postgresVersion(a) - postgresVersion(b) })
}

// postgresVersion is the major one of the programs in a folder of Debian's.
func postgresVersion(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return n
}

// keeper runs the server for as long as its standard input is open, which is as
// long as the test process lives, even if that is killed; then it stops the
// server and removes the cluster. A parent-death signal would leave the files.
const keeper = `"$1/postgres" -D "$2/cluster" -p "$3" -h 127.0.0.1 -k "" -N 200 -F \
	-c full_page_writes=off -c shared_buffers=32MB -c max_wal_size=256MB >"$2/log" 2>&1 </dev/null &
pg=$!
cat >/dev/null
kill -QUIT $pg
wait $pg
rm -rf "$2"`

// startCluster makes a cluster in a folder of its own and starts it, without
// fsync: it need not outlive a power cut.
func startCluster(bin string, port int) (life io.Closer, err error) {
	dir, err := os.MkdirTemp(clusterHome(), "lessor-postgres-*")
	if err != nil {
		return nil, err
	}
	as, err := asPostgres(dir)
	if err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "cluster"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	server := exec.Command("/bin/sh", "-c", keeper, "sh", bin, dir, strconv.Itoa(port))
	server.Dir, server.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if life, err = server.StdinPipe(); err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(30 * time.Second); ; {
		err := runOn(clusterURL(port, "postgres"), "select 1")
		if err == nil {
			return life, nil
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			return nil, fmt.Errorf("is not ready: %w\n%s", err, bytes.TrimSpace(log))
		}
		<-time.After(20 * time.Millisecond)
	}
}

// clusterParent is where the user postgres gets through; root's own TMPDIR may not be.
func clusterParent() string {
	if os.Geteuid() == 0 {
		return "/tmp"
	}
	return ""
}

// asPostgres gives the folder to the user postgres where the test is root, as
// whom the server refuses to run; otherwise the server runs as the test does.
func asPostgres(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("as root the server runs as the user postgres, and there is none")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// PostgresRoles returns two URLs of a fresh, empty database: of the role that owns
// it, and of one that may not even look into it yet.
func PostgresRoles(t testing.TB) (owner, runs string) {
	t.Helper()
	var name string
	t.Cleanup(func() { // after the database, which refers to them
		for _, role := range []string{name + "_runs", name + "_owner"} {
			onCluster(t, "drop role if exists "+role)
		}
	})
	u, err := url.Parse(Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	name = strings.TrimPrefix(u.Path, "/")
	for _, stmt := range []string{
		"create role " + name + "_owner login", "create role " + name + "_runs login",
		"alter database " + name + " owner to " + name + "_owner",
	} {
		onCluster(t, stmt)
	}
	as := func(role string) string {
		with := *u
		with.User = url.User(name + role)
		return with.String()
	}
	return as("_owner"), as("_runs")
}

// Home is a new folder, removed when the test ends, and as whom to work in it so
// that a PostgreSQL server can be made there: nil, or the user postgres where the
// test is root.
func Home(t testing.TB) (dir string, as *syscall.Credential) {
	t.Helper()
	if postgresBin() == "" {
		Missing(t, "the PostgreSQL server (/usr/lib/postgresql/*/bin/initdb)")
	}
	dir, err := os.MkdirTemp(clusterParent(), "lessor-home-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if as, err = asPostgres(dir); err != nil {
		t.Fatal(err)
	}
	return dir, as
}
