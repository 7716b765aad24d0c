package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// KeysKept is how long what was done under a key is known.
const KeysKept = 24 * time.Hour

type onceKey struct{}

// once is a key somebody gave for one deed, and the digest of what they sent.
type once struct{ key, digest string }

// Once has the next verb done at most once under a key of the actor's: sent
// again, it is not done again and is [Repeated]; with something else under the
// same key, it is [access.ErrConflict]. What failed was not done, and may be tried again.
func Once(ctx context.Context, key, digest string) context.Context {
	return context.WithValue(ctx, onceKey{}, once{key, digest})
}

// Repeated says that it was done before, and what was answered then.
type Repeated struct{ store.Answered }

// Error implements [error].
func (r *Repeated) Error() string {
	text := fmt.Sprintf("it was done at %s, and how it was answered is not known; nothing was done again", r.At.Format(time.RFC3339))
	if r.About != "" {
		text += "; look at " + r.About
	}
	return text
}

// Unwrap makes it a conflict, for whoever cannot repeat the answer.
func (r *Repeated) Unwrap() error { return access.ErrConflict }

// repeated finds what was done under the key of this deed, if it has one.
func (d *deed) repeated(ctx context.Context) error {
	o, ok := ctx.Value(onceKey{}).(once)
	if !ok {
		return nil
	}
	was, err := d.Answered(ctx, d.by.Identity, o.key)
	switch {
	case errors.Is(err, access.ErrNotFound), err == nil && was.At.Before(d.now.Add(-KeysKept)):
		return d.ForgetAnswered(ctx, d.now.Add(-KeysKept))
	case err != nil:
		return err
	case was.Digest != o.digest:
		return fmt.Errorf("%w: the key %q was used for something else; give each deed a key of its own", access.ErrConflict, o.key)
	}
	return &Repeated{was}
}

// doneOnce notes, with the deed, that it is done under its key. If we stop before the
// answer is noted too, whoever sends it again is told that it was done.
func (d *deed) doneOnce(ctx context.Context) error {
	o, ok := ctx.Value(onceKey{}).(once)
	if !ok {
		return nil
	}
	return d.AddAnswered(ctx, store.Answered{Identity: d.by.Identity, Key: o.key, Digest: o.digest, About: d.subject, At: d.now})
}

// Answer notes what was answered to the verb that was done by [Once]. What was refused
// under a key that something else was done under is not the answer to that.
func (e *Engine) Answer(ctx context.Context, by access.Actor, status int, body string) error {
	o, ok := ctx.Value(onceKey{}).(once)
	if !ok {
		return nil
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		return tx.SetAnswer(ctx, by.Identity, o.key, o.digest, status, body)
	})
}

// DoorKey is what a door proves to itself with, by a name: 32 bytes, the same on every replica.
func (e *Engine) DoorKey(ctx context.Context, name string) ([]byte, error) {
	return e.DB.DoorKey(ctx, name, e.ids.secret())
}
