package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Look reads the memberships around the accounts row by row, and asks the server
// by pg_has_role, which goes by its own cache of them, whether each account is a
// member. Held directly is what a REVOKE of ours would remove; what else leads
// there is named.
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	at := c.now() // before the first read: nothing seen is older than this
	seen := make([]connector.Seen, len(refs))
	var v *view
	err := c.ask(ctx, func(l *line) (err error) { v, err = survey(l, refs); return err })
	for i, r := range refs {
		if err != nil {
			seen[i] = connector.Seen{Ref: r, At: at, Err: err}
			continue
		}
		seen[i] = v.see(r)
		seen[i].Ref, seen[i].At = r, at
	}
	if err == nil {
		c.moments.note(seen, v.until)
	}
	return seen
}

// view is what one look has read.
type view struct {
	roles  map[string]role
	above  map[uint32][]edge // by member
	member map[pair]bool     // what pg_has_role says
	modern bool
	until  time.Time // by the server's clock, after the rows were read
}

type pair struct{ account, object uint32 }

// edge is one row of pg_auth_members.
type edge struct {
	Member  uint32
	Role    uint32
	Name    string // of the role
	Grantor string
	Ours    bool
	Admin   bool
}

// readAbove climbs from the accounts; the union forgets what it has seen, so a
// ring, were there one, ends.
const readAbove = `with recursive up(oid) as (
  select unnest($1::oid[])
  union
  select m.roleid from pg_catalog.pg_auth_members m join up on m.member = up.oid
)
select m.member, m.roleid, r.rolname::text, coalesce(g.rolname::text, ''), ` + revocable + `, m.admin_option
from up join pg_catalog.pg_auth_members m on m.member = up.oid
join pg_catalog.pg_roles r on r.oid = m.roleid
left join pg_catalog.pg_roles g on g.oid = m.grantor
limit $2`

const readMember = `select coalesce(pg_catalog.pg_has_role(p.account, p.object, 'MEMBER'), false)
from unnest($1::oid[], $2::oid[]) with ordinality p(account, object, n) order by p.n`

// survey reads (1) which roles are meant, (2) the memberships above the accounts,
// (3) what the server says of each pair, and (4) the server's time, after which
// whoever opens a session finds what was just read.
func survey(l *line, refs []connector.Ref) (*view, error) {
	names := map[string]bool{}
	for _, r := range refs {
		names[r.Account], names[r.Object] = true, true
	}
	roles, err := l.find(names)
	if err != nil {
		return nil, err
	}
	v := &view{roles: roles, above: map[uint32][]edge{}, member: map[pair]bool{}, modern: l.modern()}
	var accounts, objects []uint32
	for _, r := range refs {
		a, isAccount := roles[r.Account]
		o, isObject := roles[r.Object]
		if isAccount && isObject {
			accounts, objects = append(accounts, a.OID), append(objects, o.OID)
		}
	}
	if len(accounts) > 0 {
		edges, err := read[edge](l, readAbove, slices.Compact(slices.Sorted(slices.Values(accounts))), maxEdges+1)
		if err != nil {
			return nil, err
		}
		if len(edges) > maxEdges {
			return nil, fmt.Errorf("%w: more than %d memberships are around these accounts", connector.ErrRefused, maxEdges)
		}
		for _, e := range edges {
			v.above[e.Member] = append(v.above[e.Member], e)
		}
		says, err := read[struct{ Is bool }](l, readMember, accounts, objects)
		if err != nil {
			return nil, err
		}
		if len(says) != len(accounts) {
			return nil, fmt.Errorf("%w: pg_has_role answered %d of %d questions", connector.ErrUnanswered, len(says), len(accounts))
		}
		for i, s := range says {
			v.member[pair{accounts[i], objects[i]}] = s.Is
		}
	}
	now, err := read[struct{ At time.Time }](l, "select pg_catalog.clock_timestamp()")
	if err != nil || len(now) != 1 {
		return nil, fmt.Errorf("%w: the server does not tell the time: %v", connector.ErrUnanswered, err)
	}
	v.until = now[0].At
	return v, nil
}

// see puts together what was read about one holding. What cannot be there is
// seen absent: the server drops memberships with either role.
func (v *view) see(r connector.Ref) (s connector.Seen) {
	a, isAccount := v.roles[r.Account]
	o, isObject := v.roles[r.Object]
	switch {
	case !isObject:
		s.Path = "pg_roles: no such role as the object"
		return s
	case !isAccount:
		s.Path = "pg_roles: no such role as the account"
		return s
	}
	s.Path = "pg_auth_members; pg_has_role"
	// 1. The rows between the two.
	for _, e := range v.above[a.OID] {
		switch {
		case e.Role != o.OID:
		case e.Ours:
			s.Direct = true
		default:
			s.Residual = append(s.Residual, fmt.Sprintf("granted by %q, who must revoke it", e.Grantor))
		}
		if e.Role == o.OID && e.Admin {
			s.Path += "; held with ADMIN OPTION, the right to grant it on"
		}
	}
	// 2. The ways around, one for each membership they begin with.
	first := map[uint32]bool{o.OID: true}
	for _, e := range v.above[a.OID] {
		if first[e.Role] {
			continue
		}
		first[e.Role] = true
		if way := v.way(e, o.OID); way != nil {
			s.Residual = append(s.Residual, "through "+strings.Join(way, " > "))
		}
	}
	// 3. What needs no membership.
	s.Residual = append(s.Residual, v.without(a, o)...)
	s.Effective = s.Direct || len(s.Residual) > 0
	if v.member[pair{a.OID, o.OID}] && !s.Effective {
		s.Effective = true
		s.Residual = append(s.Residual, "pg_has_role says so, though no membership leads there: the account may own the database")
	}
	// 4. What would give it back: a power, not a holding.
	if !v.modern && a.CreateRole && !a.Super && !o.Super {
		s.Residual = append(s.Residual, "not held by it, but the account has CREATEROLE and before version 16 may grant itself this role")
	}
	slices.Sort(s.Residual)
	return s
}

// without names what gives an account the role's rights without membership.
func (v *view) without(a, o role) (ways []string) {
	switch {
	case a.Super:
		ways = append(ways, "the account is a superuser")
	case a.OID == o.OID:
		ways = append(ways, "the account is this role itself")
	}
	return ways
}

// way gives the names from an account's membership up to a role, nil if no way
// leads there.
func (v *view) way(from edge, to uint32) []string {
	below := map[uint32]edge{from.Role: from} // by which membership each was reached
	for todo := []edge{from}; len(todo) > 0; todo = todo[1:] {
		if todo[0].Role == to {
			var way []string
			for at := todo[0]; ; at = below[at.Member] {
				if way = append(way, at.Name); at == from {
					break
				}
			}
			slices.Reverse(way)
			return way
		}
		for _, up := range v.above[todo[0].Role] {
			if _, known := below[up.Role]; !known {
				below[up.Role] = up
				todo = append(todo, up)
			}
		}
	}
	return nil
}
