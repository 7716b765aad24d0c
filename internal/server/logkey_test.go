package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/setup"
)

// The key is changed, and the change stops anywhere: a server begins all the same, the
// log verifies by whichever key was known, and the command given again ends it.
func TestLogKeyChangeStopsAnywhere(t *testing.T) {
	t.Parallel()
	operator := access.Actor{Identity: "operator", Channel: "cli", Scopes: []string{engine.ScopeAdmin}}
	for _, stop := range []string{"nowhere", "once it is prepared", "once it is stated", "between the files"} {
		t.Run(stop, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "first")
			if err := setup.First(dir, "log.example.org/test"); err != nil {
				t.Fatal(err)
			}
			file := func(name string) string {
				raw, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					return ""
				}
				return strings.TrimSpace(string(raw))
			}
			begin := func() *Server {
				t.Helper()
				s, err := New(t.Context(), dir, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			was, old := file("log.key"), file("log.pub")
			s := begin()
			if _, err := s.engine.Halt(t.Context(), access.HaltDisk, "so that there is an event"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
			// 1. It stops.
			if stop != "nowhere" {
				if _, _, err := s.PrepareLogKey(); err != nil {
					t.Fatal(err)
				}
			}
			if stop == "once it is stated" || stop == "between the files" {
				if _, err := s.engine.RotateLogKey(t.Context(), operator, s.nextSigner()); err != nil {
					t.Fatal(err)
				}
			}
			if stop == "between the files" {
				if err := os.Rename(filepath.Join(dir, "log.key"), filepath.Join(dir, "log.key.old")); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			// 2. It begins, and is told to change the key (again, or at last).
			s = begin()
			if _, err := s.Verify(t.Context()); err != nil {
				t.Errorf("before: %v", err)
			}
			if stop == "nowhere" || stop == "once it is prepared" {
				if _, err := s.RotateLogKey(t.Context(), operator); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Verify(t.Context()); err != nil {
				t.Errorf("after: %v", err)
			}
			head, err := lastHead(t.Context(), s.db)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			// 3. The files are where they belong, and tell of both keys.
			if file("log.key.old") != was || file("log.key") == was || file("log.key.next") != "" {
				t.Error("the keys are not where they belong")
			}
			keys, err := evidence.ParseKeys(file("log.pub") + "\n")
			if err != nil || !strings.HasPrefix(file("log.pub"), old) {
				t.Fatalf("log.pub: %v", err)
			}
			if _, err := keys.OpenCheckpoint(head); err != nil {
				t.Errorf("the newest head: %v", err)
			}
			if _, err := evidence.OpenCheckpoint(head, old); err == nil {
				t.Error("the old key signed on")
			}
			// 4. And again: one more key.
			s = begin()
			if _, err := s.RotateLogKey(t.Context(), operator); err != nil {
				t.Error(err)
			}
			if _, err := s.Verify(t.Context()); err != nil {
				t.Errorf("with a third key: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
