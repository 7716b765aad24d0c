// Package server wires the rooms into one running program: database, log,
// rules, engine, one lane a system, background work and the doors. It is the
// only place that names concrete adapters. It decides nothing.
//
// It begins in an order that leaves nothing unguarded: what is stored is opened
// and its log compared with the key, then rules and directory are read, then
// what can no longer be held is ended, and only then lanes work and doors open.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/channel/jira"
	"github.com/lessor-iam/lessor/internal/clock"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/news"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/rotate"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/signal"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/trace/otlp"
	"github.com/lessor-iam/lessor/internal/watch"
	"github.com/lessor-iam/lessor/internal/witness"
)

// Server is Lessor, wired.
type Server struct {
	dir      string
	log      *slog.Logger
	db       *store.DB
	engine   *engine.Engine
	world    atomic.Pointer[engine.World]
	current  atomic.Pointer[config.Config]
	keys     *api.Keys
	signer   *evidence.Signer
	lanes    map[string]*reconcile.Lane
	readers  map[string]*inventory.Reader
	targets  []connector.Connector
	stores   map[string]deliver.Store // where credentials are delivered to
	rotators map[string]*rotate.Lane  // on which they are made anew
	handler  http.Handler
	local    Local                       // how people sign in by themselves: the demo's alone
	reload   sync.Mutex                  // one reload at a time
	owed     atomic.Pointer[taken]       // files written down as in force that are not yet; nil: there are none
	rounds   *rounds                     // nil before Run
	wire     *news.Wire                  // what happens, read once for all who listen
	signals  atomic.Pointer[signal.Room] // nil: none are heard or sent
	time     keeper                      // what everything here goes by
	machine  *clock.Readers              // the clocks it is made of; nil: the machine's
	roster   *roster                     // who holds a role of Lessor itself
	mirror   mirror                      // a copy of the database that can only be read, if there is one
	kept     kept                        // what of the log was written down outside the database
	seam     func(step string)           // nil, but in tests
	figures  *watch.Figures              // what this replica counts
	metrics  http.Handler                // answers with them, and with what is read; nil: nobody asks
	spans    *watch.Spans                // nil: none are sent
	collect  *otlp.Sender                // … to whom
	beside   string                      // where metrics are listened for instead of what the files say
	health   health                      // whether this replica is ready
	degraded atomic.Pointer[[]Degraded]  // nil before Run
	self     self                        // this replica among the others
	holding  hold                        // … and while it may go on with what it has begun
	room     *room                       // what the database has left to grow

	unconfirmed atomic.Pointer[access.Halt] // while two people have not confirmed the files in force
	filesBegun  atomic.Bool                 // … which was written down

	watchers atomic.Pointer[[]*witness.Witness] // to whom the log's heads are shown
	answered *answered                          // which of them have answered this process

	sites    atomic.Pointer[carriers] // Jira sites whose tickets are carried
	carrying sync.RWMutex             // held by whoever is at a ticket
}

