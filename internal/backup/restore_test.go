package backup_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/backup"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/connector/postgres"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
	hold = 3 * day
)

// site is a real directory and a real PostgreSQL, as whatever instance works on them sees them.
type site struct {
	t       *testing.T
	dir     *testserver.SlapdServer
	git     *testserver.PGTarget
	targets map[string]connector.Connector
	mark    string // ends the names at the PostgreSQL, which others use, too
}

var (
	people = []string{"eve", "bob", "nora", "mia"}
	groups = []string{"wiki", "reports", "pay", "audit", "lobby", "root"}
)

func openSite(t *testing.T, kind store.Dialect) *site {
	t.Helper()
	s := &site{t: t, dir: testserver.Slapd(t, testserver.SlapdOptions{NoSync: true}), git: testserver.PostgresTarget(t, "15"), targets: map[string]connector.Connector{}, mark: "_" + string(kind)}
	roles := "create role deploy" + s.mark + ";"
	for _, p := range people {
		s.dir.Person(t, p)
		roles += "create role " + p + s.mark + " login;"
	}
	if _, err := s.git.Admin.Exec(t.Context(), roles); err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		s.dir.Group(t, g)
	}
	var err error
	s.targets["dir"], err = ldap.New(ldap.Config{URL: s.dir.URL, CA: s.dir.CA, BindDN: testserver.SlapdAdmin, Password: func() string { return testserver.SlapdAdminSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s.targets["git"], err = postgres.New(postgres.Config{URL: "postgres://" + s.git.Address, CA: s.git.CA, User: "postgres", Password: func() string { return testserver.PGTargetSecret }, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, c := range s.targets {
			_ = c.Close()
		}
	})
	return s
}

// held lists who holds what, by the servers' own tools.
func (s *site) held() map[string]bool {
	s.t.Helper()
	list := map[string]bool{}
	for _, g := range groups {
		for _, m := range s.dir.Members(s.t, s.dir.GroupDN(g)) {
			if uid, ok := strings.CutPrefix(m, "uid="); ok {
				uid, _, _ = strings.Cut(uid, ",")
				list[uid+" dir:"+g] = true
			}
		}
	}
	rows, err := s.git.Admin.Query(s.t.Context(), `select m.rolname from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles r on r.oid = a.roleid where r.rolname = $1`, "deploy"+s.mark)
	if err != nil {
		s.t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range names {
		list[strings.TrimSuffix(m, s.mark)+" git:deploy"] = true
	}
	return list
}

// put makes the servers hold exactly that again.
func (s *site) put(want map[string]bool) {
	s.t.Helper()
	have := s.held()
	for h := range have {
		if !want[h] {
			s.change(h, false)
		}
	}
	for h := range want {
		if !have[h] {
			s.change(h, true)
		}
	}
	if got := s.held(); !maps.Equal(got, want) {
		s.t.Fatalf("put back %v, and it holds %v", want, got)
	}
}

func (s *site) change(h string, add bool) {
	s.t.Helper()
	who, what, _ := strings.Cut(h, " ")
	system, object, _ := strings.Cut(what, ":")
	if system == "git" {
		who, object = who+s.mark, object+s.mark
	}
	for _, r := range s.targets[system].Apply(s.t.Context(), []connector.Change{{Ref: connector.Ref{Account: who, Object: object}, Want: add}}) {
		if r.Err != nil {
			s.t.Fatal(r.Err)
		}
	}
}

// instance is one Lessor on the site.
type instance struct {
	*enginetest.Fixture
	s       *site
	lanes   []*reconcile.Lane
	readers []*inventory.Reader
}

func (s *site) instance(kind store.Dialect, dsn string, at time.Time) *instance {
	s.t.Helper()
	f := enginetest.Open(s.t, kind, func(o *enginetest.Options) {
		o.DSN, o.Key = dsn, "one log"
		for id, e := range o.Company.Entitlements {
			e.MaxTerm, e.MaxTotal, e.Conflicts = access.Term(90*day), 0, nil
			if e.System == "git" {
				e.Object += s.mark
			}
			o.Company.Entitlements[id] = e
		}
		for id, p := range o.Company.People {
			if p.Accounts = maps.Clone(p.Accounts); p.Accounts["git"] != "" {
				p.Accounts["git"] = id + s.mark
			}
			o.Company.People[id] = p
		}
	})
	f.Clock.To(at)
	i := &instance{Fixture: f, s: s}
	for system, c := range s.targets {
		i.lanes = append(i.lanes, reconcile.New(reconcile.Config{Door: f.Engine, System: system, Connector: c, Holder: "lane " + at.String(), Pace: f.Engine.Pace, Backstop: time.Minute, Now: f.Now}))
		i.readers = append(i.readers, inventory.New(inventory.Config{Door: f.Engine, System: system, Connector: c, Now: f.Now,
			Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)}))
	}
	return i
}

// work runs the lanes until nothing is due at this moment.
func (i *instance) work() {
	i.s.t.Helper()
	for range 500 {
		n := 0
		for _, l := range i.lanes {
			m, err := l.Once(i.s.t.Context())
			if err != nil {
				i.s.t.Fatal(err)
			}
			n += m
		}
		if due, ok := i.NextDue(); n == 0 && (!ok || due.After(i.Now())) {
			return
		}
	}
	i.s.t.Fatal("the lanes find work for ever at one moment")
}

func (i *instance) read() {
	i.s.t.Helper()
	for _, r := range i.readers {
		if _, err := r.Read(i.s.t.Context()); err != nil {
			i.s.t.Fatal(err)
		}
	}
	i.work()
}

// pass lets time pass in steps, as the world sees it.
func (i *instance) pass(d time.Duration) {
	i.s.t.Helper()
	for end := i.Now().Add(d); i.Now().Before(end); {
		i.Clock.Pass(min(6*hour, end.Sub(i.Now())))
		i.work()
		if _, err := i.Engine.EndHeldOver(i.s.t.Context()); err != nil {
			i.s.t.Fatal(err)
		}
		i.work()
	}
}

func (i *instance) give(who, what string, term time.Duration, approvers ...string) access.Grant {
	i.s.t.Helper()
	g := i.Granted(who, engine.Ask{Entitlements: []string{what}, Reason: "to do my work", Term: access.Term(term)}, approvers...)
	i.work()
	return g
}

func (i *instance) must(err error) {
	i.s.t.Helper()
	if err != nil {
		i.s.t.Fatal(err)
	}
}

// copyLog brings a copy of the log up to date, as a server does.
func (i *instance) copyLog(dir string) {
	i.s.t.Helper()
	_, err := i.Engine.Sequence(i.s.t.Context())
	i.must(err)
	l, err := backup.OpenLog(dir)
	i.must(err)
	last, ok, err := l.End()
	i.must(err)
	next := int64(0)
	if ok {
		next = last.Seq + 1
	}
	i.must(i.DB.Read(i.s.t.Context(), func(tx *store.Tx) error {
		events, err := tx.Events(i.s.t.Context(), next, 1<<30)
		if err != nil {
			return err
		}
		head, err := tx.LastCheckpoint(i.s.t.Context())
		return errors.Join(err, l.Append(events), l.SetHead(head.Note))
	}))
}

// live lists what grants are reasons for now.
func (i *instance) live() map[string]bool {
	i.s.t.Helper()
	list := map[string]bool{}
	for _, g := range i.Grants() {
		if g.LiveAt(i.Now()) {
			list[g.Identity+" "+g.Entitlement] = true
		}
	}
	return list
}

func (i *instance) heldOver() map[string]bool {
	i.s.t.Helper()
	list := map[string]bool{}
	i.must(i.DB.Read(i.s.t.Context(), func(tx *store.Tx) error {
		for _, s := range enginetest.Systems {
			over, err := tx.HeldOverAt(i.s.t.Context(), s)
			if err != nil {
				return err
			}
			for _, h := range over {
				list[strings.TrimSuffix(h.Account, i.s.mark)+" "+h.Entitlement] = true
				if h.End.After(i.Now().Add(hold)) {
					i.s.t.Errorf("%+v is held over for longer than that", h)
				}
			}
		}
		return nil
	}))
	return list
}

// Backups of an hour, a day and a month ago are put back over servers that have gone
// on since, with the log's tail and without. Nothing that was ended comes back; what
// the backup did not know is kept until its end, and goes then.
func TestOldBackupsResurrectNothing(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		s := openSite(t, kind)
		dir, kept := t.TempDir(), filepath.Join(t.TempDir(), "copy")
		i := s.instance(kind, "", enginetest.Noon)
		keep := func(name string) {
			i.copyLog(kept)
			m, err := backup.Write(t.Context(), i.DB, filepath.Join(dir, name), "test", i.Now())
			i.must(err)
			t.Logf("%s: %d events", name, m.Events)
		}
		// 1. A month, with grants that are made, ended, revoked and extended.
		i.read() // the first reading: what was there before us
		i.give("eve", "dir:wiki", 60*day, "mia")
		bobs := i.give("bob", "dir:wiki", 60*day, "mia")
		noras := i.give("nora", "dir:reports", 60*day, "mia")
		eves := i.give("eve", "dir:reports", 60*day, "mia")
		i.give("bob", "git:deploy", 60*day, "otto", "sara")
		deploys := i.give("eve", "git:deploy", 60*day, "otto", "sara")
		extended := i.give("nora", "dir:wiki", 20*day, "mia")
		i.pass(day)
		i.read()
		keep("month")
		i.pass(9 * day)
		i.must(i.Engine.Revoke(t.Context(), i.As("owen"), bobs.ID, "no longer"))
		i.pass(5 * day)
		r := i.Ask("nora", engine.Ask{Extends: extended.ID, Reason: "it goes on", Term: access.Term(40 * day)})
		i.Approve("mia", r)
		i.pass(5 * day)
		i.give("bob", "dir:reports", 60*day, "mia")
		i.read()
		i.pass(10 * day)
		keep("day")
		i.must(i.Engine.Return(t.Context(), i.As("nora"), noras.ID, "not needed"))
		i.give("eve", "dir:pay", 60*day, "mia")
		i.read()
		i.pass(23 * hour)
		keep("hour")
		i.must(i.Engine.Revoke(t.Context(), i.As("owen"), eves.ID, "no longer"))
		i.must(i.Engine.Revoke(t.Context(), i.As("otto"), deploys.ID, "no longer"))
		i.give("bob", "dir:pay", 60*day, "mia")
		i.pass(hour)
		i.copyLog(kept)
		reality, now := s.held(), i.Now()
		if want := i.live(); !maps.Equal(reality, want) || len(reality) != 6 {
			t.Fatalf("held %v, granted %v", reality, want)
		}
		ended := []string{"bob dir:wiki", "nora dir:reports", "eve dir:reports", "eve git:deploy"}
		// 2. Each backup, over that.
		for _, age := range []string{"hour", "day", "month"} {
			for _, tail := range []bool{true, false} {
				name := fmt.Sprintf("%s, tail %v", age, tail)
				s.put(reality)
				dsn := enginetest.Empty(t, kind)
				rec := restore(t, filepath.Join(dir, age), kept, tail, dsn, now.Add(5*time.Minute))
				n := s.instance(kind, dsn, now.Add(6*time.Minute))
				if tail {
					if rep, err := report.Replay(t.Context(), n.DB, n.Signer.VerifierKey(), nil); err != nil || rec.Tail != access.TailEvents {
						t.Errorf("%s: %+v, %v", name, rep, err)
					}
				}
				recovers(t, name, n)
				got, live, over := s.held(), n.live(), n.heldOver()
				t.Logf("%s: %d ended, %d shortened; held %v; held over %v", name, rec.Ended, rec.Shortened, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(over)))
				for h := range got {
					if !reality[h] {
						t.Errorf("%s: %s came back", name, h)
					}
					if !live[h] && !over[h] {
						t.Errorf("%s: %s is held without a grant or an end", name, h)
					}
				}
				for _, h := range ended {
					if got[h] {
						t.Errorf("%s: %s is resurrected", name, h)
					}
				}
				if tail && (!maps.Equal(got, reality) || len(over) > 0) {
					t.Errorf("%s: the log told of all, and %v is held", name, got)
				}
				if !tail && len(got) != len(reality) {
					t.Errorf("%s: %v is held of %v: something went before its end", name, got, reality)
				}
				// 3. The ends come.
				n.pass(hold + hour)
				got, live = s.held(), n.live()
				for h := range got {
					if !live[h] {
						t.Errorf("%s: %s outlived its end", name, h)
					}
				}
				if !tail && len(got) > 0 {
					t.Errorf("%s: %v is held longer than anybody can be sure of", name, got)
				}
				if rep, err := report.Replay(t.Context(), n.DB, n.Signer.VerifierKey(), nil); err != nil {
					t.Errorf("%s: %+v, %v", name, rep, err)
				}
				n.Close()
			}
		}
	})
}

