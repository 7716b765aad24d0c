// Package deliver is the port to secret stores: where the new worth of a credential is
// put, so that its consumers find it under the reference they always read. The
// adapters stand side by side below it and pass one conformance suite (delivertest).
//
// It never decides what is put where or what may be forgotten, and no worth is ever
// in one of its errors.
package deliver

import (
	"context"
	"errors"
	"fmt"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Errors an adapter wraps its own in. Anything not known to be one of them is
// connector.ErrUnanswered: it may still take effect.
var (
	// ErrNotFound: there is no such generation at that reference.
	ErrNotFound = errors.New("no such generation in the store")
	// ErrOlder: consumers have a newer generation already; nothing was changed.
	ErrOlder = errors.New("the store has a newer generation")
	// ErrCurrent: that is the generation consumers have, and it is not forgotten.
	ErrCurrent = errors.New("that generation is the one in force")
)

// Store is one secret store. All methods may be called concurrently and return within
// their context's deadline.
type Store interface {
	// Put has whoever reads ref get this generation's worth from now on; it is durable
	// when Put returns nil. Putting the same generation again replaces its worth. An
	// older one than that in force is ErrOlder, so a call that lands late harms nothing.
	// Generations before it can be read until they are forgotten. What is not [Fit], or
	// cannot be kept in such a store, is connector.ErrRefused before anything is sent.
	Put(ctx context.Context, ref string, generation int64, worth connector.Worth) error
	// Get reads one generation back: with an old one its death is proved, and after a
	// crash a new one is found again.
	Get(ctx context.Context, ref string, generation int64) (connector.Worth, error)
	// Current tells, anew, which generation consumers get; 0: none.
	Current(ctx context.Context, ref string) (int64, error)
	// Forget destroys one generation's worth for good, as far as the store can. It is
	// idempotent, and of the one in force it is ErrCurrent.
	Forget(ctx context.Context, ref string, generation int64) error
	// CheckRef tells, asking nobody, whether ref can be one in this store.
	CheckRef(ref string) error
	// Close releases connections. Calls under way fail.
	Close() error
}

// LongestWorth bounds what is delivered, in bytes: what every store holds with room to
// spare for what it keeps until it is forgotten.
const LongestWorth = 32 << 10

// Fit tells whether a generation's worth is one that can be put anywhere. An empty one
// would have consumers sign in with nothing.
func Fit(generation int64, worth connector.Worth) error {
	switch {
	case generation < 1:
		return fmt.Errorf("%w: generations are counted from 1, not %d", connector.ErrRefused, generation)
	case len(worth) == 0:
		return fmt.Errorf("%w: generation %d has no worth", connector.ErrRefused, generation)
	case len(worth) > LongestWorth:
		return fmt.Errorf("%w: generation %d is over %d bytes", connector.ErrRefused, generation, LongestWorth)
	}
	return nil
}
