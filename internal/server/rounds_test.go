package server

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// How often every system is read whole is taken in while the server runs, and
// only what changed is begun anew.
func TestRoundsGoAsTheFilesSay(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "first")
	if err := setup.First(dir, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "lessor.yaml")
	edit := func(old, with string) {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), old) {
			t.Fatalf("%v: %s", err, text)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("127.0.0.1:7317", "127.0.0.1:0")
	s, err := New(t.Context(), dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	going := func() round {
		s.reload.Lock()
		defer s.reload.Unlock()
		if s.rounds == nil {
			return round{}
		}
		return s.rounds.going["inventory ldap"]
	}
	testserver.Await(t, "the server", time.Minute, func() error {
		if going().every == 0 {
			return os.ErrNotExist
		}
		return nil
	})
	first := going()
	if err := s.Reload(t.Context()); err != nil || going() != first {
		t.Errorf("nothing changed: %v, %+v, was %+v", err, going(), first)
	}
	edit("answer_within: 72h", "answer_within: 72h\ninventory: 5m")
	if err := s.Reload(t.Context()); err != nil || going().every != 5*time.Minute || going().handle == first.handle {
		t.Errorf("taken in: %v, %+v, was %+v", err, going(), first)
	}
}
