// Package source is the port to what tells of people, feed by feed. A source is read
// whole; it never matches, believes or stores anything: that is the engine's.
package source

import (
	"context"

	"github.com/lessor-iam/lessor/internal/access"
)

// Source is one feed that is read.
type Source interface {
	// Read returns every entry there is, or an error: never a list that is short.
	Read(ctx context.Context) ([]access.Record, error)
}