// restore puts a backup back as lessor restore does.
func restore(t *testing.T, path, kept string, tail bool, dsn string, now time.Time) access.Recovery {
	t.Helper()
	b, err := backup.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := engine.Restoring{DSN: dsn, Schema: b.Schema, TakenAt: b.TakenAt, Load: b.Load, Signer: enginetest.Signer(t, "one log"), Hold: hold, Now: func() time.Time { return now }, Rand: rand.NewChaCha8(sha256.Sum256([]byte(dsn)))}
	if tail {
		l, err := backup.OpenLog(kept)
		if err != nil {
			t.Fatal(err)
		}
		if r.Head, err = l.Head(); err != nil {
			t.Fatal(err)
		}
		r.Tail = func(from int64, yield func(engine.Logged) error) error {
			return backup.Events(os.DirFS(kept), from, func(e backup.Event) error {
				return yield(engine.Logged{Seq: e.Seq, Body: []byte(e.Body), Salt: e.Salt})
			})
		}
	}
	rec, err := engine.Restore(context.WithoutCancel(t.Context()), r)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// recovers goes through recovery: nothing is granted, every system is read, and two
// people say that it is over.
func recovers(t *testing.T, name string, n *instance) {
	t.Helper()
	if _, err := n.Engine.LeaveRecovery(t.Context(), n.As("sara"), "it looks good"); !errors.Is(err, access.ErrConflict) {
		t.Errorf("%s: left before anything was read: %v", name, err)
	}
	if _, err := n.Engine.Submit(t.Context(), n.As("eve"), engine.Ask{Entitlements: []string{"dir:lobby"}, Reason: "now", Term: access.Term(hour)}); !errors.Is(err, access.ErrHalted) {
		t.Errorf("%s: granted in recovery: %v", name, err)
	}
	n.work()
	n.read()
	for _, who := range []struct {
		id   string
		want error
	}{{"eve", access.ErrDenied}, {"anna", access.ErrDenied}, {"sara", nil}, {"sara", nil}} {
		s, err := n.Engine.LeaveRecovery(t.Context(), n.As(who.id), "every system was read, and I looked at what is held over")
		if !errors.Is(err, who.want) || err == nil && !s.Open {
			t.Errorf("%s: %s alone: %v, open %v", name, who.id, err, s.Open)
		}
	}
	if s, err := n.Engine.LeaveRecovery(t.Context(), n.As("sven"), "so did I"); err != nil || s.Open {
		t.Fatalf("%s: with two it is %v, %v", name, s.Open, err)
	}
	if list, err := n.Engine.Halts(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("%s: %v, %v", name, list, err)
	}
	n.Clock.Pass(time.Minute)
	n.work()
}
