package enginetest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

// Pace is how fast a fixture's protocol goes unless a test says otherwise.
var Pace = access.Pace{Lease: 40 * time.Second, Call: 10 * time.Second, Retry: time.Second, SlowestOff: 5 * time.Minute,
	Recheck: time.Hour, Confirm: time.Minute}

// StandingIn is how long people may answer for each other in a fixture.
var StandingIn = engine.StandingIn{LongestDelegation: 30 * 24 * time.Hour, EscalateAfter: map[string]time.Duration{"standard": 8 * time.Hour, "": 4 * time.Hour}}

// Glass is who may break it in a fixture: those in the group oncall, which no company has
// to begin with.
var Glass = engine.Glass{Group: "oncall", Entitlements: []string{"dir:root", "dir:pay", "dir:audit"}, Longest: hour, Most: 3, Incident: regexp.MustCompile("^INC-[0-9]+$"),
	Security: "security", StepUp: "mfa"}

// Options change a fixture before it is made.
type Options struct {
	Company *Company
	Pace    access.Pace
	DSN     string           // an existing database, instead of a fresh one
	Key     string           // what the log's key is made from, where several tests share a log; else the test's name
	Now     func() time.Time // another clock than the one held by hand
	Hang    func(context.Context, time.Duration)
	Seam    func(step string) // of the engine
	Carries func(channel string) bool
	Halted  func() []access.Halt // what only this process sees
}

// Virtual lets a fixture live by the time of the test's own bubble, with lanes
// that run by themselves: see [Fixture.Run].
func Virtual(o *Options) {
	o.Now = time.Now
	o.Hang = func(ctx context.Context, _ time.Duration) { <-ctx.Done() }
}

// Fixture is an engine on a fresh database with everything around it.
type Fixture struct {
	t       testing.TB
	DB      *store.DB
	Engine  *engine.Engine
	Clock   *Clock
	Company *Company
	Targets map[string]*Target
	Signer  *evidence.Signer
	Now     func() time.Time
	Close   func() // the database; the end of the test does so too

	lanes   []*reconcile.Lane
	written engine.World // what the company says
	worlds  []worldFrom  // in order; the last is in force
}

type worldFrom struct {
	from  time.Time
	world engine.World
}

// Each runs a test on both databases.
func Each(t *testing.T, do func(t *testing.T, d store.Dialect)) {
	t.Helper()
	for _, d := range []store.Dialect{store.SQLite, store.Postgres} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			do(t, d)
		})
	}
}

