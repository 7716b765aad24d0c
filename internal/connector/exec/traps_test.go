package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// bends has the world bend what it answers to one verb.
func (w *world) bends(verb string, bend func(req request, right string) string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = func(req request, right string) string {
		if req.Verb != verb {
			return right
		}
		return bend(req, right)
	}
}

// staffed is a world in which ann holds db and bob does not.
func staffed(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, "says")
	w.accounts["ann"], w.accounts["bob"] = true, true
	w.objects["db"] = &thing{holders: map[string]bool{"ann": true}}
	return w
}

var (
	addBob   = []connector.Change{{Ref: connector.Ref{Account: "bob", Object: "db"}, Want: true, Fence: 7}}
	annAtDB  = []connector.Ref{{Account: "ann", Object: "db"}}
	nothing  = func(connector.Holding) error { return nil }
	replaces = func(old, with string) func(request, string) string {
		return func(_ request, right string) string { return strings.ReplaceAll(right, old, with) }
	}
)

// Whatever is not exactly as the protocol says is believed nothing of: a write is
// unanswered, and the program is not asked again.
func TestStrictApply(t *testing.T) {
	t.Parallel()
	is := func(text string) func(request, string) string {
		return func(req request, _ string) string {
			return strings.ReplaceAll(text, "ID", fmt.Sprint(req.ID)) + "\n"
		}
	}
	for name, bend := range map[string]func(request, string) string{
		"not JSON":              is(`done`),
		"an empty line":         is(``),
		"an unknown member":     is(`{"id":ID,"results":[{"account":"bob","object":"db","ok":true}]}`),
		"other capitals":        is(`{"id":ID,"Results":[{"account":"bob","object":"db"}]}`),
		"a member twice":        is(`{"id":ID,"results":[],"results":[{"account":"bob","object":"db"}]}`),
		"no id":                 is(`{"results":[{"account":"bob","object":"db"}]}`),
		"another id":            is(`{"id":99,"results":[{"account":"bob","object":"db"}]}`),
		"an id in quotes":       is(`{"id":"ID","results":[{"account":"bob","object":"db"}]}`),
		"two parts":             is(`{"id":ID,"ok":true,"results":[{"account":"bob","object":"db"}]}`),
		"no part":               is(`{"id":ID}`),
		"ok where results are":  is(`{"id":ID,"ok":true}`),
		"not ok":                is(`{"id":ID,"ok":false}`),
		"too few results":       is(`{"id":ID,"results":[]}`),
		"too many results":      is(`{"id":ID,"results":[{"account":"bob","object":"db"},{"account":"bob","object":"db"}]}`),
		"another account":       is(`{"id":ID,"results":[{"account":"ann","object":"db"}]}`),
		"another object":        is(`{"id":ID,"results":[{"account":"bob","object":"db2"}]}`),
		"not UTF-8":             is("{\"id\":ID,\"results\":[{\"account\":\"b\xffob\",\"object\":\"db\"}]}"),
		"half a character":      is(`{"id":ID,"results":[{"account":"bob\ud800","object":"db"}]}`),
		"something after":       is(`{"id":ID,"results":[{"account":"bob","object":"db"}]} x`),
		"two in a line":         is(`{"id":ID,"results":[{"account":"bob","object":"db"}]}{"id":ID,"ok":true}`),
		"a kind of its own":     is(`{"id":ID,"results":[{"account":"bob","object":"db","error":{"kind":"oops","message":"no"}}]}`),
		"an error of no kind":   is(`{"id":ID,"error":{"message":"no"}}`),
		"dies before it speaks": is(exitNow),
		"dies in a line":        func(request, string) string { return `{"id":` },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := staffed(t)
			w.bends("apply", bend)
			c := w.connect(t, func(cfg *Config) { cfg.Timeout = 2 * time.Second })
			err := c.Apply(t.Context(), addBob)[0].Err
			for _, other := range []error{connector.ErrRefused, connector.ErrNoObject, connector.ErrUnreachable} {
				if errors.Is(err, other) {
					t.Errorf("%v is %q", err, other)
				}
			}
			if !errors.Is(err, connector.ErrUnanswered) {
				t.Errorf("%v, want %q", err, connector.ErrUnanswered)
			}
			w.bends("apply", func(_ request, right string) string { return right })
			if err := c.Apply(t.Context(), addBob)[0].Err; err != nil {
				t.Errorf("the next time: %v", err)
			}
		})
	}
}

