package server_test

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
)

// The files name people of whom a feed has told: a running server takes that in, and so
// does one that starts, also when a feed has lost them since. A name that nobody has told
// of is refused with its place.
func TestTheFilesNamePeopleOfAFeed(t *testing.T) {
	t.Parallel()
	dir, file := told(t)
	write := func(name, from, to string) {
		t.Helper()
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err == nil && !strings.Contains(string(text), from) {
			t.Fatalf("%s does not say %q", name, from)
		}
		if err == nil {
			err = os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const unknown = `directory.yaml:3:49: manager: there is no identity "p0" in the files, and no feed has told of such a person`
	write("directory.yaml", "name: Sam}", "name: Sam, manager: p0}")
	if _, err := server.New(t.Context(), dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), unknown) {
		t.Fatalf("a start before anybody was told of: %v", err)
	}
	if _, _, warnings, err := server.Check(dir); err != nil || !strings.Contains(strings.Join(warnings, "\n"), `directory.yaml:3:49: manager: "p0" is in no file`) {
		t.Fatalf("%v, %q", err, warnings)
	}
	if _, _, _, err := server.CheckStored(t.Context(), dir); err == nil || !strings.Contains(err.Error(), unknown) {
		t.Fatalf("held against the database: %v", err)
	}
	write("directory.yaml", ", manager: p0", "")
	employees(t, file, 8)
	t.Run("it is taken in", func(t *testing.T) {
		s, at := served(t, dir, io.Discard)
		sam := client.New(at, token(t, dir, "sam"))
		until(t, sam, "that it is read", func(f engine.FeedState) bool { return f.Here == 9 })
		write("directory.yaml", "name: Sam}", "name: Sam, manager: p0}")
		write("catalog.yaml", "owners: [mia]", "owners: [p1, mia]")
		if err := s.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, _, warnings, err := server.CheckStored(t.Context(), dir); err != nil || strings.Contains(strings.Join(warnings, "\n"), "in no file") {
			t.Errorf("%v, %q", err, warnings)
		}
		write("catalog.yaml", "owners: [p1, mia]", "owners: [px, mia]")
		if err := s.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), `owners: there is no identity "px" in the files, and no feed has told of`) {
			t.Errorf("nobody has told of px: %v", err)
		}
		write("catalog.yaml", "owners: [px, mia]", "owners: [p1, mia]")
		// A feed that loses somebody keeps nobody from reading the files.
		if err := os.WriteFile(file+".next", []byte("number;user;name;manager\n1;mia;Mia;\n102;p2;;1\n103;p3;Person 3;1\n104;p4;Person 4;1\n105;p5;Person 5;1\n106;p6;Person 6;1\n107;p7;Person 7;1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".next", file); err != nil {
			t.Fatal(err)
		}
		until(t, sam, "that two have left", func(f engine.FeedState) bool { return f.Left == 2 })
		if err := s.Reload(t.Context()); err != nil {
			t.Errorf("after they have left: %v", err)
		}
	})
	t.Run("it is started with", func(t *testing.T) {
		_, at := served(t, dir, io.Discard)
		until(t, client.New(at, token(t, dir, "sam")), "that it runs", func(f engine.FeedState) bool { return f.Left == 2 })
	})
}
