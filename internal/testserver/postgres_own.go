package testserver

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// OwnPostgres is a PostgreSQL server of one test alone, with settings of its own.
type OwnPostgres struct {
	DSN string // of its one database, as the superuser
	Log string // the file that it writes its log to

	bin, dir string
	port     int
	life     io.Closer
	ended    chan struct{}
}

// StartPostgres starts a server with these settings ("name=value") besides those of
// any test's. It ends with the test, or with the test's process.
func StartPostgres(t testing.TB, settings ...string) *OwnPostgres {
	t.Helper()
	p := newPostgres(t)
	p.run(t, "initdb", "-D", p.cluster(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	p.start(t, settings...)
	return p
}

// Replica starts a second server that follows the first by streaming, and can only be read.
func (p *OwnPostgres) Replica(t testing.TB) *OwnPostgres {
	t.Helper()
	r := newPostgres(t)
	r.run(t, "pg_basebackup", "-D", r.cluster(), "-R", "-X", "stream", "-c", "fast", "-d", p.DSN)
	r.start(t, "hot_standby=on", "wal_receiver_status_interval=1")
	return r
}

// Stop ends the server before the test does, as a crash would.
func (p *OwnPostgres) Stop() {
	_ = p.life.Close() // a second time is no harm
	<-p.ended
}

func newPostgres(t testing.TB) *OwnPostgres {
	t.Helper()
	p := &OwnPostgres{bin: postgresBin(), port: Port(t), ended: make(chan struct{})}
	if p.bin == "" {
		Missing(t, "the PostgreSQL server (/usr/lib/postgresql/*/bin/initdb)")
	}
	dir, err := os.MkdirTemp(clusterParent(), "lessor-postgres-*")
	if err != nil {
		t.Fatal(err)
	}
	p.dir, p.Log, p.DSN = dir, filepath.Join(dir, "log"), clusterURL(p.port, "postgres")
	return p
}

func (p *OwnPostgres) cluster() string { return filepath.Join(p.dir, "cluster") }

func (p *OwnPostgres) run(t testing.TB, program string, args ...string) {
	t.Helper()
	as, err := asPostgres(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(p.bin, program), args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// ownKeeper runs the server for as long as its standard input is open, as [keeper] does.
const ownKeeper = `bin=$1; dir=$2; shift 2
"$bin/postgres" -D "$dir/cluster" "$@" >"$dir/log" 2>&1 </dev/null &
pg=$!
cat >/dev/null
kill -QUIT $pg
wait $pg
rm -rf "$dir"`

func (p *OwnPostgres) start(t testing.TB, settings ...string) {
	t.Helper()
	as, err := asPostgres(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", ownKeeper, "sh", p.bin, p.dir, "-p", strconv.Itoa(p.port), "-h", "127.0.0.1", "-k", "", "-N", "50", "-F"}
	for _, s := range append([]string{"full_page_writes=off", "shared_buffers=32MB", "max_wal_size=256MB"}, settings...) {
		args = append(args, "-c", s)
	}
	server := exec.Command("/bin/sh", args...)
	server.Dir, server.SysProcAttr = p.dir, &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if p.life, err = server.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = server.Wait() // how it ended is in its log
		close(p.ended)
	}()
	t.Cleanup(p.Stop)
	if err := p.ready(); err != nil {
		t.Fatal(err)
	}
}

func (p *OwnPostgres) ready() error {
	for end := time.Now().Add(time.Minute); ; {
		err := runOn(p.DSN, "select 1")
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(p.Log)
			return fmt.Errorf("PostgreSQL is not ready: %w\n%s", err, bytes.TrimSpace(log))
		}
		<-time.After(20 * time.Millisecond)
	}
}
