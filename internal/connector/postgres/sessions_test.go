package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// table is something only members of the role may read.
func (w *world) table(t testing.TB, object string) string {
	t.Helper()
	name := quoted("of " + object)
	w.Exec(t, "create table "+name+" (secret int); insert into "+name+" values (7); grant select on "+name+" to "+quoted(object))
	t.Cleanup(func() { w.Exec(t, "drop table "+name) })
	return name
}

// session is an open one of an account's.
func (w *world) session(t testing.TB, account string, first ...string) *pgx.Conn {
	t.Helper()
	conn := w.Connect(t, account, accountSecret, "postgres")
	for _, s := range first {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return conn
}

func reads(conn *pgx.Conn, table string) error {
	var secret int
	return conn.QueryRow(context.Background(), "select secret from "+table).Scan(&secret)
}

// A session that has SET the role reads on after the REVOKE. As long as it is open
// the removal is not called done; once the connector may, it is ended, and only
// then is the access seen gone. Other people's sessions go on.
func TestAB47SessionOutlivesARevoke(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		// 1. The company's eve and wiki, and an account of ours that may not end sessions yet.
		for _, name := range []string{"eve", "bob"} {
			w.account(t, name)
			t.Cleanup(func() { w.drop(t, name) })
		}
		quiet := "svc-quiet"
		w.account(t, quiet)
		t.Cleanup(func() { w.drop(t, quiet) })
		w.Exec(t, "create role wiki")
		t.Cleanup(func() { w.drop(t, "wiki") })
		table := w.table(t, "wiki")
		w.Exec(t, strings.NewReplacer("team_ro", "wiki", svc, quiet).Replace(w.statements[2]))
		cfg := w.config()
		cfg.User, cfg.Password = quiet, func() string { return accountSecret }
		f := enginetest.Open(t, store.SQLite)
		lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: connect(t, cfg), Holder: "ab47",
			Pace: enginetest.Pace, Backstop: time.Minute, Now: f.Now})
		work := func() {
			t.Helper()
			for n := 1; n > 0; {
				var err error
				if n, err = lane.Once(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}

		// 2. Eve has the role for an hour and opens a session; bob has one too.
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour)}, "mia")
		work()
		if job := f.Job(g.Assignment); job.State != access.Held {
			t.Fatalf("the assignment is %s (%s), want held", job.State, job.Work.Trouble)
		}
		eve, bob := w.session(t, "eve", "set role wiki"), w.session(t, "bob")
		if err := reads(eve, table); err != nil {
			t.Fatal(err)
		}

		// 3. The hour is over. The membership is gone, the session reads on: not done.
		f.Clock.Pass(2 * time.Hour)
		work()
		if got := w.members(t, "wiki"); slices.Contains(got, "eve") {
			t.Fatalf("still members: %q", got)
		}
		if err := reads(eve, table); err != nil {
			t.Fatalf("this server ends such sessions by itself, or something else did: %v", err)
		}
		job := f.Job(g.Assignment)
		if job.State != access.Removing || !strings.Contains(job.Work.Trouble, "pg_signal_backend") {
			t.Fatalf("while the session is open the assignment is %s (%q), want removing and the missing right named", job.State, job.Work.Trouble)
		}

		// 4. Given the right, the next try ends it.
		w.Exec(t, strings.Replace(w.statements[1], svc, quiet, 1))
		f.Clock.Pass(time.Hour)
		work()
		if job = f.Job(g.Assignment); job.State != access.Absent {
			t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
		}
		var e *pgconn.PgError
		if err := reads(eve, table); !errors.As(err, &e) || e.Code != "57P01" {
			t.Errorf("the session says %v, want that it was terminated", err)
		}
		if err := bob.Ping(t.Context()); err != nil {
			t.Errorf("bob's session: %v", err)
		}
		f.Check()
	})
}

func list(t testing.TB, c *Connector, account, object string) []connector.Session {
	t.Helper()
	open, err := c.ListSessions(t.Context(), ref(account, object))
	if err != nil {
		t.Fatal(err)
	}
	return open
}

