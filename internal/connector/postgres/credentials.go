package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// askPasswords tells whether there is the view that shows who has a password, ours to
// read and a superuser's: anybody else's could hide some.
const askPasswords = `select exists (select from pg_catalog.pg_class v
join pg_catalog.pg_namespace n on n.oid = v.relnamespace join pg_catalog.pg_roles o on o.oid = v.relowner
where n.nspname = 'lessor' and v.relname = 'passwords' and v.relkind = 'v' and o.rolsuper
and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(v.oid, 'select'))`

// readLogins lists who can log in and until when by a password; whether there is one
// only the view knows, for to everybody else the server shows none or eight asterisks.
const (
	readLogins = `select r.rolname::text, r.oid, case when pg_catalog.isfinite(r.rolvaliduntil) then r.rolvaliduntil end
from pg_catalog.pg_roles r where r.rolcanlogin and r.rolname not in (current_user, session_user)`
	onlyPasswords = ` and r.oid in (select p.oid from lessor.passwords p)`
	askWeak       = `select exists (select from pg_catalog.pg_attribute where attrelid = 'lessor.passwords'::regclass and attname = 'weak' and atttypid = 'boolean'::regtype and not attisdropped)`
	readWeak      = `select p.oid from lessor.passwords p where p.weak`
)

// weakPassword is the kind of one that is kept as MD5: whoever reads that can sign in by it.
const weakPassword = "md5 password"

type login struct {
	Name string
	OID  uint32
	Ends *time.Time // of its password; null: never
}

// Credentials yields the password of every role that can log in, but our own. Without
// the view nobody knows which of them have one: then they are yielded as such that may
// be, and one that nothing would end is not called unending.
func (c *Connector) Credentials(ctx context.Context, yield func(connector.Credential) error) error {
	var list []login
	known, weak := false, map[uint32]bool{}
	err := c.ask(ctx, func(l *line) error {
		has, err := read[struct{ Is bool }](l, askPasswords)
		if err != nil {
			return err
		}
		sql := readLogins
		if known = has[0].Is; known {
			sql += onlyPasswords
			if err := c.weak(l, weak); err != nil {
				return err
			}
		}
		list, err = read[login](l, sql+" order by r.oid")
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range list {
		one := connector.Credential{ID: fmt.Sprintf("password/%d", r.OID), Kind: "password", Account: r.Name}
		if r.Ends != nil {
			one.Ends = *r.Ends
		}
		if weak[r.OID] {
			one.Kind = weakPassword
		}
		if !known {
			one.Kind, one.EndUnknown = "password, if it has one", r.Ends == nil
		}
		if err := yield(one); err != nil {
			return err
		}
	}
	return nil
}

// weak reads whose passwords are kept as MD5, where the view tells it: one from before it
// did has no such column.
func (c *Connector) weak(l *line, of map[uint32]bool) error {
	tells, err := read[struct{ Is bool }](l, askWeak)
	if err != nil || !tells[0].Is {
		return err
	}
	list, err := read[struct{ OID uint32 }](l, readWeak)
	for _, one := range list {
		of[one.OID] = true
	}
	return err
}
