// Package auth knows who is at the portal's door. A way to sign in proves who
// somebody is and begins a session; from there on the session says who they
// are, until it ends. It never says what they may do: that is for policy.
//
//	sign-in -> Begin (a new token each time) -> Who (each request) -> End | Idle | Longest | no longer known
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
	SawSession(ctx context.Context, hash string, now time.Time) error
	EndSession(ctx context.Context, hash string) error
	EndSessionsOf(ctx context.Context, identity string) (int64, error)
}

// Config is what sessions are made of. Every field but Plain is needed.
type Config struct {
	Shelf   Shelf
	Known   func(identity string, now time.Time) bool // may this identity be at the door at all
	Now     func() time.Time
	Rand    io.Reader
	Idle    time.Duration // unused for so long, it has ended
	Longest time.Duration // however much it is used
	Plain   bool          // over http on loopback, where no cookie can be "Secure"
}

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
	if s.Plain {
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

// Begin signs somebody in who has proved who they are, as strongly as strength
// says. The token is always a new one, and the browser's old session ends with
// it: nobody can have it beforehand.
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, identity, strength string) error {
	now := s.Now().UTC().Truncate(time.Microsecond)
	if !s.Known(identity, now) {
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
	begun := store.Session{Hash: hash(token), Identity: identity, Strength: strength, Began: now, Seen: now, End: now.Add(s.Longest)}
	if err := s.Shelf.BeginSession(r.Context(), begun, s.presented(r), now); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(token, s.Longest))
	return nil
}

// Who is at the door: the actor of the request's session. Without a session that
// still stands it is [access.ErrDenied], and why is not told.
func (s *Sessions) Who(r *http.Request) (access.Actor, error) {
	nobody := fmt.Errorf("%w: nobody is signed in", access.ErrDenied)
	key := s.presented(r)
	if key == "" {
		return access.Actor{}, nobody
	}
	now := s.Now().UTC().Truncate(time.Microsecond)
	v, err := s.Shelf.Session(r.Context(), key)
	switch {
	case errors.Is(err, access.ErrNotFound):
		return access.Actor{}, nobody
	case err != nil:
		return access.Actor{}, err
	case !now.Before(v.End) || now.Sub(v.Seen) >= s.Idle || !s.Known(v.Identity, now):
		return access.Actor{}, nobody
	}
	if now.Sub(v.Seen) >= seenEvery {
		if err := s.Shelf.SawSession(r.Context(), key, now); err != nil {
			return access.Actor{}, err
		}
	}
	return access.Actor{Identity: v.Identity, Channel: Channel, Strength: v.Strength,
		Scopes: []string{engine.ScopeView, engine.ScopeRequest, engine.ScopeApprove, engine.ScopeRevoke}}, nil
}

// End signs the browser out, whoever it was.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, s.cookie("", 0))
	if key := s.presented(r); key != "" {
		return s.Shelf.EndSession(r.Context(), key)
	}
	return nil
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
