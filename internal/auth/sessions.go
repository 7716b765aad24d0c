// Package auth knows who is at the portal's door. A way to sign in proves who
// somebody is and begins a session; from there on the session says who they
// are, until it ends. It never says what they may do: that is for policy.
//
//	sign-in -> Begin (a new token each time) -> Who (each request) -> End | Idle | Longest | no longer known | ended by the provider
//
// The token is in the browser's cookie and nowhere else: kept is its hash.
package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// Channel is what acts of somebody with a session are recorded under.
const Channel = "portal"

// Shelf keeps sessions. Each call is one durable transaction, safe for
// concurrent use; a session that is not there is [access.ErrNotFound].
type Shelf interface {
	// BeginSession stores s, drops the session with the hash instead, and forgets what ended by now.
	BeginSession(ctx context.Context, s store.Session, instead string, now time.Time) error
	Session(ctx context.Context, hash string) (store.Session, error)
	SessionsOf(ctx context.Context, identity string) ([]store.Session, error)
	SawSession(ctx context.Context, hash string, now time.Time) error
	EndSession(ctx context.Context, hash string) error
	// EndSessionsOf drops those of an identity, and the tokens it let programs have.
	EndSessionsOf(ctx context.Context, identity string) (int64, error)
	// EndSessionsBy drops those that a provider says have ended. The message's id counts once; again it is [access.ErrConflict].
	EndSessionsBy(ctx context.Context, of store.Source, id string, until, now time.Time) (int64, error)
}

// Config is what sessions are made of. Every field but Stands, Plain and Afar is needed.
type Config struct {
	Shelf   Shelf
	Known   func(identity string, now time.Time) (bool, error) // may this identity be at the door at all; an error: that cannot be said now
	Now     func() time.Time
	Rand    io.Reader
	Idle    time.Duration // unused for so long, it has ended
	Longest time.Duration // however much it is used
	Stands  Stands        // nil: every way stands
	Plain   bool          // over http on loopback, where no cookie can be "Secure"
	Afar    bool          // people come back from another site, having signed in there
}

// Stands tells whether a way to sign in is still there and still means that
// identity: it is asked whenever a session or a token is used.
type Stands func(identity string, by store.Source) bool

// Sessions begins, finds and ends sessions. It is safe for concurrent use.
type Sessions struct {
	Config
	mu sync.Mutex // of Rand
}

// New returns sessions, or says what is missing.
func New(c Config) (*Sessions, error) {
	if c.Shelf == nil || c.Known == nil || c.Now == nil || c.Rand == nil {
		return nil, fmt.Errorf("%w: sessions need Shelf, Known, Now and Rand", access.ErrInvalid)
	}
	if c.Idle < 2*seenEvery || c.Longest < c.Idle {
		return nil, fmt.Errorf("%w: sessions end unused after Idle (%s), at least %s, and at the latest after Longest (%s)", access.ErrInvalid, c.Idle, 2*seenEvery, c.Longest)
	}
	return &Sessions{Config: c}, nil
}

// seenEvery is how often the use of a session is written down: a page that is
// looked at must not cost a write.
const seenEvery = time.Minute

