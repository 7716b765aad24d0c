package scim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/scim"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	secret := func() string { return token }
	for _, c := range []struct {
		name string
		cfg  scim.Config
		want string // in the error; empty: none
	}{
		{"https", scim.Config{BaseURL: "https://idp.example.org/scim/v2/", Token: secret}, ""},
		{"loopback", scim.Config{BaseURL: "http://127.0.0.1:8080/scim", Token: secret}, ""},
		{"loopback of IPv6", scim.Config{BaseURL: "http://[::1]/scim", Token: secret}, ""},
		{"localhost", scim.Config{BaseURL: "http://localhost/scim", Token: secret}, ""},
		{"plain http", scim.Config{BaseURL: "http://idp.example.org/scim", Token: secret}, "https"},
		{"plain http to what only begins like loopback", scim.Config{BaseURL: "http://127.0.0.1.example.org/", Token: secret}, "https"},
		{"another scheme", scim.Config{BaseURL: "ftp://idp.example.org/", Token: secret}, "https"},
		{"no scheme", scim.Config{BaseURL: "idp.example.org/scim", Token: secret}, "scheme, host and path"},
		{"a password in the URL", scim.Config{BaseURL: "https://me:hunter2@idp.example.org/", Token: secret}, "scheme, host and path"},
		{"a query", scim.Config{BaseURL: "https://idp.example.org/?a=b", Token: secret}, "scheme, host and path"},
		{"not a URL", scim.Config{BaseURL: "https://h\x00st/", Token: secret}, "not a URL"},
		{"no token", scim.Config{BaseURL: "https://idp.example.org/"}, "Token"},
		{"negative timeout", scim.Config{BaseURL: "https://idp.example.org/", Token: secret, Timeout: -1}, "negative"},
	} {
		_, err := scim.New(c.cfg)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want one that says %q", c.name, err, c.want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the error shows the password: %v", c.name, err)
		}
	}
}

// The token may change at any time, and is shown to nobody but the target.
func TestToken(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get("Authorization"))
		scimError(w, http.StatusUnauthorized, "I do not know "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	var turn atomic.Int64
	var now atomic.Value
	c, err := scim.New(scim.Config{BaseURL: server.URL, Token: func() string {
		if s, ok := now.Load().(string); ok {
			return s
		}
		return fmt.Sprintf("secret-%d", turn.Add(1))
	}})
	if err != nil {
		t.Fatal(err)
	}
	seen := look(t, c, "ann", "db")
	wants(t, seen.Err, connector.ErrRefused)
	if strings.Contains(seen.Err.Error(), "secret-") {
		t.Errorf("the error shows the token: %v", seen.Err)
	}
	if len(got) != 2 || got[0] == got[1] || !strings.HasPrefix(got[0], "Bearer secret-") {
		t.Errorf("the requests bore %q, want a token of its own each", got)
	}
	for _, bad := range []string{"", "a\r\nX-Evil: 1"} {
		now.Store(bad)
		wants(t, one(t, c, put("ann", "db")), connector.ErrUnreachable)
	}
	if len(got) != 2 {
		t.Errorf("requests were sent without a usable token: %q", got)
	}
}

