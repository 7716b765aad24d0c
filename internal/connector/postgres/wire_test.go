package postgres

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// failure is what a look fails with.
func failure(t testing.TB, cfg Config) error {
	t.Helper()
	err := connect(t, cfg).Look(t.Context(), []connector.Ref{ref("ann", "team")})[0].Err
	if err == nil {
		t.Fatal("the look succeeded")
	}
	return err
}

// The password is given only to the server whose certificate is the host's, by
// our roots, over TLS, and to one that asks for scram.
func TestTLSIsVerified(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		noTLS := newProxy(t, w)
		noTLS.mu.Lock()
		noTLS.plain = true
		noTLS.mu.Unlock()
		elsewhere := newProxyOn(t, w, "127.0.0.2:0") // with a certificate that is not for there
		_, number, _ := net.SplitHostPort(w.Address)
		for name, x := range map[string]struct {
			change func(*Config)
			says   string
		}{
			"other roots":  {func(c *Config) { c.CA = x509.NewCertPool() }, "unknown authority"},
			"other host":   {func(c *Config) { c.URL = "postgres://" + elsewhere.address }, "not 127.0.0.2"},
			"no TLS":       {func(c *Config) { c.URL = "postgres://" + noTLS.address }, "refused TLS"},
			"wrong secret": {func(c *Config) { c.Password = func() string { return "wrong-77aa" } }, "28P01"},
			"no secret":    {func(c *Config) { c.Password = func() string { return "" } }, "no password"},
			"no such role": {func(c *Config) { c.User = "nobody-at-all" }, "28P01"},
			"no database":  {func(c *Config) { c.URL += "/nowhere" }, "3D000"},
		} {
			cfg := w.config()
			x.change(&cfg)
			err := failure(t, cfg)
			if !strings.Contains(err.Error(), x.says) {
				t.Errorf("%s: %v, want %q in it", name, err, x.says)
			}
			answered := x.says == "28P01" || x.says == "3D000"
			if errors.Is(err, connector.ErrRefused) != answered || errors.Is(err, connector.ErrUnreachable) == answered {
				t.Errorf("%s: %v, want refused %t, otherwise unreachable", name, err, answered)
			}
			for _, secret := range []string{svcSecret, "wrong-77aa"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the password stands in %v", name, err)
				}
			}
			if r := connect(t, cfg).Apply(t.Context(), []connector.Change{add("ann", "team")})[0]; r.Err == nil || errors.Is(r.Err, connector.ErrUnanswered) {
				t.Errorf("%s: Apply says %v, want that nothing was sent", name, r.Err)
			}
		}
		// Its own certificate is for localhost and 127.0.0.1.
		cfg := w.config()
		cfg.URL = "postgres://localhost:" + number + "/postgres"
		if s := connect(t, cfg).Look(t.Context(), []connector.Ref{ref("ann", "team")})[0]; s.Err != nil {
			t.Error(s.Err)
		}
		cfg = w.config()
		cfg.Plain, cfg.CA = true, nil
		if s := connect(t, cfg).Look(t.Context(), []connector.Ref{ref("ann", "team")})[0]; s.Err != nil {
			t.Error(s.Err)
		}
	})
}

// A server that asks for the password in the clear or by md5 does not get it.
func TestOnlyScram(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string][]byte{
		"in the clear": {'R', 0, 0, 0, 8, 0, 0, 0, 3},
		"md5":          {'R', 0, 0, 0, 12, 0, 0, 0, 5, 1, 2, 3, 4},
		"not at all":   {'R', 0, 0, 0, 8, 0, 0, 0, 0},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		got := make(chan byte, 16)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				if _, _, err := first(conn); err == nil {
					_, _ = conn.Write(ask)
					if kind, _, err := message(conn); err == nil {
						got <- kind
					}
				}
				_ = conn.Close()
			}
		}()
		err = failure(t, Config{URL: "postgres://" + l.Addr().String(), Plain: true, User: svc, Password: func() string { return svcSecret }})
		if !errors.Is(err, connector.ErrUnreachable) {
			t.Errorf("%s: %v, want %q", name, err, connector.ErrUnreachable)
		}
		select {
		case kind := <-got:
			if kind == 'p' {
				t.Errorf("%s: the password was sent", name)
			}
		default:
		}
	}
}

// The process's environment, meant for other clients, changes nothing.
func TestEnvironmentIsNotHeard(t *testing.T) { // not parallel: it sets the environment
	w := open(t, "15")
	for name, value := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGUSER": "postgres", "PGPASSWORD": testserver.PGTargetSecret, "PGDATABASE": "nowhere", "PGSSLMODE": "disable",
		"PGOPTIONS": "-c role=postgres", "PGTARGETSESSIONATTRS": "standby", "PGREQUIREAUTH": "none", "PGCHANNELBINDING": "disable",
		"PGSSLNEGOTIATION": "direct", "PGAPPNAME": "other", "PGCONNECT_TIMEOUT": "1",
	} {
		t.Setenv(name, value)
	}
	c := connect(t, w.config())
	if s := c.Look(t.Context(), []connector.Ref{ref("ann", "team")})[0]; s.Err != nil {
		t.Fatal(s.Err)
	}
	cfg := w.config()
	cfg.Password = func() string { return "" }
	if err := failure(t, cfg); !errors.Is(err, connector.ErrUnreachable) {
		t.Errorf("without a password of ours: %v", err)
	}
	cfg = w.config()
	cfg.CA = x509.NewCertPool()
	if err := failure(t, cfg); !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("with other roots: %v", err)
	}
}