// An answer that comes twice is of something nobody asked.
func TestAnswerTwice(t *testing.T) {
	t.Parallel()
	w := staffed(t)
	w.bends("apply", func(_ request, right string) string { return right + right })
	c := w.connect(t)
	if err := c.Apply(t.Context(), addBob)[0].Err; err != nil {
		t.Fatal(err)
	}
	awaitOver(t, c)
}

// A look that does not add up is an error, never a sight.
func TestStrictLook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend func(request, string) string
		want string // in the error
	}{
		"no path":               {replaces(`"memory"`, `""`), "by which path"},
		"no direct":             {replaces(`"direct":true,`, ``), "does not say direct"},
		"no effective":          {replaces(`"effective":true,`, ``), "does not say effective"},
		"direct, not effective": {replaces(`"effective":true`, `"effective":false`), "that it is not"},
		"a way, not effective": {func(_ request, s string) string {
			return strings.NewReplacer("true", "false", "[]", `["x"]`).Replace(s)
		}, "that it is not"},
		"another account": {replaces(`"ann"`, `"bob"`), "another account"},
		"an error":        {replaces(`"direct":true`, `"error":{"kind":"no_object","message":"none"}`), "none"},
		"nothing seen":    {func(req request, _ string) string { return line(req.ID, "seen", []int{}) }, "saw 0 of 1"},
		"holdings":        {func(req request, _ string) string { return line(req.ID, "holdings", []int{}) }, "answered look with holdings"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := staffed(t)
			w.bends("look", c.bend)
			s := w.connect(t).Look(t.Context(), annAtDB)[0]
			if s.Err == nil || !has(s.Err.Error(), c.want) || s.Direct || s.Effective {
				t.Errorf("%+v, want an error that says %q", s, c.want)
			}
		})
	}
}

// Where the target has no second path the program may not speak of one.
func TestOnePath(t *testing.T) {
	t.Parallel()
	w := staffed(t)
	w.hello.Effective = false
	c := w.connect(t)
	if s := c.Look(t.Context(), annAtDB)[0]; s.Err == nil || !has(s.Err.Error(), "said that it cannot") {
		t.Errorf("%+v", s)
	}
	w.bends("look", func(req request, _ string) string {
		return line(req.ID, "seen", []map[string]any{{"account": "ann", "object": "db", "direct": true, "path": "memory"}})
	})
	if s := c.Look(t.Context(), annAtDB)[0]; s.Err != nil || !s.Direct || !s.Effective {
		t.Errorf("%+v", s)
	}
}

// A read that is not whole is an error, however it breaks off.
func TestStrictObserve(t *testing.T) {
	t.Parallel()
	first := func(_ request, right string) string { return strings.SplitAfter(right, "\n")[0] }
	for name, c := range map[string]struct {
		bend    func(request, string) string
		want    string
		objects []string
	}{
		"no end, then death":   {func(r request, s string) string { return first(r, s) + exitNow + "\n" }, "ended: exit status 6", nil},
		"no end, then silence": {first, "deadline exceeded", nil},
		"a count too high":     {replaces(`"count":1`, `"count":2`), "gave 1 holdings and counts 2", nil},
		"a count too low":      {replaces(`"count":1`, `"count":0`), "gave 1 holdings and counts 0", nil},
		"no count":             {replaces(`"count":1`, ``), "without its count", nil},
		"an error at the end":  {func(r request, s string) string { return first(r, s) + line(r.ID, "error", fail("refused")) }, "after 1 holdings: refused", nil},
		"another object":       {replaces(`"db"`, `"db2"`), "not asked for", []string{"db"}},
		"no name":              {replaces(`"ann"`, `""`), "without a name", nil},
		"only ok":              {func(r request, _ string) string { return line(r.ID, "ok", true) }, "answered observe with ok", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := staffed(t)
			w.bends("observe", c.bend)
			err := w.connect(t, func(cfg *Config) { cfg.Timeout = 2 * time.Second }).Observe(t.Context(), c.objects, nothing)
			if err == nil || !has(err.Error(), c.want) {
				t.Errorf("%v, want an error that says %q", err, c.want)
			}
		})
	}
}

// A line has an end, and so has what is read of one.
func TestEndlessLine(t *testing.T) {
	t.Parallel()
	w := staffed(t)
	w.bends("look", func(request, string) string { return strings.Repeat("x", longestLine+1) + "\n" })
	if s := w.connect(t).Look(t.Context(), annAtDB)[0]; s.Err == nil || !has(s.Err.Error(), "a line of more than") {
		t.Errorf("%+v", s)
	}
}

