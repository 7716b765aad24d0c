package auth_test

import (
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/store"
)

// logins are those of a door.
func (d *door) logins(lasts time.Duration, stands func(string, store.Source) bool) *auth.Logins {
	d.t.Helper()
	if stands == nil {
		stands = func(string, store.Source) bool { return true }
	}
	l, err := auth.NewLogins(auth.LoginConfig{Shelf: d.db, Known: d.Known, Stands: stands, Now: func() time.Time { return d.now }, Rand: rand.NewChaCha8([32]byte{9}),
		Lasts: func() time.Duration { return lasts }})
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

// session is a fresh one of somebody, signed in by that.
func (d *door) session(who string, by store.Source) store.Session {
	d.t.Helper()
	w := httptest.NewRecorder()
	if err := d.BeginBy(w, d.with(), who, auth.Proof{Source: by}); err != nil {
		d.t.Fatal(err)
	}
	s, err := d.Session(d.with(w.Result().Cookies()...))
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func TestAProgramIsLetIn(t *testing.T) {
	t.Parallel()
	d := open(t)
	l := d.logins(time.Hour, nil)
	eve := access.Actor{Identity: "eve"}
	a, err := l.Ask(t.Context(), "lessor on laptop")
	if err != nil || len(a.Code) != 9 || a.Code[4] != '-' {
		t.Fatalf("%+v, %v", a, err)
	}
	collect := func(want error) auth.Grant {
		t.Helper()
		g, err := l.Collect(t.Context(), a.Device)
		if !errors.Is(err, want) {
			t.Errorf("collect: %+v, %v; want %v", g, err, want)
		}
		return g
	}
	d.now = d.now.Add(time.Second)
	collect(auth.ErrPending)
	d.now = d.now.Add(time.Second)
	collect(auth.ErrSlower)
	d.now = d.now.Add(auth.PollEvery)
	collect(auth.ErrPending)
	// However it is typed, it is that one; the code itself is no way to the token.
	found, err := l.Find(t.Context(), eve, " "+strings.ToLower(strings.ReplaceAll(a.Code, "-", " ")))
	if err != nil || found.Program != "lessor on laptop" {
		t.Errorf("%+v, %v", found, err)
	}
	if _, err := l.Collect(t.Context(), a.Code); !errors.Is(err, auth.ErrExpired) {
		t.Errorf("collected by the code: %v", err)
	}
	if err := l.Answer(t.Context(), eve, d.session("eve", store.Source{Provider: "corp", Subject: "s-eve"}), a.Code, true); err != nil {
		t.Fatal(err)
	}
	if err := l.Answer(t.Context(), access.Actor{Identity: "bob"}, d.session("bob", store.Source{}), a.Code, true); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("let in twice: %v", err)
	}
	g := collect(nil)
	if g.Identity != "eve" || !strings.HasPrefix(g.Token, "lessor_person_") || !g.End.Equal(d.now.Add(time.Hour)) {
		t.Errorf("%+v", g)
	}
	collect(auth.ErrExpired)
	if got, err := l.Token(t.Context(), g.Token); err != nil || got.Identity != "eve" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := l.Token(t.Context(), a.Device); !errors.Is(err, access.ErrDenied) {
		t.Errorf("what the program kept is a token: %v", err)
	}
	if err := l.End(t.Context(), g.Token); err != nil {
		t.Error(err)
	}
	if _, err := l.Token(t.Context(), g.Token); !errors.Is(err, access.ErrDenied) {
		t.Errorf("after its end: %v", err)
	}
}

func TestTokensOfPeopleEnd(t *testing.T) {
	t.Parallel()
	stands := true
	d := open(t)
	l := d.logins(time.Hour, func(string, store.Source) bool { return stands })
	let := func() string {
		t.Helper()
		a, err := l.Ask(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Answer(t.Context(), access.Actor{Identity: "eve"}, d.session("eve", store.Source{Provider: "corp"}), a.Code, true); err != nil {
			t.Fatal(err)
		}
		g, err := l.Collect(t.Context(), a.Device)
		if err != nil {
			t.Fatal(err)
		}
		return g.Token
	}
	is := func(what, token string, good bool) {
		t.Helper()
		if _, err := l.Token(t.Context(), token); (err == nil) != good || (err != nil && !errors.Is(err, access.ErrDenied)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	token := let()
	is("fresh", token, true)
	stands = false
	is("the way is gone", token, false)
	stands = true
	d.known = []string{"bob"}
	is("no longer known", token, false)
	d.known = []string{"eve"}
	is("known again", token, true)
	d.now = d.now.Add(time.Hour)
	is("after its time", token, false)
	token = let()
	if n, err := d.EndAll(t.Context(), "eve"); n == 0 || err != nil {
		t.Errorf("ended %d: %v", n, err)
	}
	is("ended everywhere", token, false)
	if _, err := d.logins(0, nil).Ask(t.Context(), "x"); !errors.Is(err, access.ErrDenied) {
		t.Errorf("where no program is let in: %v", err)
	}
}

// Codes cannot be guessed: five wrong ones, and then one a minute.
func TestCodesAreNotGuessed(t *testing.T) {
	t.Parallel()
	d := open(t)
	l := d.logins(time.Hour, nil)
	a, err := l.Ask(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		want := access.ErrNotFound
		if n >= 5 {
			want = access.ErrConflict
		}
		if _, err := l.Find(t.Context(), access.Actor{Identity: "eve"}, "BBBB-BBBB"); !errors.Is(err, want) {
			t.Errorf("guess %d: %v, want %v", n, err, want)
		}
	}
	// A guess that hits is worth no more than one that misses.
	eve := access.Actor{Identity: "eve"}
	if _, err := l.Find(t.Context(), eve, a.Code); !errors.Is(err, access.ErrConflict) {
		t.Errorf("the eleventh guess is right: %v", err)
	}
	if err := l.Answer(t.Context(), eve, d.session("eve", store.Source{}), a.Code, false); !errors.Is(err, access.ErrConflict) {
		t.Errorf("the twelfth guess refuses it: %v", err)
	}
	d.now = d.now.Add(time.Minute)
	if _, err := l.Find(t.Context(), eve, a.Code); err != nil {
		t.Errorf("after a minute: %v", err)
	}
	if _, err := l.Find(t.Context(), access.Actor{Identity: "bob"}, a.Code); err != nil {
		t.Errorf("bob is kept out by eve's guesses: %v", err)
	}
	d.now = d.now.Add(auth.LoginTime)
	if _, err := l.Find(t.Context(), access.Actor{Identity: "bob"}, a.Code); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("after its time: %v", err)
	}
}

// A strength that is for a while is over after it; a way that is gone is nobody's.
func TestASessionIsAsGoodAsItsProof(t *testing.T) {
	t.Parallel()
	stands := true
	d := open(t, func(c *auth.Config) { c.Stands = func(string, store.Source) bool { return stands } })
	w := httptest.NewRecorder()
	proof := auth.Proof{Source: store.Source{Provider: "corp", Subject: "s-eve", Session: "1"}, Strength: "mfa", StrongUntil: d.now.Add(10 * time.Minute)}
	if err := d.BeginBy(w, d.with(), "eve", proof); err != nil {
		t.Fatal(err)
	}
	eve := w.Result().Cookies()[0]
	d.is("strong", "eve", eve)
	if by, err := d.Source(d.with(eve)); err != nil || by != proof.Source {
		t.Errorf("%+v, %v", by, err)
	}
	d.now = d.now.Add(10 * time.Minute)
	if a, err := d.Who(d.with(eve)); err != nil || a.Identity != "eve" || a.Strength != "" {
		t.Errorf("afterwards: %+v, %v", a, err)
	}
	stands = false
	d.is("the way is gone", "", eve)
	stands = true
	if n, err := d.EndBy(t.Context(), store.Source{Provider: "corp", Session: "1"}, "m-1", d.now.Add(time.Minute)); n != 1 || err != nil {
		t.Errorf("ended %d: %v", n, err)
	}
	d.is("ended by the provider", "", eve)
}
