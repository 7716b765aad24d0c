package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// readObjects gives each role with every role it can act as (by SET ROLE) or has the
// rights of (by inheritance), of which something is worth a word: the attributes, which
// only SET ROLE gives; the server's own roles; and what may be handed on. A superuser
// is told to have every role, so of him only himself is read. A comment may be as long
// as its writer liked.
const readObjects = `with asked as (
  select r.oid, r.rolname::text as name, r.rolsuper from unnest($1::text[]) n join pg_catalog.pg_roles r on r.rolname = n
), given as materialized (
  select m.member, array_agg(g.rolname::text order by g.rolname::text) as hands_out
  from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid where m.admin_option group by m.member
), worth as materialized (
  select r.oid, r.rolname::text as name, r.rolsuper, r.rolcreaterole, r.rolreplication, r.rolbypassrls, g.hands_out
  from pg_catalog.pg_roles r left join given g on g.member = r.oid
  where r.rolsuper or r.rolcreaterole or r.rolreplication or r.rolbypassrls or g.hands_out is not null
    or r.rolname::text = any($2) or r.oid in (select oid from asked)
), way as (
  select case when pg_catalog.current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end as set_role
)
select a.name, coalesce(left(pg_catalog.shobj_description(a.oid, 'pg_authid'), 2000), ''), w.name,
  w.oid = a.oid or pg_catalog.pg_has_role(a.oid, w.oid, way.set_role),
  w.rolsuper, w.rolcreaterole, w.rolreplication, w.rolbypassrls, coalesce(w.hands_out, '{}'), pg_catalog.current_setting('server_version_num')::int
from asked a cross join way join worth w on w.oid = a.oid or (not a.rolsuper
  and (w.rolsuper or w.rolcreaterole or w.rolreplication or w.rolbypassrls or w.hands_out is not null or w.name = any($2))
  and (pg_catalog.pg_has_role(a.oid, w.oid, way.set_role) or pg_catalog.pg_has_role(a.oid, w.oid, 'USAGE')))
order by a.name, w.oid <> a.oid, w.name`

// acts is one role that an object's holders can act as, or whose rights they have.
type acts struct {
	Object, Description, As                    string
	Set                                        bool // by SET ROLE, and not by inheritance alone
	Super, CreateRole, Replication, BypassRows bool
	HandsOut                                   []string // WITH ADMIN OPTION
	Version                                    int
}

// ownRoles are the server's roles that are worth a word, and what they let do. With the
// files of the server one gets past everything it keeps from him. What is not here
// (pg_monitor, pg_signal_backend, …) is none of the catalog's words.
var ownRoles = map[string][]string{
	"pg_read_all_data":          {"read"},
	"pg_write_all_data":         {"write"},
	"pg_read_server_files":      {"read", "admin"},
	"pg_write_server_files":     {"write", "admin"},
	"pg_execute_server_program": {"admin"},
}

// maxWhy is how many roles that may be handed out are named.
const maxWhy = 3

// Objects yields of each role its comment, and what it is worth by its attributes, by
// the server's own roles and by what it may hand out, itself or through another. What
// it was granted on tables and databases is not read: those of the other databases of
// the server cannot be seen from here.
func (c *Connector) Objects(ctx context.Context, objects []string, yield func(connector.Object) error) error {
	own := slices.Collect(maps.Keys(ownRoles))
	names := slices.DeleteFunc(slices.Clone(objects), func(n string) bool { return !usable(n) })
	slices.Sort(names)
	for some := range slices.Chunk(slices.Compact(names), chunk) {
		var rows []acts
		err := c.ask(ctx, func(l *line) (err error) { rows, err = read[acts](l, readObjects, some, own); return err })
		if err != nil {
			return err
		}
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && rows[n].Object == rows[0].Object {
				n++
			}
			if err := yield(said(rows[:n])); err != nil {
				return err
			}
			rows = rows[n:]
		}
	}
	return nil
}

// said puts into words what one object's roles are worth.
func said(all []acts) connector.Object {
	o := connector.Object{Name: all[0].Object, Description: all[0].Description}
	var why []string
	for _, a := range all {
		powers, what := a.worth()
		if o.Powers = append(o.Powers, powers...); what == "" {
			continue
		}
		if _, own := ownRoles[a.As]; a.As != o.Name && !own {
			what += " through " + a.As
		}
		why = append(why, what)
	}
	slices.Sort(o.Powers)
	o.Powers, o.Why = slices.Compact(o.Powers), strings.Join(why, ", ")
	return o
}

// worth is what acting as the role, or having its rights, lets do.
func (a acts) worth() (powers []string, why string) {
	if a.Super && a.Set {
		return []string{"admin", "grant", "read", "write"}, "SUPERUSER"
	}
	var said []string
	add := func(is bool, what string, lets ...string) {
		if is {
			powers, said = append(powers, lets...), append(said, what)
		}
	}
	// Before 16 it grants any role but a superuser's, among them those that run
	// programs on the server; since then only those that it has made.
	createRole := []string{"grant"}
	if a.Version < 160000 {
		createRole = append(createRole, "admin")
	}
	add(a.Set && a.CreateRole, "CREATEROLE", createRole...)
	add(a.Set && a.Replication, "REPLICATION", "read")
	add(a.Set && a.BypassRows, "BYPASSRLS", "read", "write")
	if lets, own := ownRoles[a.As]; own {
		add(true, a.As, lets...)
	}
	if n := len(a.HandsOut); n > 0 {
		named := strings.Join(a.HandsOut[:min(n, maxWhy)], ", ")
		if n > maxWhy {
			named += fmt.Sprintf(" and %d more", n-maxWhy)
		}
		add(true, "ADMIN OPTION on "+named, "grant")
	}
	return powers, strings.Join(said, ", ")
}
