package survive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// cluster is the PostgreSQL that keeps the ledgers. It is killed and started again,
// so it is none that others share. What it has promised survives its process: it
// writes to the system's cache before it answers, and the system stays up.
type cluster struct {
	bin, dir string
	disk     string // the small disk it is on; empty: a large one
	port     int
	as       *syscall.Credential
	cmd      *exec.Cmd
	ended    chan struct{}
	made     int
}

// clusterMiB is how large its disk is.
const clusterMiB = 768

func newCluster(t testing.TB) *cluster {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		testserver.Missing(t, "the PostgreSQL server (/usr/lib/postgresql/*/bin/postgres)")
	}
	parent := ""
	if os.Geteuid() == 0 {
		parent = "/tmp" // where the user postgres gets through
	}
	dir, err := os.MkdirTemp(parent, "lessor-survive-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("the cluster's folder: %v", err)
		}
	})
	disk := ""
	if small(t, dir, clusterMiB, ",mode=0700") {
		disk = dir
	}
	c := &cluster{bin: filepath.Dir(found[len(found)-1]), dir: dir, disk: disk, port: testserver.Port(t)}
	t.Cleanup(func() {
		c.kill(syscall.SIGQUIT)
	})
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal("as root the server runs as the user postgres, and there is none")
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		c.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	initdb := exec.Command(filepath.Join(c.bin, "initdb"), "-D", filepath.Join(dir, "cluster"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	initdb.Dir, initdb.SysProcAttr = dir, &syscall.SysProcAttr{Credential: c.as}
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	c.start(t)
	return c
}

// start begins the server and waits until it lets people in. What a killed one left
// behind may take a moment to go: that is waited out.
func (c *cluster) start(t testing.TB) {
	t.Helper()
	testserver.Await(t, "the database", time.Minute, func() error {
		if c.cmd == nil {
			if err := c.begin(); err != nil {
				return err
			}
		}
		err := c.run("postgres", "select 1")
		select {
		case <-c.ended:
			c.cmd = nil
		default:
		}
		return err
	})
}

func (c *cluster) begin() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), "-D", filepath.Join(c.dir, "cluster"), "-p", strconv.Itoa(c.port), "-h", "127.0.0.1", "-k", "", "-N", "200", "-F",
		"-c", "full_page_writes=off", "-c", "shared_buffers=32MB")
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as, Pdeathsig: syscall.SIGQUIT}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	c.cmd, c.ended = cmd, ended
	go func() { _ = cmd.Wait(); close(ended) }()
	return nil
}

// kill ends the server: by SIGKILL like a lost machine's, by SIGQUIT as in a hurry.
func (c *cluster) kill(by syscall.Signal) {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(by)
	<-c.ended
	c.cmd = nil
}

// fresh makes an empty database and names it.
func (c *cluster) fresh(t testing.TB) (name string) {
	t.Helper()
	c.made++
	name = fmt.Sprintf("life%d", c.made)
	if err := c.run("postgres", "create database "+name); err != nil {
		t.Fatal(err)
	}
	return name
}

// url is how a database is reached at an address that leads to the cluster.
func (c *cluster) url(addr, name string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable&connect_timeout=2", addr, name)
}

func (c *cluster) addr() string { return fmt.Sprintf("127.0.0.1:%d", c.port) }

func (c *cluster) run(name, stmt string) (err error) {
	db, err := sql.Open("pgx", c.url(c.addr(), name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = db.ExecContext(ctx, stmt)
	return err
}