// Open returns a fixture, closed when the test ends.
func Open(t testing.TB, d store.Dialect, change ...func(*Options)) *Fixture {
	t.Helper()
	clock := &Clock{now: Noon}
	o := Options{Company: NewCompany(), Pace: Pace, Now: clock.Now,
		Hang: func(_ context.Context, d time.Duration) { clock.Pass(d) }}
	for _, do := range change {
		do(&o)
	}
	f := &Fixture{t: t, Clock: clock, Company: o.Company, Targets: map[string]*Target{}, Now: o.Now}
	f.written = o.Company.World(t)
	f.worlds = []worldFrom{{f.Now(), f.written}}
	db, err := open(t, d, o.DSN)
	if err != nil {
		t.Fatalf("open %s: %v", d, err)
	}
	f.DB = db
	watchManners(t, db)
	f.Close = sync.OnceFunc(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	t.Cleanup(f.Close)
	f.Signer = Signer(t, cmp.Or(o.Key, t.Name()))
	f.Engine, err = engine.New(engine.Config{DB: db, World: f.world, Now: f.Now, Rand: Rand(t), Signer: f.Signer, Pace: o.Pace,
		AnswerWithin: 48 * time.Hour, ProvisionWithin: time.Hour, StandingIn: func() engine.StandingIn { return StandingIn }, Glass: func() *engine.Glass { return &Glass }, Nudge: f.nudge, Joined: func(ctx context.Context, _ bool) { f.joined(ctx) }, Feeds: func() []access.Feed { return f.Company.Feeds }, Signals: func() access.Signals { return f.Company.Signals }, Seam: o.Seam, Carries: o.Carries, Halted: o.Halted})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Systems {
		f.Targets[s] = NewTarget(s, o.Pace.Call, f.Now, o.Hang)
		f.lanes = append(f.lanes, f.Lane(s, "lane-"+s))
	}
	return f
}

// Rand is randomness made from the test's name: a failure is the same failure again.
func Rand(t testing.TB) *rand.ChaCha8 { return rand.NewChaCha8(sha256.Sum256([]byte(t.Name()))) }

// Signer signs checkpoints with a key made from a name.
func Signer(t testing.TB, name string) *evidence.Signer {
	t.Helper()
	skey, _, err := evidence.GenerateKey(rand.NewChaCha8(sha256.Sum256([]byte(name))), "log.example.com/test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := evidence.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Lane makes a lane of a system beside the fixture's own, as another replica would.
func (f *Fixture) Lane(system, holder string) *reconcile.Lane {
	return reconcile.New(reconcile.Config{Door: f.Engine, System: system, Connector: f.Targets[system], Holder: holder,
		Pace: f.Engine.Pace, Backstop: time.Minute, Now: f.Now})
}

// As is a person at a door that lets them do anything their authority lets them.
func (f *Fixture) As(identity string) access.Actor {
	return access.Actor{Identity: identity, Channel: "test", Strength: "mfa",
		Scopes: []string{engine.ScopeRequest, engine.ScopeApprove, engine.ScopeView, engine.ScopeRevoke}}
}

// Change changes the company from now on.
func (f *Fixture) Change(do func(*Company)) {
	f.t.Helper()
	do(f.Company)
	f.written = f.Company.World(f.t)
	f.joined(f.t.Context())
}

// joined has in force what the company says and what the database adds to it, but roles.
func (f *Fixture) joined(ctx context.Context) {
	f.t.Helper()
	added, err := f.DB.AddedAfter(context.WithoutCancel(ctx), 0)
	if err != nil {
		f.t.Fatal(err)
	}
	next := f.written.In(f.written.Directory.Join(added.Since))
	next.Version = added.Version
	f.worlds = append(f.worlds, worldFrom{f.Now(), next})
}

// ForgetWorlds lets go of every snapshot but the one in force: a test that lives long
// would measure them, and keeps what its oracle asks for itself.
func (f *Fixture) ForgetWorlds() { f.worlds = []worldFrom{f.worlds[len(f.worlds)-1]} }

func (f *Fixture) world() engine.World { return f.worlds[len(f.worlds)-1].world }

// WorldAt returns the snapshot that was in force at a moment.
func (f *Fixture) WorldAt(at time.Time) engine.World {
	w := f.worlds[0].world
	for _, later := range f.worlds {
		if !later.from.After(at) {
			w = later.world
		}
	}
	return w
}

// nudge is the engine's word to the lanes that something is due.
func (f *Fixture) nudge(system string, due time.Time) {
	for _, l := range f.lanes {
		if l.System == system {
			l.Nudge(due)
		}
	}
}

// Run lets the lanes run by themselves until stop is called, which waits for them.
func (f *Fixture) Run() (stop func()) {
	ctx, cancel := context.WithCancel(f.t.Context())
	var running sync.WaitGroup
	for _, l := range f.lanes {
		running.Go(func() { l.Run(ctx) })
	}
	return func() { cancel(); running.Wait() }
}

// rounds is far more than any batch of work at one moment takes.
const rounds = 10_000

// Work runs the lanes until nothing is due at this moment.
func (f *Fixture) Work() {
	f.t.Helper()
	for range rounds {
		claimed := 0
		for _, l := range f.lanes {
			n, err := l.Once(f.t.Context())
			if err != nil {
				f.t.Fatalf("lane %s: %v", l.System, err)
			}
			claimed += n
		}
		if due, ok := f.NextDue(); claimed == 0 && (!ok || due.After(f.Now())) {
			return
		}
	}
	f.t.Fatal("the lanes find work for ever at one moment")
}

// Advance lets time pass, and the lanes work, each thing at the moment it is
// due. Requests nobody answered expire.
func (f *Fixture) Advance(d time.Duration) {
	f.t.Helper()
	for end := f.Clock.Now().Add(d); ; {
		f.Work()
		if _, err := f.Engine.ExpireRequests(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
		due, ok := f.NextDue()
		if now := f.Clock.Now(); !ok || due.After(end) {
			if !now.Before(end) {
				return
			}
			due = end
		}
		f.Clock.To(due)
	}
}

// NextDue is when any system has work.
func (f *Fixture) NextDue() (due time.Time, ok bool) {
	f.t.Helper()
	for _, s := range Systems {
		at, some, err := f.Engine.NextDue(f.t.Context(), s)
		if err != nil {
			f.t.Fatal(err)
		}
		if some && (!ok || at.Before(due)) {
			due, ok = at, true
		}
	}
	return due, ok
}

// Ask submits and fails the test if that is an error.
func (f *Fixture) Ask(by string, ask engine.Ask) access.Request {
	f.t.Helper()
	if ask.Reason == "" {
		ask.Reason = "to do my work"
	}
	if ask.Term == 0 {
		ask.Term = hour
	}
	r, err := f.Engine.Submit(f.t.Context(), f.As(by), ask)
	if err != nil {
		f.t.Fatalf("%s asks: %v", by, err)
	}
	return r
}

// Approve casts an approving vote on the request as it stands and fails the test if that is an error.
func (f *Fixture) Approve(by string, r access.Request) access.Request {
	f.t.Helper()
	next, err := f.Engine.Vote(f.t.Context(), f.As(by), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
	if err != nil {
		f.t.Fatalf("%s approves: %v", by, err)
	}
	return next
}

// Granted asks, has these people approve, and returns the grant that came of it.
func (f *Fixture) Granted(by string, ask engine.Ask, approvers ...string) access.Grant {
	f.t.Helper()
	r := f.Ask(by, ask)
	for _, a := range approvers {
		r = f.Approve(a, r)
	}
	if r.State != access.Approved || r.Items[0].Grant == "" {
		f.t.Fatalf("request %s is %s, not approved: %+v", r.ID, r.State, r.Items)
	}
	return f.Grant(r.Items[0].Grant)
}

// Grant reads a grant as it is stored.
func (f *Fixture) Grant(id string) (g access.Grant) {
	f.t.Helper()
	f.read(func(tx *store.Tx) (err error) { g, err = tx.Grant(f.t.Context(), id); return err })
	return g
}

// Grants lists all grants, newest first.
func (f *Fixture) Grants() (list []access.Grant) {
	f.t.Helper()
	f.read(func(tx *store.Tx) (err error) {
		list, err = tx.GrantsOf(f.t.Context(), nil, false, "", 1<<30)
		return err
	})
	return list
}

// Job reads an assignment with its work.
func (f *Fixture) Job(id string) (j store.Job) {
	f.t.Helper()
	f.read(func(tx *store.Tx) (err error) { j, err = tx.Assignment(f.t.Context(), id); return err })
	return j
}

// Request reads a request as it is stored.
func (f *Fixture) Request(id string) (r access.Request) {
	f.t.Helper()
	f.read(func(tx *store.Tx) (err error) { r, err = tx.Request(f.t.Context(), id); return err })
	return r
}

// Findings lists the findings, the open ones or all.
func (f *Fixture) Findings(open bool) (list []access.Finding) {
	f.t.Helper()
	f.read(func(tx *store.Tx) (err error) { list, err = tx.Findings(f.t.Context(), open, 1<<30); return err })
	return list
}

// Events lists the events about a request, grant or assignment, in order of id.
func (f *Fixture) Events(request, grant, assignment string) (list []store.Event) {
	f.t.Helper()
	f.read(func(tx *store.Tx) (err error) {
		list, err = tx.EventsAbout(f.t.Context(), request, grant, assignment)
		return err
	})
	return list
}

// Notices lists the notices that wait to be told, in order.
func (f *Fixture) Notices() (list []engine.Notice) {
	f.t.Helper()
	for _, args := range f.Jobs(engine.Notice{}.Kind()) {
		var n engine.Notice
		if err := json.Unmarshal(args, &n); err != nil {
			f.t.Fatal(err)
		}
		list = append(list, n)
	}
	return list
}

// Jobs lists what the background jobs of a kind were asked with.
func (f *Fixture) Jobs(kind string) (list [][]byte) {
	f.t.Helper()
	args := "args"
	if f.DB.Dialect == store.SQLite {
		args = "json(args)" // stored in SQLite's own binary form
	}
	f.read(func(tx *store.Tx) error {
		rows, err := tx.QueryContext(f.t.Context(), "select "+args+" from river_job where kind = $1 order by id", kind)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var args []byte
			if err := rows.Scan(&args); err != nil {
				return err
			}
			list = append(list, args)
		}
		return rows.Err()
	})
	return list
}

func (f *Fixture) read(do func(*store.Tx) error) {
	f.t.Helper()
	if err := f.DB.Read(f.t.Context(), do); err != nil {
		f.t.Fatal(err)
	}
}

// Held lists what is held at a system, by the target's own means.
func (f *Fixture) Held(system string) []connector.Ref { return f.Targets[system].Held() }

// Oracle is the oracle over this fixture.
func (f *Fixture) Oracle() Oracle {
	return Oracle{DB: f.DB, VKey: f.Signer.VerifierKey(), Now: f.Now, World: f.WorldAt, Systems: Systems, Held: f.Held,
		Provision: f.Engine.ProvisionWithin, Sequence: f.Engine.Sequence}
}

// Check asks the oracle whether the laws were kept so far.
func (f *Fixture) Check() { f.t.Helper(); f.Oracle().Check(f.t) }

// CheckQuiet asks besides whether reality equals authority.
func (f *Fixture) CheckQuiet() { f.t.Helper(); f.Oracle().CheckQuiet(f.t) }

// Receipts lists the looks at an assignment, in order.
func (f *Fixture) Receipts(assignment string) (list []access.Receipt) {
	f.t.Helper()
	f.read(func(tx *store.Tx) (err error) { list, err = tx.Receipts(f.t.Context(), assignment); return err })
	return list
}
