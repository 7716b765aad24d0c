package postgres

import (
	"context"

	"github.com/lessor-iam/lessor/internal/connector"
)

// readPage gives the memberships after one, in the order of their index. Left
// out are the connector's own, by which it holds ADMIN OPTION, and those of the
// system's own roles in each other.
const readPage = `select m.roleid, m.member, r.rolname::text, u.rolname::text
from (select distinct m.roleid, m.member from pg_catalog.pg_auth_members m
  where (m.roleid, m.member) > ($1::oid, $2::oid) and ($3::oid[] is null or m.roleid = any($3))
  and m.member not in (select x.oid from pg_catalog.pg_roles x where x.rolname in (current_user, session_user) or x.rolname like 'pg\_%')
  order by 1, 2 limit $4) m
join pg_catalog.pg_roles r on r.oid = m.roleid join pg_catalog.pg_roles u on u.oid = m.member
order by 1, 2`

type membership struct {
	RoleID, MemberID uint32
	Role, Member     string
}

// Observe yields the members of each role, whoever granted it: accounts, and
// roles that cannot log in, through which others are let in. It reads page by
// page and holds nothing at the server in between; a membership that stands all
// the while is yielded once.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	var only []uint32 // nil: all
	if len(objects) > 0 {
		names := map[string]bool{}
		for _, o := range objects {
			names[o] = true
		}
		var found map[string]role
		err := c.ask(ctx, func(l *line) (err error) { found, err = l.find(names); return err })
		if err != nil || len(found) == 0 {
			return err
		}
		for _, r := range found {
			only = append(only, r.OID)
		}
	}
	for last := (membership{}); ; {
		var list []membership
		err := c.ask(ctx, func(l *line) (err error) {
			list, err = read[membership](l, readPage, last.RoleID, last.MemberID, only, c.page)
			return err
		})
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := yield(connector.Holding{Ref: connector.Ref{Account: m.Member, Object: m.Role}}); err != nil {
				return err
			}
		}
		if len(list) < c.page {
			return nil
		}
		last = list[len(list)-1]
	}
}
