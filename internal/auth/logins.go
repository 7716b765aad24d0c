package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// LoginShelf keeps programs that wait and the tokens they got. Each call is one
// durable transaction, safe for concurrent use.
type LoginShelf interface {
	AddLogin(ctx context.Context, l store.Login, most int, now time.Time) error
	LoginByCode(ctx context.Context, code string) (store.Login, error)
	AnswerLogin(ctx context.Context, code string, from store.Session, let bool, now time.Time) error
	CollectLogin(ctx context.Context, hash string, token store.PersonToken, now time.Time) (store.Login, error)
	PersonToken(ctx context.Context, hash string) (store.PersonToken, error)
	PersonTokens(ctx context.Context, identity string) ([]store.PersonToken, error)
	EndPersonToken(ctx context.Context, identity, hashOrID string) error
}

// Logins lets programs, such as the command line, act in somebody's name, as RFC
// 8628 has it: the program shows a code, the person types it at the portal, where
// they are signed in, and the program collects a token. It is safe for concurrent use.
//
//	Ask (program) -> Find, Answer (person) -> Collect (program) -> Token (each call) -> End | its end | who was signed in no longer is
//
// A token is never known by more than the fact of a sign-in: what needs a stronger
// one is done at the portal.
type Logins struct {
	LoginConfig
	mu    sync.Mutex // of Rand
	wrong Pace       // codes that nobody has shown: guessing them takes for ever
}

// LoginConfig is what logins are made of. Every field is needed.
type LoginConfig struct {
	Shelf  LoginShelf
	Known  func(identity string, now time.Time) (bool, error)
	Stands Stands
	Now    func() time.Time
	Rand   io.Reader
	Lasts  func() time.Duration // how long a token is good for; zero: no program is let in
}

// NewLogins returns logins, or says what is missing.
func NewLogins(c LoginConfig) (*Logins, error) {
	if c.Shelf == nil || c.Known == nil || c.Stands == nil || c.Now == nil || c.Rand == nil || c.Lasts == nil {
		return nil, fmt.Errorf("%w: logins need Shelf, Known, Stands, Now, Rand and Lasts", access.ErrInvalid)
	}
	return &Logins{LoginConfig: c, wrong: Pace{Burst: 5, PerSec: 1.0 / 60}}, nil
}

// Bounds of a login that waits.
const (
	LoginTime   = 10 * time.Minute
	PollEvery   = 3 * time.Second
	mostWaiting = 500
	letters     = "BCDFGHJKLMNPQRSTVWXZ" // no vowels, so that no code is a word
	codeLength  = 8                      // 20^8 codes, ten minutes, and five tries in them
)

// Token kinds are told apart at a glance, and by whoever searches for lost ones.
const tokenStart = "lessor_person_"

// Asked is what a program is told: what it keeps, and what it shows.
type Asked struct {
	Device string // kept by the program
	Code   string // shown, as ABCD-EFGH
	End    time.Time
}

// Ask begins a login of a program that says of itself what it is.
func (l *Logins) Ask(ctx context.Context, program string) (Asked, error) {
	if l.Lasts() <= 0 {
		return Asked{}, fmt.Errorf("%w: this server lets no program sign in as a person", access.ErrDenied)
	}
	raw, err := l.random(32 + codeLength*4)
	if err != nil {
		return Asked{}, err
	}
	now := l.Now().UTC().Truncate(time.Microsecond)
	a := Asked{Device: base64.RawURLEncoding.EncodeToString(raw[:32]), End: now.Add(LoginTime)}
	var code []byte
	for _, b := range raw[32:] {
		if int(b) < 256/len(letters)*len(letters) { // each letter is as likely as any other
			code = append(code, letters[int(b)%len(letters)])
		}
	}
	if len(code) < codeLength {
		return Asked{}, errors.New("randomness: too little of it was of use; try again")
	}
	a.Code = string(code[:4]) + "-" + string(code[4:codeLength])
	return a, l.Shelf.AddLogin(ctx, store.Login{Hash: hash(a.Device), Code: hash(plainCode(a.Code)), Program: program, Asked: now, Polled: now, End: a.End}, mostWaiting, now)
}

func (l *Logins) random(n int) ([]byte, error) {
	raw := make([]byte, n)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := io.ReadFull(l.Rand, raw); err != nil {
		return nil, fmt.Errorf("randomness: %w", err)
	}
	return raw, nil
}

// plainCode is a code however somebody typed it.
func plainCode(typed string) string {
	return strings.Map(func(r rune) rune {
		if r = []rune(strings.ToUpper(string(r)))[0]; strings.ContainsRune(letters, r) {
			return r
		}
		return -1
	}, typed[:min(len(typed), 64)])
}

// ShownCode is a code as a program shows it.
func ShownCode(typed string) string {
	code := plainCode(typed)
	if len(code) != codeLength {
		return code
	}
	return code[:4] + "-" + code[4:]
}

