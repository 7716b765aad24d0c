package store

import (
	"context"
	"slices"
	"time"
)

// What the page of operations reads.

// Underway is how far a system's lane has come, as is stored.
type Underway struct {
	System      string
	Removing    int
	OldestSince time.Time // of what is being removed
	Due         int       // work that is due and that nobody has the lease of
	OldestDue   time.Time
	Leased      int       // work somebody is about
	LastLook    time.Time // the newest look that settled anything
}

// newestLooks is how many looks back the last look of a system is searched for
// before its own assignments are read.
const newestLooks = 2000

// Underways says how far the lanes of these systems have come, in their order.
func (tx *Tx) Underways(ctx context.Context, systems []string, now time.Time) ([]Underway, error) {
	looks := map[string]time.Time{}
	type look struct {
		system string
		at     time.Time
	}
	newest, err := all(ctx, tx, func(s scanner) (l look, err error) { err = s.Scan(&l.system, at{&l.at}); return l, err },
		`select a.system, max(r.at) from (select assignment, at from receipt order by id desc limit $1) r join assignment a on a.id = r.assignment group by a.system`, newestLooks)
	if err != nil {
		return nil, err
	}
	for _, l := range newest {
		looks[l.system] = l.at
	}
	var list []Underway
	for _, system := range systems {
		u := Underway{System: system, LastLook: looks[system]}
		if err := tx.QueryRowContext(ctx, `select count(*), min(since) from assignment where state = 'removing' and system = $1`, system).Scan(&u.Removing, at{&u.OldestSince}); err != nil {
			return nil, err
		}
		for _, state := range slices.Concat(turns...) {
			var n int
			var oldest time.Time
			if err := tx.QueryRowContext(ctx, `select count(*), min(due_at) from assignment where system = $1 and state = $2 and due_at is not null and due_at <= $3 and (lease_until is null or lease_until <= $3)`,
				system, state, moment(now)).Scan(&n, at{&oldest}); err != nil {
				return nil, err
			}
			if u.Due += n; u.OldestDue.IsZero() || n > 0 && oldest.Before(u.OldestDue) {
				u.OldestDue = oldest
			}
		}
		if err := tx.QueryRowContext(ctx, `select count(*) from assignment where system = $1 and lease_until is not null and lease_until > $2`, system, moment(now)).Scan(&u.Leased); err != nil {
			return nil, err
		}
		if u.LastLook.IsZero() { // it has been looked at long ago, or rarely
			if err := tx.QueryRowContext(ctx, `select max(seen_at) from assignment where system = $1`, system).Scan(at{&u.LastLook}); err != nil {
				return nil, err
			}
		}
		list = append(list, u)
	}
	return list, nil
}

// Queued is background work of one kind that is not done.
type Queued struct {
	Kind     string
	Waiting  int // ready, or for its time
	Running  int
	Retrying int // failed at least once, and will be tried again
	Given    int // given up
	Tries    int // the most that any of it took
}

// Queue counts the background work that is not done, by kind.
func (tx *Tx) Queue(ctx context.Context) ([]Queued, error) {
	return all(ctx, tx, func(s scanner) (q Queued, err error) {
		err = s.Scan(&q.Kind, &q.Waiting, &q.Running, &q.Retrying, &q.Given, &q.Tries)
		return q, err
	}, `select kind, cast(sum(case when state in ('available', 'pending', 'scheduled') then 1 else 0 end) as bigint), cast(sum(case when state = 'running' then 1 else 0 end) as bigint),
			cast(sum(case when state = 'retryable' then 1 else 0 end) as bigint), cast(sum(case when state = 'discarded' then 1 else 0 end) as bigint), max(attempt)
		from river_job where state in ('available', 'pending', 'scheduled', 'running', 'retryable', 'discarded') group by kind order by kind`)
}
