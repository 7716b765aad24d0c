package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lessor-iam/lessor/internal/access"
)

// Key is one bearer token as it is kept: its hash, never itself.
type Key struct {
	Name     string
	Identity string
	Scopes   []string
	Strength string
	Expires  time.Time
	SHA256   [sha256.Size]byte
}

// Keys knows every token. It is safe for concurrent use. Tokens are long and
// random, so a look-up by their hash tells nothing by the time it takes.
type Keys struct {
	mu    sync.RWMutex
	of    map[[sha256.Size]byte]Key
	spent map[string]*bucket // identity -> what it may still send
	known func(identity string, now time.Time) (bool, error)
	lent  func(token string) (Key, bool, error) // those that are kept elsewhere; nil: none
}

// NewKeys returns no keys; known tells whether an identity is known and active at a moment,
// or that it cannot be said.
func NewKeys(known func(string, time.Time) (bool, error)) *Keys {
	return &Keys{of: map[[sha256.Size]byte]Key{}, spent: map[string]*bucket{}, known: known}
}

// Set replaces all keys.
func (k *Keys) Set(list []Key) {
	of := make(map[[sha256.Size]byte]Key, len(list))
	for _, key := range list {
		of[key.SHA256] = key
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of = of
}

// Lend has tokens that are not among the keys found elsewhere. It is called before
// anybody is at the door.
func (k *Keys) Lend(find func(token string) (Key, bool, error)) { k.lent = find }

// errNoToken: the token is nobody's who may be here. Why is not told.
var errNoToken = fmt.Errorf("%w: no valid token", access.ErrDenied)

// actor finds whose token it is. What is neither is not for the token: it could not be asked.
func (k *Keys) actor(header string, now time.Time) (who access.Actor, key Key, err error) {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok || token == "" {
		return who, key, errNoToken
	}
	k.mu.RLock()
	key, ok = k.of[sha256.Sum256([]byte(token))]
	k.mu.RUnlock()
	if !ok && k.lent != nil {
		if key, ok, err = k.lent(token); err != nil {
			return who, Key{}, err
		}
	}
	if !ok || !now.Before(key.Expires) {
		return who, Key{}, errNoToken
	}
	switch known, err := k.known(key.Identity, now); {
	case err != nil:
		return who, Key{}, err
	case !known:
		return who, Key{}, errNoToken
	}
	return access.Actor{Identity: key.Identity, Channel: "api", Strength: key.Strength, Scopes: key.Scopes}, key, nil
}

// askedAgain is how long somebody listens at most by a token that is kept elsewhere
// before it is looked for again.
const askedAgain = 5 * time.Second

// still tells, for as long as somebody listens, who they are by the token with which
// they came, or that it is good no longer: over, withdrawn, or of nobody active.
func (k *Keys) still(header string, who access.Actor, key Key, asked time.Time) func(time.Time) (access.Actor, bool) {
	k.mu.RLock()
	_, kept := k.of[key.SHA256]
	k.mu.RUnlock()
	good := true
	return func(now time.Time) (access.Actor, bool) {
		known, err := k.known(who.Identity, now)
		if kept || now.Sub(asked) >= askedAgain || !now.Before(key.Expires) || !known || err != nil {
			asked = now
			who, key, err = k.actor(header, now)
			good = err == nil // whoever listens comes again where it could not be asked
		}
		return who, good
	}
}

// How much one identity may send: a burst, and what comes back each second.
const (
	burst   = 200
	perSec  = 20
	flooded = "too many requests; wait a second"
)

// bucket is a token bucket.
type bucket struct {
	left float64
	at   time.Time
}

// spend takes one from the identity's bucket; false if there is none.
func (k *Keys) spend(identity string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	b := k.spent[identity]
	if b == nil {
		b = &bucket{left: burst, at: now}
		k.spent[identity] = b
	}
	b.left, b.at = min(burst, b.left+perSec*max(0, now.Sub(b.at).Seconds())), now
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

type visitorKey struct{}

// visitor is who is at the door, by which token.
type visitor struct {
	access.Actor
	token string // its name
	at    url.URL
	key   string // Idempotency-Key
	still func(time.Time) (access.Actor, bool)
}

// by is who is at the door. knock put them there.
func by(ctx context.Context) access.Actor {
	v, _ := ctx.Value(visitorKey{}).(visitor) // without one no scope is held, and the engine refuses
	return v.Actor
}

// at is the address that was asked for.
func at(ctx context.Context) *url.URL {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return &v.at
}

// keyAt is the key that was given for the deed; empty: none.
func keyAt(ctx context.Context) string {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v.key
}

// still tells who is at the door later on.
func still(ctx context.Context) func(time.Time) (access.Actor, bool) {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v.still
}

// tokenOf is the name of the token that opened the door.
func tokenOf(ctx context.Context) string {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v.token
}

// knock lets nobody in without a good token.
func (d *door) knock(h huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		now := d.Now()
		actor, key, err := d.Keys.actor(ctx.Header("Authorization"), now)
		switch {
		case err != nil && !errors.Is(err, errNoToken):
			d.Log.WarnContext(ctx.Context(), "nobody is let in: whose a token is could not be asked", "error", err.Error())
			ctx.SetHeader("Retry-After", unaskedRetry)
			refuse(h, ctx, http.StatusServiceUnavailable, unasked)
		case err != nil:
			d.Log.WarnContext(ctx.Context(), "unknown token", "method", ctx.Method(), "path", ctx.URL().Path)
			ctx.SetHeader("WWW-Authenticate", "Bearer")
			refuse(h, ctx, http.StatusUnauthorized, "no valid token; send one as Authorization: Bearer …")
		case !d.Keys.spend(actor.Identity, now):
			ctx.SetHeader("Retry-After", "1")
			refuse(h, ctx, http.StatusTooManyRequests, flooded)
		default:
			d.Log.DebugContext(ctx.Context(), "at the door", "by", actor.Identity, "token", key.Name, "method", ctx.Method(), "path", ctx.URL().Path)
			next(huma.WithValue(ctx, visitorKey{}, visitor{actor, key.Name, ctx.URL(), ctx.Header("Idempotency-Key"), d.Keys.still(ctx.Header("Authorization"), actor, key, now)}))
		}
	}
}

func refuse(h huma.API, ctx huma.Context, status int, why string) {
	if err := huma.WriteErr(h, ctx, status, why); err != nil {
		panic(fmt.Errorf("write a refusal: %w", err)) // net/http ends the connection
	}
}
