package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Reason is an open grant as far as it answers whether its holder holds
// something now: authority, and what was last seen.
type Reason struct {
	Grant, Request        string
	Identity, Entitlement string
	State                 access.GrantState
	Start, End            time.Time
	Held                  access.AssignmentState
	SeenAt                time.Time // of the look that the assignment rests on
	SuspectUntil          time.Time // no look before then settles anything
}

const reasonSelect = `select g.id, g.request, g.identity, g.entitlement, g.state, g.start_at, g.end_at, a.state, a.seen_at, a.suspect_until
	from grants g join assignment a on a.id = g.assignment where g.state <> 'ended' and `

func scanReason(s scanner) (r Reason, err error) {
	err = s.Scan(&r.Grant, &r.Request, &r.Identity, &r.Entitlement, &r.State, at{&r.Start}, at{&r.End}, &r.Held, at{&r.SeenAt}, at{&r.SuspectUntil})
	return r, err
}

// AskedReason is a reason with the request it came of.
type AskedReason struct {
	Reason
	Asked access.Request
}

// reasonsAsked is reasonSelect of one pair, with the request's own columns in the
// order of requestColumns.
const reasonsAsked = `select g.id, g.request, g.identity, g.entitlement, g.state, g.start_at, g.end_at, a.state, a.seen_at, a.suspect_until,
	r.id, r.revision, r.digest, r.state, r.requester, r.beneficiary, r.items, r.reason, r.ticket, r.start_at, r.term, r.fixed,
	r.extends, r.answer_by, r.channel, r.reference, r.policy, r.at, r.makers
	from grants g join assignment a on a.id = g.assignment join request r on r.id = g.request
	where g.state <> 'ended' and g.identity = $1 and g.entitlement = $2`

// Reasons lists the open grants of one entitlement that one identity has, with
// what they came of. It is one statement and no transaction: it is asked at every
// door that something is behind.
func (db *DB) Reasons(ctx context.Context, identity, entitlement string) (list []AskedReason, err error) {
	rows, err := db.query(ctx, reasonsAsked, identity, entitlement)
	if err != nil {
		return nil, worded(fmt.Errorf("query: %w", err))
	}
	defer rows.Close()
	for rows.Next() {
		var r AskedReason
		own := scanned(func(dest ...any) error {
			r.Asked, err = scanRequest(scanned(func(more ...any) error { return rows.Scan(append(dest, more...)...) }))
			return err
		})
		if r.Reason, err = scanReason(own); err != nil {
			return nil, fmt.Errorf("scan: %w", err)
		}
		list = append(list, r)
	}
	return list, worded(rows.Err())
}

// scanned reads the columns of a row that others read the rest of.
type scanned func(dest ...any) error

// Scan implements scanner.
func (s scanned) Scan(dest ...any) error { return s(dest...) }

// query runs one statement by itself, compiled before where that is known.
func (db *DB) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	s := db.compiled[db.read]
	if s == nil {
		return db.read.QueryContext(ctx, text, args...)
	}
	stmt, often := s.ready(text) //nolint:sqlclosecheck // it is kept for the next time, and closed with the database
	if often {
		s.make(ctx, text)
	}
	if stmt == nil {
		return db.read.QueryContext(ctx, text, args...)
	}
	return stmt.QueryContext(ctx, args...)
}

// ReasonsOf lists up to limit open grants of an identity in order of entitlement
// and id, those after a pair of both.
func (tx *Tx) ReasonsOf(ctx context.Context, identity, afterEntitlement, afterGrant string, limit int) ([]Reason, error) {
	return all(ctx, tx, scanReason, reasonSelect+`g.identity = $1 and (g.entitlement > $2 or (g.entitlement = $2 and g.id > $3))
		order by g.entitlement, g.id limit $4`, identity, afterEntitlement, afterGrant, limit)
}

