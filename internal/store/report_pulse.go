package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// What whoever watches over processes reads, every few seconds: each of these reads
// as many rows as there is work to do, never all there ever was.

// Missed is how many grants of a system are past their end, and nothing has taken
// note of it yet.
type Missed struct {
	System string
	Ends   int
	Oldest time.Time
}

// EndsPast counts the grants that are past their end and not ended, by system.
func (tx *Tx) EndsPast(ctx context.Context, now time.Time) ([]Missed, error) {
	return all(ctx, tx, func(s scanner) (m Missed, err error) { err = s.Scan(&m.System, &m.Ends, at{&m.Oldest}); return m, err },
		`select a.system, count(*), min(g.end_at) from grants g join assignment a on a.id = g.assignment
		where g.state <> 'ended' and g.end_at <= $1 group by a.system order by a.system`, moment(now))
}

// OpenKind is how many findings of one kind are open.
type OpenKind struct {
	Kind          string
	Open, Overdue int
	Oldest        time.Time
}

// FindingsOpen counts the open findings, by kind.
func (tx *Tx) FindingsOpen(ctx context.Context, now time.Time) ([]OpenKind, error) {
	return all(ctx, tx, func(s scanner) (k OpenKind, err error) {
		err = s.Scan(&k.Kind, &k.Open, &k.Overdue, at{&k.Oldest})
		return k, err
	}, `select kind, count(*), cast(sum(case when due_at <= $1 then 1 else 0 end) as bigint), min(opened_at) from finding where closed_at is null group by kind order by kind`, moment(now))
}

// OpenSubjects lists about what findings of some kinds are open, each once.
func (tx *Tx) OpenSubjects(ctx context.Context, kinds []string) ([]string, error) {
	marks, args := in(kinds)
	return all(ctx, tx, func(s scanner) (subject string, err error) { return subject, s.Scan(&subject) },
		`select distinct subject from finding where kind in (`+marks+`) and closed_at is null order by subject`, args...)
}

// Waiting counts the events that have no place in the log yet, and tells when the
// oldest of them happened.
func (tx *Tx) Waiting(ctx context.Context) (n int64, oldest time.Time, err error) {
	if err := tx.QueryRowContext(ctx, `select count(*) from event where seq is null`).Scan(&n); err != nil {
		return 0, oldest, err
	}
	err = tx.QueryRowContext(ctx, `select at from event where seq is null order by id limit 1`).Scan(at{&oldest})
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return n, oldest, err
}

// RequestsOpen counts the requests that wait for an answer, those in which it is past due, and tells since when the oldest waits.
func (tx *Tx) RequestsOpen(ctx context.Context, now time.Time) (n, overdue int, oldest time.Time, err error) {
	err = tx.QueryRowContext(ctx, `select count(*), cast(coalesce(sum(case when answer_by <= $1 then 1 else 0 end), 0) as bigint), min(at) from request where state in ('submitted', 'pending')`,
		moment(now)).Scan(&n, &overdue, at{&oldest})
	return n, overdue, oldest, err
}

// CountSessions counts the sessions of people that have not run out.
func (tx *Tx) CountSessions(ctx context.Context, now time.Time) (n int, err error) {
	err = tx.QueryRowContext(ctx, `select count(*) from session where end_at > $1`, moment(now)).Scan(&n)
	return n, err
}

// ReadUntils lists how far everything has been read whose name begins so, by the rest of its name.
func (tx *Tx) ReadUntils(ctx context.Context, begin string) (map[string]time.Time, error) {
	read := map[string]time.Time{}
	_, err := all(ctx, tx, func(s scanner) (none struct{}, err error) {
		var name string
		var t time.Time
		err = s.Scan(&name, at{&t})
		read[strings.TrimPrefix(name, begin)] = t
		return none, err
	}, `select name, at from reading where name >= $1 and name < $2`, begin, begin+"~")
	return read, err
}

// OldestJobs tells, by kind, since when the background work waits that is ready to be worked.
func (tx *Tx) OldestJobs(ctx context.Context, now time.Time) (map[string]time.Time, error) {
	oldest := map[string]time.Time{}
	_, err := all(ctx, tx, func(s scanner) (none struct{}, err error) {
		var kind string
		var t time.Time
		if err = s.Scan(&kind, rivers{&t}); err == nil && !t.After(now) {
			oldest[kind] = t
		}
		return none, err
	}, `select kind, min(scheduled_at) from river_job where state in ('available', 'retryable', 'scheduled') group by kind`)
	return oldest, err
}

// rivers is a moment as River keeps it: a time in PostgreSQL, text in SQLite.
type rivers struct{ t *time.Time }

// Scan implements [sql.Scanner].
func (r rivers) Scan(src any) (err error) {
	switch s := src.(type) {
	case time.Time:
		*r.t = s.UTC()
		return nil
	case string:
		for _, form := range []string{"2006-01-02 15:04:05.999999999", time.RFC3339Nano, "2006-01-02 15:04:05.999999999-07:00"} {
			if *r.t, err = time.Parse(form, s); err == nil {
				return nil
			}
		}
		return err
	case nil:
		*r.t = time.Time{}
		return nil
	}
	return fmt.Errorf("a moment of River's is %T", src)
}

// LastEnds reads when the last reason of each assignment ended: of those that have
// begun, by its own end or by what ended it before. Those that were seen gone since
// then are left out.
func (tx *Tx) LastEnds(ctx context.Context, assignments []string) (map[string]time.Time, error) {
	ends := map[string]time.Time{}
	for batch := range chunks(assignments) {
		marks, args := in(batch)
		_, err := all(ctx, tx, func(s scanner) (none struct{}, err error) {
			var id string
			var end time.Time
			err = s.Scan(&id, at{&end})
			ends[id] = end
			return none, err
		}, `select e.assignment, e.ended from (select assignment, max(case when ended_at < end_at then ended_at else end_at end) as ended from grants
				where assignment in (`+marks+`) and state = 'ended' and start_at <= ended_at group by assignment) e
			where not exists (select 1 from receipt r where r.assignment = e.assignment and r.at >= e.ended and not r.direct and not r.effective and (r.sessions = 0 or r.until_at is not null))`, args...)
		if err != nil {
			return nil, err
		}
	}
	return ends, nil
}
