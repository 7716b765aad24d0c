package cli

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// said is what a command said so far, read while it runs.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// soon waits until something is so.
func soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// A server on SQLite becomes one on PostgreSQL by one command, given while it works.
func TestMigrateToPostgres(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "first")
	run := func(ctx context.Context, args ...string) (code int, out, err *said) {
		out, err = &said{}, &said{}
		return Main(ctx, append(args, "--dir", dir), strings.NewReader(""), out, err, func(string) string { return "" }), out, err
	}
	must := func(args ...string) string {
		t.Helper()
		code, out, err := run(t.Context(), args...)
		if code != 0 {
			t.Fatalf("%v: exit code %d: %s", args, code, err)
		}
		return out.String()
	}
	if code := Main(t.Context(), []string{"init", dir}, strings.NewReader(""), &said{}, &said{}, func(string) string { return "" }); code != 0 {
		t.Fatal("init")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	settings := filepath.Join(dir, "lessor.yaml")
	replace := func(old, with string) {
		t.Helper()
		text, err := os.ReadFile(settings)
		if err != nil || !strings.Contains(string(text), old) {
			t.Fatalf("%s has no %q: %v", settings, old, err)
		}
		if err := os.WriteFile(settings, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	replace("127.0.0.1:7317", address)
	serve := func() (stop func()) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan string, 1)
		go func() {
			code, _, err := run(ctx, "serve")
			ended <- fmt.Sprintf("exit code %d: %s", code, err)
		}()
		soon(t, "the server is healthy", func() bool {
			if len(ended) > 0 {
				t.Fatalf("the server ended: %s", <-ended)
			}
			res, err := http.Get("http://" + address + "/healthz")
			if err != nil {
				return false
			}
			_ = res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
		return sync.OnceFunc(func() {
			cancel()
			if how := <-ended; !strings.HasPrefix(how, "exit code 0") {
				t.Errorf("the server ended: %s", how)
			}
		})
	}
	// 1. A request waits at the server on SQLite.
	stop := serve()
	defer stop()
	asked := must("request", "ldap:wiki", "--term", "1h", "--reason", "notes", "--as", "ann", "-o", "json")
	id := asked[strings.Index(asked, "rq-"):]
	id = id[:strings.IndexByte(id, '"')]
	// 2. What is wrong is said before anything is done.
	dsn := filepath.Join(dir, "dsn")
	if err := os.WriteFile(dsn, []byte(testserver.Postgres(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--from", "sqlite:x"}, 2, "--to, where to, is missing"},
		{[]string{"--to", "postgres://u:p@h/d"}, 2, "carries a password"},
		{[]string{"--to", "somewhere"}, 2, "not a reference to a secret"},
		{[]string{"--to", "file:" + dsn, "--wait", "0s"}, 5, "nothing was changed there"},
	} {
		if code, _, err := run(t.Context(), append([]string{"migrate"}, c.args...)...); code != c.code || !strings.Contains(err.String(), c.says) {
			t.Errorf("%v: exit code %d: %s", c.args, code, err)
		}
	}
	// 3. It moves, and waits for the server to stop.
	out, told, moved := &said{}, &said{}, make(chan int, 1)
	go func() {
		moved <- Main(t.Context(), []string{"migrate", "--dir", dir, "--to", "file:" + dsn}, strings.NewReader(""), out, told, func(string) string { return "" })
	}()
	soon(t, "everything is copied", func() bool { return strings.Contains(told.String(), "stop the server now") })
	stop()
	if code := <-moved; code != 0 || !strings.Contains(out.String(), "nobody was served for") {
		t.Fatalf("exit code %d: %s%s", code, out, told)
	}
	// 4. The old one is not served again, the new one is, and goes on.
	if code, _, err := run(t.Context(), "serve"); code != 5 || !strings.Contains(err.String(), "this database was moved to postgres://") {
		t.Errorf("the old database: exit code %d: %s", code, err)
	}
	replace("database: sqlite:lessor.db ", "database_ref: file:dsn ")
	stop = serve()
	defer stop()
	if shown := must("show", id, "--as", "ann"); !strings.Contains(shown, "pending") {
		t.Errorf("the request: %s", shown)
	}
	must("approve", id, "--as", "mia")
	if verified := must("verify", "--store"); !strings.Contains(verified, "is intact") {
		t.Error(verified)
	}
}