// ReasonsFor lists up to limit open grants of an entitlement in order of
// identity and id, those after a pair of both.
func (tx *Tx) ReasonsFor(ctx context.Context, entitlement, afterIdentity, afterGrant string, limit int) ([]Reason, error) {
	return all(ctx, tx, scanReason, reasonSelect+`g.entitlement = $1 and (g.identity > $2 or (g.identity = $2 and g.id > $3))
		order by g.identity, g.id limit $4`, entitlement, afterIdentity, afterGrant, limit)
}

// Task is what a program was told of a request it asked for.
type Task struct {
	ID         string // its handle
	Approval   string // by which the program names the approval
	Identity   string // who asked
	RepeatKey  string // the same again is the same task
	Body       string // digest of all that was sent
	Asked      string // what it is about, as JSON: the subject, resource and action of each part
	Evaluation string // the denial it answers
	Ask        string // what is asked, in full, as JSON
	Client     string // what the program said of itself, as JSON; believed by nobody
	Request    string // the request that came of it; empty until there is one
	At, End    time.Time
	Forget     time.Time
}

const taskColumns = `id, approval, identity, repeat_key, body, asked, evaluation, ask, client, request, at, end_at, forget_at`

func scanTask(s scanner) (t Task, err error) {
	err = s.Scan(&t.ID, &t.Approval, &t.Identity, &t.RepeatKey, &t.Body, &t.Asked, &t.Evaluation, &t.Ask, &t.Client, &t.Request, at{&t.At}, at{&t.End}, at{&t.Forget})
	return t, err
}

// BeginTask stores a task, unless its identity has one with that repeat key: then
// it returns that one, and began is false. What is to be forgotten by now goes.
func (db *DB) BeginTask(ctx context.Context, t Task, now time.Time) (is Task, began bool, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.ExecContext(ctx, `delete from authzen_task where forget_at <= $1`, moment(now)); err != nil {
			return err
		}
		is, err = one(ctx, tx, "task", scanTask, `select `+taskColumns+` from authzen_task where identity=$1 and repeat_key=$2`, t.Identity, t.RepeatKey)
		if began = errors.Is(err, access.ErrNotFound); !began {
			return err
		}
		is = t
		return tx.exec(ctx, "begin task", `insert into authzen_task (`+taskColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)`,
			t.ID, t.Approval, t.Identity, t.RepeatKey, t.Body, t.Asked, t.Evaluation, t.Ask, t.Client, t.Request, moment(t.At), moment(t.End), moment(t.Forget))
	})
	return is, began, err
}

// RepeatedTask reads the task that an identity began with a repeat key.
func (db *DB) RepeatedTask(ctx context.Context, identity, key string) (t Task, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		t, err = one(ctx, tx, "task", scanTask, `select `+taskColumns+` from authzen_task where identity=$1 and repeat_key=$2`, identity, key)
		return err
	})
	return t, err
}

// NameTask stores which request came of a task. To store the same again changes nothing.
func (db *DB) NameTask(ctx context.Context, id, request string) error {
	return db.Write(ctx, func(tx *Tx) error {
		return tx.exec(ctx, "name task", `update authzen_task set request=$1 where id=$2 and request in ('', $1)`, request, id)
	})
}

// DropTask forgets a task of which no request came.
func (db *DB) DropTask(ctx context.Context, id string) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.ExecContext(ctx, `delete from authzen_task where id=$1 and request=''`, id)
		return err
	})
}

// Task reads one by its handle; ApprovalTask by the id of its approval.
func (db *DB) Task(ctx context.Context, id string) (Task, error) { return db.task(ctx, "id", id) }

// ApprovalTask reads the task that an approval's id names.
func (db *DB) ApprovalTask(ctx context.Context, id string) (Task, error) {
	return db.task(ctx, "approval", id)
}

func (db *DB) task(ctx context.Context, by, id string) (t Task, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		t, err = one(ctx, tx, "task", scanTask, fmt.Sprintf(`select %s from authzen_task where %s=$1`, taskColumns, by), id)
		return err
	})
	return t, err
}