// Find is the login whose code somebody has typed. Codes that nobody has shown
// are [access.ErrNotFound], and after a few of them [access.ErrConflict] for a while.
func (l *Logins) Find(ctx context.Context, who access.Actor, typed string) (store.Login, error) {
	now := l.Now()
	often := fmt.Errorf("%w: too many codes that nobody has shown; wait a few minutes", access.ErrConflict)
	if l.wrong.Out(who.Identity, now) { // whatever is typed now: a guess that hits must not be told from one that misses
		return store.Login{}, often
	}
	found, err := l.Shelf.LoginByCode(ctx, hash(plainCode(typed)))
	if err == nil && found.Identity == "" && !found.Refused && now.Before(found.End) {
		return found, nil
	}
	switch {
	case err != nil && !errors.Is(err, access.ErrNotFound):
		return store.Login{}, err
	case !l.wrong.Spend(who.Identity, now):
		return store.Login{}, often
	}
	return store.Login{}, fmt.Errorf("%w: nothing waits by that code; it may have taken longer than %s", access.ErrNotFound, LoginTime)
}

// Answer lets the program in as who is at the door, or refuses it. It is
// [access.ErrDenied] where their session has ended meanwhile.
func (l *Logins) Answer(ctx context.Context, who access.Actor, from store.Session, typed string, let bool) error {
	if _, err := l.Find(ctx, who, typed); err != nil {
		return err
	}
	if from.Identity != who.Identity {
		return fmt.Errorf("%w: the session is somebody else's", access.ErrDenied)
	}
	return l.Shelf.AnswerLogin(ctx, hash(plainCode(typed)), from, let, l.Now().UTC().Truncate(time.Microsecond))
}

// What a program that waits is told.
var (
	ErrPending = errors.New("nobody has let it in yet")
	ErrSlower  = errors.New("it asks too often")
	ErrRefused = errors.New("it was refused")
	ErrExpired = errors.New("it took too long, or it has its token already")
)

// Grant is a token as it is handed to a program, once.
type Grant struct {
	Token    string
	Identity string
	End      time.Time
}

// Collect gives a program its token, once somebody has let it in.
func (l *Logins) Collect(ctx context.Context, device string) (Grant, error) {
	raw, err := l.random(48)
	if err != nil {
		return Grant{}, err
	}
	now := l.Now().UTC().Truncate(time.Microsecond)
	g := Grant{Token: tokenStart + base64.RawURLEncoding.EncodeToString(raw[:32]), End: now.Add(l.Lasts())}
	login, err := l.Shelf.CollectLogin(ctx, hash(device), store.PersonToken{Hash: hash(g.Token), ID: base64.RawURLEncoding.EncodeToString(raw[32:]), End: g.End}, now)
	switch {
	case errors.Is(err, access.ErrNotFound):
		return Grant{}, ErrExpired
	case err != nil:
		return Grant{}, err
	case login.Refused:
		return Grant{}, ErrRefused
	case !now.Before(login.End):
		return Grant{}, ErrExpired
	case login.Identity == "" && now.Sub(login.Polled) < PollEvery && login.Polled != login.Asked:
		return Grant{}, ErrSlower
	case login.Identity == "":
		return Grant{}, ErrPending
	}
	g.Identity = login.Identity
	return g, nil
}

// Token is whose a token is; [access.ErrDenied] where it is nobody's any more.
func (l *Logins) Token(ctx context.Context, token string) (store.PersonToken, error) {
	nobody := fmt.Errorf("%w: no such token", access.ErrDenied)
	if !strings.HasPrefix(token, tokenStart) {
		return store.PersonToken{}, nobody
	}
	t, err := l.Shelf.PersonToken(ctx, hash(token))
	now := l.Now()
	switch {
	case errors.Is(err, access.ErrNotFound):
		return t, nobody
	case err != nil:
		return t, err
	case !now.Before(t.End) || !l.Stands(t.Identity, t.Source):
		return store.PersonToken{}, nobody
	}
	if known, err := l.Known(t.Identity, now); err != nil {
		return store.PersonToken{}, err
	} else if !known {
		return store.PersonToken{}, nobody
	}
	return t, nil
}

// Scopes are what such a token is good for: a person's own sign-in, and no more.
func (l *Logins) Scopes() []string { return scopes() }

// Of lists the tokens that an identity has let programs have and that are still
// good for something, newest first.
func (l *Logins) Of(ctx context.Context, identity string) ([]store.PersonToken, error) {
	list, err := l.Shelf.PersonTokens(ctx, identity)
	now := l.Now()
	return slices.DeleteFunc(list, func(t store.PersonToken) bool { return !now.Before(t.End) || !l.Stands(t.Identity, t.Source) }), err
}

// EndOf takes one of an identity's tokens back, by its id.
func (l *Logins) EndOf(ctx context.Context, identity, id string) error {
	return l.Shelf.EndPersonToken(ctx, identity, id)
}

// End takes a token back, by itself.
func (l *Logins) End(ctx context.Context, token string) error {
	t, err := l.Token(ctx, token)
	if err != nil {
		return err
	}
	return l.Shelf.EndPersonToken(ctx, t.Identity, t.Hash)
}
