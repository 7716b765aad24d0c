// Package inventory reads whole systems: everybody who holds anything the
// catalog names, whether or not Lessor granted it. It writes no state and
// removes nothing: it tells the engine what it saw, and what nobody granted
// becomes a finding, which rules may have adopted or removed by the engine.
package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Door is the part of the engine a reading needs.
type Door interface {
	// Observed takes a whole, complete reading of the objects it names.
	Observed(ctx context.Context, r engine.Reading) (engine.Drift, error)
	// ObservedAccounts takes a whole reading of the system's accounts.
	ObservedAccounts(ctx context.Context, system string, at time.Time, seen []engine.AccountSeen) (engine.AccountDrift, error)
	// ObservedUses takes who was seen using accounts.
	ObservedUses(ctx context.Context, system string, at time.Time, seen []engine.UseSeen) error
	// ObservedExposures takes a whole reading of how programs are deployed.
	ObservedExposures(ctx context.Context, system string, at time.Time, seen []engine.ExposureSeen) error
	// ObservedCredentials takes a whole reading of what lets bearers in.
	ObservedCredentials(ctx context.Context, system string, at time.Time, seen []engine.CredentialSeen) (engine.CredentialDrift, error)
	// ObservedObjects takes a reading of what the target says of its objects.
	ObservedObjects(ctx context.Context, system string, at time.Time, seen []engine.ObjectSeen) (engine.ObjectDrift, error)
	// Traced takes a reading of what everybody made.
	Traced(ctx context.Context, system string, at time.Time, seen []engine.TraceSeen) error
	// LeftBehind takes a reading of what an assignment's account made, begun after its access was gone.
	LeftBehind(ctx context.Context, assignment string, at time.Time, seen []engine.TraceSeen) (int, error)
	// Assignment reads one.
	Assignment(ctx context.Context, id string) (access.Assignment, error)
	// Strange lists what of a reading somebody must have given behind our back.
	Strange(ctx context.Context, r engine.Reading, limit int) ([]engine.Held, error)
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
type Reader struct {
	Config
	turn chan struct{} // held by the one reading there is: an older view never comes after a newer
	last time.Time     // when the last whole reading that came to its end began; guarded by turn
}

// New returns a reader; it reads nothing yet.
func New(c Config) *Reader { return &Reader{Config: c, turn: make(chan struct{}, 1)} }

// Read reads who holds what of everything the catalog names at the system, and
// tells the engine. A reading that was cut short tells nothing.
func (r *Reader) Read(ctx context.Context) (engine.Drift, error) {
	return r.whole(ctx, time.Time{})
}

// whole reads all of it, unless that was done since the given moment.
func (r *Reader) whole(ctx context.Context, since time.Time) (engine.Drift, error) {
	// 1. What is to be read. Objects the catalog does not name are not in our charge.
	objects := Objects(r.Directory(), r.System)
	if len(objects) == 0 {
		return engine.Drift{}, nil
	}
	done, err := r.mine(ctx)
	if err != nil {
		return engine.Drift{}, err
	}
	defer done()
	began := time.Now() // of this machine, as what is heard from it is
	if !since.IsZero() && r.last.After(since) {
		return engine.Drift{}, nil
	}
	// 2. Whose accounts are which: before what they hold.
	if err := r.accounts(ctx); err != nil {
		return engine.Drift{}, fmt.Errorf("read %s: accounts: %w", r.System, err)
	}
	// 3. Who holds what.
	drift, err := r.holdings(ctx, objects, false)
	if err != nil {
		return drift, err
	}
	if !drift.Overtaken {
		r.last = began
	}
	// 4. What everybody made, so that at the end of a grant it can be told what is new.
	if err := r.traces(ctx); err != nil {
		return drift, fmt.Errorf("read %s: traces: %w", r.System, err)
	}
	// 5. What lets bearers in.
	if err := r.credentials(ctx); err != nil {
		return drift, fmt.Errorf("read %s: credentials: %w", r.System, err)
	}
	// 6. What the objects are, in the target's own words.
	if err := r.said(ctx, objects); err != nil {
		return drift, fmt.Errorf("read %s: objects: %w", r.System, err)
	}
	// 7. How what acts as the accounts is deployed.
	if err := r.exposures(ctx); err != nil {
		return drift, fmt.Errorf("read %s: how programs are deployed: %w", r.System, err)
	}
	return drift, nil
}

// ReadObjects reads who holds these objects, as Read does everything. Those that the
// catalog does not name are left out.
func (r *Reader) ReadObjects(ctx context.Context, objects []string) (engine.Drift, error) {
	named := Objects(r.Directory(), r.System)
	var some []string
	for _, o := range named {
		if slices.Contains(objects, o) {
			some = append(some, o)
		}
	}
	if len(some) == 0 {
		return engine.Drift{}, nil
	}
	done, err := r.mine(ctx)
	if err != nil {
		return engine.Drift{}, err
	}
	defer done()
	return r.holdings(ctx, some, true)
}

// mine waits until no other reading of the system is under way.
func (r *Reader) mine(ctx context.Context) (done func(), err error) {
	select {
	case r.turn <- struct{}{}:
		return func() { <-r.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("read %s: another reading is under way: %w", r.System, ctx.Err())
	}
}

// holdings reads who holds the objects, and tells the engine.
func (r *Reader) holdings(ctx context.Context, objects []string, part bool) (engine.Drift, error) {
	// 1. All of it, or nothing.
	reading := engine.Reading{System: r.System, At: r.Now(), Objects: objects, Part: part} // a reading is as old as its beginning
	err := r.Connector.Observe(ctx, objects, func(h connector.Holding) error {
		reading.Holdings = append(reading.Holdings, engine.Held{Account: h.Account, Object: h.Object})
		return nil
	})
	if err != nil {
		return engine.Drift{}, fmt.Errorf("read %s: %w", r.System, err)
	}
	// 2. Who gave what nobody granted.
	if err := r.attribute(ctx, &reading); err != nil {
		return engine.Drift{}, fmt.Errorf("read %s: %w", r.System, err)
	}
	// 3. What it comes to.
	drift, err := r.Door.Observed(ctx, reading)
	if err != nil {
		return drift, fmt.Errorf("read %s: %w", r.System, err)
	}
	r.Log.InfoContext(ctx, "inventory", "system", r.System, "part", part, "objects", len(objects), "holdings", len(reading.Holdings),
		"unexpected", drift.Unexpected, "missing", drift.Missing, "again", drift.Again, "adopting", drift.Adopting, "removing", drift.Removing,
		"held_back", drift.HeldBack, "braked", drift.Braked, "overtaken", drift.Overtaken)
	return drift, nil
}

// accounts reads every account, where the target can tell them apart.
func (r *Reader) accounts(ctx context.Context) error {
	target, can := connector.As[connector.Accounts](r.Connector)
	if !can {
		return nil
	}
	at := r.Now()
	var seen []engine.AccountSeen
	err := target.Accounts(ctx, func(a connector.Account) error {
		seen = append(seen, engine.AccountSeen{Name: a.Name, ID: a.ID, Kind: a.Kind, Used: a.Used, By: a.By})
		return nil
	})
	if err != nil {
		return err
	}
	drift, err := r.Door.ObservedAccounts(ctx, r.System, at, seen)
	if err == nil {
		r.Log.InfoContext(ctx, "accounts", "system", r.System, "accounts", len(seen), "orphans", drift.Orphans, "made_anew", drift.MadeAnew,
			"held_back", drift.HeldBack, "braked", drift.Braked)
	}
	if err != nil {
		return err
	}
	return r.uses(ctx)
}

// uses reads what acts as accounts now, where the target shows it.
func (r *Reader) uses(ctx context.Context) error {
	target, can := connector.As[connector.Uses](r.Connector)
	if !can {
		return nil
	}
	at := r.Now()
	var seen []engine.UseSeen
	err := target.Uses(ctx, func(u connector.Use) error {
		seen = append(seen, engine.UseSeen{Account: u.Account, Program: u.Program, From: u.From, Person: u.Person})
		return nil
	})
	if err != nil {
		return err
	}
	return r.Door.ObservedUses(ctx, r.System, at, seen)
}

// exposures reads how programs are deployed, where the target tells.
func (r *Reader) exposures(ctx context.Context) error {
	target, can := connector.As[connector.Exposures](r.Connector)
	if !can {
		return nil
	}
	at := r.Now()
	var seen []engine.ExposureSeen
	err := target.Exposures(ctx, func(x connector.Exposure) error {
		seen = append(seen, engine.ExposureSeen{Account: x.Account, What: x.What})
		return nil
	})
	if err != nil {
		return err
	}
	return r.Door.ObservedExposures(ctx, r.System, at, seen)
}

// mostAsked is how many holdings a target is asked about who gave them.
const mostAsked = 200

// attribute asks the target who gave what is strange. It is for people to read: a
// target that cannot say keeps nobody from being told the rest.
func (r *Reader) attribute(ctx context.Context, reading *engine.Reading) error {
	target, can := connector.As[connector.Attribution](r.Connector)
	if !can {
		return nil
	}
	strange, err := r.Door.Strange(ctx, *reading, mostAsked)
	if err != nil || len(strange) == 0 {
		return err
	}
	refs := make([]connector.Ref, len(strange))
	for i, h := range strange {
		refs[i] = connector.Ref{Account: h.Account, Object: h.Object}
	}
	said, err := target.Authors(ctx, refs)
	if err != nil {
		r.Log.WarnContext(ctx, "inventory", "system", r.System, "unattributed", len(refs), "error", err.Error())
	}
	reading.By = make(map[engine.Held]string, len(said))
	for ref, by := range said {
		reading.By[engine.Held{Account: ref.Account, Object: ref.Object}] = by
	}
	return nil
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
