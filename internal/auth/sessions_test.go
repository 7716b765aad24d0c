package auth_test

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/store"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// door is sessions over a fresh database, a clock held by hand, and who is known.
type door struct {
	*auth.Sessions
	t     *testing.T
	db    *store.DB
	now   time.Time
	known []string
}

func open(t *testing.T, change ...func(*auth.Config)) *door {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "lessor.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &door{t: t, db: db, now: noon, known: []string{"eve", "bob"}}
	c := auth.Config{Shelf: db, Known: func(id string, _ time.Time) (bool, error) { return slices.Contains(d.known, id), nil }, Now: func() time.Time { return d.now },
		Rand: rand.NewChaCha8([32]byte{7}), Idle: time.Hour, Longest: 8 * time.Hour}
	for _, do := range change {
		do(&c)
	}
	if d.Sessions, err = auth.New(c); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *door) with(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// begin signs somebody in, in a browser that has these cookies.
func (d *door) begin(who string, cookies ...*http.Cookie) *http.Cookie {
	d.t.Helper()
	w := httptest.NewRecorder()
	if err := d.Begin(w, d.with(cookies...), who, "mfa"); err != nil {
		d.t.Fatal(err)
	}
	return w.Result().Cookies()[0]
}

func (d *door) is(what, want string, cookies ...*http.Cookie) {
	d.t.Helper()
	a, err := d.Who(d.with(cookies...))
	if want == "" {
		if !errors.Is(err, access.ErrDenied) {
			d.t.Errorf("%s: %+v, %v; want nobody", what, a, err)
		}
		return
	}
	if err != nil || a.Identity != want || a.Channel != "portal" || a.Strength != "mfa" {
		d.t.Errorf("%s: %+v, %v; want %s", what, a, err, want)
	}
}

func TestSessionsSayWhoIsThere(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.is("nobody", "")
	eve := d.begin("eve")
	d.is("eve", "eve", eve)
	d.is("a token of no session", "", &http.Cookie{Name: eve.Name, Value: "x" + eve.Value[1:]})
	d.is("the hash in the token's place", "", &http.Cookie{Name: eve.Name, Value: "0000"})
	d.is("two cookies of that name", "", eve, eve)
	// Rotated at sign-in: the browser's old token is worth nothing, even to itself.
	again := d.begin("eve", eve)
	if again.Value == eve.Value {
		t.Error("the token was kept")
	}
	d.is("the token before", "", eve)
	d.is("the token after", "eve", again)
	// Whoever signs in beside it is somebody else.
	bob := d.begin("bob")
	d.is("bob", "bob", bob)
	if err := d.Begin(httptest.NewRecorder(), d.with(), "mallory", ""); !errors.Is(err, access.ErrDenied) {
		t.Errorf("somebody nobody knows: %v", err)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	d := open(t)
	out := d.begin("eve")
	w := httptest.NewRecorder()
	if err := d.End(w, d.with(out)); err != nil || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("sign out: %v, %v", w.Result().Cookies(), err)
	}
	d.is("signed out", "", out)

	all := []*http.Cookie{d.begin("eve"), d.begin("eve")}
	if n, err := d.EndAll(t.Context(), "eve"); n != 2 || err != nil {
		t.Errorf("ended %d: %v", n, err)
	}
	d.is("ended everywhere", "", all[0])
	d.is("ended everywhere", "", all[1])

	idle := d.begin("eve")
	for range 7 { // used every hour but a minute, it goes on …
		d.now = d.now.Add(59 * time.Minute)
		d.is("used", "eve", idle)
	}
	d.now = d.now.Add(time.Hour) // … unused for an hour it does not
	d.is("unused", "", idle)

	left := d.begin("eve") // a page that is left open asks by itself, and nobody uses it
	for range 59 {
		d.now = d.now.Add(time.Minute)
		if a, err := d.Still(d.with(left)); err != nil || a.Identity != "eve" {
			t.Fatalf("a page asks: %+v, %v", a, err)
		}
	}
	d.now = d.now.Add(time.Minute)
	d.is("only asked by a page", "", left)
	if _, err := d.Still(d.with(left)); !errors.Is(err, access.ErrDenied) {
		t.Errorf("a page that is left open, after it all: %v", err)
	}

	long := d.begin("eve")
	for range 16 {
		d.now = d.now.Add(29 * time.Minute)
		d.is("used", "eve", long)
	}
	d.now = d.now.Add(29 * time.Minute)
	d.is("used for too long", "", long)

	left = d.begin("eve")
	d.known = []string{"bob"}
	d.is("no longer known", "", left)
}

// The token is nowhere in the database.
func TestOnlyTheHashIsKept(t *testing.T) {
	t.Parallel()
	d := open(t)
	c := d.begin("eve")
	if _, err := d.db.Session(t.Context(), c.Value); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("found by the token itself: %v", err)
	}
}

func TestCookiesAreHeldClose(t *testing.T) {
	t.Parallel()
	c := open(t).begin("eve")
	if c.Name != "__Host-lessor" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("under https: %+v", c)
	}
	c = open(t, func(c *auth.Config) { c.Plain = true }).begin("eve")
	if c.Name != "lessor" || c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("on plain loopback: %+v", c)
	}
}

func TestConfigThatCannotBe(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]auth.Config{
		"nothing": {},
		"an idle time below the writing of it": {Shelf: &store.DB{}, Known: func(string, time.Time) (bool, error) { return true, nil }, Now: time.Now,
			Rand: rand.NewChaCha8([32]byte{}), Idle: time.Second, Longest: time.Hour},
	} {
		if _, err := auth.New(c); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestPaceIsEachOnesOwn(t *testing.T) {
	t.Parallel()
	p := auth.Pace{Burst: 3, PerSec: 1}
	spend := func(who string, at time.Duration) bool { return p.Spend(who, noon.Add(at)) }
	for i, want := range []bool{true, true, true, false} {
		if got := spend("eve", 0); got != want {
			t.Errorf("eve's spending %d: %v", i, got)
		}
	}
	if !spend("bob", 0) || spend("eve", time.Second/2) || !spend("eve", time.Second) || spend("eve", time.Second) {
		t.Error("it does not fill one a second, each for himself")
	}
	for i := range 3 {
		if !spend("eve", time.Hour) {
			t.Errorf("after an hour, spending %d", i)
		}
	}
	if spend("eve", time.Hour) {
		t.Error("more than a burst was saved up")
	}
}