// New opens everything below the folder and checks that it fits together. It
// listens to nothing and works nothing yet; Close gives back what it opened.
func New(ctx context.Context, dir string, log *slog.Logger, options ...Option) (*Server, error) {
	// 1. What is configured, in full and checked.
	c, err := config.Load(dir)
	if err != nil {
		return nil, err
	}
	world, warnings, err := readWorld(c)
	if err != nil {
		return nil, err
	}
	on := &roster{}
	targets, more, err := connectors(c, log, on)
	if err != nil {
		return nil, err
	}
	stores, still, err := secretStores(c, log)
	if err != nil {
		return nil, err
	}
	if err := planProblems(c, targets, stores); err != nil {
		return nil, err
	}
	unreadable, err := checkSources(c)
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, log: log, lanes: map[string]*reconcile.Lane{}, readers: map[string]*inventory.Reader{}, roster: on, stores: stores, rotators: map[string]*rotate.Lane{}}
	on.world = &s.world
	for _, option := range options {
		option(s)
	}
	s.current.Store(c)
	s.world.Store(&world)
	s.keys = api.NewKeys(s.knows)
	s.keys.Set(keysOf(c))
	s.sites.Store(&carriers{})
	watching, err := watchers(c)
	if err != nil {
		return nil, err
	}
	s.watchers.Store(&watching)
	if _, err := jiraSites(c); err != nil {
		return nil, err
	}
	// 2. What is stored, and the key its log was signed with.
	if err := s.open(ctx, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if c, err = withTold(ctx, s.db, c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.current.Store(c)
	for _, w := range slices.Concat(meant(c), warnings, more, still, unreadable, soleAdministrators(c, time.Now())) {
		log.WarnContext(ctx, "configuration", "warning", w)
	}
	// 3. The door, and a lane for each system.
	s.room, s.answered = s.newRoom(), newAnswered(s.now(), s.quorum())
	if s.engine, err = engine.New(engine.Config{DB: s.db, World: func() engine.World { return *s.world.Load() }, Now: s.now, Halted: s.halted, Rand: rand.Reader, Signer: s.signer, Quorum: s.quorum, NextSigner: s.nextSigner, EarlierSigner: s.earlierSigner, Stamped: s.time.before,
		Pace: c.Pace, AnswerWithin: c.AnswerWithin, ProvisionWithin: c.ProvisionWithin, StandingIn: s.standingIn, Glass: s.glass, ReadEvery: s.readEvery, Nudge: s.nudge, Afar: s.readAfar, Mixed: s.mixed, Joined: s.joined, Signals: func() access.Signals { return s.current.Load().Signals.Known() }, Feeds: s.feeds, Carries: func(channel string) bool { return channel == jira.Name && len(*s.sites.Load()) > 0 }, Seam: s.seam, Log: log}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.lay(c, targets)
	if err := s.watch(c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	sites, err := s.carry(c)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.sites.Store(&sites)
	// 4. Nothing may be left to systems that nobody can reach any more. Roles that were
	// granted are in force from here on.
	if err := s.stranded(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.enforce(ctx, world); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.wire, err = s.news(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	programs := s.hooks(api.New(api.Config{Engine: s.engine, News: s.wire, Keys: s.keys, Proof: proof{s}, Status: s.status, Reload: s.ReloadBy, People: s.people, Now: s.now, Log: log}))
	people, err := s.portal()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	enforcers, err := s.enforcers(c)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	tellers, err := s.tellers(c)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	signals, err := s.signalRoom(c)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.signals.Store(signals)
	s.handler = s.withHealth(s.withSignals(doors(programs, enforcers, tellers, people)))
	return s, nil
}

// open opens the database and refuses a log that another key has signed.
func (s *Server) open(ctx context.Context, c *config.Config) (err error) {
	if s.signer, err = openKey(c); err != nil {
		return err
	}
	dsn, err := DSN(c)
	if err != nil {
		return err
	}
	if s.db, err = s.openStore(ctx, c, dsn); err != nil {
		return err
	}
	s.roster.db = s.db
	if err := signedBy(ctx, s.db, s.signer); err != nil {
		return err
	}
	if err := settleKeys(ctx, c, s.db); err != nil {
		return fmt.Errorf("the log's new key could not be put in its place: %w", err)
	}
	if err := errors.Join(s.continues(ctx), s.continuesCopy(ctx)); err != nil {
		return err
	}
	return s.openTime(ctx, c)
}

// DSN is where the configured database is.
func DSN(c *config.Config) (string, error) {
	if c.DatabaseRef == "" {
		return c.Database, nil
	}
	v, err := secret.Open(c.DatabaseRef)
	if err != nil {
		return "", fmt.Errorf("database_ref: %w", err)
	}
	return strings.TrimSpace(v.Reveal()), nil
}

// batchesAtOnce is how many batches a lane has under way: while the target works on
// one, the database settles the other.
const batchesAtOnce = 2

// lay makes a lane for each system. Its holder's name is unique over restarts:
// a lease left behind by an earlier life is never taken for one's own.
func (s *Server) lay(c *config.Config, targets map[string]connector.Connector) {
	host, _ := os.Hostname() // for people reading the table; the random part is what makes it unique
	for id, target := range targets {
		s.targets = append(s.targets, target)
		s.layRotations(c, id, target)
		s.readers[id] = inventory.New(inventory.Config{Door: s.engine, System: id, Connector: target,
			Directory: func() *access.Directory { return s.world.Load().Directory }, Now: s.now, Log: s.log})
		s.lanes[id] = reconcile.New(reconcile.Config{Door: s.engine, System: id, Connector: target, Holder: fmt.Sprintf("%s/%s", host, rand.Text()),
			Width: batchesAtOnce, Pace: c.Pace, Backstop: c.Backstop, Now: s.now, Seam: s.seam, Log: s.log})
	}
}

func (s *Server) nudge(system string, due time.Time) {
	if l := s.lanes[system]; l != nil {
		l.Nudge(due)
	}
	if l := s.rotators[system]; l != nil {
		l.Nudge(due)
	}
}

func (s *Server) stranded(ctx context.Context) error {
	list, err := s.engine.Stranded(ctx, func(system string) bool { return s.lanes[system] != nil })
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%w: access is still held at systems that the catalog no longer has; put them back until it is removed:\n  %s",
			access.ErrInvalid, strings.Join(list, "\n  "))
	}
	return err
}

// knows tells whether an identity may be at the door at all. Who has left, on whatever
// replica it was said, may not from the moment in which that is stored.
// Where that cannot be read nobody is let in, and nobody is told that they are not known.
func (s *Server) knows(identity string, now time.Time) (bool, error) {
	if err := s.roster.upToDate(); err != nil {
		return false, fmt.Errorf("%w: who has left could not be read: %w", access.ErrUnavailable, err)
	}
	dir := s.world.Load().Directory
	id, ok := dir.Identity(identity)
	person, _ := dir.Identity(dir.PersonOf(identity))
	return ok && id.ActiveAt(now) && person.ActiveAt(now), nil
}

// Handler is every door of the server.
func (s *Server) Handler() http.Handler { return s.handler }

// Run works and serves until the context ends, then lets what is under way end.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	// 1. What time it is; then what can no longer be held ends before anything else is done.
	s.keepTime(ctx)
	s.room.look()
	s.beginFiles(ctx)
	metrics, err := s.listenMetrics()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer s.serveMetrics(metrics)()
	defer s.sendSpans()()
	swept, err := s.engine.Sweep(ctx)
	switch {
	case ctx.Err() != nil:
		return l.Close() // told to stop before it began
	case err != nil:
		return errors.Join(fmt.Errorf("sweep: %w", err), l.Close())
	}
	s.log.InfoContext(ctx, "swept", "ended", swept.Ended, "shortened", swept.Shortened, "bereft", swept.Bereft)
	_ = s.appraise(ctx) // said in the log, and done again with the next sweep
	s.selfCheck(ctx)
	// 2. Lanes and background work.
	work, stop := context.WithCancel(ctx)
	defer stop()
	s.appear(l.Addr().String())
	background, err := s.startWork(work)
	if err != nil {
		return err
	}
	var lanes sync.WaitGroup
	lanes.Go(func() { s.askWitnesses(work) })
	for _, lane := range s.lanes {
		lanes.Go(func() { lane.Run(work) })
	}
	for _, lane := range s.rotators {
		lanes.Go(func() { lane.Run(work) })
	}
	lanes.Go(func() { s.watchTime(work) })
	lanes.Go(func() { onTick(work, roomEvery, s.room.look) })
	lanes.Go(func() { onTick(work, replicaEvery, func() { s.payOwed(work); s.watchFiles(work) }) })
	lanes.Go(func() { s.follow(work) })
	lanes.Go(func() { s.roster.watch(work, s.log) })
	lanes.Go(func() { s.beats(work) })
	// 3. The doors, until told to stop.
	h := &http.Server{Handler: stayOnTLS(s.handler), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	defer s.begun()()
	s.log.InfoContext(ctx, "serving", "address", s.Scheme()+"://"+l.Addr().String(), "systems", len(s.lanes))
	select {
	case err = <-served:
	case <-ctx.Done():
	}
	s.health.running.Store(false) // whoever sends requests here learns it while those under way end
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	stop()
	err = errors.Join(err, h.Shutdown(end), background.Stop(end))
	lanes.Wait()
	return err
}

// Close gives everything back. Run must have returned.
func (s *Server) Close() error {
	var errs []error
	for _, t := range s.targets {
		errs = append(errs, t.Close())
	}
	errs = append(errs, closeStores(s.stores))
	if s.roster != nil {
		s.roster.rest()
	}
	errs = append(errs, s.mirror.close())
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	return errors.Join(errs...)
}
