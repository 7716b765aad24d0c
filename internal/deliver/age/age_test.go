package age

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lessor-iam/lessor/internal/connector"
)

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := New(Config{Folder: "secrets"})
	for _, says := range []string{"Folder", "Recipients", "Identity"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %s", err, says)
		}
	}
}

func put(t testing.TB, s *Store, n int64) error {
	t.Helper()
	return s.Put(t.Context(), "team/db", n, connector.Worth("hunter2"))
}

// Whatever keeps a file from being written, nothing is changed, and nothing secret told.
func TestCannot(t *testing.T) {
	t.Parallel()
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, w *world, cfg *Config)
		want   error
		says   string
	}{
		"no folder":   {func(_ *testing.T, w *world, cfg *Config) { cfg.Folder += "/none" }, connector.ErrUnreachable, "no such file"},
		"open to all": {func(t *testing.T, w *world, _ *Config) { chmod(t, w.folder, 0o777) }, connector.ErrRefused, "chmod o-w"},
		"no identity": {func(_ *testing.T, _ *world, cfg *Config) { cfg.Identity = func() string { return "" } }, connector.ErrUnreachable, "no usable age identity"},
		"no such identity": {func(_ *testing.T, w *world, cfg *Config) {
			cfg.Identity = func() string { return w.own.String()[:70] + "x" }
		}, connector.ErrUnreachable, "no usable age identity"},
		"no recipients": {func(_ *testing.T, _ *world, cfg *Config) {
			cfg.Recipients = func() ([]byte, error) { return nil, errors.New("gone") }
		}, connector.ErrUnreachable, "gone"},
		"empty recipients": {func(_ *testing.T, _ *world, cfg *Config) {
			cfg.Recipients = func() ([]byte, error) { return []byte("# nobody\n"), nil }
		}, connector.ErrRefused, "one age1"},
		"an identity as a recipient": {func(_ *testing.T, w *world, cfg *Config) {
			cfg.Recipients = func() ([]byte, error) { return []byte(w.consumer.String()), nil }
		},
			connector.ErrRefused, "public keys alone"},
		"kinds mixed": {func(_ *testing.T, _ *world, cfg *Config) { cfg.Identity = pq.String }, connector.ErrRefused, "of one kind"},
		"a foreign file": {func(t *testing.T, w *world, _ *Config) {
			write(t, w, "team/db.age", sealed(t, "theirs", w.consumer.Recipient()))
		}, connector.ErrRefused, "not encrypted to Lessor's own identity"},
		"one without a number": {func(t *testing.T, w *world, _ *Config) {
			write(t, w, "team/db.age", sealed(t, "theirs", w.consumer.Recipient(), w.own.Recipient()))
		}, connector.ErrRefused, "not written by Lessor"},
		"no age file": {func(t *testing.T, w *world, _ *Config) { write(t, w, "team/db.age", []byte("hunter2")) }, connector.ErrRefused, "no sound age file"},
		"a file in the way": {func(t *testing.T, w *world, _ *Config) {
			if err := os.WriteFile(filepath.Join(w.folder, "team"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, connector.ErrRefused, "team is no folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			cfg := w.config()
			c.change(t, &w, &cfg)
			before := w.names(t)
			s, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			err = put(t, s, 1)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v %q", err, c.want, c.says)
			}
			if text := err.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, w.own.String()[:40]) || strings.Contains(text, w.consumer.String()[:40]) {
				t.Errorf("tells a secret: %s", text)
			}
			after := strings.TrimPrefix(strings.ReplaceAll(w.names(t), ".lessor.lock 600", ""), ", ")
			if after != before {
				t.Errorf("there is %s, was %s", after, before)
			}
		})
	}
}

// The number is under age's MAC: whoever cannot read the file cannot change it.
func TestNumberIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.open(t)
	for n := int64(1); n <= 2; n++ {
		if err := put(t, s, n); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(w.folder, "team/db.age")
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	forged := bytes.Replace(raw, []byte(stanzaType+" 2"), []byte(stanzaType+" 1"), 1)
	if bytes.Equal(forged, raw) {
		t.Fatal("the number does not stand where it is looked for")
	}
	write(t, &w, "team/db.age", forged)
	if n, err := s.Current(t.Context(), "team/db"); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("current is %d, %v", n, err)
	}
}

// A second identity reads what the first one's files hold, and new files are the first's.
func TestIdentityRotates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := put(t, w.open(t), 1); err != nil {
		t.Fatal(err)
	}
	next, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.config()
	cfg.Identity = func() string { return next.String() + "\n" + w.own.String() }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, 2); err != nil {
		t.Fatal(err)
	}
	w.own = next
	if n, err := w.open(t).Current(t.Context(), "team/db"); err != nil || n != 2 {
		t.Errorf("current is %d, %v", n, err)
	}
}

func TestPostQuantum(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, err1 := age.GenerateHybridIdentity()
	to, err2 := age.GenerateHybridIdentity()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	s, err := New(Config{Folder: w.folder, Identity: own.String, Recipients: func() ([]byte, error) { return []byte(to.Recipient().String()), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, 3); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Current(t.Context(), "team/db"); err != nil || n != 3 {
		t.Errorf("current is %d, %v", n, err)
	}
}

func TestGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	cfg.Group = true
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t, s, 1); err != nil {
		t.Fatal(err)
	}
	if list := w.names(t); list != ".lessor.lock 600, team 750, team/db.age 640" {
		t.Error(list)
	}
}

// Whoever waits for another writer waits no longer than he may, and has done nothing.
func TestLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, other := w.open(t), w.open(t)
	inside, leave := make(chan bool), make(chan bool)
	other.at = func(step string) {
		if step == "put" {
			inside <- true
			<-leave
		}
	}
	done := make(chan error)
	go func() { done <- other.Put(context.WithoutCancel(t.Context()), "db", 1, connector.Worth("theirs")) }()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Put(ctx, "db", 2, connector.Worth("ours")); !errors.Is(err, connector.ErrUnreachable) {
		t.Error(err)
	}
	leave <- true
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := string(w.read(t, "db")); got != "theirs" {
		t.Error("consumers do not have what was put")
	}
}

func chmod(t testing.TB, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, w *world, name string, raw []byte) {
	t.Helper()
	name = filepath.Join(w.folder, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, raw, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func sealed(t testing.TB, text string, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	enc, err := age.Encrypt(&out, to...)
	if err == nil {
		_, err = enc.Write([]byte(text))
	}
	if err == nil {
		err = enc.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