// The password is asked for each connection.
func TestPasswordIsRotated(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		name := w.account(t, "svc-rotated")
		var asked atomic.Int32
		var secret atomic.Value
		secret.Store(accountSecret)
		cfg := w.config()
		cfg.User, cfg.Password = name, func() string { asked.Add(1); return secret.Load().(string) }
		c := connect(t, cfg)
		look(t, c, "ann", "team")
		w.Exec(t, "alter role "+quoted(name)+" password 'next-1c1c'")
		secret.Store("next-1c1c")
		c.pool.Reset()
		look(t, c, "ann", "team")
		if asked.Load() != 2 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

// Whatever ends before COMMIT is sent has no effect, and is said to have none; the
// connection's end after it leaves it open.
func TestEndsMidway(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ann, object := w.account(t, "ann-midway"), w.object(t, "role-midway")
		p := newProxy(t, w)
		cfg := w.config()
		cfg.URL = "postgres://" + p.address
		c := connect(t, cfg)
		for name, x := range map[string]struct {
			instead string
			want    error
		}{
			"terminated":      {"select pg_terminate_backend(pg_backend_pid())", connector.ErrUnreachable},
			"cancelled":       {refusal("57014"), connector.ErrRefused},
			"read-only":       {refusal("25006"), connector.ErrRefused},
			"an unknown code": {refusal("ZZZZZ"), connector.ErrRefused},
			"a deadlock":      {refusal("40P01"), connector.ErrRefused},
			"role dropped":    {refusal("42704"), connector.ErrNoObject},
		} {
			p.mu.Lock()
			p.instead = func(string) string { return x.instead }
			p.mu.Unlock()
			if err := c.Apply(t.Context(), []connector.Change{add(ann, object)})[0].Err; !errors.Is(err, x.want) || errors.Is(err, connector.ErrUnanswered) {
				t.Errorf("%s: %v, want %q", name, err, x.want)
			}
		}
		// Once crossed by another writer, it is tried once more.
		p.mu.Lock()
		times := 0
		p.instead = func(s string) string {
			if times++; times == 1 {
				return refusal("23505")
			}
			return s
		}
		p.mu.Unlock()
		apply(t, c, add(ann, object))
		if got := w.members(t, object); len(got) != 1 || times != 2 {
			t.Errorf("members %q after %d statements", got, times)
		}
	})
}

// A server that takes everything in and says nothing holds nobody up.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := connect(t, Config{URL: "postgres://" + l.Addr().String(), Plain: true, User: svc, Password: func() string { return svcSecret }, Timeout: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := c.Apply(ctx, []connector.Change{add("ann", "team")})[0].Err; !errors.Is(err, connector.ErrUnreachable) {
		t.Errorf("%v, want %q", err, connector.ErrUnreachable)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// A role that answers commits before they are on disk is made to wait; one that
// waits for more goes on doing so.
func TestCommitsLast(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for set, want := range map[string]string{"off": "on", "local": "local", "remote_apply": "remote_apply"} {
			name := w.account(t, "svc-"+set)
			w.Exec(t, "alter role "+quoted(name)+" set synchronous_commit = "+set)
			cfg := w.config()
			cfg.User, cfg.Password = name, func() string { return accountSecret }
			l, err := connect(t, cfg).lend(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := read[struct{ Is string }](l, "select current_setting('synchronous_commit')")
			if l.giveBack(); err != nil || got[0].Is != want {
				t.Errorf("%s: %v, %v, want %s", set, got, err, want)
			}
		}
	})
}

// AB-54: a standby shows what was. Nothing is read from one.
func TestAB54StandbyIsNotBelieved(t *testing.T) {
	t.Parallel()
	s := testserver.PostgresStandby(t, "15")
	cfg := Config{URL: "postgres://" + s.Address, CA: s.CA, User: "postgres", Password: func() string { return testserver.PGTargetSecret }}
	if err := failure(t, cfg); !errors.Is(err, connector.ErrUnreachable) || !strings.Contains(err.Error(), "standby") {
		t.Errorf("%v, want %q, and why", err, connector.ErrUnreachable)
	}
}

// When one connection is found dead, the others are not tried one after another.
func TestDeadConnections(t *testing.T) {
	t.Parallel()
	w := open(t, "15")
	p := newProxy(t, w)
	cfg := w.config()
	cfg.URL = "postgres://" + p.address
	c := connect(t, cfg)
	var lines []*line
	for range c.connections {
		l, err := c.lend(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	p.cutAll()
	for _, l := range lines {
		l.giveBack()
	}
	if s := c.Look(t.Context(), []connector.Ref{ref("ann", "team")})[0]; s.Err != nil && !errors.Is(s.Err, connector.ErrUnanswered) {
		t.Errorf("the first look: %v", s.Err)
	}
	look(t, c, "ann", "team")
}
