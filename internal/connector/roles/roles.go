// Package roles is the connector to Lessor itself: its objects are the groups of the
// directory by which Lessor knows who is in security, who audits and whom the rules
// name, its accounts are the identities. Whoever holds an object is in that group,
// beside those whom the files name.
//
// It knows nothing of grants, and decides nothing: like any target, the roster is
// told who is on it. It never writes the files; what stands in them only people
// change.
package roles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

const batch = 500

// Groups is one snapshot of who is in which group. Nothing changes it.
type Groups interface {
	HasGroup(group string) bool
	HasIdentity(id string) bool
	Groups() []string
	// DirectMembers are those in the group itself, sorted.
	DirectMembers(group string) []string
	// InnerGroups are the groups within the group, at whatever depth.
	InnerGroups(group string) []string
	// MembersOf are all in the group, through nesting, sorted.
	MembersOf(group string) []string
}

// Sight is what is so at one moment.
type Sight struct {
	Roster  map[connector.Ref]bool // who is on the roster
	Files   Groups                 // as the files say
	InForce Groups                 // as Lessor decides by on this machine: both, if all is well
}

// Roster is where it is kept who is in which group by a grant. It is safe for
// concurrent use.
type Roster interface {
	// Change puts these on the roster and takes those off it: all of it durable when
	// the error is nil. It is idempotent.
	Change(ctx context.Context, put, take []connector.Ref) error
	// Read reads the roster anew; what it returns is in force on this machine.
	Read(ctx context.Context) (Sight, error)
	// Lag is how long other machines may go on by an older roster; zero: there are none.
	Lag() time.Duration
}

// Config may be wrong; New says how.
type Config struct {
	Roster Roster
	// Now tells the time. Nil means time.Now.
	Now func() time.Time
}

// Connector is Lessor as its own target.
type Connector struct {
	Config
	closed context.Context
	close  context.CancelFunc
}

var _ connector.Connector = (*Connector)(nil)

// New checks the configuration; it reads nothing.
func New(cfg Config) (*Connector, error) {
	if cfg.Roster == nil {
		return nil, errors.New("roles: Roster is required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Connector{Config: cfg}
	c.closed, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Capabilities: what is in force is another path than what is written.
func (c *Connector) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: batch, Effective: true, Lingers: c.Roster.Lag()}
}

// Close makes later calls fail, and ends those under way.
func (c *Connector) Close() error { c.close(); return nil }

// bound ends a call's context when the connector is closed.
func (c *Connector) bound(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.closed, cancel)
	return ctx, func() { stop(); cancel() }
}

// read is [Roster.Read], for whoever may still ask.
func (c *Connector) read(ctx context.Context) (Sight, error) {
	if err := errors.Join(ctx.Err(), c.closed.Err()); err != nil {
		return Sight{}, err
	}
	return c.Roster.Read(ctx)
}

// Apply changes the roster, and has it in force on this machine before it answers.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	for i, ch := range changes {
		results[i].Ref = ch.Ref
	}
	fail := func(err error) []connector.Result {
		for i := range results {
			if results[i].Err == nil {
				results[i].Err = err
			}
		}
		return results
	}
	ctx, done := c.bound(ctx)
	defer done()
	// 1. Who and what there is.
	was, err := c.read(ctx)
	if err != nil {
		return fail(fmt.Errorf("%w: nothing was changed: %w", connector.ErrUnreachable, err))
	}
	// 2. One change of the roster; of two about the same the later counts.
	last := map[connector.Ref]bool{}
	for i, ch := range changes {
		switch {
		case ch.Want && !was.Files.HasGroup(ch.Object):
			results[i].Err = fmt.Errorf("%w: the directory has no group %.100q", connector.ErrNoObject, ch.Object)
		case ch.Want && !was.Files.HasIdentity(ch.Account):
			results[i].Err = fmt.Errorf("%w: the directory has no identity %.100q", connector.ErrNoObject, ch.Account)
		case ch.Want || was.Roster[ch.Ref] || (was.Files.HasGroup(ch.Object) && was.Files.HasIdentity(ch.Account)):
			last[ch.Ref] = ch.Want
		}
	}
	var put, take []connector.Ref
	for r, want := range last {
		if want {
			put = append(put, r)
		} else {
			take = append(take, r)
		}
	}
	if len(last) > 0 {
		if err := c.Roster.Change(ctx, put, take); err != nil {
			return fail(meant(err))
		}
	}
	// 3. In force: if we stop here, the next reading brings it about.
	is, err := c.read(ctx)
	if err != nil {
		return fail(fmt.Errorf("%w: the roster was changed and could not be read again: %w", connector.ErrUnanswered, err))
	}
	// 4. What the files say only people change.
	for i, ch := range changes {
		if results[i].Err == nil && !ch.Want && named(is.Files, ch.Ref) {
			results[i].Err = fmt.Errorf("%w: %s", connector.ErrRefused, byFile(ch.Ref))
		}
	}
	return results
}

