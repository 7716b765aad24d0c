package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/signal"
	"github.com/lessor-iam/lessor/internal/witness"
)

// Reload reads the folder anew and takes it in whole, or not at all: what a
// running server cannot take in is refused by name, and so is what would silently
// end or strand access: somebody must revoke it first, or mark its holder inactive.
// Nobody in particular asks for it: a signal does.
func (s *Server) Reload(ctx context.Context) error {
	return s.ReloadBy(ctx, access.Actor{Identity: access.Clock.Identity, Channel: "signal"}, "")
}

// ReloadBy is [Server.Reload], asked for by somebody; confirm is the digest of the files
// that they have looked at, if they are a second person.
func (s *Server) ReloadBy(ctx context.Context, by access.Actor, confirm string) error {
	s.reload.Lock()
	defer s.reload.Unlock()
	// 1. All of it is right by itself.
	c, err := config.Load(s.dir)
	if err != nil {
		return err
	}
	if c, err = withTold(ctx, s.db, c); err != nil {
		return err
	}
	world, warnings, err := readWorld(c)
	if err != nil {
		return err
	}
	sites, err := s.carry(c)
	if err != nil {
		return err
	}
	unreadable, err := checkSources(c)
	if err != nil {
		return err
	}
	signals, err := s.signalRoom(c)
	if err != nil {
		return err
	}
	watching, err := watchers(c)
	if err != nil {
		return err
	}
	// 2. It fits what is running and what is held.
	was := s.current.Load()
	if fixed := slices.Concat(settingsChanged(was, c), signInChanged(was, c), systemsChanged(was, c), storesChanged(was, c)); len(fixed) > 0 {
		return fmt.Errorf("%w: nothing was taken in, because this needs a restart of the server: %s", access.ErrConflict, strings.Join(fixed, "; "))
	}
	targets := map[string]connector.Connector{}
	for id, lane := range s.lanes {
		targets[id] = lane.Connector
	}
	if err := planProblems(c, targets, s.stores); err != nil {
		return err
	}
	bereft, err := s.engine.Bereft(ctx, s.roster.with(c.Directory))
	if err != nil {
		return err
	}
	if len(bereft) > 0 {
		return fmt.Errorf("%w: the new files leave grants without what they are of (%d); revoke them first:\n%s", access.ErrConflict, len(bereft), strings.Join(bereft, "\n"))
	}
	// 3. It is written down, unless it waits for a second person.
	f, err := s.engine.TakeFiles(ctx, by, s.loaded(by, c, world), confirm)
	if err != nil {
		return err
	}
	if f.Waits() {
		return engine.FilesWaiting(f)
	}
	// 4. From here on it is in force, whether or not whoever asked still waits for the answer.
	return s.putInForce(context.WithoutCancel(ctx), &taken{c, world, sites, signals, watching, slices.Concat(meant(c), warnings, unreadable)})
}

// taken are files that are written down as in force, and what was made of them.
type taken struct {
	c        *config.Config
	world    engine.World
	sites    carriers
	signals  *signal.Room
	watching []*witness.Witness
	warnings []string
}

// owedTime bounds one attempt to have files in force that are written down as such.
const owedTime = 30 * time.Second

// putInForce has files in force; what may no longer be held by them ends now. They are
// written down already, so that it is owed where it fails, and [Server.payOwed] tries again.
func (s *Server) putInForce(ctx context.Context, t *taken) error {
	s.owed.Store(t)
	for _, w := range t.warnings {
		s.log.WarnContext(ctx, "configuration", "warning", w)
	}
	enforcing, cancel := context.WithTimeout(ctx, owedTime)
	defer cancel()
	if err := s.enforce(enforcing, t.world); err != nil {
		return fmt.Errorf("the new files are written down as in force, and this server goes by those before still; that is tried again every %s: %w", replicaEvery, err)
	}
	s.owed.Store(nil)
	s.current.Store(t.c)
	s.unconfirmed.Store(nil)
	s.keys.Set(keysOf(t.c))
	s.signals.Store(t.signals)
	s.watchers.Store(&t.watching)
	s.hand(t.sites)
	if err := s.goRound(); err != nil {
		return err
	}
	_ = s.appraise(ctx) // said in the log, and done again with the next sweep
	swept, err := s.engine.Sweep(ctx)
	s.log.InfoContext(ctx, "reloaded", "policy", t.world.Policy.Digest(), "ended", swept.Ended, "shortened", swept.Shortened, "bereft", swept.Bereft)
	if err != nil {
		// The files are in force whatever is said here; the periodic sweep ends the rest.
		return fmt.Errorf("the new files are in force, but not every grant could be held against them yet; that is tried again every %s: %w", sweepEvery, err)
	}
	return nil
}

// payOwed has files in force that were written down as such when the database went away,
// or whatever else kept them from it. What it says while that lasts was said at first.
func (s *Server) payOwed(ctx context.Context) {
	if s.owed.Load() == nil {
		return
	}
	s.reload.Lock()
	defer s.reload.Unlock()
	t := s.owed.Load()
	if t == nil {
		return
	}
	t.warnings = nil
	if err := s.putInForce(ctx, t); err != nil && s.owed.Load() == nil {
		s.log.ErrorContext(ctx, "reloaded late", "error", err.Error())
	}
}

// same tells whether two settings are both left out, or say the same.
func same[T comparable](was, is *T) bool {
	return was == is || was != nil && is != nil && *was == *is
}

// settingsChanged names what of lessor.yaml differs and is built into what is running.
func settingsChanged(was, is *config.Config) (names []string) {
	for _, c := range []struct {
		key  string
		same bool
	}{
		{"listen", was.Listen == is.Listen},
		{"tls", tlsOf(was) == tlsOf(is)},
		{"database", was.Database == is.Database},
		{"database_ref", was.DatabaseRef == is.DatabaseRef},
		{"database_read_ref", was.ReadRef == is.ReadRef},
		{"schema_ref", was.SchemaRef == is.SchemaRef},
		{"state", was.State == is.State},
		{"log_key_ref", was.LogKeyRef == is.LogKeyRef},
		{"log_copy", was.LogCopy == is.LogCopy},
		{"answer_within", was.AnswerWithin == is.AnswerWithin},
		{"provision_within", was.ProvisionWithin == is.ProvisionWithin},
		{"pace", was.Pace == is.Pace},
		{"clock", was.Clock == is.Clock},
		{"backstop", was.Backstop == is.Backstop},
		{"metrics", same(was.Metrics, is.Metrics)},
		{"traces", same(was.Traces, is.Traces)},
	} {
		if !c.same {
			names = append(names, c.key+" of lessor.yaml")
		}
	}
	return names
}

// tlsOf is what of TLS would have to differ; what the files hold is read anew anyway.
func tlsOf(c *config.Config) config.TLS {
	if c.TLS == nil {
		return config.TLS{}
	}
	return *c.TLS
}

// systemsChanged names the systems that differ.
func systemsChanged(was, is *config.Config) (names []string) {
	for _, id := range was.Directory.Systems() {
		old, _ := was.Directory.System(id)
		if now, ok := is.Directory.System(id); !ok || access.Digest(old) != access.Digest(now) {
			names = append(names, "system "+id+" of the catalog")
		}
	}
	for _, id := range is.Directory.Systems() {
		if _, ok := was.Directory.System(id); !ok {
			names = append(names, "system "+id+" of the catalog")
		}
	}
	return names
}
