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

// Apply (1) finds which roles are meant and which memberships stand, (2) works out
// what is missing or too much at each object, and (3) makes each object's changes
// in a transaction of its own, so that one which somebody else has locked keeps
// none of the others waiting.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	for i, ch := range changes {
		results[i].Ref = ch.Ref
	}
	var found map[string]role
	var work [][]*edit
	err := c.ask(ctx, func(l *line) (err error) {
		if found, err = l.find(namesIn(changes)); err == nil {
			work, err = l.needed(edits(found, changes, results))
		}
		return err
	})
	if err != nil {
		for i := range results {
			results[i].Err = unsent(err)
		}
		return results
	}
	c.each(len(work), func(n int) { c.applyRole(ctx, work[n], results) })
	return results
}

func namesIn(changes []connector.Change) map[string]bool {
	names := map[string]bool{}
	for _, ch := range changes {
		names[ch.Account], names[ch.Object] = true, true
	}
	return names
}

// edit is what one membership shall be, and which changes ask so.
type edit struct {
	object, account role
	add             bool
	changes         []int
	grantors        []string // of the rows to be removed; "" where there are no grantors
	err             error
}

// edits gathers the changes by membership and refuses those that cannot be. Asked
// twice, the last word counts.
func edits(found map[string]role, changes []connector.Change, results []connector.Result) (list []*edit) {
	known := map[pair]*edit{}
	for i, ch := range changes {
		ask, err := may(ch, found)
		if results[i].Err = err; !ask {
			continue
		}
		object, account := found[ch.Object], found[ch.Account]
		at := pair{account.OID, object.OID}
		e := known[at]
		if e == nil {
			e = &edit{object: object, account: account}
			known[at] = e
			list = append(list, e)
		}
		e.add = ch.Want
		e.changes = append(e.changes, i)
	}
	return list
}

// standing is a row of pg_auth_members: who granted it, and whether we may revoke it.
type standing struct {
	Role, Member uint32
	Grantor      string
	Ours         bool
}

// revocable says of a row m whether a REVOKE of ours can remove it. Before version
// 16 a membership had one row, and whoever had a right to revoke it could.
const revocable = `case when current_setting('server_version_num')::int < 160000 then true else pg_catalog.pg_has_role(m.grantor, 'USAGE') end`

const readStanding = `select m.roleid, m.member, pg_catalog.pg_get_userbyid(m.grantor)::text, ` + revocable + `
from unnest($1::oid[], $2::oid[]) p(role, member)
join pg_catalog.pg_auth_members m on m.roleid = p.role and m.member = p.member`

// needed keeps the edits that change anything, by object. By the time they are
// made others may have made them: then the server takes them for done.
func (l *line) needed(edits []*edit) ([][]*edit, error) {
	if len(edits) == 0 {
		return nil, nil
	}
	objects, accounts := make([]uint32, len(edits)), make([]uint32, len(edits))
	for i, e := range edits {
		objects[i], accounts[i] = e.object.OID, e.account.OID
	}
	rows, err := read[standing](l, readStanding, objects, accounts)
	if err != nil {
		return nil, err
	}
	held := map[pair][]string{}
	for _, r := range rows {
		at := pair{r.Member, r.Role}
		switch {
		case !r.Ours: // somebody else's, who must revoke it: a look names them
		case l.modern():
			held[at] = append(held[at], r.Grantor)
		default:
			held[at] = []string{""}
		}
	}
	byObject := map[uint32][]*edit{}
	for _, e := range edits {
		if grantors := held[pair{e.account.OID, e.object.OID}]; e.add != (len(grantors) > 0) {
			byObject[e.object.OID] = append(byObject[e.object.OID], e)
			if !e.add {
				e.grantors = grantors
			}
		}
	}
	return slices.Collect(maps.Values(byObject)), nil
}

// applyRole (1) begins, (2) sends the changes, removals first, each refusal undone
// by itself, and (3) commits. Only the COMMIT has an effect: if anything ends
// before it, the server undoes it all.
func (c *Connector) applyRole(ctx context.Context, work []*edit, results []connector.Result) {
	answer := func(rest error) { // what was refused by itself stays refused
		for _, e := range work {
			for _, i := range e.changes {
				results[i].Err = cmp.Or(e.err, rest)
			}
		}
	}
	l, err := c.lend(ctx)
	if err != nil {
		answer(unsent(err))
		return
	}
	w := &write{line: l, object: work[0].object}
	defer w.end()
	if err := w.begin(); err != nil {
		answer(unsent(err))
		return
	}
	for _, group := range groups(work) {
		for some := range slices.Chunk(group.edits, chunk) {
			w.deliver(group.grantor, some)
		}
	}
	answer(w.commit())
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

// begin bounds each wait for others' locks by a quarter of the time there is, so
// that what stands behind a locked role has its turn too. Writers of the same
// membership need no lock of ours: the server orders them, or one is crossed.
func (w *write) begin() error {
	wait := w.timeout
	if end, ok := w.ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)/4)
	}
	return w.exec(fmt.Sprintf("begin isolation level read committed read write; set local lock_timeout = %d", max(wait.Milliseconds(), 1)))
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