// meant is what an error of the roster means: unless it says so, nobody knows
// whether it took effect.
func meant(err error) error {
	for _, known := range []error{connector.ErrRefused, connector.ErrUnreachable, connector.ErrUnanswered} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
}

func named(files Groups, r connector.Ref) bool { return has(files.DirectMembers(r.Object), r.Account) }

func has(sorted []string, id string) bool {
	_, ok := slices.BinarySearch(sorted, id)
	return ok
}

// byFile says what to do where the files name a member.
func byFile(r connector.Ref) string {
	return fmt.Sprintf("directory.yaml, or a file below directory/, names %q among the members of group %q: take the name out there and reload", r.Account, r.Object)
}

// Look reads the roster and the files for what is held directly, and what is in force
// for what is held by any path.
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	seen := make([]connector.Seen, len(refs))
	at := c.Now()
	ctx, done := c.bound(ctx)
	defer done()
	is, err := c.read(ctx)
	for i, r := range refs {
		seen[i] = connector.Seen{Ref: r, At: at, Err: err, Path: "the roster and the directory's files; who is in the group in force"}
		if err != nil || !is.Files.HasGroup(r.Object) {
			continue
		}
		inFiles := named(is.Files, r)
		// What is on the roster is held, even by somebody whom the files do not name any
		// more: it would be in force again as soon as they do.
		seen[i].Direct = is.Roster[r] || inFiles
		seen[i].Effective = seen[i].Direct || has(is.InForce.MembersOf(r.Object), r.Account)
		if inFiles {
			seen[i].Residual = append(seen[i].Residual, byFile(r))
		}
		if seen[i].Effective {
			seen[i].Residual = append(seen[i].Residual, through(is.InForce, r)...)
		}
	}
	return seen
}

// through says by which inner groups somebody is in a group.
func through(in Groups, r connector.Ref) (ways []string) {
	for _, g := range in.InnerGroups(r.Object) {
		if has(in.DirectMembers(g), r.Account) {
			ways = append(ways, fmt.Sprintf("%q is in group %q, which lies within %q", r.Account, g, r.Object))
		}
	}
	return ways
}

// Observe gives everybody who is in the groups, on the roster or by the files, also
// through a group within the group: nobody is in security unseen.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	ctx, done := c.bound(ctx)
	defer done()
	is, err := c.read(ctx)
	if err != nil {
		return err
	}
	on := map[string][]string{}
	for r := range is.Roster {
		on[r.Object] = append(on[r.Object], r.Account)
	}
	if len(objects) == 0 {
		objects = is.Files.Groups()
	}
	for _, o := range objects {
		if !is.Files.HasGroup(o) {
			continue
		}
		all := slices.Concat(on[o], is.Files.DirectMembers(o), is.InForce.MembersOf(o))
		slices.Sort(all)
		for _, account := range slices.Compact(all) {
			if err := yield(connector.Holding{Ref: connector.Ref{Account: account, Object: o}}); err != nil {
				return err
			}
		}
	}
	return nil
}
