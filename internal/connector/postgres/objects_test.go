package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

var _ connector.Objects = (*Connector)(nil)

// What a role is worth by itself, by the server's own roles and by what it can become;
// and of a role that is worth nothing, nothing.
func TestObjects(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Exec(t, `create role "ob plain"; comment on role "ob plain" is 'Reads the tables of ''team''';
			create role "ob super" superuser; create role "ob maker" createrole; create role "ob copies" replication bypassrls;
			create role "ob above"; grant "ob super" to "ob above"; create role "ob higher"; grant "ob above" to "ob higher";
			create role "ob programs" noinherit; grant pg_execute_server_program to "ob programs";
			create role "ob reads"; grant pg_read_all_data to "ob reads"; grant pg_monitor to "ob reads";
			create role "ob lead"; grant "ob plain", "ob reads", "ob maker", "ob super" to "ob lead" with admin option;
			create role "ob member"; grant "ob plain" to "ob member"`)
		if w.modern() {
			w.Exec(t, `create role "ob barred"; grant "ob super" to "ob barred" with set false, inherit true, admin false;
				grant pg_write_all_data to "ob barred" with set false, inherit true`)
		}
		maker := "grant"
		if !w.modern() {
			maker = "admin grant"
		}
		want := map[string]struct{ powers, why string }{
			"ob plain":    {},
			"ob member":   {},
			"ob super":    {"admin grant read write", "SUPERUSER"},
			"ob maker":    {maker, "CREATEROLE"},
			"ob copies":   {"read write", "REPLICATION, BYPASSRLS"},
			"ob above":    {"admin grant read write", "SUPERUSER through ob super"},
			"ob higher":   {"admin grant read write", "SUPERUSER through ob super"},
			"ob programs": {"admin", "pg_execute_server_program"},
			"ob reads":    {"read", "pg_read_all_data"},
			"ob lead": {"admin grant read write", "ADMIN OPTION on ob maker, ob plain, ob reads and 1 more, CREATEROLE through ob maker, " +
				"SUPERUSER through ob super, pg_read_all_data"},
			"pg_write_server_files": {"admin write", "pg_write_server_files"},
		}
		if w.modern() { // the attributes come with SET ROLE alone, the server's roles with either
			want["ob barred"] = struct{ powers, why string }{"write", "pg_write_all_data"}
		}
		ask := []string{"ob nobody", strings.Repeat("x", maxName+1), "ob plain"}
		for name := range want {
			ask = append(ask, name)
		}
		c := connect(t, w.config())
		got := map[string]connector.Object{}
		if err := c.Objects(t.Context(), ask, func(o connector.Object) error {
			if _, twice := got[o.Name]; twice {
				t.Errorf("%s is told twice", o.Name)
			}
			got[o.Name] = o
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for name, x := range want {
			if o := got[name]; strings.Join(o.Powers, " ") != x.powers || o.Why != x.why {
				t.Errorf("%s: %q by %q, want %q by %q", name, o.Powers, o.Why, x.powers, x.why)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d roles, want %d: %v", len(got), len(want), got)
		}
		if d := got["ob plain"].Description; d != "Reads the tables of 'team'" || got["ob super"].Description != "" {
			t.Errorf("described as %q", d)
		}
		// What it says follows what is so.
		w.Exec(t, `alter role "ob super" nosuperuser`)
		if err := c.Objects(t.Context(), []string{"ob above"}, func(o connector.Object) error {
			if len(o.Powers) > 0 || o.Why != "" {
				return fmt.Errorf("still %q by %q", o.Powers, o.Why)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if err := c.Objects(t.Context(), nil, func(o connector.Object) error { return fmt.Errorf("asked for none, told %s", o.Name) }); err != nil {
			t.Error(err)
		}
	})
}

// A role that may hand out the role it is held through: the server's word and ours agree.
func TestObjectsAgreeWithTheServer(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Exec(t, `create role "oa mine"; create role "oa keeper"; grant "oa mine" to "oa keeper" with admin option`)
		ann, bob := w.account(t, "oa ann"), w.account(t, "oa bob")
		w.Exec(t, `grant "oa keeper" to "oa ann"`)
		var powers []string
		if err := connect(t, w.config()).Objects(t.Context(), []string{"oa keeper"}, func(o connector.Object) error { powers = o.Powers; return nil }); err != nil {
			t.Fatal(err)
		}
		_, err := w.Connect(t, ann, accountSecret, "postgres").Exec(t.Context(), `grant "oa mine" to `+quoted(bob))
		if can := err == nil; !can || !slices.Equal(powers, []string{"grant"}) {
			t.Errorf("the server lets him hand it out: %t (%v); said to have %q", can, err, powers)
		}
	})
}
