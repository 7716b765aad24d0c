package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// first is a server on a first configuration, whose folder edit changes.
func first(t *testing.T) (s *Server, l net.Listener, edit func(old, with string)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "first")
	if err := setup.First(dir, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "lessor.yaml")
	edit = func(old, with string) {
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
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if l, err = s.Listen(""); err != nil {
		t.Fatal(err)
	}
	return s, l, edit
}

// A server told to stop before it began has stopped, and nothing went wrong.
func TestStoppedBeforeItBegan(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(ctx, l); err != nil {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("still listening: %v", err)
	}
}

// How often every system is read whole is taken in while the server runs, and
// only what changed is begun anew.
func TestRoundsGoAsTheFilesSay(t *testing.T) {
	t.Parallel()
	s, l, edit := first(t)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
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
	before := going()
	if err := s.Reload(t.Context()); err != nil || going() != before {
		t.Errorf("nothing changed: %v, %+v, was %+v", err, going(), before)
	}
	edit("answer_within: 72h", "answer_within: 72h\ninventory: 5m")
	if err := s.Reload(t.Context()); err != nil || going().every != 5*time.Minute || going().handle == before.handle {
		t.Errorf("taken in: %v, %+v, was %+v", err, going(), before)
	}
}
