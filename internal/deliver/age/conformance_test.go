package age

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/lessor-iam/lessor/internal/deliver/delivertest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	delivertest.Run(t, func(t *testing.T) delivertest.Target {
		w := newWorld(t)
		outside := t.TempDir()
		for name, to := range map[string]string{"out": outside, "in": "inside", "file.age": filepath.Join(outside, "x.age"), "near.age": "other.age"} {
			if err := os.Symlink(to, filepath.Join(w.folder, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(w.folder, "inside"), 0o700); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
				t.Errorf("outside of the folder there is %v, %v", left, err)
			}
			if left, err := os.ReadDir(filepath.Join(w.folder, "inside")); err != nil || len(left) > 0 {
				t.Errorf("behind a link there is %v, %v", left, err)
			}
		})
		return delivertest.Target{
			Store: w.open(t), Other: w.open(t),
			Ref:   func(_ testing.TB, name string) string { return "suite/" + name },
			Read:  w.read,
			Holds: w.holds,
			// What is called as earlier ones are; and through links, out of the folder and within it.
			Hostile: []string{"x.lessor-1", "-x", "x.", ".x", "a/.b", "x..y"},
			Barred:  []string{"out/x", "in/x", "out/a/b", "file", "near"},
		}
	})
}

// world is a folder, who reads it, and Lessor itself.
type world struct {
	folder   string
	consumer *age.X25519Identity
	own      *age.X25519Identity
	keyFile  string // the consumer's
}

func newWorld(t testing.TB) world {
	t.Helper()
	w := world{folder: filepath.Join(t.TempDir(), "secrets"), keyFile: filepath.Join(t.TempDir(), "key")}
	var err1, err2 error
	w.consumer, err1 = age.GenerateX25519Identity()
	w.own, err2 = age.GenerateX25519Identity()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := os.WriteFile(w.keyFile, []byte(w.consumer.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w world) config() Config {
	return Config{Folder: w.folder, Recipients: func() ([]byte, error) {
		return []byte("# the consumer\n" + w.consumer.Recipient().String() + "\n"), nil
	},
		Identity: w.own.String}
}

func (w world) open(t testing.TB) *Store {
	t.Helper()
	s, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read is what a consumer does, with the tool of its distribution.
func (w world) read(t testing.TB, ref string) []byte {
	t.Helper()
	tool, err := exec.LookPath("age")
	if err != nil {
		testserver.Missing(t, "age")
	}
	name := filepath.Join(w.folder, ref+".age")
	if _, err := os.Lstat(name); os.IsNotExist(err) {
		return nil
	}
	var said bytes.Buffer
	cmd := exec.Command(tool, "--decrypt", "-i", w.keyFile, name)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("age: %v %s", err, &said)
	}
	return append([]byte{}, out...)
}

// holds opens whatever is in the folder with both keys.
func (w world) holds(t testing.TB, _ string, worth []byte) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(w.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found = found || bytes.Contains(raw, worth)
		if !strings.Contains(path, ".age") {
			return nil
		}
		for _, id := range []age.Identity{w.consumer, w.own} {
			plain, err := age.Decrypt(bytes.NewReader(raw), id)
			if err != nil {
				return err
			}
			text, err := io.ReadAll(plain)
			if err != nil {
				return err
			}
			found = found || bytes.Equal(text, worth)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return found
}