// A program that answers nothing is ended, and another one works.
func TestHangingProgram(t *testing.T) {
	t.Parallel()
	w := staffed(t)
	w.hello.InFlight = 1
	w.bends("apply", func(request, string) string { return hangNow + "\n" })
	c := w.connect(t, func(cfg *Config) { cfg.Timeout = time.Second })
	c.leastHang = time.Second
	if s := c.Look(t.Context(), annAtDB)[0]; s.Err != nil { // the program runs
		t.Fatal(s.Err)
	}
	if err := c.Apply(t.Context(), addBob)[0].Err; !errors.Is(err, connector.ErrUnanswered) {
		t.Errorf("%v", err)
	}
	// It takes one at a time, and still owes an answer: nothing more is sent.
	if err := c.Apply(t.Context(), addBob)[0].Err; !errors.Is(err, connector.ErrUnreachable) || !has(err.Error(), "busy") {
		t.Errorf("%v", err)
	}
	awaitOver(t, c)
	if s := c.Look(t.Context(), annAtDB)[0]; s.Err != nil || !s.Direct {
		t.Errorf("%+v", s)
	}
	if n := w.said("apply"); n != 1 {
		t.Errorf("apply was asked %d times", n)
	}
}

// What goes wrong at the start is said, with the program's own last words, and
// whoever cannot wait for the next start is told how long it takes.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Config)
		hello  func(*hello)
		want   string
	}{
		"no such program":    {func(c *Config) { c.Program = "/no/such/program" }, nil, "no such file"},
		"not in PATH":        {func(c *Config) { c.Program = "no-such-program" }, nil, "not found"},
		"no such folder":     {func(c *Config) { c.Dir = "/no/such/folder" }, nil, "no such file"},
		"dies at once":       {func(c *Config) { c.Program, c.Args = "/bin/sh", []string{"-c", "echo no licence >&2; exit 3"} }, nil, "exit status 3, saying no licence"},
		"no secret":          {func(c *Config) { c.Secrets = map[string]func() string{"TOKEN": func() string { return "" }} }, nil, "secret for TOKEN cannot be read"},
		"another protocol":   {nil, func(h *hello) { h.Protocol = 2 }, "speaks protocol 2, not 1"},
		"no name":            {nil, func(h *hello) { h.Name = "" }, "without a name"},
		"no batch":           {nil, func(h *hello) { h.Batch = 0 }, "batch"},
		"too many in flight": {nil, func(h *hello) { h.InFlight = 65 }, "in_flight"},
		"other effective":    {func(c *Config) { c.Target.Effective = false }, nil, "says effective: true in hello, where the settings say false"},
		"other sessions":     {func(c *Config) { c.Target.Sessions = true }, nil, "says sessions: false"},
		"other fences":       {func(c *Config) { c.Target.Fences = true }, nil, "says fences: false"},
		"other lingers":      {func(c *Config) { c.Target.Lingers = time.Hour }, nil, "says lingers: 0s in hello, where the settings say 1h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := staffed(t)
			cfg := w.config(t)
			if c.change != nil {
				c.change(&cfg)
			}
			if c.hello != nil {
				c.hello(&w.hello)
			}
			conn, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			err = conn.Apply(t.Context(), addBob)[0].Err
			if !errors.Is(err, connector.ErrUnreachable) || errors.Is(err, connector.ErrUnanswered) || !has(err.Error(), c.want) {
				t.Errorf("%v, want %q and %q", err, connector.ErrUnreachable, c.want)
			}
			if err := conn.Observe(t.Context(), nil, nothing); err == nil {
				t.Error("Observe gave no error")
			}
			conn.failed, conn.pause = 9, time.Now().Add(time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			wait := (*connector.RetryAfter)(nil)
			if err := conn.Apply(ctx, addBob)[0].Err; !errors.As(err, &wait) || wait.Wait < 50*time.Second {
				t.Errorf("in the pause: %v", err)
			}
		})
	}
}

// The pause between starts doubles, and has an end.
func TestPause(t *testing.T) {
	t.Parallel()
	c := &Connector{}
	for i := range 30 {
		before := time.Now()
		c.failure()
		if got, want := c.pause.Sub(before).Round(10*time.Millisecond), min(firstPause<<min(i, 16), longPause); got != want {
			t.Errorf("failure %d: %s, want %s", i, got, want)
		}
	}
}
