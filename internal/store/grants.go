package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const grantColumns = `id, request, revision, digest, identity, entitlement, assignment, state, start_at, end_at, term, seen_at,
	chain_start, owner, votes, hold, at, ended_at, ended`

func scanGrant(s scanner) (g access.Grant, err error) {
	err = s.Scan(&g.ID, &g.Request, &g.Revision, &g.Digest, &g.Identity, &g.Entitlement, &g.Assignment, &g.State, at{&g.Start},
		at{&g.End}, span{&g.Term}, at{&g.Seen}, at{&g.ChainStart}, &g.Owner, nested{&g.Votes}, nested{&g.Hold}, at{&g.At}, at{&g.EndedAt}, &g.Ended)
	return g, err
}

// AddGrant stores a grant, end and all.
func (tx *Tx) AddGrant(ctx context.Context, g access.Grant) error {
	tx.writes(g.Identity)
	return tx.exec(ctx, "add grant "+g.ID, `insert into grants (`+grantColumns+`)
		values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)`,
		g.ID, g.Request, g.Revision, g.Digest, g.Identity, g.Entitlement, g.Assignment, g.State, moment(g.Start), moment(g.End),
		micros(g.Term), moment(g.Seen), moment(g.ChainStart), g.Owner, text(g.Votes), text(g.Hold), moment(g.At), moment(g.EndedAt), g.Ended)
}

// SaveGrant writes what of a grant can change, presuming its stored state.
func (tx *Tx) SaveGrant(ctx context.Context, was access.GrantState, g access.Grant) error {
	tx.writes(g.Identity)
	return tx.exec(ctx, "save grant "+g.ID, `update grants set state=$1, end_at=$2, seen_at=$3, ended_at=$4, ended=$5 where id=$6 and state=$7`,
		g.State, moment(g.End), moment(g.Seen), moment(g.EndedAt), g.Ended, g.ID, was)
}

// Grant reads one by id.
func (tx *Tx) Grant(ctx context.Context, id string) (access.Grant, error) {
	return one(ctx, tx, "grant "+id, scanGrant, `select `+grantColumns+` from grants where id=$1`, id)
}

// OpenGrants lists the grants not yet ended of each assignment named.
func (tx *Tx) OpenGrants(ctx context.Context, assignments []string) (map[string][]access.Grant, error) {
	found := map[string][]access.Grant{}
	for batch := range chunks(assignments) {
		marks, args := in(batch)
		list, err := all(ctx, tx, scanGrant, `select `+grantColumns+` from grants where state <> 'ended' and assignment in (`+marks+`) order by id`, args...)
		if err != nil {
			return nil, err
		}
		for _, g := range list {
			found[g.Assignment] = append(found[g.Assignment], g)
		}
	}
	return found, nil
}

// GrantsOf lists up to limit grants of any of the identities (all if none),
// newest first, with ids below before; open leaves the ended ones out.
func (tx *Tx) GrantsOf(ctx context.Context, identities []string, open bool, before string, limit int) ([]access.Grant, error) {
	return tx.GrantsSought(ctx, GrantsSought{Identities: identities, Open: open, Before: before, Limit: limit})
}

