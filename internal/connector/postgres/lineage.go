package postgres

import (
	"context"
	"strconv"

	"github.com/lessor-iam/lessor/internal/connector"
)

// readAccounts lists the accounts. An oid is not given twice while the server's
// counter has not run through four thousand million.
const readAccounts = `select r.rolname::text, r.oid, (select m.rolname::text from pg_catalog.pg_auth_members a join pg_catalog.pg_roles m on m.oid = a.member
	where a.roleid = r.oid and a.admin_option and m.rolcanlogin order by m.oid limit 1) as by from pg_catalog.pg_roles r
where r.rolcanlogin and r.rolname not in (current_user, session_user) order by r.oid`

type accountRow struct {
	Name string
	OID  uint32
	By   *string // whoever creates a role since version 16 may hand it out
}

// Accounts yields every role that can log in, but our own.
func (c *Connector) Accounts(ctx context.Context, yield func(connector.Account) error) error {
	var list []accountRow
	if err := c.ask(ctx, func(l *line) (err error) { list, err = read[accountRow](l, readAccounts); return err }); err != nil {
		return err
	}
	for _, a := range list {
		one := connector.Account{Name: a.Name, ID: strconv.FormatUint(uint64(a.OID), 10)}
		if a.By != nil {
			one.By = *a.By
		}
		if err := yield(one); err != nil {
			return err
		}
	}
	return nil
}

// readTraces lists what roles did that the catalogs remember: memberships they
// granted; roles they may hand out (whoever creates one since version 16 may, and
// nothing else remembers who created it); and what they own, in every database. No
// catalog knows when. What lies in another database has a number for a name.
const readTraces = `with who as (
  select r.oid, r.rolname::text as name from pg_catalog.pg_roles r
  where r.oid <> 10 and r.rolname not like 'pg\_%' and r.rolname not in (current_user, session_user) and ($1::text[] is null or r.rolname::text = any($1))
)
select w.name, pg_catalog.format('granted role %I to %I', r.rolname, u.rolname)
from who w join pg_catalog.pg_auth_members m on m.grantor = w.oid
join pg_catalog.pg_roles r on r.oid = m.roleid join pg_catalog.pg_roles u on u.oid = m.member
union
select w.name, pg_catalog.format('may hand out role %I', r.rolname)
from who w join pg_catalog.pg_auth_members m on m.member = w.oid and m.admin_option join pg_catalog.pg_roles r on r.oid = m.roleid
union
select w.name, case
  when s.dbid = 0 or d.datname = pg_catalog.current_database() then (select pg_catalog.format('owns %s %s', i.type, i.identity) from pg_catalog.pg_identify_object(s.classid, s.objid, 0) i where i.identity is not null)
  else pg_catalog.format('owns %s %s in database %I', s.classid::pg_catalog.regclass, s.objid, d.datname) end
from who w join pg_catalog.pg_shdepend s on s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass and s.refobjid = w.oid and s.deptype = 'o'
left join pg_catalog.pg_database d on d.oid = s.dbid
order by 1, 2`

type traceRow struct {
	By   string
	What *string // null where it was dropped meanwhile
}

// Traces reads what roles granted, may hand out and own. Whoever has SET a role acts
// as it, and what he does so is the role's.
func (c *Connector) Traces(ctx context.Context, by []string) ([]connector.Trace, error) {
	var list []traceRow
	if err := c.ask(ctx, func(l *line) (err error) { list, err = read[traceRow](l, readTraces, by); return err }); err != nil {
		return nil, err
	}
	var traces []connector.Trace
	for _, t := range list {
		if t.What != nil {
			traces = append(traces, connector.Trace{By: t.By, What: *t.What})
		}
	}
	return traces, nil
}
