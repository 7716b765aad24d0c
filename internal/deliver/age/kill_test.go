package age

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Where a Put that follows an earlier one can be killed.
var steps = []string{
	"keep", "half of db.lessor-1.age", "rename db.lessor-1.age", "renamed db.lessor-1.age",
	"put", "half of db.age", "rename db.age", "renamed db.age", "done",
}

const childEnv = "LESSOR_AGE_CHILD"

// TestChild is the process that is killed; without being told so it does nothing.
func TestChild(t *testing.T) {
	told := strings.Split(os.Getenv(childEnv), "|")
	if len(told) != 4 {
		t.Skip("only as another test's child")
	}
	s, err := New(Config{Folder: told[0], Recipients: func() ([]byte, error) { return []byte(told[1]), nil }, Identity: func() string { return told[2] }})
	if err != nil {
		t.Fatal(err)
	}
	s.at = func(step string) {
		if step == told[3] {
			fmt.Println("child: here")
			select {}
		}
	}
	fmt.Println("child: over", s.Put(context.Background(), "db", 2, connector.Worth("the new one")))
}

// Whenever a Put is killed, consumers have the old file or the new one whole, both can be
// read back as far as they were in force, and the next Put is as if nothing had been.
func TestKilled(t *testing.T) {
	t.Parallel()
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.open(t)
			if err := s.Put(t.Context(), "db", 1, connector.Worth("the old one")); err != nil {
				t.Fatal(err)
			}
			w.killAt(t, step)
			// 1. What consumers have.
			in := map[string]int64{"the old one": 1, "the new one": 2}[string(w.read(t, "db"))]
			if in == 0 {
				t.Fatal("consumers have neither")
			}
			renamed := step == "renamed db.age" || step == "done"
			if n, err := s.Current(t.Context(), "db"); err != nil || n != in || (n == 2) != renamed {
				t.Errorf("current is %d, %v; consumers have %d", n, err, in)
			}
			if got, err := s.Get(t.Context(), "db", 1); err != nil || string(got) != "the old one" {
				t.Errorf("the old one: %d bytes, %v", len(got), err)
			}
			// 2. The next Put.
			if err := s.Put(t.Context(), "db", 2, connector.Worth("the new one")); err != nil {
				t.Fatal(err)
			}
			if got := string(w.read(t, "db")); got != "the new one" {
				t.Error("consumers do not have the new one")
			}
			if got, err := s.Get(t.Context(), "db", 1); err != nil || string(got) != "the old one" {
				t.Errorf("the old one: %d bytes, %v", len(got), err)
			}
			if err := s.Forget(t.Context(), "db", 1); err != nil {
				t.Error(err)
			}
			if list := w.names(t); list != ".lessor.lock 600, db.age 600" {
				t.Errorf("there is %s", list)
			}
		})
	}
}

// killAt has another process put generation 2, and kills it at that step.
func (w world) killAt(t *testing.T, step string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{w.folder, w.consumer.Recipient().String(), w.own.String(), step}, "|"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // it was killed
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); {
		case line == "child: here":
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			return
		case strings.HasPrefix(line, "child: over"):
			t.Errorf("it never came to %q: %s", step, line)
		}
	}
	t.Fatal("the child has ended by itself")
}

// names lists what is in the folder, with modes.
func (w world) names(t testing.TB) string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(w.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == w.folder {
			return err
		}
		st, err := d.Info()
		name, _ := filepath.Rel(w.folder, path)
		list = append(list, fmt.Sprintf("%s %o", name, st.Mode().Perm()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, ", ")
}
