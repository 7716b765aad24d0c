package backup_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/backup"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// A backup of either database, as a folder or a file, holds nothing that lets somebody
// in; it is refused with any byte changed, a file more or less; and a database of
// either kind that is made of it is as its log tells.
func TestBackup(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		f := enginetest.Open(t, kind)
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to write <ö>", Term: 3600e9}, "mia")
		f.Work()
		if _, err := f.Engine.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.Ask("bob", engine.Ask{Entitlements: []string{"dir:reports"}}) // in no place of the log yet
		secret := bytes.Repeat([]byte{0xA7}, 33)
		key := base64.StdEncoding.EncodeToString(secret)
		if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.ExecContext(t.Context(), "insert into door_key (name, key) values ('a-door', $1)", secret); err != nil {
				return err
			}
			_, err := tx.ExecContext(t.Context(), "insert into session (hash, identity, strength, began_at, seen_at, end_at) values ('hash-of-a-session','eve','mfa',1,1,2)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		vkey := f.Signer.VerifierKey()
		for _, name := range []string{"folder", "file.zip"} {
			path := filepath.Join(t.TempDir(), name)
			m, err := backup.Write(t.Context(), f.DB, path, "v1", f.Now())
			if err != nil || m.Events == 0 || m.Waiting == 0 {
				t.Fatalf("%+v, %v", m, err)
			}
			b, err := backup.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Verify(vkey); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := b.Verify(enginetest.Signer(t, "another").VerifierKey()); err == nil {
				t.Errorf("%s: another key signed it", name)
			}
			for _, into := range []store.Dialect{store.SQLite, store.Postgres} {
				load := func(tx *store.Tx) error { return b.Load(context.WithoutCancel(t.Context()), tx) }
				dsn := enginetest.Empty(t, into)
				db, err := store.OpenEmpty(t.Context(), dsn, store.Fill{Schema: b.Schema, Load: load})
				if err != nil {
					t.Fatal(err)
				}
				if rep, err := report.Replay(t.Context(), db, vkey, nil); err != nil || rep.Rows == 0 || rep.Waiting != m.Waiting {
					t.Errorf("%s in %s: %+v, %v", name, into, rep, err)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
				if _, err := store.OpenEmpty(t.Context(), dsn, store.Fill{Schema: b.Schema, Load: load}); err == nil || !strings.Contains(err.Error(), "is not empty") {
					t.Errorf("put back over what is there: %v", err)
				}
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
			if name == "folder" {
				tamper(t, path, vkey, key)
			}
		}
	})
}

func tamper(t *testing.T, path, vkey, key string) {
	t.Helper()
	bad := func() bool {
		b, err := backup.Open(path)
		if err != nil {
			return true
		}
		return b.Verify(vkey) != nil
	}
	files, err := fs.Glob(os.DirFS(path), "*")
	if err != nil || len(files) < 20 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		name = filepath.Join(path, name)
		was, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"a-door", key, "hash-of-a-session"} {
			if bytes.Contains(was, []byte(word)) {
				t.Errorf("%s holds %s", name, word)
			}
		}
		for at := 0; at < len(was); at += 1 + len(was)/5 {
			flipped := bytes.Clone(was)
			flipped[at] ^= 1
			put(t, name, flipped)
			if !strings.HasSuffix(name, backup.ManifestFile) && !bad() {
				t.Errorf("%s with another byte at %d is taken", name, at)
			}
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if !bad() {
			t.Errorf("without %s it is taken", name)
		}
		put(t, name, was)
	}
	put(t, filepath.Join(path, "more"), nil)
	if !bad() {
		t.Error("with a file more it is taken")
	}
}

func put(t *testing.T, name string, body []byte) {
	t.Helper()
	if err := os.WriteFile(name, body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What cannot be written whole is not there.
func TestBackupIsWholeOrNot(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	for _, name := range []string{"folder", "file.zip"} {
		if _, err := backup.Write(ctx, f.DB, filepath.Join(dir, name), "v1", time.Now()); err == nil {
			t.Error("written in no time")
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
