package store

import (
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// What a provider says has ended ends, once, and nothing else.
func TestSessionsEndByTheirProvider(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		for hash, of := range map[string]Source{"a": {"corp", "s-eve", "1"}, "b": {"corp", "s-eve", "2"}, "c": {"corp", "s-bob", "3"}, "d": {"home", "s-eve", "1"}, "e": {}, "f": {"corp", "s-bob", ""}} {
			s := Session{Hash: hash, Identity: "eve", Strength: "mfa", Began: noon, Seen: noon, End: noon.Add(time.Hour), Source: of, StrongUntil: noon.Add(time.Minute)}
			must(t, db.BeginSession(ctx, s, "", noon))
			got, err := db.Session(ctx, hash)
			same(t, "session "+hash, got, err, s)
		}
		left := func(want string) {
			t.Helper()
			got := ""
			for _, h := range []string{"a", "b", "c", "d", "e", "f"} {
				if _, err := db.Session(ctx, h); err == nil {
					got += h
				}
			}
			if got != want {
				t.Errorf("left are %q, want %q", got, want)
			}
		}
		end := func(of Source, id string, now time.Time, want int64, err error) {
			t.Helper()
			if n, got := db.EndSessionsBy(ctx, of, id, now.Add(time.Minute), now); n != want || !errors.Is(got, err) {
				t.Errorf("%v: ended %d, %v; want %d, %v", of, n, got, want, err)
			}
		}
		end(Source{"corp", "", "1"}, "m-1", noon, 1, nil)
		left("bcdef")
		end(Source{"corp", "s-eve", ""}, "m-1", noon, 0, access.ErrConflict)
		left("bcdef")
		end(Source{"home", "s-eve", "9"}, "m-1", noon, 0, nil) // another provider's message of that id; none of its sessions
		left("bcdef")
		end(Source{"corp", "s-bob", "2"}, "m-2", noon, 1, nil) // the session is not that person's; one of theirs that names none may be it
		left("bcde")
		end(Source{"corp", "s-eve", ""}, "m-3", noon, 1, nil)
		left("cde")
		end(Source{"corp", "s-bob", ""}, "m-1", noon.Add(2*time.Minute), 1, nil) // long after, the id may come again: the message itself has expired
		left("de")
	})
}

// A program waits, is let in once, and its token ends alone, with whom it is of, or
// with the sign-in that it stands on.
func TestProgramsAreLetIn(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		login := func(n string) Login {
			return Login{Hash: "h" + n, Code: "c" + n, Program: "lessor on x", Asked: noon, Polled: noon, End: noon.Add(10 * time.Minute)}
		}
		session := func(who string, by Source) Session {
			s := Session{Hash: "of " + who + by.Session, Identity: who, Began: noon, Seen: noon, End: noon.Add(time.Hour), Source: by}
			must(t, db.BeginSession(ctx, s, s.Hash, noon))
			return s
		}
		must(t, db.AddLogin(ctx, login("1"), 2, noon))
		must(t, db.AddLogin(ctx, login("2"), 2, noon))
		l, err := db.LoginByCode(ctx, "c1")
		same(t, "login", l, err, login("1"))
		token := PersonToken{Hash: "t1", ID: "id1", End: noon.Add(time.Hour)}
		if l, err := db.CollectLogin(ctx, "h1", token, noon.Add(time.Second)); err != nil || l.Identity != "" {
			t.Errorf("nobody has let it in: %+v, %v", l, err)
		}
		must(t, db.AnswerLogin(ctx, "c1", session("eve", Source{"corp", "s-eve", "1"}), true, noon))
		if err := db.AnswerLogin(ctx, "c1", session("bob", Source{}), true, noon); !errors.Is(err, access.ErrGone) {
			t.Errorf("let in twice: %v", err)
		}
		if l, err := db.CollectLogin(ctx, "h1", token, noon); err != nil || l.Identity != "eve" || !l.Polled.Equal(noon.Add(time.Second)) {
			t.Errorf("let in: %+v, %v", l, err)
		}
		if _, err := db.CollectLogin(ctx, "h1", PersonToken{Hash: "t9", ID: "id9", End: noon.Add(time.Hour)}, noon); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("collected twice: %v", err)
		}
		token.Identity, token.Program, token.Source, token.Began = "eve", "lessor on x", Source{"corp", "s-eve", "1"}, noon
		got, err := db.PersonToken(ctx, "t1")
		same(t, "token", got, err, token)
		list, err := db.PersonTokens(ctx, "eve")
		same(t, "tokens", list, err, []PersonToken{token})

		must(t, db.AnswerLogin(ctx, "c2", session("eve", Source{}), false, noon))
		if l, err := db.CollectLogin(ctx, "h2", PersonToken{Hash: "t2", ID: "id2", End: noon.Add(time.Hour)}, noon); err != nil || !l.Refused || l.Identity != "" {
			t.Errorf("refused: %+v, %v", l, err)
		}
		if _, err := db.PersonToken(ctx, "t2"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("refused, and has a token: %v", err)
		}
		// Let in, and the sign-in ends before it collects.
		must(t, db.AddLogin(ctx, login("4"), 2, noon))
		must(t, db.AnswerLogin(ctx, "c4", session("eve", Source{"corp", "s-eve", "1"}), true, noon))
		if n, err := db.EndSessionsBy(ctx, Source{"corp", "s-eve", ""}, "m", noon.Add(time.Hour), noon); n != 3 || err != nil {
			t.Errorf("ended %d, %v", n, err)
		}
		if _, err := db.CollectLogin(ctx, "h4", token, noon); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("collected after the end: %v", err)
		}
		if _, err := db.PersonToken(ctx, "t1"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("the token outlived the sign-in: %v", err)
		}
		// One token ends by itself, and is nobody else's to end.
		must(t, db.AddLogin(ctx, login("5"), 2, noon))
		must(t, db.AnswerLogin(ctx, "c5", session("eve", Source{}), true, noon))
		token.Hash, token.ID = "t5", "id5"
		if _, err := db.CollectLogin(ctx, "h5", token, noon); err != nil {
			t.Fatal(err)
		}
		must(t, db.EndPersonToken(ctx, "bob", "id5"))
		if _, err := db.PersonToken(ctx, "t5"); err != nil {
			t.Errorf("bob ended eve's token: %v", err)
		}
		must(t, db.EndPersonToken(ctx, "eve", "id5"))
		if _, err := db.PersonToken(ctx, "t5"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("it is still there: %v", err)
		}
		// What has taken too long is forgotten.
		must(t, db.AddLogin(ctx, login("6"), 2, noon))
		must(t, db.AddLogin(ctx, Login{Hash: "h7", Code: "c7", Asked: noon, Polled: noon, End: noon.Add(time.Hour)}, 2, noon.Add(20*time.Minute)))
		if _, err := db.LoginByCode(ctx, "c6"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("after its time: %v", err)
		}
	})
}

