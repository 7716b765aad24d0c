package survive

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// A server is killed in the middle of a piece of background work. Another one does it
// seconds later, and where there is no other, the same one as soon as it is there again.
func TestWhatIsLeftIsTakenUp(t *testing.T) {
	t.Parallel()
	t.Run("by another", func(t *testing.T) {
		t.Parallel()
		c := newChore(t, filepath.Join(t.TempDir(), "lessor"), "database_ref: env:"+dsnKey, testserver.Postgres(t))
		one, two := c.replica("one"), c.replica("two")
		one.ready(t)
		two.ready(t)
		c.ask()
		dead := c.killed(one, two)
		c.doneAfter(time.Now(), dead.name)
	})
	t.Run("by itself", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "lessor")
		c := newChore(t, dir, "database: sqlite:lessor.db", "sqlite:"+filepath.Join(dir, "lessor.db"))
		c.ask()
		one := c.replica("one")
		one.start(t, "", 0)
		c.killed(one)
		one.start(t, "", 0)
		c.doneAfter(time.Now(), one.name)
	})
}

// chore is a notice, and the command that tells it: the first time it never ends.
type chore struct {
	t           *testing.T
	dir, dsn    string
	begun, done string // files: who began it, and that it was done
}

func newChore(t *testing.T, dir, database, dsn string) *chore {
	t.Helper()
	on := t.TempDir()
	c := &chore{t: t, dir: dir, dsn: dsn, begun: filepath.Join(on, "begun"), done: filepath.Join(on, "done")}
	command := filepath.Join(on, "tell")
	if err := os.WriteFile(command, fmt.Appendf(nil, `#!/bin/sh
text=$(cat)
case "$text" in *'"subject":"left"'*) ;; *) exit ;; esac
if [ -e %[1]s ]; then : > %[2]s; exit; fi
echo $PPID $$ > %[1]s.new; mv %[1]s.new %[1]s
exec sleep 120
`, c.begun, c.done), 0o700); err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":        "listen: 127.0.0.1:0\n" + database + "\nnotify: [" + command + "]\ntokens:\n",
		"directory.yaml":     "identities:\n  - {id: mia, kind: person, name: Mia}\ngroups:\n  - {id: security, members: [mia]}\n",
		"catalog.yaml":       "systems: []\nentitlements: []\n",
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(c.dir, files, "log.example.org/left"); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *chore) replica(name string) *replica { return newReplica(c.t, name, c.dir, c.dsn) }

// ask asks for the work.
func (c *chore) ask() {
	c.t.Helper()
	ctx := c.t.Context()
	db, err := store.Open(ctx, c.dsn)
	if err != nil {
		c.t.Fatal(err)
	}
	err = db.Write(ctx, func(tx *store.Tx) error {
		return tx.Enqueue(ctx, engine.Notice{To: []string{"mia"}, Subject: "left", Text: "to be told", At: time.Now()}, nil)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		c.t.Fatal(err)
	}
}

// killed waits until one of them is in the middle of it, and kills that one.
func (c *chore) killed(some ...*replica) *replica {
	c.t.Helper()
	var server int
	testserver.Await(c.t, "one that begins the work", 2*time.Minute, func() error {
		text, err := os.ReadFile(c.begun)
		if err != nil {
			return err
		}
		pids := strings.Fields(string(text))
		server, _ = strconv.Atoi(pids[0])
		if child, err := strconv.Atoi(pids[1]); err == nil {
			c.t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) })
		}
		return nil
	})
	for _, r := range some {
		if r.cmd.Process.Pid == server {
			r.kill()
			return r
		}
	}
	c.t.Fatalf("none of them has begun it, but process %d", server)
	return nil
}

// doneAfter waits until it is done, and looks in the database who has done it: it was begun
// twice, the first time by whoever was killed, and it was not River's own rescue that
// noticed, which takes longer.
func (c *chore) doneAfter(killed time.Time, by string) {
	c.t.Helper()
	var w work
	testserver.Await(c.t, "the work that "+by+" has left", time.Minute, func() (err error) {
		if _, err = os.Stat(c.done); err == nil {
			w, err = c.work()
		}
		if err == nil && w.state != "completed" {
			err = fmt.Errorf("it is %s", w.state)
		}
		return err
	})
	c.t.Logf("done %s after %s was killed", time.Since(killed).Round(100*time.Millisecond), by)
	if w.attempt != 2 || len(w.by) != 2 || w.by[0] == w.by[1] || len(w.errors) != 1 || w.errors[0].Error != "its worker is gone" {
		c.t.Errorf("%+v", w)
	}
}

// work is its row.
type work struct {
	attempt int
	state   string
	by      []string
	errors  []struct{ Error string }
}

func (c *chore) work() (w work, err error) {
	driver, dsn, arrays := "pgx", c.dsn, "array_to_json(attempted_by)::text, array_to_json(errors)::text"
	if path, ok := strings.CutPrefix(c.dsn, "sqlite:"); ok {
		driver, dsn, arrays = "sqlite", "file:"+path+"?mode=ro&_busy_timeout=5000", "json(attempted_by), json(errors)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ctx, cancel := context.WithTimeout(c.t.Context(), try)
	defer cancel()
	var by, wrong string
	if err := db.QueryRowContext(ctx, "select attempt, state, "+arrays+" from river_job where kind = 'notice' and args ->> 'subject' = 'left'").Scan(&w.attempt, &w.state, &by, &wrong); err != nil {
		return w, err
	}
	return w, errors.Join(json.Unmarshal([]byte(by), &w.by), json.Unmarshal([]byte(wrong), &w.errors))
}
