package server

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/roles"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// rosterEvery is how often a replica asks whether another one changed the roster.
const rosterEvery = time.Second

// roster joins what the files say with who holds a role of Lessor by a grant, and has
// the two in force as one snapshot. Every change of the world in force goes through it.
type roster struct {
	db    *store.DB // nil before the database is open: nothing may be asked yet
	world *atomic.Pointer[engine.World]

	mu      sync.Mutex // one change of the world at a time, none by an older reading
	files   engine.World
	members []store.Member // of what is in force
	version int64
}

var _ roles.Roster = (*roster)(nil)

// take has the files' world in force, with whoever is on the roster. Who is on it
// for a group or an identity that the files do not have goes off it: what is deleted
// and made anew under its name inherits nothing.
func (r *roster) take(ctx context.Context, files engine.World) (off []store.Member, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, has := files.Directory.RolesSystem()
	off, err = r.db.KeepOnRoster(ctx, func(m store.Member) bool {
		return has && files.Directory.HasGroup(m.Group) && files.Directory.HasIdentity(m.Identity)
	})
	if err != nil {
		return nil, err
	}
	members, version, err := r.db.Roster(ctx)
	if err != nil {
		return nil, err
	}
	r.files = files
	r.join(members, version)
	return off, nil
}

// join has these members in force. The lock is held.
func (r *roster) join(members []store.Member, version int64) {
	joined := r.files
	if _, has := r.files.Directory.RolesSystem(); has && len(members) > 0 {
		more := map[string][]string{}
		for _, m := range members {
			more[m.Group] = append(more[m.Group], m.Identity)
		}
		joined = r.files.In(r.files.Directory.WithMembers(more))
	}
	r.members, r.version = members, version
	r.world.Store(&joined)
}

// Read implements [roles.Roster]. The roster is read whole and not only its version: a
// row that somebody wrote by hand must be seen.
func (r *roster) Read(ctx context.Context) (roles.Sight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.db == nil {
		return roles.Sight{}, errors.New("the database is not open")
	}
	members, version, err := r.db.Roster(ctx)
	if err != nil {
		return roles.Sight{}, err
	}
	if !slices.Equal(members, r.members) || version != r.version {
		r.join(members, version)
	}
	on := make(map[connector.Ref]bool, len(members))
	for _, m := range members {
		on[connector.Ref{Account: m.Identity, Object: m.Group}] = true
	}
	return roles.Sight{Roster: on, Files: r.files.Directory, InForce: r.world.Load().Directory}, nil
}

// Change implements [roles.Roster].
func (r *roster) Change(ctx context.Context, put, take []connector.Ref) error {
	if r.db == nil {
		return errors.New("the database is not open")
	}
	return r.db.ChangeRoster(ctx, membersOf(put), membersOf(take))
}

func membersOf(refs []connector.Ref) []store.Member {
	list := make([]store.Member, len(refs))
	for i, ref := range refs {
		list[i] = store.Member{Group: ref.Object, Identity: ref.Account}
	}
	return list
}

// Lag implements [roles.Roster]: only on PostgreSQL is there another replica. It asks
// once in rosterEvery, and may need as long again to read.
func (r *roster) Lag() time.Duration {
	if r.db == nil || r.db.Dialect == store.SQLite {
		return 0
	}
	return 2 * rosterEvery
}

// watch has in force what other replicas change, until the context ends.
func (r *roster) watch(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(rosterEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := r.keepUp(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "roles could not be read: those in force are older", "error", err.Error())
		}
	}
}

// keepUp reads the roster if it was changed.
func (r *roster) keepUp(ctx context.Context) error {
	r.mu.Lock()
	_, has := r.files.Directory.RolesSystem()
	last := r.version
	r.mu.Unlock()
	if !has {
		return nil
	}
	version, err := r.db.RosterVersion(ctx)
	if err == nil && version != last {
		_, err = r.Read(ctx)
	}
	return err
}

// enforce has a world in force with the roles that were granted.
func (s *Server) enforce(ctx context.Context, files engine.World) error {
	off, err := s.roster.take(ctx, files)
	for _, m := range off {
		s.log.WarnContext(ctx, "a role has lost its group or whoever held it", "group", m.Group, "identity", m.Identity)
	}
	return err
}

// newRoles is Lessor as its own target.
func newRoles(s *settings) (connector.Connector, error) {
	if s.done() {
		return nil, nil
	}
	return roles.New(roles.Config{Roster: s.roster})
}

var _ roles.Groups = (*access.Directory)(nil)