// A full shelf lets go of the oldest that nobody has let in, and of no other.
func TestAFullShelfOfLoginsStaysOpen(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		add := func(n string, after time.Duration) error {
			return db.AddLogin(ctx, Login{Hash: "h" + n, Code: "c" + n, Asked: noon.Add(after), Polled: noon, End: noon.Add(time.Hour)}, 2, noon)
		}
		session := func(who string, by Source) Session {
			s := Session{Hash: "of " + who, Identity: who, Began: noon, Seen: noon, End: noon.Add(time.Hour), Source: by}
			must(t, db.BeginSession(ctx, s, s.Hash, noon))
			return s
		}
		must(t, add("1", time.Second))
		must(t, add("2", 0))
		must(t, add("3", 2*time.Second))
		if _, err := db.LoginByCode(ctx, "c2"); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("the oldest still waits: %v", err)
		}
		must(t, db.AnswerLogin(ctx, "c1", session("eve", Source{}), true, noon))
		must(t, add("4", 3*time.Second))
		if l, err := db.LoginByCode(ctx, "c1"); err != nil || l.Identity != "eve" {
			t.Errorf("one that was let in is gone: %+v, %v", l, err)
		}
		must(t, db.AnswerLogin(ctx, "c4", session("eve", Source{}), true, noon))
		if err := add("5", 4*time.Second); !errors.Is(err, access.ErrConflict) {
			t.Errorf("all were let in: %v", err)
		}
	})
}

// Nothing is let in from a session that has ended, however shortly before.
func TestNothingIsLetInAfterSigningOut(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		from := Session{Hash: "s", Identity: "eve", Began: noon, Seen: noon, End: noon.Add(time.Minute)}
		must(t, db.BeginSession(ctx, from, "", noon))
		must(t, db.AddLogin(ctx, Login{Hash: "h", Code: "c", Asked: noon, Polled: noon, End: noon.Add(time.Hour)}, 2, noon))
		if err := db.AnswerLogin(ctx, "c", from, true, noon.Add(time.Minute)); !errors.Is(err, access.ErrDenied) {
			t.Errorf("after the session's time: %v", err)
		}
		if _, err := db.EndSessionsOf(ctx, "eve"); err != nil {
			t.Fatal(err)
		}
		if err := db.AnswerLogin(ctx, "c", from, true, noon); !errors.Is(err, access.ErrDenied) {
			t.Errorf("signed out everywhere: %v", err)
		}
		if l, err := db.LoginByCode(ctx, "c"); err != nil || l.Identity != "" {
			t.Errorf("it is let in: %+v, %v", l, err)
		}
	})
}
