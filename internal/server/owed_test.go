package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Files that are written down as in force come into force, whatever happens right after
// it was written: the database goes away, or whoever asked does.
func TestFilesThatAreWrittenDownComeIntoForce(t *testing.T) {
	t.Parallel()
	dir, ctx := filepath.Join(t.TempDir(), "first"), t.Context()
	if err := setup.First(dir, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	var written atomic.Pointer[func()]
	s, err := New(ctx, dir, slog.New(slog.DiscardHandler), Seam(func(step string) {
		if do := written.Load(); do != nil && step == "take files after commit" {
			(*do)()
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running, l) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, s.Close()); err != nil {
			t.Error(err)
		}
	})
	stand := func() (log, here string) {
		t.Helper()
		var f access.Files
		if err := s.db.Read(ctx, func(tx *store.Tx) (err error) { f, _, err = tx.FilesInForce(ctx); return err }); err != nil {
			t.Fatal(err)
		}
		return f.Digest, s.files()
	}
	change := func(name string) {
		t.Helper()
		rule := fmt.Sprintf("@id(%q) @needs(\"owner\") permit (principal, action == Action::\"request\", resource);\n", name)
		if err := os.WriteFile(filepath.Join(dir, "policy", name+".cedar"), []byte(rule), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	testserver.Await(t, "the server", time.Minute, func() error {
		if log, here := stand(); log != here {
			return fmt.Errorf("it has begun with %s, and %q is written down", here, log)
		}
		return nil
	})
	_, first := stand()

	// 1. The last step fails.
	other, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(s.current.Load().Database, "sqlite:")+"?_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	rename := func(from, to string) {
		if _, err := other.Exec("alter table " + from + " rename to " + to); err != nil {
			t.Error(err)
		}
	}
	away := func() { rename("roster_version", "away") }
	written.Store(&away)
	change("second")
	if err := s.Reload(ctx); err == nil || !strings.Contains(err.Error(), "written down as in force") {
		t.Errorf("the last step failed, and: %v", err)
	}
	log, here := stand()
	if log == first || here != first {
		t.Errorf("%s is written down, and %s in force, of which the first was %s", log, here, first)
	}
	// 2. What kept it from that is over.
	written.Store(nil)
	rename("away", "roster_version")
	testserver.Await(t, "files that are owed", time.Minute, func() error {
		if log, here := stand(); log != here || s.owed.Load() != nil {
			return fmt.Errorf("%s is written down, and %s in force", log, here)
		}
		return nil
	})
	// 3. Whoever asked is gone.
	asking, goes := context.WithCancel(ctx)
	gone := func() { goes() }
	written.Store(&gone)
	change("third")
	if err := s.Reload(asking); err != nil || asking.Err() == nil {
		t.Errorf("whoever asked is gone, and: %v", err)
	}
	if last, here := stand(); last == log || here != last {
		t.Errorf("%s is written down, and %s in force", last, here)
	}
}
