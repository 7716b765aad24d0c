package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/connector/postgres"
	"github.com/lessor-iam/lessor/internal/connector/scim"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// How much a leaver of these tests holds: everything there is at every system.
const (
	leaverEach  = 50 // entitlements of each system
	leaverOwned = 5  // workloads
)

// leaverTarget is one real system, and what it says by its own means.
type leaverTarget struct {
	system string
	connector.Connector
	holds func() int // memberships of the leaver's account
}

// estate is an engine with lanes to four real systems and one person who will leave.
type estate struct {
	engine  *engine.Engine
	db      *store.DB
	targets []leaverTarget
	stop    func()
}

// newEstate starts them, for these people: an LDAP directory, two PostgreSQL servers
// of unlike versions, and the SCIM server scimmy.
func newEstate(t testing.TB, prefix string, people ...string) *estate {
	t.Helper()
	e := &estate{}
	// 1. The systems, with everybody's account and everything there is to hold.
	slapd := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	var groups []string
	for g := range leaverEach {
		groups = append(groups, fmt.Sprintf("%sg%02d", prefix, g))
	}
	everybody := slices.Clone(people)
	for n := range leaverOwned {
		everybody = append(everybody, fmt.Sprintf("%sbot%d", prefix, n))
	}
	for _, p := range everybody {
		slapd.Person(t, p)
	}
	for _, g := range groups {
		slapd.Group(t, g)
	}
	dir, err := ldap.New(ldap.Config{URL: slapd.URL, CA: slapd.CA, BindDN: testserver.SlapdService, Password: func() string { return testserver.SlapdServiceSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, Placeholder: testserver.SlapdPlaceholder, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	e.targets = append(e.targets, leaverTarget{"dir", dir, func() (n int) {
		for _, g := range groups {
			if strings.Contains(strings.Join(slapd.Members(t, slapd.GroupDN(g)), " "), "uid="+people[0]+",") {
				n++
			}
		}
		return n
	}})
	for _, version := range testserver.PGTargetVersions {
		e.targets = append(e.targets, leaverPostgres(t, prefix, version, everybody, groups))
	}
	s := testserver.Scimmy(t)
	for _, p := range everybody {
		s.AddUser(t, p)
	}
	for _, g := range groups {
		s.AddGroup(t, g)
	}
	cloud, err := scim.New(scim.Config{BaseURL: s.BaseURL, Token: func() string { return s.Token }})
	if err != nil {
		t.Fatal(err)
	}
	e.targets = append(e.targets, leaverTarget{"cloud", cloud, func() (n int) {
		users, held := s.Store(t)
		for _, g := range held {
			if slices.ContainsFunc(g.Members, func(m testserver.ScimmyMember) bool {
				return slices.Contains(users, testserver.ScimmyUser{ID: m.Value, UserName: people[0]})
			}) {
				n++
			}
		}
		return n
	}})
	// 2. The engine, and a lane a system.
	e.open(t, prefix, people, groups)
	return e
}

// leaverPostgres is one server, with an account that may grant its roles.
func leaverPostgres(t testing.TB, prefix, version string, people, groups []string) leaverTarget {
	t.Helper()
	s := testserver.PostgresTarget(t, version)
	inherit, with := "noinherit", " with inherit true"
	if version == "15" {
		inherit, with = "inherit", ""
	}
	svc := prefix + "svc"
	s.Exec(t, fmt.Sprintf("create role %s login %s password 'svc-5c'; grant pg_signal_backend, pg_read_all_stats to %s%s", svc, inherit, svc, with))
	for _, p := range people {
		s.Exec(t, fmt.Sprintf("create role %s login password 'own-2e'", p))
	}
	for _, g := range groups {
		s.Exec(t, fmt.Sprintf("create role %s; grant %s to %s with admin option", g, g, svc))
	}
	c, err := postgres.New(postgres.Config{URL: "postgres://" + s.Address, CA: s.CA, User: svc, Password: func() string { return "svc-5c" }, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return leaverTarget{"pg" + version, c, func() (n int) {
		conn := s.Connect(t, svc, "svc-5c", "postgres")
		defer conn.Close(context.Background())
		if err := conn.QueryRow(context.Background(), "select count(distinct roleid) from pg_auth_members where member = (select oid from pg_roles where rolname = $1)", people[0]).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}}
}

// openRule lets anybody have what is of the class "open".
const openRule = `@id("ask-open")
@reason("Anybody may have what is open.")
@needs("none")
permit (principal, action == Action::"request", resource in Class::"open");
`

func (e *estate) open(t testing.TB, prefix string, people, groups []string) {
	t.Helper()
	folder := fstest.MapFS{"open.cedar": &fstest.MapFile{Data: []byte(openRule)}}
	set, err := policy.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	accounts := func(id string) map[string]string {
		at := map[string]string{}
		for _, target := range e.targets {
			at[target.system] = id
		}
		return at
	}
	ids := []access.Identity{{ID: "sara", Kind: access.Person, Name: "sara"}, {ID: "mia", Kind: access.Person, Name: "mia"}}
	for _, p := range people {
		ids = append(ids, access.Identity{ID: p, Kind: access.Person, Name: p, Manager: "mia", Accounts: accounts(p)})
	}
	for n := range leaverOwned {
		id := fmt.Sprintf("%sbot%d", prefix, n)
		var systems []string
		for _, target := range e.targets {
			systems = append(systems, target.system)
		}
		ids = append(ids, access.Identity{ID: id, Kind: access.Workload, Name: id, Owner: people[0], Accounts: accounts(id),
			Contract: &access.Contract{Purpose: "to test", Systems: systems}})
	}
	var systems []access.System
	var ents []access.Entitlement
	for _, target := range e.targets {
		systems = append(systems, access.System{ID: target.system, Name: target.system, Connector: "real", Owner: "sara"})
		for _, g := range groups {
			ents = append(ents, access.Entitlement{ID: target.system + ":" + g, System: target.system, Object: g, Name: g, Class: "open", Owners: []string{"sara"},
				MaxTerm: access.Term(24 * time.Hour), Powers: []string{"read"}})
		}
	}
	written := access.NewDirectory(ids, []access.GroupMembers{{ID: "security", Members: []string{"sara"}}}, systems, ents, nil)
	world, _, err := engine.NewWorld(written, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.db, err = store.Open(t.Context(), enginetest.DSN(t, store.SQLite)); err != nil {
		t.Fatal(err)
	}
	var inForce atomic.Pointer[engine.World]
	inForce.Store(&world)
	lanes := map[string]*reconcile.Lane{}
	pace := access.Pace{Lease: 40 * time.Second, Call: 15 * time.Second, Retry: 200 * time.Millisecond, SlowestOff: 5 * time.Second, Recheck: time.Hour, Confirm: time.Minute}
	e.engine, err = engine.New(engine.Config{DB: e.db, World: func() engine.World { return *inForce.Load() }, Now: time.Now, Rand: enginetest.Rand(t), Signer: enginetest.Signer(t, t.Name()),
		Pace: pace, AnswerWithin: time.Hour, ProvisionWithin: time.Hour, StandingIn: func() engine.StandingIn { return enginetest.StandingIn },
		Nudge: func(system string, due time.Time) { lanes[system].Nudge(due) },
		Joined: func(ctx context.Context, _ bool) {
			added, err := e.db.AddedAfter(context.WithoutCancel(ctx), 0)
			if err != nil {
				t.Error(err)
				return
			}
			next := world.In(written.Join(added.Since))
			next.Version = added.Version
			inForce.Store(&next)
		}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	for _, target := range e.targets {
		lanes[target.system] = reconcile.New(reconcile.Config{Door: e.engine, System: target.system, Connector: target.Connector, Holder: "lane-" + target.system,
			Width: 2, Pace: pace, Backstop: time.Second, Now: time.Now})
	}
	for _, lane := range lanes {
		running.Go(func() { lane.Run(ctx) })
	}
	e.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		for _, target := range e.targets {
			_ = target.Close()
		}
		if err := e.db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(e.stop)
}

func (e *estate) as(identity string) access.Actor {
	return access.Actor{Identity: identity, Channel: "test", Strength: "mfa", Scopes: []string{engine.ScopeRequest, engine.ScopeApprove, engine.ScopeView, engine.ScopeRevoke}}
}

// grant has somebody granted everything at each system.
func (e *estate) grant(t testing.TB, who string, from, to int) {
	t.Helper()
	dir := e.engine.World().Directory
	of := map[string][]string{}
	for _, id := range dir.Entitlements() {
		ent, _ := dir.Entitlement(id)
		of[ent.System] = append(of[ent.System], id)
	}
	for _, ents := range of {
		r, err := e.engine.Submit(t.Context(), e.as(who), engine.Ask{Entitlements: ents[from:to], Reason: "to do my work", Term: access.Term(12 * time.Hour)})
		if err != nil || r.State != access.Approved {
			t.Fatalf("%s is %s: %v, %+v", who, r.State, err, r.Items[0])
		}
	}
}

// settled waits until every open grant of somebody was seen held.
func (e *estate) settled(t testing.TB, who string, grants int) {
	t.Helper()
	testserver.Await(t, "the access of "+who, 4*time.Minute, func() error {
		list, err := e.engine.Holdings(t.Context(), e.as(who), who, true, "", 1000)
		if err != nil {
			return err
		}
		n := 0
		for _, h := range list {
			if h.Grant.Identity == who && h.Assignment.State == access.Held {
				n++
			}
		}
		if n != grants {
			return fmt.Errorf("%d of %d seen held", n, grants)
		}
		return nil
	})
}

// gone waits until nothing of somebody is left that was not seen gone.
func (e *estate) gone(t testing.TB, who string) {
	t.Helper()
	testserver.Await(t, "the leaver's access to be seen gone", 4*time.Minute, func() error {
		l, err := e.engine.Leaving(t.Context(), e.as("sara"), who)
		if err == nil && len(l.Waiting)+len(l.Grants) > 0 {
			err = fmt.Errorf("%d not seen gone, %d not ended", len(l.Waiting), len(l.Grants))
			if len(l.Waiting) > 0 {
				err = fmt.Errorf("%w; the first at %s: %s", err, l.Waiting[0].Assignment.System, l.Waiting[0].Trouble)
			}
		}
		return err
	})
}

// A leaver with 200 grants on four real systems, an open session and five owned
// workloads: everything has ended and was seen gone, and the targets say so themselves.
func TestLeaverOnRealSystems(t *testing.T) {
	t.Parallel()
	e := newEstate(t, "lvt", "lvteve")
	e.grant(t, "lvteve", 0, leaverEach)
	for n := range leaverOwned {
		e.grant(t, fmt.Sprintf("lvtbot%d", n), 0, 1)
	}
	e.settled(t, "lvteve", len(e.targets)*leaverEach)
	for _, target := range e.targets {
		if n := target.holds(); n != leaverEach {
			t.Fatalf("%s says that the leaver holds %d", target.system, n)
		}
	}
	sessions := leaverSessions(t, "lvteve", "lvtg07")
	if err := e.db.BeginSession(t.Context(), store.Session{Hash: "h", Identity: "lvteve", Began: time.Now(), Seen: time.Now(), End: time.Now().Add(time.Hour)}, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	dry, err := e.engine.Leaving(t.Context(), e.as("sara"), "lvteve")
	if err != nil || len(dry.Grants) != len(e.targets)*leaverEach || len(dry.Decisions) != leaverOwned || dry.SignIns != 1 {
		t.Fatalf("a dry run: %d grants, %d decisions, %v", len(dry.Grants), len(dry.Decisions), err)
	}

	left, err := e.engine.Leave(t.Context(), e.as("sara"), "lvteve", "the contract is over")
	if err != nil || left.Ended != len(e.targets)*leaverEach || left.Handovers != leaverOwned || left.SignIns != 1 {
		t.Fatalf("left %+v, %v", left, err)
	}
	e.gone(t, "lvteve")
	for _, target := range e.targets {
		if n := target.holds(); n != 0 {
			t.Errorf("%s says that the leaver still holds %d", target.system, n)
		}
	}
	for name, alive := range sessions {
		if alive() {
			t.Errorf("the session at PostgreSQL %s is open still", name)
		}
	}
	if _, err := e.db.Session(t.Context(), "h"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("the session at the portal: %v", err)
	}
	mine, err := e.engine.Handovers(t.Context(), e.as("mia"), false, false, "", 50)
	if err != nil || len(mine) != leaverOwned {
		t.Fatalf("offered to the manager: %+v, %v", mine, err)
	}
	for i, h := range mine {
		switch i {
		case 0:
			_, err = e.engine.RetireHandover(t.Context(), e.as("mia"), h.ID, "nobody needs it")
		default:
			_, err = e.engine.AcceptHandover(t.Context(), e.as("mia"), h.ID, "")
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// leaverSessions opens one at each PostgreSQL that uses what is held there.
func leaverSessions(t *testing.T, who, role string) map[string]func() bool {
	t.Helper()
	open := map[string]func() bool{}
	for _, version := range testserver.PGTargetVersions {
		s := testserver.PostgresTarget(t, version)
		conn := s.Connect(t, who, "own-2e", "postgres")
		if _, err := conn.Exec(t.Context(), "set role "+pgx.Identifier{role}.Sanitize()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		open[version] = func() bool { return conn.Ping(context.Background()) == nil }
	}
	return open
}

// BenchmarkLeaver has people leave, one after the other, who hold 200 grants on four
// real systems each: from the word until all of it was seen gone. raw is what the same
// removals and looks take at the connectors alone, all systems at once, by somebody who
// stores nothing, on the same servers in the same run.
func BenchmarkLeaver(b *testing.B) {
	var people []string
	for n := range 2 * max(1, leaverRuns) {
		people = append(people, fmt.Sprintf("lvb%02d", n))
	}
	e := newEstate(b, "lvb", people...)
	var ours, raw []time.Duration
	for b.Loop() {
		ours, raw = nil, nil
		for n := range leaverRuns {
			who := people[n]
			e.grant(b, who, 0, leaverEach)
			e.settled(b, who, len(e.targets)*leaverEach)
			began := time.Now()
			if _, err := e.engine.Leave(b.Context(), e.as("sara"), who, "the contract is over"); err != nil {
				b.Fatal(err)
			}
			e.gone(b, who)
			ours = append(ours, time.Since(began))
			raw = append(raw, e.raw(b, people[leaverRuns+n]))
		}
	}
	for _, c := range []struct {
		name string
		all  []time.Duration
	}{{"ours", ours}, {"raw", raw}} {
		slices.Sort(c.all)
		b.ReportMetric(float64(c.all[len(c.all)/2].Milliseconds()), "ms/p50-"+c.name)
		b.ReportMetric(float64(c.all[(len(c.all)*99-1)/100].Milliseconds()), "ms/p99-"+c.name)
	}
	b.ReportMetric(0, "ns/op")
}

// leaverRuns is how many people leave.
const leaverRuns = 20

// raw has the connectors alone give somebody everything, and times the removal and the look.
func (e *estate) raw(b *testing.B, who string) time.Duration {
	b.Helper()
	changes := func(target leaverTarget, want bool) (list []connector.Change, refs []connector.Ref) {
		dir := e.engine.World().Directory
		for _, id := range dir.Entitlements() {
			if ent, _ := dir.Entitlement(id); ent.System == target.system {
				ref := connector.Ref{Account: who, Object: ent.Object}
				list, refs = append(list, connector.Change{Ref: ref, Want: want, Fence: 1}), append(refs, ref)
			}
		}
		return list, refs
	}
	each := func(want bool) {
		var all sync.WaitGroup
		for _, target := range e.targets {
			all.Go(func() {
				list, refs := changes(target, want)
				for _, res := range target.Apply(b.Context(), list) {
					if res.Err != nil {
						b.Error(res.Err)
					}
				}
				for _, seen := range target.Look(b.Context(), refs) {
					if seen.Err != nil || (seen.Direct || seen.Effective) != want {
						b.Errorf("%s: %+v", target.system, seen)
					}
				}
			})
		}
		all.Wait()
	}
	each(true)
	began := time.Now()
	each(false)
	return time.Since(began)
}