// end ends what is listed.
func end(t testing.TB, c *Connector, open []connector.Session) {
	t.Helper()
	for _, s := range open {
		if err := c.EndSession(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
}

// Every session from before counts, in any database; one opened after the holding
// was seen gone does not, so that a program which connects again at once does not
// keep its removal from being settled.
func TestSessionsFromBeforeTheRemoval(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		ann, bob, object := w.account(t, "ann of sfb"), w.account(t, "bob of sfb"), w.object(t, "sfb")
		apply(t, c, add(ann, object), add(bob, object))
		w.session(t, ann)
		w.Connect(t, ann, accountSecret, "template1")
		bobs := w.session(t, bob)
		apply(t, c, remove(ann, object))
		if look(t, c, ann, object).Effective {
			t.Fatal("still held")
		}
		again := w.session(t, ann)
		open := list(t, c, ann, object)
		if len(open) != 2 {
			t.Fatalf("listed: %v, want the 2 from before", open)
		}
		end(t, c, open)
		if left := list(t, c, ann, object); len(left) > 0 {
			t.Errorf("still open: %v", left)
		}
		end(t, c, open) // gone is no error
		for name, conn := range map[string]*pgx.Conn{"the new session": again, "bob's": bobs} {
			if err := conn.Ping(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		// Held again and removed again, that one is from before, too.
		apply(t, c, add(ann, object))
		look(t, c, ann, object)
		apply(t, c, remove(ann, object))
		look(t, c, ann, object)
		if open := list(t, c, ann, object); len(open) != 1 {
			t.Errorf("listed after a second removal: %v, want 1", open)
		}
		// A connector that was not there then knows no moment: all count.
		if open := list(t, connect(t, w.config()), ann, object); len(open) != 1 {
			t.Errorf("listed by a new connector: %v, want 1", open)
		}
	})
}

// A walsender of a database says SET ROLE like any client.
func TestReplicationSessionIsOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		ann, object := w.account(t, "ann of repl"), w.object(t, "repl")
		w.Exec(t, "alter role "+quoted(ann)+" replication")
		w.put(t, object, ann)
		table := w.table(t, object)
		cfg, err := pgx.ParseConfig(w.URL("nobody", accountSecret, "postgres"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.RuntimeParams["replication"] = ann, "database"
		cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(t.Context(), "set role "+quoted(object)); err != nil {
			t.Fatal(err)
		}
		apply(t, c, remove(ann, object))
		look(t, c, ann, object)
		if err := reads(conn, table); err != nil {
			t.Fatalf("it does not read on: %v", err)
		}
		open := list(t, c, ann, object)
		if len(open) != 1 {
			t.Fatalf("listed: %v, want 1", open)
		}
		end(t, c, open)
		if err := reads(conn, table); err == nil {
			t.Error("it still reads")
		}
	})
}

// A session of a role that was dropped goes on, and nobody can say whose it is:
// that is an error, not an empty list, and nothing is ended.
func TestSessionOfADroppedRole(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		ann, object := w.account(t, "ann of dropped"), w.object(t, "dropped")
		w.put(t, object, ann)
		conn := w.session(t, ann, "set role "+quoted(object))
		w.drop(t, ann)
		if s := look(t, c, ann, object); s.Direct || s.Effective {
			t.Fatalf("%+v", s)
		}
		_, err := c.ListSessions(t.Context(), ref(ann, object))
		if pid := fmt.Sprint(conn.PgConn().PID()); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), pid) {
			t.Errorf("%v, want an error that names pid %s", err, pid)
		}
		if err := conn.Ping(t.Context()); err != nil {
			t.Errorf("it was ended: %v", err)
		}
		pid := conn.PgConn().PID()
		_ = conn.Close(context.Background())
		testserver.Await(t, "the end of the session", 10*time.Second, func() error {
			var left int
			err := w.Admin.QueryRow(t.Context(), "select count(*) from pg_stat_activity where pid = $1", pid).Scan(&left)
			if err == nil && left > 0 {
				err = errors.New("it is still listed")
			}
			return err
		})
		if open := list(t, c, ann, object); len(open) > 0 {
			t.Errorf("listed: %v", open)
		}
	})
}

