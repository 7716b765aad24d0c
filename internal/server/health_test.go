package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// asked is what a server's door answers to whoever watches, asked anew.
func asked(s *Server, path string) (status int, text string) {
	s.health.mu.Lock()
	s.health.asked = time.Time{}
	s.health.mu.Unlock()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// running runs a server until the test ends.
func running(t *testing.T, s *Server, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if status, text := asked(s, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "running failed") {
			t.Errorf("stopped: %d %q", status, text)
		}
	})
	testserver.Await(t, "the server to be ready", time.Minute, func() error {
		if status, _ := asked(s, "/readyz"); status != http.StatusOK {
			return os.ErrNotExist
		}
		return nil
	})
}

// A replica says by name whether it is ready, before, while and after it runs.
func TestReady(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	if status, text := asked(s, "/readyz"); status != http.StatusServiceUnavailable || text != "running failed\ndatabase ok\nlog ok\nworld ok\nlanes failed\nwork failed\nrecovery ok\nfiles ok\n" {
		t.Errorf("before it runs: %d %q", status, text)
	}
	running(t, s, func(ctx context.Context) error { return s.Run(ctx, l) })
	if status, text := asked(s, "/readyz"); status != http.StatusOK || text != "running ok\ndatabase ok\nlog ok\nworld ok\nlanes ok\nwork ok\nrecovery ok\nfiles ok\n" {
		t.Errorf("while it runs: %d %q", status, text)
	}
	if status, text := asked(s, "/healthz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("healthz: %d %q", status, text)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/readyz", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
}

// What is wrong is named to anybody, and said in detail in the log alone.
func TestNotReady(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	defer l.Close()
	var said bytes.Buffer
	s.log = slog.New(slog.NewJSONHandler(&said, nil))
	failed := func() (names []string) {
		_, text := asked(s, "/readyz")
		for line := range strings.Lines(text) {
			if name, is := strings.CutSuffix(line, " failed\n"); is {
				names = append(names, name)
			} else if !strings.HasSuffix(line, " ok\n") {
				t.Errorf("a stranger reads %q", line)
			}
		}
		return names
	}
	s.begun()
	for _, lane := range s.lanes {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		lane.Run(ctx) // it does not come round any more
	}
	if got := failed(); !slices.Equal(got, []string{readyLanes}) {
		t.Errorf("lanes that never came round: %v", got)
	}
	// A database that was put back, until people say so.
	if _, err := s.engine.Halt(t.Context(), access.HaltRecovery, "put back from yesterday"); err != nil {
		t.Fatal(err)
	}
	if got := failed(); !slices.Equal(got, []string{readyLanes, readyRecovery}) {
		t.Errorf("in recovery: %v", got)
	}
	// A head that another key has signed.
	if err := s.engine.Find(t.Context(), "inventory_unread", "ldap", "security", "why", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	key, _, err := evidence.GenerateKey(rand.Reader, "log.example.org/test")
	if err != nil {
		t.Fatal(err)
	}
	if s.signer, err = evidence.NewSigner(key); err != nil {
		t.Fatal(err)
	}
	if got := failed(); !slices.Equal(got, []string{readyLog, readyLanes, readyRecovery}) {
		t.Errorf("another key: %v", got)
	}
	s.roster.mu.Lock()
	s.roster.lapsed = true
	s.roster.mu.Unlock()
	gone, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "gone.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	is := s.db
	t.Cleanup(func() { s.db = is })
	s.db = gone
	if got := failed(); !slices.Equal(got, []string{readyDatabase, readyLog, readyWorld, readyLanes, readyRecovery}) {
		t.Errorf("no database: %v", got)
	}
	if !strings.Contains(said.String(), "has not come round since") {
		t.Errorf("the log does not say why: %s", said.String())
	}
}

// A start that can do with less says what is missing, and what mends it.
func TestDegraded(t *testing.T) {
	t.Parallel()
	s, l, edit := first(t)
	defer l.Close()
	names := func() (list []string) {
		s.selfCheck(t.Context())
		for _, d := range s.Degraded() {
			if d.Why == "" || d.Means == "" || d.Mend == "" {
				t.Errorf("half said: %+v", d)
			}
			list = append(list, d.What)
		}
		return list
	}
	if got := names(); len(got) > 0 {
		t.Fatalf("a first server is degraded: %v", got)
	}
	edit("listen:", "notify: [/nowhere/at/all]\nlisten:")
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "log.pub"), []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.engine.Find(t.Context(), "inventory_unread", "ldap", "security", "why", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := names(); !slices.Equal(got, []string{"head_missing", "public_key", "notify"}) {
		t.Errorf("degraded: %v", got)
	}
	c := *s.current.Load()
	c.State = filepath.Join(s.dir, "no such folder")
	s.current.Store(&c)
	if got := names(); !slices.Equal(got, []string{"head_missing", "head_unwritable", "public_key", "notify"}) {
		t.Errorf("degraded: %v", got)
	}
}
