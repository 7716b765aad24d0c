package exec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

// add makes an account; the lock is held, here and below.
func (w *world) add(name string) {
	w.accounts[name] = true
	if w.numbers[name] == "" {
		w.number++
		w.numbers[name] = strconv.Itoa(w.number)
	}
}

func (w *world) rename(account, name string) {
	delete(w.accounts, account)
	w.accounts[name], w.numbers[name] = true, w.numbers[account]
	delete(w.numbers, account)
}

// tell says that the object changed, to whoever follows.
func (w *world) tell(object string) {
	for news := range w.follows {
		news <- object // long enough for all that a promise does
	}
}

// cutOff ends every feed.
func (w *world) cutOff() {
	for news := range w.follows {
		close(news)
	}
	clear(w.follows)
}

// open opens a session; the lock is not held.
func (w *world) open(account string) connectortest.Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.number++
	id := fmt.Sprint("s", w.number)
	w.sessions[id] = account
	return connectortest.Session{
		Alive: func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.sessions[id] != "" },
		Leave: func() { w.mu.Lock(); defer w.mu.Unlock(); delete(w.sessions, id) },
	}
}

func (w *world) listAccounts(req request) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault == "down" {
		return line(req.ID, "error", fail("unreachable"))
	}
	var b bytes.Buffer
	for some := range slices.Chunk(slices.Sorted(maps.Keys(w.numbers)), 7) {
		var list []map[string]any
		for _, name := range some {
			list = append(list, map[string]any{"name": name, "id": w.numbers[name]})
		}
		b.WriteString(line(req.ID, "accounts", list))
	}
	b.WriteString(line(req.ID, "end", map[string]int{"count": len(w.numbers)}))
	return b.String()
}

// follow prints what changes until the program is gone or the line is.
func (w *world) follow(conn net.Conn, req request) {
	w.mu.Lock()
	if w.fault == "down" {
		w.mu.Unlock()
		_, _ = io.WriteString(conn, line(req.ID, "error", fail("unreachable")))
		return
	}
	news := make(chan string, 10000)
	w.follows[news] = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.follows, news)
	}()
	text := line(req.ID, "changed", []string{})
	for {
		if _, err := io.WriteString(conn, text); err != nil {
			return
		}
		object, up := <-news
		if !up {
			_, _ = io.WriteString(conn, line(req.ID, "error", fail("unanswered")))
			return
		}
		text = line(req.ID, "changed", []string{object})
	}
}

// able is a world whose program can do everything.
func able(t *testing.T) *world {
	t.Helper()
	w := staffed(t)
	h := &w.hello
	h.Accounts, h.Authors, h.Traces, h.Credentials, h.Follows = true, true, true, true, true
	return w
}

// What the settings do not say, the connector is not, and refuses.
func TestBesidesAsSet(t *testing.T) {
	t.Parallel()
	c := staffed(t).connect(t)
	_, accounts := connector.As[connector.Accounts](c)
	_, authors := connector.As[connector.Attribution](c)
	_, traces := connector.As[connector.Lineage](c)
	_, credentials := connector.As[connector.Credentials](c)
	_, follows := connector.As[connector.Feed](c)
	_, sessions := connector.As[connector.Sessions](c)
	if accounts || authors || traces || credentials || follows || sessions {
		t.Error("a program that can do nothing besides is taken for more")
	}
	_, err1 := c.Authors(t.Context(), annAtDB)
	_, err2 := c.Traces(t.Context(), nil)
	for i, err := range []error{err1, err2, c.Accounts(t.Context(), nil), c.Credentials(t.Context(), nil), c.Follow(t.Context(), nil)} {
		if !errors.Is(err, connector.ErrRefused) {
			t.Errorf("%d: %v", i, err)
		}
	}
	can := able(t).connect(t)
	if _, is := connector.As[connector.Accounts](can); !is {
		t.Error("a program that can is not taken for one")
	}
	// Settings and hello must say the same.
	w := able(t)
	bad := w.connect(t, func(cfg *Config) { cfg.Besides.Traces = false })
	if s := bad.Look(t.Context(), annAtDB)[0]; s.Err == nil || !has(s.Err.Error(), "says traces: true in hello") {
		t.Errorf("hello says more than the settings: %v", s.Err)
	}
}

// gives has the world answer a verb with these lines.
func (w *world) gives(verb string, parts ...string) {
	w.bends(verb, func(req request, _ string) string {
		var b strings.Builder
		for _, p := range parts {
			fmt.Fprintf(&b, "{\"id\":%d,%s}\n", req.ID, p)
		}
		return b.String()
	})
}