// cookie is the session's cookie with that value. Under https the name's prefix
// has the browser refuse one that another host, path or scheme has set.
func (s *Sessions) cookie(value string, age time.Duration) *http.Cookie {
	c := &http.Cookie{Name: s.name(), Value: value, Path: "/", HttpOnly: true, Secure: !s.Plain, SameSite: http.SameSiteLaxMode, MaxAge: int(age.Seconds())}
	if s.Plain && !s.Afar {
		c.SameSite = http.SameSiteStrictMode
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

func (s *Sessions) name() string {
	if s.Plain {
		return "lessor"
	}
	return "__Host-lessor"
}

// Begin signs somebody in who has proved who they are by a way of our own, as
// strongly as strength says.
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, identity, strength string) error {
	return s.BeginBy(w, r, identity, Proof{Strength: strength})
}

// Proof is how somebody has shown who they are.
type Proof struct {
	Source      store.Source // by whom they were signed in; empty: by a way of our own
	Strength    string
	StrongUntil time.Time // zero: as long as the session
}

// BeginBy signs somebody in who has proved who they are. The token is always a
// new one, and the browser's old session ends with it: nobody can have it
// beforehand, and who is known better now has another than before.
func (s *Sessions) BeginBy(w http.ResponseWriter, r *http.Request, identity string, p Proof) error {
	now := s.Now().UTC().Truncate(time.Microsecond)
	if known, err := s.Known(identity, now); err != nil {
		return err
	} else if !known {
		return fmt.Errorf("%w: %.80q is nobody who may be here", access.ErrDenied, identity)
	}
	raw := make([]byte, 32)
	s.mu.Lock()
	_, err := io.ReadFull(s.Rand, raw)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("randomness: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	begun := store.Session{Hash: hash(token), Identity: identity, Strength: p.Strength, Began: now, Seen: now, End: now.Add(s.Longest), Source: p.Source, StrongUntil: p.StrongUntil, Browser: browser(r.UserAgent())}
	if err := s.Shelf.BeginSession(r.Context(), begun, s.presented(r), now); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(token, s.Longest))
	return nil
}

// Who is at the door: the actor of the request's session. Without a session that
// still stands it is [access.ErrDenied], and why is not told.
func (s *Sessions) Who(r *http.Request) (access.Actor, error) { return s.who(r, true) }

// Still is Who for what a page asks by itself: nobody has used the session by it,
// so that a page left open does not keep its reader signed in.
func (s *Sessions) Still(r *http.Request) (access.Actor, error) { return s.who(r, false) }

func (s *Sessions) who(r *http.Request, used bool) (access.Actor, error) {
	v, err := s.find(r, used)
	if err != nil {
		return access.Actor{}, err
	}
	return access.Actor{Identity: v.Identity, Channel: Channel, Strength: v.Strength, Scopes: scopes()}, nil
}

// Source is by whom whoever is at the door was signed in.
func (s *Sessions) Source(r *http.Request) (store.Source, error) {
	v, err := s.find(r, true)
	return v.Source, err
}

// Session is the one of whoever is at the door.
func (s *Sessions) Session(r *http.Request) (store.Session, error) { return s.find(r, true) }

// scopes are what a person's own sign-in is good for.
func scopes() []string {
	return []string{engine.ScopeView, engine.ScopeRequest, engine.ScopeApprove, engine.ScopeRevoke}
}

// find is the session of a request, if it still stands, and as strong as it still
// is; used has it noted that somebody uses it.
func (s *Sessions) find(r *http.Request, used bool) (store.Session, error) {
	nobody := fmt.Errorf("%w: nobody is signed in", access.ErrDenied)
	key := s.presented(r)
	if key == "" {
		return store.Session{}, nobody
	}
	now := s.Now().UTC().Truncate(time.Microsecond)
	v, err := s.Shelf.Session(r.Context(), key)
	switch {
	case errors.Is(err, access.ErrNotFound):
		return store.Session{}, nobody
	case err != nil:
		return store.Session{}, err
	}
	if good, err := s.good(v, now); err != nil {
		return store.Session{}, err
	} else if !good {
		return store.Session{}, nobody
	}
	if used && now.Sub(v.Seen) >= seenEvery {
		if err := s.Shelf.SawSession(r.Context(), key, now); err != nil {
			return store.Session{}, err
		}
	}
	return fresh(v, now), nil
}

// good tells whether a session still stands.
func (s *Sessions) good(v store.Session, now time.Time) (bool, error) {
	if !now.Before(v.End) || now.Sub(v.Seen) >= s.Idle || (s.Stands != nil && !s.Stands(v.Identity, v.Source)) {
		return false, nil
	}
	return s.Known(v.Identity, now)
}

// fresh is a session as strong as it still is.
func fresh(v store.Session, now time.Time) store.Session {
	if !v.StrongUntil.IsZero() && !now.Before(v.StrongUntil) {
		v.Strength = ""
	}
	return v
}

// End signs the browser out, whoever it was.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, s.cookie("", 0))
	if key := s.presented(r); key != "" {
		return s.Shelf.EndSession(r.Context(), key)
	}
	return nil
}

// EndBy signs out whom a provider says it has signed out.
func (s *Sessions) EndBy(ctx context.Context, of store.Source, id string, until time.Time) (int64, error) {
	return s.Shelf.EndSessionsBy(ctx, of, id, until, s.Now().UTC().Truncate(time.Microsecond))
}

// EndAll signs an identity out everywhere, and returns how many sessions it had.
func (s *Sessions) EndAll(ctx context.Context, identity string) (int64, error) {
	return s.Shelf.EndSessionsOf(ctx, identity)
}

// presented is the hash of the token that came with a request; empty without one.
// A cookie that is there twice is nobody's: one of the two was planted.
func (s *Sessions) presented(r *http.Request) string {
	if list := r.CookiesNamed(s.name()); len(list) == 1 && list[0].Value != "" {
		return hash(list[0].Value)
	}
	return ""
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
