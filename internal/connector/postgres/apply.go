package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Apply (1) finds which roles are meant, (2) sorts the changes by object, and (3)
// makes each object's in a transaction of its own, so that one which somebody
// else has locked keeps none of the others waiting.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	names := map[string]bool{}
	for i, ch := range changes {
		results[i].Ref = ch.Ref
		names[ch.Account], names[ch.Object] = true, true
	}
	found, err := c.rolesOf(ctx, names)
	byObject := map[uint32][]int{}
	for i, ch := range changes {
		if err != nil {
			results[i].Err = unsent(err)
			continue
		}
		ask, why := may(ch, found)
		if results[i].Err = why; ask {
			object := found[ch.Object].OID
			byObject[object] = append(byObject[object], i)
		}
	}
	objects := slices.Sorted(maps.Keys(byObject))
	c.each(len(objects), func(n int) {
		c.applyRole(ctx, found, changes, results, byObject[objects[n]])
	})
	return results
}

// edit is what one account's membership shall be, and which changes ask so.
type edit struct {
	account  role
	add      bool
	changes  []int
	grantors []string // of the rows to be removed; "" where there are no grantors
	err      error
}

// applyRole (1) locks the object against other writers like us, (2) reads which
// memberships stand, (3) makes what is missing and removes what is too much,
// removals first, each refusal undone by itself, and (4) commits. Only the COMMIT
// has an effect: if anything ends before it, the server undoes it all.
func (c *Connector) applyRole(ctx context.Context, found map[string]role, changes []connector.Change, results []connector.Result, idx []int) {
	object := found[changes[idx[0]].Object]
	answer := func(err error) {
		for _, i := range idx {
			results[i].Err = err
		}
	}
	l, err := c.lend(ctx)
	if err != nil {
		answer(unsent(err))
		return
	}
	w := &write{line: l, object: object}
	defer w.end()
	edits := edits(found, changes, idx)
	if err := w.begin(); err != nil {
		answer(unsent(err))
		return
	}
	work, err := w.needed(edits)
	if err != nil {
		answer(unsent(err))
		return
	}
	if len(work) == 0 {
		return
	}
	for _, group := range groups(work) {
		for some := range slices.Chunk(group.edits, chunk) {
			w.deliver(group.grantor, some)
		}
	}
	err = w.commit()
	for _, e := range work {
		for _, i := range e.changes {
			results[i].Err = cmp.Or(e.err, err)
			if w.lost != nil {
				results[i].Err = err // even of what was answered, nothing came to be
			}
		}
	}
}

// edits gathers the changes of one object by account. Asked twice, the last word counts.
func edits(found map[string]role, changes []connector.Change, idx []int) []*edit {
	byAccount := map[uint32]*edit{}
	var list []*edit
	for _, i := range idx {
		a := found[changes[i].Account]
		e := byAccount[a.OID]
		if e == nil {
			e = &edit{account: a}
			byAccount[a.OID] = e
			list = append(list, e)
		}
		e.add = changes[i].Want
		e.changes = append(e.changes, i)
	}
	return list
}

// group is the edits of one statement's kind.
type group struct {
	grantor string
	edits   []*edit
}

// groups puts removals first, by grantor; then additions.
func groups(work []*edit) []group {
	byGrantor := map[string][]*edit{}
	var add []*edit
	for _, e := range work {
		if e.add {
			add = append(add, e)
		}
		for _, g := range e.grantors {
			byGrantor[g] = append(byGrantor[g], e)
		}
	}
	var list []group
	for _, g := range slices.Sorted(maps.Keys(byGrantor)) {
		list = append(list, group{g, byGrantor[g]})
	}
	if len(add) > 0 {
		list = append(list, group{"", add})
	}
	return list
}

// write is one transaction on one object's memberships.
type write struct {
	*line
	object role
	lost   error // the connection ended, or the transaction did: nothing was committed
}

// ours is the first half of the key of the advisory locks connectors take, the
// object's OID is the second: before version 16 the server itself lets two
// writers of one membership collide.
const ours = 0x6c657373

// begin waits for the object at most a quarter of the time there is, so that the
// statements, which may wait for others' locks, have as much each.
func (w *write) begin() error {
	wait := w.timeout
	if end, ok := w.ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)/4)
	}
	return w.exec(fmt.Sprintf(`begin isolation level read committed read write;
set local lock_timeout = %d;
select set_config('synchronous_commit', 'on', true) where current_setting('synchronous_commit') = 'off';
select pg_advisory_xact_lock(%d, %d)`, max(wait.Milliseconds(), 1), ours, int32(w.object.OID)))
}

