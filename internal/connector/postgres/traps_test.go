package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Since version 16 REVOKE answers success while another grantor's row stands. The
// removal is not called done, and who must do the rest is named.
func TestSecondGrantor(t *testing.T) {
	t.Parallel()
	w := open(t, "18")
	c := connect(t, w.config())
	ann, dba, object := w.account(t, "ann-2g"), w.account(t, "dba-2g"), w.object(t, "role-2g")
	w.Exec(t, fmt.Sprintf("grant %[1]s to %[2]s with admin option; grant %[1]s to %[3]s granted by %[2]s", quoted(object), quoted(dba), quoted(ann)))
	apply(t, c, add(ann, object))
	if s := look(t, c, ann, object); !s.Direct || !s.Effective || len(s.Residual) != 1 {
		t.Errorf("held by both: %+v", s)
	}
	apply(t, c, remove(ann, object)) // success, as the server says
	s := look(t, c, ann, object)
	if s.Direct || !s.Effective || !slices.Equal(s.Residual, []string{`granted by "dba-2g", who must revoke it`}) {
		t.Errorf("after our removal: %+v", s)
	}
	w.Exec(t, fmt.Sprintf("revoke %s from %s granted by %s", quoted(object), quoted(ann), quoted(dba)))
	if s := look(t, c, ann, object); s.Direct || s.Effective || len(s.Residual) > 0 {
		t.Errorf("after theirs: %+v", s)
	}
}

// Before 16 there is one row, whoever granted it, and ours to revoke.
func TestOneRowBefore16(t *testing.T) {
	t.Parallel()
	w := open(t, "15")
	c := connect(t, w.config())
	ann, object := w.account(t, "ann-1r"), w.object(t, "role-1r")
	w.Exec(t, "grant "+quoted(object)+" to "+quoted(ann)) // by the superuser
	apply(t, c, add(ann, object))
	apply(t, c, remove(ann, object))
	if s := look(t, c, ann, object); s.Direct || s.Effective {
		t.Errorf("%+v", s)
	}
}

// Rows granted by a role whose rights are ours are revoked with ours.
func TestEveryGrantorThatIsOurs(t *testing.T) {
	t.Parallel()
	w := open(t, "18")
	c := connect(t, w.config())
	ann, office, object := w.account(t, "ann-office"), "office", w.object(t, "role-office")
	w.Exec(t, fmt.Sprintf(`create role %[1]s; grant %[2]s to %[1]s with admin option; grant %[1]s to %[3]s with inherit true;
		grant %[2]s to %[4]s granted by %[1]s`, office, quoted(object), quoted(svc), quoted(ann)))
	apply(t, c, add(ann, object)) // is so already
	if s := look(t, c, ann, object); !s.Direct || len(s.Residual) > 0 {
		t.Errorf("held by the office: %+v", s)
	}
	w.put(t, object, ann)
	apply(t, c, remove(ann, object))
	if s := look(t, c, ann, object); s.Direct || s.Effective {
		t.Errorf("%+v", s)
	}
}

// What needs no membership, or would give it back, is named.
func TestOtherWays(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		object := w.object(t, "role-ways")
		for _, x := range []struct {
			name, is  string
			effective bool
			residual  string
		}{
			{"ann-super", "superuser", true, "the account is a superuser"},
			{"ann-createrole", "createrole", false, "CREATEROLE"},
			{"ann-plain", "nosuperuser", false, ""},
		} {
			w.account(t, x.name)
			w.Exec(t, "alter role "+quoted(x.name)+" "+x.is)
			s := look(t, c, x.name, object)
			want := x.residual
			if x.is == "createrole" && w.modern() {
				want = "" // it needs ADMIN OPTION now, which is a membership
			}
			if s.Direct || s.Effective != x.effective || strings.Contains(strings.Join(s.Residual, "; "), want) != true || (want == "") != (len(s.Residual) == 0) {
				t.Errorf("%s: %+v, want effective %t, residual %q", x.name, s, x.effective, want)
			}
		}
		// The owner of the database is in pg_database_owner without a row.
		owner := w.account(t, "ann-owner")
		w.Exec(t, "create database owned owner "+quoted(owner))
		cfg := w.config()
		cfg.URL += "/owned"
		if s := look(t, connect(t, cfg), owner, "pg_database_owner"); s.Direct || !s.Effective || len(s.Residual) != 1 {
			t.Errorf("the owner: %+v", s)
		}
		if s := look(t, c, object, object); !s.Effective || len(s.Residual) != 1 {
			t.Errorf("a role in itself: %+v", s)
		}
		// ADMIN OPTION is a membership, said to be more.
		admin := w.account(t, "ann-admin")
		w.Exec(t, "grant "+quoted(object)+" to "+quoted(admin)+" with admin option")
		if s := look(t, c, admin, object); !s.Effective || !strings.Contains(s.Path, "ADMIN OPTION") {
			t.Errorf("with ADMIN OPTION: %+v", s)
		}
	})
}