// Authors, traces and credentials arrive as the program says them, and cleaned.
func TestBesidesRead(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	w := able(t)
	w.gives("authors", `"authors":[{"account":"ann","object":"db","author":"root\u001b[31m at noon"}]`)
	got, err := w.connect(t).Authors(t.Context(), append(annAtDB, connector.Ref{Object: "db"}))
	if want := map[connector.Ref]string{annAtDB[0]: "root [31m at noon"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("authors %v, %v", got, err)
	}
	w = able(t)
	w.gives("traces", `"traces":[{"by":"ann","what":"owns table t"}]`, `"traces":[{"by":"ann","what":"made eve","at":"2026-03-04T05:06:07Z"}]`, `"end":{"count":2}`)
	traces, err := w.connect(t).Traces(t.Context(), []string{"ann"})
	if want := []connector.Trace{{By: "ann", What: "owns table t"}, {By: "ann", What: "made eve", At: at}}; err != nil || !reflect.DeepEqual(traces, want) {
		t.Errorf("traces %v, %v", traces, err)
	}
	w = able(t)
	w.gives("credentials", `"credentials":[{"id":"k1","kind":"ssh key","account":"ann","objects":["db"],"name":"laptop","print":"SHA256:x","issued":"2026-03-04T05:06:07Z","end_unknown":true},{"id":"k2","kind":"token","ends":"2026-03-04T05:06:07Z","used":"2026-03-04T05:06:07Z"}]`, `"end":{"count":2}`)
	var keys []connector.Credential
	err = w.connect(t).Credentials(t.Context(), func(c connector.Credential) error { keys = append(keys, c); return nil })
	if want := []connector.Credential{{ID: "k1", Kind: "ssh key", Account: "ann", Objects: []string{"db"}, Name: "laptop", Print: "SHA256:x", Issued: at, EndUnknown: true},
		{ID: "k2", Kind: "token", Ends: at, Used: at}}; err != nil || !reflect.DeepEqual(keys, want) {
		t.Errorf("credentials %+v, %v", keys, err)
	}
}

// What is not of the protocol, or was cut short, is an error and never a shorter list.
func TestBesidesNonsense(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		verb  string
		parts []string
		says  string
	}{
		"a short count":                 {"accounts", []string{`"accounts":[{"name":"ann","id":"1"}]`, `"end":{"count":2}`}, "gave 1 accounts and counts 2"},
		"no end":                        {"accounts", []string{`"accounts":[{"name":"ann"}]`, `"error":{"kind":"unreachable","message":"it went away"}`}, "after 1 accounts"},
		"an account without a name":     {"accounts", []string{`"accounts":[{"id":"1"}]`}, "without a name"},
		"accounts that are holdings":    {"accounts", []string{`"holdings":[{"account":"ann","object":"db"}]`}, "answered accounts with holdings"},
		"an author of something else":   {"authors", []string{`"authors":[{"account":"eve","object":"db","author":"root"}]`}, "not asked for"},
		"authors that are none":         {"authors", []string{`"ok":true`}, "answered authors with ok"},
		"a trace by somebody else":      {"traces", []string{`"traces":[{"by":"eve","what":"x"}]`}, "not asked for"},
		"a trace of nothing":            {"traces", []string{`"traces":[{"by":"ann"}]`}, "of nothing"},
		"a credential without a kind":   {"credentials", []string{`"credentials":[{"id":"1"}]`}, "without an id or a kind"},
		"an end that is known and not":  {"credentials", []string{`"credentials":[{"id":"1","kind":"k","ends":"2026-03-04T05:06:07Z","end_unknown":true}]`}, "nobody knows"},
		"a credential with its secret":  {"credentials", []string{`"credentials":[{"id":"1","kind":"k","secret":"hunter2"}]`}, "broke the protocol"},
		"a feed that begins in between": {"follow", []string{`"changed":["db"]`}, "did not say first"},
		"a feed of nothing":             {"follow", []string{`"changed":[]`, `"changed":[""]`}, "without a name"},
		"a feed that is a look":         {"follow", []string{`"changed":[]`, `"ok":true`}, "answered follow with ok"},
		"a feed that fails":             {"follow", []string{`"changed":[]`, `"error":{"kind":"unreachable","message":"cut off"}`}, "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := able(t)
			w.gives(x.verb, x.parts...)
			c := w.connect(t)
			var err error
			switch x.verb {
			case "accounts":
				err = c.Accounts(t.Context(), func(connector.Account) error { return nil })
			case "authors":
				_, err = c.Authors(t.Context(), annAtDB)
			case "traces":
				_, err = c.Traces(t.Context(), []string{"ann"})
			case "credentials":
				err = c.Credentials(t.Context(), func(connector.Credential) error { return nil })
			case "follow":
				err = c.Follow(t.Context(), func([]string) {})
			}
			if err == nil || !has(err.Error(), x.says) {
				t.Errorf("%v, want %q", err, x.says)
			}
		})
	}
}

// A program that hangs while it follows would be listened to for ever.
func TestFollowHangs(t *testing.T) {
	t.Parallel()
	w := able(t)
	w.answers = func(req request, right string) string {
		switch req.Verb {
		case "ping":
			return hangNow + "\n"
		case "follow":
			return line(req.ID, "changed", []string{}) + hangNow + "\n"
		}
		return right
	}
	c := w.connect(t)
	c.followPing = 10 * time.Millisecond
	heard := 0
	err := c.Follow(t.Context(), func([]string) { heard++ })
	if err == nil || !has(err.Error(), "did not answer a ping") || heard != 1 {
		t.Errorf("%v, after %d words", err, heard)
	}
	w = able(t)
	w.hello.InFlight = 1
	if err := w.connect(t).Follow(t.Context(), func([]string) {}); err == nil || !has(err.Error(), "in_flight of 1") {
		t.Errorf("a program that does one thing at a time: %v", err)
	}
}
