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

// How a replica keeps up with the roster. It asks often; when it has had no answer for
// rosterOld, roles that were granted are no longer in force, for their end may be
// missed. Others rely on rosterLag, which leaves room to notice.
const (
	rosterEvery = time.Second
	rosterWait  = 2 * rosterEvery // for one answer
	rosterOld   = 4 * rosterEvery
	rosterLag   = rosterOld + rosterEvery
)

// roster joins what the files say with who holds a role of Lessor by a grant, and has
// the two in force as one snapshot. Every change of the world in force goes through it.
type roster struct {
	db    *store.DB // nil before the database is open: nothing may be asked yet
	world *atomic.Pointer[engine.World]

	turn sync.Mutex // one reading at a time, so none is overtaken by an older one

	mu      sync.Mutex // of what follows; never held while the database is asked
	files   engine.World
	members []store.Member // of what is in force
	version int64
	asOf    time.Time // when that was so, at least
	lapsed  bool      // that is too long ago: the files alone are in force
}

var _ roles.Roster = (*roster)(nil)

// take has the files' world in force, with whoever is on the roster. Who is on it
// for a group or an identity that the files do not have goes off it: what is deleted
// and made anew under its name inherits nothing.
func (r *roster) take(ctx context.Context, files engine.World) (off []store.Member, err error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	_, has := files.Directory.RolesSystem()
	off, err = r.db.KeepOnRoster(ctx, func(m store.Member) bool {
		return has && files.Directory.HasGroup(m.Group) && files.Directory.HasIdentity(m.Identity)
	})
	if err != nil {
		return nil, err
	}
	began := time.Now()
	members, version, err := r.db.Roster(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.files = files
	r.join(members, version, began)
	return off, nil
}

// join has these members in force, which were so at that moment. mu is held.
func (r *roster) join(members []store.Member, version int64, asOf time.Time) {
	joined := r.files
	if _, has := r.files.Directory.RolesSystem(); has && len(members) > 0 {
		more := map[string][]string{}
		for _, m := range members {
			more[m.Group] = append(more[m.Group], m.Identity)
		}
		joined = r.files.In(r.files.Directory.WithMembers(more))
	}
	r.members, r.version, r.asOf, r.lapsed = members, version, asOf, false
	r.world.Store(&joined)
}

// Read implements [roles.Roster]. The roster is read whole and not only its version: a
// row that somebody wrote by hand must be seen.
func (r *roster) Read(ctx context.Context) (roles.Sight, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	if r.db == nil {
		return roles.Sight{}, errors.New("the database is not open")
	}
	began := time.Now()
	members, version, err := r.db.Roster(ctx)
	if err != nil {
		return roles.Sight{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asOf = began; r.lapsed || !slices.Equal(members, r.members) || version != r.version {
		r.join(members, version, began)
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

// Lag implements [roles.Roster]: only on PostgreSQL is there another replica.
func (r *roster) Lag() time.Duration {
	if r.db == nil || r.db.Dialect == store.SQLite {
		return 0
	}
	return rosterLag
}

// watch has in force what other replicas change, until the context ends.
func (r *roster) watch(ctx context.Context, log *slog.Logger) {
	var asking sync.WaitGroup
	asking.Go(func() { r.ask(ctx, log) })
	onTick(ctx, rosterEvery/4, func() { // an answer that is long in coming holds this up no more than none
		if r.lapse() {
			log.ErrorContext(ctx, "roles that were granted are not in force, only those in the files: the roster cannot be read", "for", rosterOld.String())
		}
	})
	asking.Wait()
}

// ask keeps up with the roster, and says when it cannot and when it can again.
func (r *roster) ask(ctx context.Context, log *slog.Logger) {
	failing := false
	onTick(ctx, rosterEvery, func() {
		err := r.keepUp(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil && !failing:
			log.WarnContext(ctx, "roles could not be read: those in force are older", "error", err.Error())
		case err == nil && failing:
			log.InfoContext(ctx, "roles are read again, and those that were granted are in force")
		}
		failing = err != nil
	})
}

func onTick(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// keepUp reads the roster if it was changed.
func (r *roster) keepUp(ctx context.Context) error {
	r.mu.Lock()
	_, has := r.files.Directory.RolesSystem()
	last, lapsed := r.version, r.lapsed
	r.mu.Unlock()
	if !has {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rosterWait)
	defer cancel()
	began := time.Now()
	version, err := r.db.RosterVersion(ctx)
	if err != nil {
		return err
	}
	if version != last || lapsed {
		_, err = r.Read(ctx)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.version == version && began.After(r.asOf) {
		r.asOf = began
	}
	return nil
}

// lapse has the files alone in force once the roster is too old: somebody's role may
// have ended without us. It tells whether that is so from now on.
func (r *roster) lapse() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, has := r.files.Directory.RolesSystem()
	if !has || r.lapsed || len(r.members) == 0 || r.Lag() == 0 || time.Since(r.asOf) < rosterOld {
		return false
	}
	r.lapsed = true
	files := r.files
	r.world.Store(&files)
	return true
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