// refused checks each change alone.
func refused(t *testing.T, c *Connector, because string, changes ...connector.Change) {
	t.Helper()
	for i, r := range c.Apply(t.Context(), changes) {
		if !errors.Is(r.Err, connector.ErrRefused) || !strings.Contains(r.Err.Error(), because) {
			t.Errorf("%+v: %v, want it refused because %q", changes[i], r.Err, because)
		}
	}
}

func TestRefusedUnsent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := newProxy(t, w)
		cfg := w.config()
		cfg.URL = "postgres://" + p.address
		c := connect(t, cfg)
		ann, object, inner := w.account(t, "ann-unsent"), w.object(t, "role-unsent"), w.object(t, "inner-unsent")
		refused(t, c, "cannot log in", add(inner, object))
		refused(t, c, "own account", add(ann, svc), remove(ann, svc), add(svc, object), remove(svc, object))
		refused(t, c, "of itself", add(ann, ann))
		apply(t, c, remove(ann, ann), remove(inner, object))
		for _, s := range p.sent {
			if strings.Contains(s, "GRANT") || strings.Contains(s, "REVOKE") {
				t.Errorf("sent: %s", s)
			}
		}
		// A group that is a member all the same can be taken out.
		w.put(t, object, inner)
		apply(t, c, remove(inner, object))
		if got := w.members(t, object); len(got) > 0 {
			t.Errorf("still members: %q", got)
		}
	})
}

// A name longer than the server keeps means nobody; cut off it would be another's.
func TestLongNameIsNotCutOff(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		full, object := w.account(t, strings.Repeat("n", 63)), w.object(t, "role-long")
		err := c.Apply(t.Context(), []connector.Change{add(full+"x", object)})[0].Err
		if !errors.Is(err, connector.ErrNoObject) {
			t.Errorf("add of a longer name: %v, want %q", err, connector.ErrNoObject)
		}
		apply(t, c, add(full, object), remove(full+"x", object))
		if s := look(t, c, full+"x", object); s.Effective {
			t.Errorf("%+v", s)
		}
		if got := w.members(t, object); !slices.Equal(got, []string{full}) {
			t.Errorf("members: %q", got)
		}
	})
}

// What the account granted on keeps its own membership from being revoked; it is
// never taken away from third parties by CASCADE.
func TestGrantedOn(t *testing.T) {
	t.Parallel()
	w := open(t, "18")
	c := connect(t, w.config())
	ann, bob, dan, object := w.account(t, "ann-on"), w.account(t, "bob-on"), w.account(t, "dan-on"), w.object(t, "role-on")
	w.Exec(t, fmt.Sprintf("grant %s to %s with admin option granted by %s; grant %[1]s to %[4]s granted by %[2]s",
		quoted(object), quoted(ann), quoted(svc), quoted(bob)))
	w.put(t, object, dan)
	results := c.Apply(t.Context(), []connector.Change{remove(ann, object), remove(dan, object)})
	if err := results[0].Err; !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "CASCADE") {
		t.Errorf("%v, want it refused, with what to do", err)
	}
	if results[1].Err != nil {
		t.Errorf("the other one in the batch: %v", results[1].Err)
	}
	if got := w.members(t, object); !slices.Equal(got, []string{ann, bob}) {
		t.Errorf("members: %q, want ann and bob", got)
	}
}

// A role the connector has no ADMIN OPTION on is refused; the rest of the batch is done.
func TestNoRightToOne(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		ann, object := w.account(t, "ann-right"), w.object(t, "role-right")
		foreign := "foreign-right"
		w.Exec(t, "create role "+quoted(foreign)+"; grant "+quoted(foreign)+" to "+quoted(ann))
		for _, want := range []bool{true, false} {
			changes := []connector.Change{{Ref: ref(ann, "pg_read_all_data"), Want: want}, {Ref: ref(ann, object), Want: want}}
			results := c.Apply(t.Context(), changes)
			if want && !errors.Is(results[0].Err, connector.ErrRefused) {
				t.Errorf("%v, want %q", results[0].Err, connector.ErrRefused)
			}
			if results[1].Err != nil {
				t.Error(results[1].Err)
			}
		}
		err := c.Apply(t.Context(), []connector.Change{remove(ann, foreign)})[0].Err
		s := look(t, c, ann, foreign)
		if w.modern() {
			// Nothing of ours to remove; the superuser's row is named.
			if err != nil || s.Direct || !s.Effective || len(s.Residual) != 1 {
				t.Errorf("%v, %+v", err, s)
			}
		} else if !errors.Is(err, connector.ErrRefused) || !s.Direct {
			t.Errorf("%v, want %q; %+v", err, connector.ErrRefused, s)
		}
	})
}

