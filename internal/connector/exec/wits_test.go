package exec

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// log is a logger one can read.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The program gets PATH, HOME, what is configured, and nothing else; no shell
// reads its arguments; and its secrets do not come back to us.
func TestEnvironment(t *testing.T) {
	t.Setenv("LESSOR_TEST_LEAK", "1")
	t.Setenv("HOME", "/home/of/ours")
	var l log
	c, err := New(Config{Program: "/bin/sh", Args: []string{"-c", `env >&2; echo "arg: $1" >&2; exit 1`, "sh", `$(id) "two  words"; *`}, Env: map[string]string{"REGION": "eu"},
		Secrets: map[string]func() string{"TOKEN": func() string { return "hunter2" }}, Log: slog.New(slog.NewTextHandler(&l, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Apply(t.Context(), addBob)[0].Err
	testserver.Await(t, "the log", 10*time.Second, func() error {
		for _, want := range []string{"REGION=eu", "TOKEN=[secret]", "HOME=/home/of/ours", "PATH=", `arg: $(id) \"two  words\"; *`} {
			if !has(l.String(), want) {
				return fmt.Errorf("no %q", want)
			}
		}
		return nil
	})
	if text := l.String() + err.Error(); has(text, "hunter2") || has(text, "LESSOR_TEST_LEAK") {
		t.Errorf("leaks: %s", text)
	}
}

// A program that talks without end does not fill our log.
func TestTalkative(t *testing.T) {
	t.Parallel()
	var l log
	c, err := New(Config{Program: "/bin/sh", Args: []string{"-c", `i=0; while [ $i -lt 5000 ]; do echo "line $i" >&2; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\0' x >&2`},
		Log: slog.New(slog.NewTextHandler(&l, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.Apply(t.Context(), addBob)
	if n := strings.Count(l.String(), "says="); n > 3*saidAtOnce || n < 10 {
		t.Errorf("%d lines of it in the log", n)
	}
}

// A secret that has changed starts the program anew; what it was asked before is
// still answered.
func TestSecretChanges(t *testing.T) {
	t.Parallel()
	w := staffed(t)
	var mu sync.Mutex
	secret := "one"
	c := w.connect(t, func(cfg *Config) {
		cfg.Secrets = map[string]func() string{"TOKEN": func() string { mu.Lock(); defer mu.Unlock(); return secret }}
	})
	pid := func() int {
		if s := c.Look(t.Context(), annAtDB)[0]; s.Err != nil {
			t.Fatal(s.Err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.running.cmd.Process.Pid
	}
	first := pid()
	if again := pid(); again != first {
		t.Errorf("started anew for nothing: %d, then %d", first, again)
	}
	entered, leave := make(chan bool), make(chan bool)
	w.bends("apply", func(_ request, right string) string { close(entered); <-leave; return right })
	answer := make(chan error, 1)
	go func() { answer <- c.Apply(t.Context(), addBob)[0].Err }()
	<-entered
	mu.Lock()
	secret = "two"
	mu.Unlock()
	second := pid()
	close(leave)
	if second == first {
		t.Error("not started anew")
	}
	// The test's program ends with its input, mid-call or not: the write is open then.
	if err := <-answer; err != nil && !errors.Is(err, connector.ErrUnanswered) {
		t.Error(err)
	}
	mu.Lock()
	secret = ""
	mu.Unlock()
	if now := pid(); now != second { // it cannot be read just now: the old one works on
		t.Errorf("started anew without a secret: %d, then %d", second, now)
	}
}

// A program found dead by a ping was asked nothing: the write goes to another.
func TestPingBeforeWrite(t *testing.T) {
	t.Parallel()
	w := staffed(t)
	c := w.connect(t)
	idle := func() {
		if s := c.Look(t.Context(), annAtDB)[0]; s.Err != nil {
			t.Fatal(s.Err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running.mu.Lock()
		c.running.used = time.Now().Add(-time.Hour)
		c.running.mu.Unlock()
	}
	idle()
	if err := c.Apply(t.Context(), addBob)[0].Err; err != nil || w.said("ping") != 1 || w.said("hello") != 1 {
		t.Errorf("%v, after %d pings and %d hellos", err, w.said("ping"), w.said("hello"))
	}
	w.bends("ping", func(request, string) string { return exitNow + "\n" })
	idle()
	if err := c.Apply(t.Context(), addBob)[0].Err; err != nil || w.said("hello") != 2 {
		t.Errorf("%v, after %d hellos", err, w.said("hello"))
	}
}

// Every kind, and how long to wait, arrive as the port's.
func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range kinds {
		w := staffed(t)
		w.bends("apply", func(req request, _ string) string {
			return line(req.ID, "error", map[string]any{"kind": kind, "message": "so\tit\x1b[31m is", "retry_after_ms": 90_000})
		})
		err := w.connect(t).Apply(t.Context(), addBob)[0].Err
		wait := (*connector.RetryAfter)(nil)
		if !errors.Is(err, want) || !errors.As(err, &wait) || wait.Wait != 90*time.Second || !has(err.Error(), "so it [31m is") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// A large batch goes out in pieces, and what comes after "leave me alone" is not sent.
func TestPieces(t *testing.T) {
	t.Parallel()
	w := staffed(t)
	w.hello.Batch = 3
	c := w.connect(t)
	var changes []connector.Change
	for i := range 10 {
		changes = append(changes, connector.Change{Ref: connector.Ref{Account: fmt.Sprint("p", i), Object: "db"}})
	}
	asked := 0
	w.bends("apply", func(req request, right string) string {
		if asked++; asked == 2 {
			return line(req.ID, "error", map[string]any{"kind": "refused", "message": "slow down", "retry_after_ms": 1000})
		}
		return right
	})
	for i, r := range c.Apply(t.Context(), changes) {
		want := []error{nil, connector.ErrRefused, connector.ErrUnreachable, connector.ErrUnreachable}[i/3]
		if !errors.Is(r.Err, want) || (want == nil) != (r.Err == nil) {
			t.Errorf("change %d: %v, want %v", i, r.Err, want)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	long := func(int) int { return lineAim - 1 }
	if cuts := pieces(3, 100, long); len(cuts) != 3 || cuts[2] != [2]int{2, 3} {
		t.Errorf("long names are cut %v", cuts)
	}
	if cuts := pieces(0, 100, long); cuts != nil {
		t.Errorf("nothing is cut %v", cuts)
	}
}

// Sessions are listed and ended through the program, where it says that it can.
func TestSessions(t *testing.T) {
	t.Parallel()
	w := staffed(t)
	if _, err := w.connect(t).ListSessions(t.Context(), annAtDB[0]); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("a target without sessions: %v", err)
	}
	w = staffed(t)
	w.hello.Sessions = true
	w.sessions["s1"], w.sessions["s2"] = "ann", "bob"
	c := w.connect(t)
	list, err := c.ListSessions(t.Context(), annAtDB[0])
	if err != nil || len(list) != 1 || list[0].ID != "s1" || list[0].Account != "ann" || list[0].Until.Year() != 2030 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := c.EndSession(t.Context(), list[0]); err != nil {
		t.Error(err)
	}
	if list, err := c.ListSessions(t.Context(), annAtDB[0]); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	w.bends("list_sessions", func(req request, _ string) string { return line(req.ID, "ok", true) })
	if _, err := c.ListSessions(t.Context(), annAtDB[0]); err == nil {
		t.Error("ok was taken for a list")
	}
}

// A program's children end with it, even if they hold its output open.
func TestChildrenEnd(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/pid"
	c, err := New(Config{Program: "/bin/sh", Args: []string{"-c", `sleep 1000 & echo $! >"$0"; exit 1`, file}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Apply(t.Context(), addBob)[0].Err; !errors.Is(err, connector.ErrUnreachable) {
		t.Error(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	testserver.Await(t, "the end of the child", 10*time.Second, func() error {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(raw)) + "/stat")
		if err == nil && !has(string(stat), ") Z ") {
			return fmt.Errorf("it still runs: %s", stat)
		}
		return nil
	})
}

// A config that cannot work is refused with what is wrong.
func TestConfig(t *testing.T) {
	t.Parallel()
	secrets := map[string]func() string{"TOKEN": func() string { return "x" }}
	for want, cfg := range map[string]Config{
		"Program is required": {},
		"a NUL":               {Program: "x", Args: []string{"a\x00b"}},
		"both in Env":         {Program: "x", Env: map[string]string{"TOKEN": "y"}, Secrets: secrets},
		"no environment":      {Program: "x", Env: map[string]string{"A=B": "y"}},
		"Timeout":             {Program: "x", Timeout: -1},
		"Batch":               {Program: "x", Target: connector.Capabilities{Batch: -1}},
		"Lingers":             {Program: "x", Target: connector.Capabilities{Lingers: -1}},
	} {
		if _, err := New(cfg); err == nil || !has(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