// standing is a row of pg_auth_members: who granted it, and whether we may revoke it.
type standing struct {
	Member  uint32
	Grantor string
	Ours    bool
}

// revocable says of a row m whether a REVOKE of ours can remove it. Before version
// 16 a membership had one row, and whoever had a right to revoke it could.
const revocable = `case when current_setting('server_version_num')::int < 160000 then true else pg_catalog.pg_has_role(m.grantor, 'USAGE') end`

const readStanding = `select m.member, coalesce(g.rolname::text, ''), ` + revocable + `
from pg_catalog.pg_auth_members m left join pg_catalog.pg_roles g on g.oid = m.grantor
where m.roleid = $1 and m.member = any($2::oid[])`

// needed keeps the edits that change anything.
func (w *write) needed(edits []*edit) (work []*edit, err error) {
	accounts := make([]uint32, len(edits))
	for i, e := range edits {
		accounts[i] = e.account.OID
	}
	rows, err := read[standing](w.line, readStanding, w.object.OID, accounts)
	if err != nil {
		return nil, err
	}
	held := map[uint32][]string{}
	for _, r := range rows {
		switch {
		case !r.Ours: // somebody else's, who must revoke it: a look names them
		case w.modern():
			held[r.Member] = append(held[r.Member], r.Grantor)
		default:
			held[r.Member] = []string{""}
		}
	}
	for _, e := range edits {
		if grantors := held[e.account.OID]; e.add != (len(grantors) > 0) {
			if work = append(work, e); !e.add {
				e.grantors = grantors
			}
		}
	}
	return work, nil
}

// deliver makes the edits by one statement. If the server refuses it for what may
// be the sake of a few, it is sent in halves: nobody's removal waits for
// another's mistake.
func (w *write) deliver(grantor string, edits []*edit) {
	e := w.try(w.statement(grantor, edits))
	switch {
	case e == nil:
	case len(edits) > 1 && divisible(e, w.modern()):
		w.deliver(grantor, edits[:len(edits)/2])
		w.deliver(grantor, edits[len(edits)/2:])
	case e.Code == "42704" && !edits[0].add: // one of the two went away in between, and the membership with it
	default:
		for _, one := range edits {
			one.err = cmp.Or(one.err, meaning(e))
		}
	}
}

// statement is GRANT or REVOKE. GRANT names no grantor: the server takes us if we
// hold ADMIN OPTION ourselves, else a role of ours that does.
func (w *write) statement(grantor string, edits []*edit) string {
	names := make([]string, len(edits))
	for i, e := range edits {
		names[i] = quoted(e.account.Name)
	}
	verb, to := "GRANT ", " TO "
	if !edits[0].add {
		verb, to = "REVOKE ", " FROM "
	}
	by := ""
	if grantor != "" {
		by = " GRANTED BY " + quoted(grantor)
	}
	return verb + quoted(w.object.Name) + to + strings.Join(names, ", ") + by
}

const savepoint, undo = "SAVEPOINT lessor;\n", "ROLLBACK TO SAVEPOINT lessor; RELEASE SAVEPOINT lessor"

// try runs one statement, undone by itself if the server refuses it. Nil means
// that it was answered with success, or that all is lost.
func (w *write) try(statement string) (refused *pgconn.PgError) {
	for again := true; w.lost == nil; again = false {
		err := w.exec(savepoint + statement + ";\nRELEASE SAVEPOINT lessor")
		if err == nil {
			return nil
		}
		if refused = spoken(err); refused == nil {
			w.lost = err
			return nil
		}
		if w.lost = w.exec(undo); w.lost == nil && !(again && crossed(refused)) {
			return refused
		}
	}
	return nil
}

// commit is the one request that has an effect. Whatever the library says of an
// error once it was handed the request, only the server's answer is believed.
func (w *write) commit() error {
	if w.lost = cmp.Or(w.lost, w.ctx.Err()); w.lost != nil {
		return unsent(w.lost)
	}
	tag, err := w.run("COMMIT")
	switch e := spoken(err); {
	case err == nil && tag == "ROLLBACK":
		w.lost = errors.New("the server rolled back")
		return unsent(w.lost)
	case err == nil:
		return nil
	case e != nil && e.Code != "40003": // statement completion unknown
		return meaning(e)
	}
	return fmt.Errorf("%w: COMMIT: %w", connector.ErrUnanswered, err)
}

// end gives the connection back, outside any transaction if there is time for that.
func (w *write) end() {
	if pg := w.conn.Conn().PgConn(); !pg.IsClosed() && pg.TxStatus() != 'I' && w.ctx.Err() == nil {
		_ = w.exec("ROLLBACK") // if it fails the pool drops the connection, and the server the transaction
	}
	w.giveBack()
}