// OpenGrantsOfOne lists the grants of one entitlement to any of the identities that have
// not ended, newest first.
func (tx *Tx) OpenGrantsOfOne(ctx context.Context, identities []string, entitlement string) (list []access.Grant, err error) {
	tx.reads(identities...)
	for batch := range chunks(identities) {
		marks, args := inFrom(2, batch)
		some, err := all(ctx, tx, scanGrant, `select `+grantColumns+` from grants where entitlement=$1 and identity in (`+marks+`) and state <> 'ended'`, append([]any{entitlement}, args...)...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	slices.SortFunc(list, func(a, b access.Grant) int { return strings.Compare(b.ID, a.ID) })
	return list, nil
}

// EntitlementsOf lists what any of the identities has a grant of that has not ended, and
// whose end is after now: once for each grant. Somebody may have tens of thousands, so no
// more of each is read.
func (tx *Tx) EntitlementsOf(ctx context.Context, identities []string, now time.Time) (list []string, err error) {
	tx.reads(identities...)
	for batch := range chunks(identities) {
		marks, args := inFrom(2, batch)
		some, err := all(ctx, tx, func(s scanner) (id string, err error) { err = s.Scan(&id); return id, err },
			`select entitlement from grants where identity in (`+marks+`) and state <> 'ended' and end_at > $1`, append([]any{moment(now)}, args...)...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// HoldersOf lists up to limit identities with a grant of the entitlement that has not ended.
func (tx *Tx) HoldersOf(ctx context.Context, entitlement string, limit int) ([]string, error) {
	return all(ctx, tx, func(s scanner) (id string, err error) { err = s.Scan(&id); return id, err },
		`select distinct identity from grants where entitlement=$1 and state <> 'ended' limit $2`, entitlement, limit)
}

// GrantsFor lists every grant of a request.
func (tx *Tx) GrantsFor(ctx context.Context, request string) ([]access.Grant, error) {
	return all(ctx, tx, scanGrant, `select `+grantColumns+` from grants where request=$1 order by id`, request)
}

// GrantsOfTicket lists the grants that have not ended of requests that name a ticket by either name.
func (tx *Tx) GrantsOfTicket(ctx context.Context, id, name string) ([]access.Grant, error) {
	columns := "g." + strings.ReplaceAll(strings.Join(strings.Fields(grantColumns), " "), ", ", ", g.")
	return all(ctx, tx, scanGrant, `select `+columns+` from request r join grants g on g.request = r.id
		where r.ticket <> '' and r.ticket in ($1, $2) and g.state <> 'ended' order by g.id`, id, name)
}

// batch is how many rows one statement names: modernc looks each $N up among
// all arguments, so long lists cost their square.
const batch = 50

func chunks(ids []string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(ids) > 0 {
			n := min(batch, len(ids))
			if !yield(ids[:n]) {
				return
			}
			ids = ids[n:]
		}
	}
}

func in(ids []string) (marks string, args []any) { return inFrom(1, ids) }

// inFrom is in, with the first mark of that number.
func inFrom(first int, ids []string) (marks string, args []any) {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = fmt.Sprintf("$%d", first+i)
		args = append(args, id)
	}
	return strings.Join(list, ","), args
}

const assignmentColumns = `id, system, account, object, identity, entitlement, state, receipt, seen_at,
	due_at, holder, lease_until, fence, suspect_until, attempts, since, told, confirm, trouble, blind`

// Job is an assignment with how far the reconciler has come with it.
type Job struct {
	access.Assignment
	Work access.Work
}

func scanJob(s scanner) (j Job, err error) {
	a, w := &j.Assignment, &j.Work
	err = s.Scan(&a.ID, &a.System, &a.Account, &a.Object, &a.Identity, &a.Entitlement, &a.State, &a.Receipt, at{&a.SeenAt},
		at{&w.Due}, &w.Holder, at{&w.LeaseUntil}, &w.Fence, at{&w.SuspectUntil}, &w.Attempts, at{&w.Since}, &w.Told, &w.Confirm, &w.Trouble, &w.Blind)
	return j, err
}

// AddAssignment stores an assignment nobody knew of.
func (tx *Tx) AddAssignment(ctx context.Context, j Job) error {
	a, w := j.Assignment, j.Work
	return tx.exec(ctx, "add assignment "+a.ID, `insert into assignment (`+assignmentColumns+`)
		values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20)`,
		a.ID, a.System, a.Account, a.Object, a.Identity, a.Entitlement, a.State, a.Receipt, moment(a.SeenAt),
		moment(w.Due), w.Holder, moment(w.LeaseUntil), w.Fence, moment(w.SuspectUntil), w.Attempts, moment(w.Since), w.Told, w.Confirm, w.Trouble, w.Blind)
}

// SaveJob writes an assignment and its work over what was read.
func (tx *Tx) SaveJob(ctx context.Context, was, j Job) error {
	a, w := j.Assignment, j.Work
	return tx.exec(ctx, "save assignment "+a.ID, `update assignment set state=$1, receipt=$2, seen_at=$3, due_at=$4, holder=$5, lease_until=$6,
		fence=$7, suspect_until=$8, attempts=$9, since=$10, told=$11, confirm=$12, trouble=$13, blind=$14 where id=$15 and state=$16 and fence=$17`,
		a.State, a.Receipt, moment(a.SeenAt), moment(w.Due), w.Holder, moment(w.LeaseUntil), w.Fence, moment(w.SuspectUntil),
		w.Attempts, moment(w.Since), w.Told, w.Confirm, w.Trouble, w.Blind, a.ID, was.State, was.Work.Fence)
}

// Assignment reads one by id, with its work.
func (tx *Tx) Assignment(ctx context.Context, id string) (Job, error) {
	return one(ctx, tx, "assignment "+id, scanJob, `select `+assignmentColumns+` from assignment where id=$1`, id)
}

// AssignmentAt reads the one of an account and object of a system.
func (tx *Tx) AssignmentAt(ctx context.Context, system, account, object string) (Job, error) {
	return one(ctx, tx, "assignment of "+account, scanJob, `select `+assignmentColumns+` from assignment where system=$1 and account=$2 and object=$3`, system, account, object)
}

// Assignments reads those named, in order of id.
func (tx *Tx) Assignments(ctx context.Context, ids []string) (list []Job, err error) {
	for batch := range chunks(ids) {
		marks, args := in(batch)
		some, err := all(ctx, tx, scanJob, `select `+assignmentColumns+` from assignment where id in (`+marks+`) order by id`, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// AssignmentsAfter lists up to limit assignments with ids above after, in order.
func (tx *Tx) AssignmentsAfter(ctx context.Context, after string, limit int) ([]Job, error) {
	return all(ctx, tx, scanJob, `select `+assignmentColumns+` from assignment where id > $1 order by id limit $2`, after, limit)
}

// turns are the states in the order their due work is claimed: what may have to be
// removed before what may have to be added. Each is read from the index by itself, so
// that a claim costs what it takes and not what is due.
var turns = [][]access.AssignmentState{{access.Removing}, {access.Held}, {access.Absent, access.Adding}}

// Due lists up to limit assignments of a system whose work is due and not leased, in
// the order of their turns, those due longest first.
func (tx *Tx) Due(ctx context.Context, system string, now time.Time, limit int) (list []Job, err error) {
	for _, turn := range turns {
		var due []Job
		for _, state := range turn {
			some, err := all(ctx, tx, scanJob, dueIn(state), system, moment(now), limit-len(list))
			if err != nil {
				return nil, err
			}
			due = append(due, some...)
		}
		if len(turn) > 1 {
			slices.SortFunc(due, func(a, b Job) int {
				return cmp.Or(a.Work.Due.Compare(b.Work.Due), cmp.Compare(a.Object, b.Object), cmp.Compare(a.ID, b.ID))
			})
		}
		if list = append(list, due[:min(len(due), limit-len(list))]...); len(list) == limit {
			break
		}
	}
	return list, nil
}

// dueIn has the state in its text: where a value that is bound is compared with what a
// partial index is made of, SQLite compiles the statement anew each time it runs.
func dueIn(state access.AssignmentState) string {
	return `select ` + assignmentColumns + ` from assignment
	where system = $1 and state = '` + string(state) + `' and due_at is not null and due_at <= $2 and (lease_until is null or lease_until <= $2)
	order by due_at, object, id limit $3`
}

// HastenBlind makes due what is under way at a system in that state and only waits because the
// last look at it was not answered: up to limit, those due first. What may still land is
// waited for. It says how many there were.
func (tx *Tx) HastenBlind(ctx context.Context, system string, state access.AssignmentState, now time.Time, limit int) (int64, error) {
	res, err := tx.ExecContext(ctx, `update assignment set due_at = case when suspect_until > $2 then suspect_until else $2 end
		where id in (select id from assignment where system = $1 and state = '`+string(state)+`' and due_at is not null and due_at > $2 and blind and lease_until is null
		and (suspect_until is null or suspect_until < due_at) order by due_at, object, id limit $3)`, system, moment(now), limit)
	if err != nil {
		return 0, fmt.Errorf("hasten what was blind: %w", err)
	}
	return res.RowsAffected()
}

// NextDue returns when the system's next work can be claimed; ok is false if there is none.
// Where a system answers no look that is when it is tried next, too, if anything waits for it.
func (tx *Tx) NextDue(ctx context.Context, system string) (next time.Time, ok bool, err error) {
	scan := func(s scanner) (t time.Time, err error) { err = s.Scan(at{&t}); return t, err }
	list, err := all(ctx, tx, scan, nextQuery, system)
	if err != nil {
		return next, false, err
	}
	for _, t := range list {
		if !t.IsZero() && (!ok || t.Before(next)) {
			next, ok = t, true
		}
	}
	return next, ok, nil
}

// nextQuery reads the first of each state, the first lease that runs out, and the next try.
const nextQuery = `select (select due_at from assignment a where a.system = $1 and a.state = s.state and due_at is not null and lease_until is null order by due_at limit 1)
	from (select 'removing' as state union all select 'held' union all select 'absent' union all select 'adding') s
	union all select min(lease_until) from assignment where system = $1 and lease_until is not null
	union all select probe_at from sick k where system = $1 and exists (select 1 from assignment a where a.system = $1 and blind and lease_until is null)`

// AssignmentsOf lists every assignment of a system.
func (tx *Tx) AssignmentsOf(ctx context.Context, system string) ([]Job, error) {
	return all(ctx, tx, scanJob, `select `+assignmentColumns+` from assignment where system = $1 order by id`, system)
}

// Standing is an assignment as far as a whole reading is compared with it.
type Standing struct {
	ID, Account, Object string
	State               access.AssignmentState
	SeenAt              time.Time
}

// Standings yields every assignment of a system, or those of some of its objects if
// any are named, and says how many there are.
func (tx *Tx) Standings(ctx context.Context, system string, objects []string, yield func(Standing)) (n int, err error) {
	where, args := ofObjects(system, objects)
	rows, err := tx.QueryContext(ctx, `select id, account, object, state, seen_at from assignment where `+where, args...)
	if err != nil {
		return 0, fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		var s Standing
		if err := rows.Scan(&s.ID, &s.Account, &s.Object, &s.State, at{&s.SeenAt}); err != nil {
			return n, fmt.Errorf("scan: %w", err)
		}
		yield(s)
	}
	return n, rows.Err()
}

// CountAssignments counts the assignments that Standings would yield.
func (tx *Tx) CountAssignments(ctx context.Context, system string, objects []string) (n int, err error) {
	where, args := ofObjects(system, objects)
	err = tx.QueryRowContext(ctx, `select count(*) from assignment where `+where, args...).Scan(&n)
	return n, err
}

// mostObjects is beyond how many names the whole system is as quickly read.
const mostObjects = 500

func ofObjects(system string, objects []string) (where string, args []any) {
	if len(objects) == 0 || len(objects) > mostObjects {
		return "system = $1", []any{system}
	}
	marks, args := inFrom(2, objects)
	return "system = $1 and object in (" + marks + ")", append([]any{system}, args...)
}

// InUse is one system with how many of its assignments are not seen absent.
type InUse struct {
	System string
	Count  int
}

// SystemsInUse lists the systems at which anything is held, or under way.
func (tx *Tx) SystemsInUse(ctx context.Context) ([]InUse, error) {
	return all(ctx, tx, func(s scanner) (u InUse, err error) { err = s.Scan(&u.System, &u.Count); return u, err },
		`select system, count(*) from assignment where state <> 'absent' or due_at is not null group by system order by system`)
}

// Overdue counts what is being removed and was due before now.
func (tx *Tx) Overdue(ctx context.Context, now time.Time) (n int, err error) {
	return one(ctx, tx, "overdue", func(s scanner) (n int, err error) { err = s.Scan(&n); return n, err },
		`select count(*) from assignment where state = 'removing' and since <= $1`, moment(now))
}

const receiptColumns = `id, assignment, at, direct, effective, path, residual, sessions, until_at, answered, digest`

func scanReceipt(s scanner) (r access.Receipt, err error) {
	err = s.Scan(&r.ID, &r.Assignment, at{&r.At}, &r.Direct, &r.Effective, &r.Path, nested{&r.Residual}, &r.Sessions, at{&r.Until}, &r.Answered, &r.Digest)
	return r, err
}

// AddReceipt stores what one look saw.
func (tx *Tx) AddReceipt(ctx context.Context, r access.Receipt) error {
	return tx.addLater(ctx, "receipt", r.ID, `insert into receipt (`+receiptColumns+`)`, r.ID, r.Assignment, moment(r.At), r.Direct, r.Effective, r.Path, text(r.Residual), r.Sessions, moment(r.Until), r.Answered, r.Digest)
}

// Receipts lists the looks at an assignment in order.
func (tx *Tx) Receipts(ctx context.Context, assignment string) ([]access.Receipt, error) {
	return all(ctx, tx, scanReceipt, `select `+receiptColumns+` from receipt where assignment=$1 order by id`, assignment)
}