func TestRedirectsAreRefused(t *testing.T) {
	t.Parallel()
	var reached atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 307, 308} {
		target, c := between(t, func(next http.Handler) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPatch {
					http.Redirect(w, r, elsewhere.URL, status)
					return
				}
				next.ServeHTTP(w, r)
			}
		})
		must(target.AddUser("ann"))
		must(target.AddGroup("db"))
		wants(t, one(t, c, put("ann", "db")), connector.ErrRefused)
	}
	c := against(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	wants(t, look(t, c, "ann", "db").Err, connector.ErrRefused)
	if reached.Load() > 0 {
		t.Errorf("%d redirects were followed", reached.Load())
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		name, header string
		status       int
		read         bool // it is the read before the write that is answered so
		want         error
		wait         time.Duration
	}{
		{"429 in seconds", "7", 429, false, connector.ErrRefused, 7 * time.Second},
		{"503 at a time", "Wed, 02 Jan 2030 03:05:05 GMT", 503, false, connector.ErrUnanswered, time.Minute},
		{"503 at a time that is past", "Wed, 02 Jan 2030 03:00:00 GMT", 503, false, connector.ErrUnanswered, 0},
		{"more than a day", "99999999999", 429, false, connector.ErrRefused, 24 * time.Hour},
		{"429 before the write", "7", 429, true, connector.ErrRefused, 7 * time.Second},
		{"503 before the write: nothing was sent", "7", 503, true, connector.ErrUnreachable, 7 * time.Second},
	} {
		var patches atomic.Int64
		b := &book{users: map[string]string{}, groups: map[string]string{"g": `{"id":"g","displayName":"db","members":[]}`}}
		var changes []connector.Change
		for i := range 600 {
			b.users[fmt.Sprintf("u%d", i)] = fmt.Sprintf(`{"id":"u%d","userName":"p%d"}`, i, i)
			changes = append(changes, put(fmt.Sprintf("user:u%d", i), "db"))
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.read && r.URL.Path == "/Groups/g" || r.Method == http.MethodPatch {
				patches.Add(1)
				w.Header().Set("Retry-After", c.header)
				scimError(w, c.status, "not so fast")
				return
			}
			r.URL.Path = "/v2" + r.URL.Path
			b.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		conn := must(scim.New(scim.Config{BaseURL: server.URL, Token: func() string { return token }, Now: func() time.Time { return now }}))
		results := conn.Apply(soon(t), changes)
		wait := (*connector.RetryAfter)(nil)
		if err := results[0].Err; !errors.Is(err, c.want) || !errors.As(err, &wait) || wait.Wait != c.wait {
			t.Errorf("%s: %v, want %q and to wait %s", c.name, err, c.want, c.wait)
		}
		// It wants to be left alone: the second chunk is not sent.
		last := results[len(results)-1].Err
		if want := connector.ErrUnreachable; !c.read && !errors.Is(last, want) || !errors.As(last, &wait) {
			t.Errorf("%s: the rest: %v, want %q", c.name, last, want)
		}
		if patches.Load() != 1 {
			t.Errorf("%s: asked %d times, want once", c.name, patches.Load())
		}
	}
}

// An answer without end fills neither the memory nor the time, and its beginning
// is no answer though it reads like one.
func TestEndlessAnswer(t *testing.T) {
	t.Parallel()
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"totalResults":0,"Resources":[]}`)
		for blank := strings.Repeat(" ", 1<<20); r.Context().Err() == nil; {
			if _, err := io.WriteString(w, blank); err != nil {
				return
			}
		}
	})
	wants(t, look(t, c, "ann", "db").Err, connector.ErrRefused)
}

// What is no SCIM answer says nothing of the object: a wrong path or a gateway's
// page must not prove a removal.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a gateway's 404":       func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) },
		"404 for the list":      func(w http.ResponseWriter, _ *http.Request) { scimError(w, 404, "no such endpoint") },
		"410":                   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) },
		"a page":                func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>sign in</html>") },
		"no total":              func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"Resources":[]}`) },
		"a total below nothing": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"totalResults":-1}`) },
		"another object":        func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) },
		"nothing":               func(http.ResponseWriter, *http.Request) {},
		"no id": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"totalResults":1,"Resources":[{"displayName":"db","userName":"ann"}]}`)
		},
	} {
		c := against(t, answer)
		if s := look(t, c, "ann", "db"); s.Err == nil {
			t.Errorf("%s: taken for %+v", name, s)
		}
		for _, ch := range []connector.Change{put("ann", "db"), take("ann", "db")} {
			if err := one(t, c, ch); err == nil || errors.Is(err, connector.ErrNoObject) {
				t.Errorf("%s: want %t: %v, want an error that does not say it is gone", name, ch.Want, err)
			}
		}
		if got, err := observe(t, c); err == nil {
			t.Errorf("%s: observed %v without an error", name, got)
		}
	}
	for name, status := range map[string]int{"a gateway's 404": http.StatusNotFound, "a gateway's 410": http.StatusGone} {
		c := against(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		wants(t, look(t, c, "user:u", "group:g").Err, connector.ErrRefused)
		if err := one(t, c, take("user:u", "group:g")); err == nil {
			t.Errorf("%s: taken for a removal", name)
		}
	}
	byID := against(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"another","userName":"ann","displayName":"db","members":[]}`)
	})
	wants(t, look(t, byID, "user:u", "group:g").Err, connector.ErrRefused)
}

// A call waits no longer than it may, however long others wait.
func TestStuckServer(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 64)
	c := against(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	long, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 8 { // more than may be under way at once
		wg.Go(func() { c.Look(long, []connector.Ref{{Account: "ann", Object: "db"}}) })
	}
	for range 4 {
		<-arrived
	}
	short, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	start := time.Now()
	seen := c.Look(short, []connector.Ref{{Account: "bob", Object: "db"}})[0]
	wants(t, seen.Err, connector.ErrUnreachable)
	err := c.Apply(short, []connector.Change{take("bob", "db")})[0].Err
	wants(t, err, connector.ErrUnreachable)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s of the 50 ms it had", took)
	}
	cancel()
	wg.Wait()
}

// The timeout of one request ends it though the call has more time.
func TestRequestTimeout(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(server.Close)
	c := must(scim.New(scim.Config{BaseURL: server.URL, Token: func() string { return token }, Timeout: 20 * time.Millisecond}))
	start := time.Now()
	wants(t, look(t, c, "ann", "db").Err, context.DeadlineExceeded)
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %s of the 20 ms one request has", took)
	}
	wants(t, one(t, c, take("ann", "db")), connector.ErrUnreachable) // it was a read that went unanswered
}

// A write for which there was no connection was not sent, and says so, though the
// reads before it went through.
func TestLineCutBeforeTheWrite(t *testing.T) {
	t.Parallel()
	b := &book{users: map[string]string{"u": `{"id":"u","userName":"ann"}`}, groups: map[string]string{"g": `{"id":"g","displayName":"db","members":[]}`}}
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/Groups/g" {
			_ = server.Listener.Close()
		}
		b.ServeHTTP(w, r)
	})
	server.Config.SetKeepAlivesEnabled(false) // every request needs a connection of its own
	server.Start()
	t.Cleanup(server.Close)
	wants(t, one(t, connect(t, server.URL+"/v2", token), put("ann", "db")), connector.ErrUnreachable)
	if len(b.patched) > 0 {
		t.Errorf("a PATCH arrived: %q", b.patched)
	}
}