// Only what a list gave can be ended, and only while it is the same session.
func TestEndSessionMeansOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		ann, bob := w.account(t, "ann of one"), w.account(t, "bob of one")
		conn := w.session(t, ann)
		pid := int32(conn.PgConn().PID())
		was := time.Unix(1, 0)
		for _, s := range []connector.Session{
			{ID: session{PID: pid, Began: &was}.id(), Account: ann}, // its number is another's now
			{ID: session{PID: pid}.id(), Account: bob},              // not bob's
			{ID: session{PID: pid}.id(), Account: "nobody of one"},
		} {
			if err := c.EndSession(t.Context(), s); err != nil {
				t.Errorf("%v: %v", s, err)
			}
		}
		for _, s := range []connector.Session{{ID: "", Account: ann}, {ID: "1 or true", Account: ann}, {ID: "1@x", Account: ann}, {ID: "99999999999", Account: ann}, {ID: "1", Account: "\xff"}} {
			if err := c.EndSession(t.Context(), s); !errors.Is(err, connector.ErrRefused) {
				t.Errorf("%v: %v, want %q", s, err, connector.ErrRefused)
			}
		}
		if err := conn.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := c.ListSessions(t.Context(), ref(svc, "any")); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("sessions of our own: %v, want %q", err, connector.ErrRefused)
		}
		if err := c.EndSession(t.Context(), connector.Session{ID: session{PID: pid}.id(), Account: ann}); err != nil {
			t.Error(err)
		}
		if err := conn.Ping(t.Context()); err == nil {
			t.Error("it was not ended")
		}
	})
}

// Without pg_read_all_stats nobody says when a session began: each counts, and can
// be ended.
func TestSessionsWithoutDates(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		blind, ann, object := w.account(t, "svc-blind"), w.account(t, "ann of blind"), w.object(t, "blind")
		w.Exec(t, "grant pg_signal_backend to "+quoted(blind))
		cfg := w.config()
		cfg.User, cfg.Password = blind, func() string { return accountSecret }
		c := connect(t, cfg)
		look(t, c, ann, object)
		conn := w.session(t, ann)
		open := list(t, c, ann, object)
		if len(open) != 1 || strings.Contains(open[0].ID, "@") {
			t.Fatalf("listed: %v, want the one opened since, without a date", open)
		}
		end(t, c, open)
		if err := conn.Ping(t.Context()); err == nil {
			t.Error("it was not ended")
		}
	})
}

// Asked about many at once, the answer is that of asking about each.
func TestMayBeOpenIsWhatListSessionsSays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		object := w.object(t, "open-"+w.Version)
		t.Cleanup(func() { w.drop(t, object) })
		c := connect(t, w.config())
		var refs []connector.Ref
		for _, name := range []string{"busy", "idle", "anew", `odd "name'`} {
			name = w.account(t, name+"-"+w.Version)
			t.Cleanup(func() { w.drop(t, name) })
			refs = append(refs, connector.Ref{Account: name, Object: object})
		}
		defer w.session(t, refs[0].Account).Close(context.Background())
		for _, seen := range c.Look(t.Context(), refs) { // from here on, whoever comes has it from elsewhere
			if seen.Err != nil {
				t.Fatal(seen.Err)
			}
		}
		defer w.session(t, refs[2].Account).Close(context.Background())
		for _, name := range []string{"nobody-at-all", svc, "", strings.Repeat("x", 80)} {
			refs = append(refs, connector.Ref{Account: name, Object: object})
		}
		may, err := c.MayBeOpen(t.Context(), refs)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range refs {
			list, err := c.ListSessions(t.Context(), r)
			// Who is no role may have been one: that is for ListSessions to find out.
			if want := err != nil || len(list) > 0 || strings.HasPrefix(r.Account, "nobody") || strings.HasPrefix(r.Account, "xx") || r.Account == ""; may[r] != want {
				t.Errorf("%q: %t; %d sessions, %v", r.Account, may[r], len(list), err)
			}
		}
		if !may[refs[0]] || may[refs[1]] || may[refs[2]] {
			t.Errorf("busy %t, idle %t, one who came after %t", may[refs[0]], may[refs[1]], may[refs[2]])
		}
	})
}