// One account that the server will not have is refused alone: the statement is
// sent in halves, each undone by itself.
func TestOneBadAmongMany(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := newProxy(t, w)
		p.instead = func(s string) string {
			if strings.Contains(s, `"bad-crowd"`) {
				return refusal("22000")
			}
			return s
		}
		cfg := w.config()
		cfg.URL = "postgres://" + p.address
		c := connect(t, cfg)
		object := w.object(t, "role-crowd")
		var changes []connector.Change
		for i := range 20 {
			name := fmt.Sprintf("p%02d-crowd", i)
			if i == 13 {
				name = "bad-crowd"
			}
			changes = append(changes, add(w.account(t, name), object))
		}
		for i, r := range c.Apply(t.Context(), changes) {
			if want := i == 13; errors.Is(r.Err, connector.ErrRefused) != want || (r.Err != nil) != want {
				t.Errorf("%v: %v, want refused %t", r.Ref, r.Err, want)
			}
		}
		if got := w.members(t, object); len(got) != 19 || slices.Contains(got, "bad-crowd") {
			t.Errorf("members: %q", got)
		}
	})
}

// Somebody's open transaction on one role keeps only that role waiting, and not
// for all the time there is.
func TestLockedRoleAlone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		ann, locked, free := w.account(t, "ann-lock"), w.object(t, "locked-lock"), w.object(t, "free-lock")
		tx, err := w.Admin.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), "grant "+quoted(locked)+" to "+quoted(ann)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		results := c.Apply(ctx, []connector.Change{add(ann, locked), add(ann, free)})
		var wait *connector.RetryAfter
		if err := results[0].Err; !errors.Is(err, connector.ErrRefused) || !errors.As(err, &wait) || ctx.Err() != nil {
			t.Errorf("the locked one: %v, want that it was not done, and to come back later", err)
		}
		if err := results[1].Err; err != nil {
			t.Errorf("the free one: %v", err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		apply(t, c, add(ann, locked))
	})
}

// AB-50: with the connector's own account nobody can become more than a member of
// the roles it was given ADMIN OPTION on.
func TestAB50ConnectorsOwnAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		conn := w.Connect(t, svc, svcSecret, "postgres")
		ann := w.account(t, "ann-ab50")
		for _, s := range []string{
			"create role more", "alter role " + quoted(ann) + " superuser", "alter role " + quoted(ann) + " password 'x'", "drop role " + quoted(ann),
			"grant postgres to " + quoted(svc), "grant pg_execute_server_program to " + quoted(ann), "grant pg_read_all_data to " + quoted(ann),
			"grant pg_signal_backend to " + quoted(ann), "set role postgres", "set session authorization " + quoted(ann), "create database more",
			"select pg_read_file('/etc/passwd')", "alter system set fsync = on", "select * from pg_authid",
		} {
			if _, err := conn.Exec(t.Context(), s); err == nil {
				t.Errorf("%s: done", s)
			}
		}
		if w.modern() {
			object := w.object(t, "role-ab50")
			table := w.table(t, object)
			if err := reads(conn, table); err == nil {
				t.Error("it reads what a role it only hands out may read")
			}
			if _, err := conn.Exec(t.Context(), "set role "+quoted(object)); err == nil {
				t.Error("it becomes a role it only hands out")
			}
		}
	})
}

// The whole read names what nobody of ours granted, roles in roles, and
// memberships in the system's own roles; not our ADMIN OPTION.
func TestObserveWhole(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := connect(t, w.config())
		c.page = 3
		ann, outer, inner := w.account(t, "ann-whole"), w.object(t, "outer-whole"), w.object(t, "inner-whole")
		w.Exec(t, fmt.Sprintf("grant %s to %s; grant pg_read_all_data to %s; grant %[2]s to %[3]s", quoted(outer), quoted(inner), quoted(ann)))
		want := map[connector.Ref]bool{ref(inner, outer): true, ref(ann, "pg_read_all_data"): true, ref(ann, inner): true}
		err := c.Observe(t.Context(), nil, func(h connector.Holding) error {
			delete(want, h.Ref)
			if h.Account == svc || strings.HasPrefix(h.Account, "pg_") {
				t.Errorf("told of %v", h)
			}
			return nil
		})
		if err != nil || len(want) > 0 {
			t.Errorf("%v; missing: %v", err, want)
		}
	})
}
