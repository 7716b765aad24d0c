package abuse

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/backup"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
)

// lost is the folder as it is now, without its database.
func (s *site) lost() *site {
	s.t.Helper()
	c := s.copied()
	for _, name := range []string{"lessor.db", "lessor.db-wal", "lessor.db-shm"} {
		if err := os.Remove(filepath.Join(c.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
	}
	return c
}

// AB-63: whoever puts a backup back with a tail that was cut short, at a head that is
// genuine, hides a revocation: what was published says that there was more, so that
// nothing is believed longer than it must be. A tail, or a published log, that was edited
// is refused, and so is what anybody on the way could have shortened.
func TestAB63_RestoreFromATailCutShort(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.edit("lessor.yaml", "pace:", "log_copy: kept\nlog_publish: public\npace:")
	s.run()
	g := s.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit", Term: access.Term(20 * 24 * time.Hour)})
	s.soon("ann is seen there", func() bool { return s.state("ann", g.ID) == access.Held })
	s.halt()
	// 1. The backup, and the log's copy as the attacker will have it.
	kept := filepath.Join(t.TempDir(), "monday.zip")
	db := s.inspect()
	if _, err := backup.Write(t.Context(), db, kept, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut")
	if err := os.CopyFS(cut, os.DirFS(filepath.Join(s.dir, "kept"))); err != nil {
		t.Fatal(err)
	}
	// 2. It is revoked, and that is signed, copied and published.
	s.run()
	if err := s.as("olga").Revoke(t.Context(), g.ID, "incident"); err != nil {
		t.Fatal(err)
	}
	s.soon("ann is seen gone", func() bool { return s.state("ann", g.ID) == access.Absent })
	s.soon("everything is published", func() bool {
		st, err := s.as("olga").Status(t.Context())
		if err != nil || st.Unsequenced > 0 {
			return false
		}
		there, err := os.ReadFile(filepath.Join(s.dir, "public", "checkpoint"))
		beside, err2 := os.ReadFile(filepath.Join(s.dir, "kept", backup.HeadFile))
		return err == nil && err2 == nil && string(there) == st.Checkpoint && string(beside) == st.Checkpoint
	})
	s.halt()
	restore := func(c *site, from server.RestoreFrom) (access.Recovery, []string, error) {
		from.Backup, from.Hold = kept, 48*time.Hour
		return server.Restore(t.Context(), c.dir, from)
	}
	refused := func(what, says string, c *site, from server.RestoreFrom) {
		t.Helper()
		if _, _, err := restore(c, from); !errors.Is(err, access.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want one that says %q", what, err, says)
		}
	}
	// 3. With the whole tail everything is known.
	whole := s.lost()
	if rec, notes, err := restore(whole, server.RestoreFrom{}); err != nil || rec.Tail != access.TailEvents || len(notes) > 0 {
		t.Errorf("the whole tail: %+v, %v, %v", rec, notes, err)
	}
	// 4. Cut short, and every head in the folder taken away: what was published knows, in
	// the folder or over a line.
	short := s.lost()
	if err := os.RemoveAll(filepath.Join(short.dir, "state")); err != nil {
		t.Fatal(err)
	}
	rec, notes, err := restore(short, server.RestoreFrom{Log: cut})
	if err != nil || rec.Tail != access.TailNone || rec.Signed == "" || rec.Shortened != 1 || !strings.Contains(strings.Join(notes, "\n"), "there are two logs") {
		t.Errorf("cut short: %+v, %v, %v", rec, notes, err)
	}
	web := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(s.dir, "public"))))
	defer web.Close()
	line := s.lost()
	for _, name := range []string{"state", "public"} {
		if err := os.RemoveAll(filepath.Join(line.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if rec, _, err := restore(line, server.RestoreFrom{Log: cut, Published: web.URL}); err != nil || rec.Tail != access.TailNone || rec.Signed == "" {
		t.Errorf("cut short, over a line: %+v, %v", rec, err)
	}
	// 5. What was edited.
	forged := s.lost()
	edit(t, filepath.Join(forged.dir, "kept", "events-000000000000.jsonl"), "incident", "no reason")
	refused("a tail that was edited", "is not the one that was signed", forged, server.RestoreFrom{})
	if rec, _, err := restore(forged, server.RestoreFrom{Log: filepath.Join(s.dir, "kept")}); err != nil || rec.Tail != access.TailEvents {
		t.Errorf("what was refused left something behind: %+v, %v", rec, err)
	}
	other := s.lost()
	edit(t, filepath.Join(other.dir, "public", "checkpoint"), "log.example.com/abuse\n", "log.example.com/other\n")
	refused("a published head that was edited", "what was published at", other, server.RestoreFrom{})
	tiles := s.lost()
	turn(t, filepath.Join(tiles.dir, "public", "tile", "0"))
	refused("published tiles that were edited", "what was published at", tiles, server.RestoreFrom{})
	refused("a line without TLS", "https only", s.lost(), server.RestoreFrom{Published: "http://log.example.com/"})
	refused("a folder with nothing in it", "what was published at", s.lost(), server.RestoreFrom{Published: t.TempDir()})
}

// edit replaces some text of a file.
func edit(t *testing.T, name, old, with string) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil || !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %q: %v", name, old, err)
	}
	if err := os.WriteFile(name, bytes.ReplaceAll(text, []byte(old), []byte(with)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// turn turns a bit of every file below a folder.
func turn(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		body[0] ^= 1
		return os.WriteFile(path, body, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
