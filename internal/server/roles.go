package server

import (
	"context"
	"errors"
	"log/slog"
	"maps"
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

// roster joins what the files say with what the database adds: whom feeds have told of or
// somebody has registered, who answers for what changed hands, and who holds a role of
// Lessor by a grant. It has all of it in force as one snapshot. Every change of the world in force goes through it.
type roster struct {
	db    *store.DB // nil before the database is open: nothing may be asked yet
	world *atomic.Pointer[engine.World]

	turn  sync.Mutex // one reading at a time, so none is overtaken by an older one
	sight sync.Mutex // one of those who wait for a reading
	waits patience
	asked askings

	mu      sync.Mutex                 // of what follows; never held while the database is asked
	written engine.World               // what the files say
	joined  map[string]access.Identity // what the database adds to it
	hands   map[string]access.Hand
	files   engine.World   // both
	members []store.Member // of what is in force besides
	version int64
	asOf    time.Time // when that was so, at least
	lapsed  bool      // that is too long ago: the files alone are in force
}

var _ roles.Roster = (*roster)(nil)

// take has the files' world in force, with what the database adds to it. Who is on the
// roster for a group or an identity that there is none of goes off it: what is deleted
// and made anew under its name inherits nothing.
func (r *roster) take(ctx context.Context, written engine.World) (off []store.Member, err error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	began := time.Now()
	added, err := r.db.AddedAfter(ctx, 0)
	if err != nil {
		return nil, err
	}
	next := roster{written: written}
	next.add(added)
	_, has := written.Directory.RolesSystem()
	dir := next.files.Directory
	stays := func(m store.Member) bool { return has && dir.HasGroup(m.Group) && dir.HasIdentity(m.Identity) }
	if slices.ContainsFunc(added.Members, func(m store.Member) bool { return !stays(m) }) {
		if off, err = r.db.KeepOnRoster(ctx, stays); err != nil {
			return nil, err
		}
		if added.Members, added.Version, err = r.db.Roster(ctx); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written, r.joined, r.hands, r.files = written, next.joined, next.hands, next.files
	r.join(added.Members, added.Version, began)
	return off, nil
}

// with is the directory that would be in force with these files, but for roles.
func (r *roster) with(written *access.Directory) *access.Directory {
	r.mu.Lock()
	defer r.mu.Unlock()
	return written.Join(access.Joined{Identities: slices.Collect(maps.Values(r.joined)), Hands: slices.Collect(maps.Values(r.hands))})
}

// add takes in what was joined since the last reading. mu is held.
func (r *roster) add(added store.Added) {
	if r.joined == nil || added.Version < r.version {
		r.joined, r.hands = map[string]access.Identity{}, map[string]access.Hand{}
	}
	for _, i := range added.Since.Identities {
		r.joined[i.ID] = i
	}
	for _, h := range added.Since.Hands {
		r.hands[h.Subject] = h
	}
	r.files = r.written
	if len(r.joined)+len(r.hands) > 0 {
		r.files = r.written.In(r.written.Directory.Join(access.Joined{Identities: slices.Collect(maps.Values(r.joined)), Hands: slices.Collect(maps.Values(r.hands))}))
	}
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
	joined.Version = version
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
	r.mu.Lock()
	last := r.version
	r.mu.Unlock()
	began := time.Now()
	added, err := r.db.AddedAfter(ctx, last)
	if err != nil {
		return roles.Sight{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asOf = began
	if added.Version != last {
		r.add(added)
	}
	if r.lapsed || !slices.Equal(added.Members, r.members) || added.Version != last {
		r.join(added.Members, added.Version, began)
	}
	on := make(map[connector.Ref]bool, len(added.Members))
	for _, m := range added.Members {
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
	last, lapsed := r.version, r.lapsed
	r.mu.Unlock()
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
	files.Version = r.version
	r.world.Store(&files)
	return true
}

// joined is the engine's word that the database adds something else than before. What
// cannot be read now is read a second later.
func (s *Server) joined(ctx context.Context, mayWait bool) {
	ctx = context.WithoutCancel(ctx)
	if mayWait {
		s.roster.later(func() { s.joined(ctx, false) })
		return
	}
	if err := s.roster.keepUp(ctx); err != nil {
		s.log.WarnContext(ctx, "the directory could not be read anew yet", "error", err.Error())
	}
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
