// Package inventory reads whole systems: everybody who holds anything the
// catalog names, whether or not Lessor granted it. It writes no state and
// removes nothing: it tells the engine what it saw, and what nobody granted
// becomes a finding.
package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Door is the part of the engine a reading needs.
type Door interface {
	// Observed takes a whole, complete reading of the given objects.
	Observed(ctx context.Context, system string, at time.Time, objects []string, holdings []engine.Held) (engine.Drift, error)
}

// Config is what a reader is made of. Every field is needed.
type Config struct {
	Door      Door
	System    string
	Connector connector.Connector
	Directory func() *access.Directory
	Now       func() time.Time
	Log       *slog.Logger
}

// Reader reads one system.
type Reader struct{ Config }

// New returns a reader; it reads nothing yet.
func New(c Config) *Reader { return &Reader{c} }

// Read reads who holds what of everything the catalog names at the system, and
// tells the engine. A reading that was cut short tells nothing.
func (r *Reader) Read(ctx context.Context) (engine.Drift, error) {
	// 1. What is to be read. Objects the catalog does not name are not in our charge.
	objects := Objects(r.Directory(), r.System)
	if len(objects) == 0 {
		return engine.Drift{}, nil
	}
	// 2. All of it, or nothing.
	at := r.Now() // a reading is as old as its beginning
	var seen []engine.Held
	err := r.Connector.Observe(ctx, objects, func(h connector.Holding) error {
		seen = append(seen, engine.Held{Account: h.Account, Object: h.Object})
		return nil
	})
	if err != nil {
		return engine.Drift{}, fmt.Errorf("read %s: %w", r.System, err)
	}
	// 3. What it comes to.
	drift, err := r.Door.Observed(ctx, r.System, at, objects, seen)
	if err != nil {
		return drift, fmt.Errorf("read %s: %w", r.System, err)
	}
	r.Log.InfoContext(ctx, "inventory", "system", r.System, "objects", len(objects), "holdings", len(seen),
		"unexpected", drift.Unexpected, "missing", drift.Missing, "again", drift.Again, "braked", drift.Braked)
	return drift, nil
}

// Objects lists what the catalog names at a system, in order.
func Objects(d *access.Directory, system string) (list []string) {
	for _, id := range d.Entitlements() {
		if e, _ := d.Entitlement(id); e.System == system {
			list = append(list, e.Object)
		}
	}
	return list
}
