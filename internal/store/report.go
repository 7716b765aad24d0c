package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// What figures are counted from. Everything here reads, names the most it reads,
// and is counted elsewhere.

// End is one end of access: the moment from which no grant was a reason for an
// assignment any more, and when the target was next seen without it.
type End struct {
	Grant, Assignment, Identity, Entitlement, System string

	Why   access.EndReason // empty: its end has come and nothing has taken note yet
	Due   time.Time        // the grant's own end if it expired; else the deed that ended it
	Gone  time.Time        // the first look from Due on that saw it gone; zero: none did
	Again time.Time        // the start of the next grant for the same assignment; zero: none
	State access.AssignmentState
	Seen  bool // access was seen under this grant
	Told  bool // the log, under its signed head, tells that it was seen gone since the grant
}

// dueOf is when a grant stops being a reason: what expires does so at its own end,
// however late anybody takes note.
func dueOf(g string) string {
	return `(case when ` + g + `.state = 'ended' and ` + g + `.ended <> 'expired' then ` + g + `.ended_at else ` + g + `.end_at end)`
}

// goneOf and againOf are when an end was seen gone, and when the next grant for the
// same assignment began; $1 is now.
var (
	goneOf = `(select min(r.at) from receipt r where r.assignment = g.assignment and r.at >= ` + dueOf("g") + ` and not r.direct and not r.effective and (r.sessions = 0 or r.until_at is not null))`

	againOf = `(select min(n.start_at) from grants n where n.assignment = g.assignment and n.id <> g.id and n.start_at > ` + dueOf("g") + ` and n.start_at <= $1 and n.start_at < ` + dueOf("n") + `)`
)

// endQuery yields ends. $1 is now, $2 the size of the signed log.
var endQuery = `select g.id, g.assignment, g.identity, g.entitlement, a.system, g.ended, ` + dueOf("g") + `, ` + goneOf + `, ` + againOf + `, a.state, g.seen_at is not null,
	exists (select 1 from event e where e.assignment = g.assignment and e.assignment <> '' and e.kind = 'assignment.absent' and e.at > g.at and e.seq < $2)
	from grants g join assignment a on a.id = g.assignment
	where g.start_at < ` + dueOf("g") + ` and not exists (select 1 from grants o where o.assignment = g.assignment and o.id <> g.id and o.start_at <= ` + dueOf("g") + ` and ` + dueOf("o") + ` > ` + dueOf("g") + `) and `

func scanEnd(s scanner) (e End, err error) {
	err = s.Scan(&e.Grant, &e.Assignment, &e.Identity, &e.Entitlement, &e.System, &e.Why, at{&e.Due}, at{&e.Gone}, at{&e.Again}, &e.State, &e.Seen, &e.Told)
	return e, err
}

// Ends lists up to limit ends that were taken note of since a moment, newest first.
func (tx *Tx) Ends(ctx context.Context, from, now time.Time, size int64, limit int) ([]End, error) {
	return all(ctx, tx, scanEnd, endQuery+`g.ended_at is not null and g.ended_at >= $3 order by g.ended_at desc limit $4`, moment(now), size, moment(from), limit)
}

// EndsMissed lists up to limit ends that have come and that nothing has taken note of, oldest first.
func (tx *Tx) EndsMissed(ctx context.Context, now time.Time, size int64, limit int) ([]End, error) {
	return all(ctx, tx, scanEnd, endQuery+`g.state <> 'ended' and g.end_at <= $1 order by g.end_at limit $3`, moment(now), size, limit)
}

// EndsLeft lists up to limit ends before a moment that were never seen gone and are being removed, oldest first.
func (tx *Tx) EndsLeft(ctx context.Context, from, now time.Time, size int64, limit int) ([]End, error) {
	return all(ctx, tx, scanEnd, endQuery+`a.state = 'removing' and g.ended_at < $3 and `+goneOf+` is null and `+againOf+` is null order by g.ended_at limit $4`, moment(now), size, moment(from), limit)
}

// CountEnded counts the grants that ended since a moment.
func (tx *Tx) CountEnded(ctx context.Context, from time.Time) (n int, err error) {
	err = tx.QueryRowContext(ctx, `select count(*) from grants where ended_at is not null and ended_at >= $1`, moment(from)).Scan(&n)
	return n, err
}

// Removing lists up to limit assignments that are being removed, the longest first;
// of some systems, if any are named.
func (tx *Tx) Removing(ctx context.Context, limit int, systems ...string) ([]Job, error) {
	where := `state = 'removing'`
	args := []any{limit}
	if len(systems) > 0 {
		marks, more := inFrom(2, systems)
		where += ` and system in (` + marks + `)`
		args = append(args, more...)
	}
	return all(ctx, tx, scanJob, `select `+assignmentColumns+` from assignment where `+where+` order by since, id limit $1`, args...)
}

// Hours is how long access was granted within a window, as grants say.
type Hours struct {
	Entitlement string
	Standing    bool // by chains of grants that reach further than what is called standing
	Granted     time.Duration
	Grants      int
	Open        int // of them, not ended
}

// GrantHours sums up, for each entitlement, how long it was granted between two
// moments, apart for chains longer than standing.
func (tx *Tx) GrantHours(ctx context.Context, from, to time.Time, standing time.Duration) ([]Hours, error) {
	return all(ctx, tx, func(s scanner) (h Hours, err error) {
		var n, micros int64
		err = s.Scan(&h.Entitlement, &n, &micros, &h.Grants, &h.Open)
		h.Standing, h.Granted = n == 1, time.Duration(micros)*time.Microsecond
		return h, err
	}, `select entitlement, standing, cast(sum(till - since) as bigint), count(*), cast(sum(open) as bigint) from (
			select entitlement, case when end_at - chain_start > $3 then 1 else 0 end as standing, 1 as open,
				case when start_at > $1 then start_at else $1 end as since, case when end_at < $2 then end_at else $2 end as till
			from grants where state <> 'ended'
			union all
			select entitlement, case when end_at - chain_start > $3 then 1 else 0 end, 0,
				case when start_at > $1 then start_at else $1 end, case when ended_at < $2 then ended_at else $2 end
			from grants where ended_at is not null and ended_at > $1
		) h where till > since group by entitlement, standing order by entitlement, standing`, moment(from), moment(to), standing.Microseconds())
}

// Strays lists the objects that accounts held at the last reading though nobody granted it.
func (tx *Tx) Strays(ctx context.Context, limit int) ([]InventoryObject, error) {
	return all(ctx, tx, scanInventoryObject, `select `+inventoryColumns+` from inventory_object where stray <> '[]' and stray <> 'null' order by system, object limit $1`, limit)
}

// Cast is one vote with what it was about and what came of it.
type Cast struct {
	access.Approval

	Beneficiary, Requester string
	Asked                  time.Time
	Opened                 time.Time        // when the voter first laid it open; zero: nobody knows
	Ended                  access.EndReason // of the grant that came of it
}

// Casts lists up to limit standing votes since a moment, newest first.
func (tx *Tx) Casts(ctx context.Context, from time.Time, limit int) ([]Cast, error) {
	return all(ctx, tx, func(s scanner) (c Cast, err error) {
		err = s.Scan(&c.ID, &c.Request, &c.Revision, &c.Entitlement, &c.Stage, &c.Voter, &c.Person, &c.Verdict, span{&c.Term}, &c.Channel, at{&c.At},
			&c.Beneficiary, &c.Requester, at{&c.Asked}, at{&c.Opened}, &c.Ended)
		return c, err
	}, `select p.id, p.request, p.revision, p.entitlement, p.stage, p.voter, p.person, p.verdict, p.term, p.channel, p.at,
			r.beneficiary, r.requester, r.at, o.at, coalesce(g.ended, '')
		from (select * from approval order by id desc limit $2) p join request r on r.id = p.request
			left join opened o on o.request = p.request and o.revision = p.revision and o.person = p.person
			left join grants g on g.request = p.request and g.entitlement = p.entitlement
		where p.at >= $1 and p.withdrawn_at is null order by p.id desc`, moment(from), limit)
}

// Given is one entitlement that was granted to a request: how soon it was seen.
type Given struct {
	Request, Grant, Entitlement string

	Asked, Start, Seen, Ended time.Time
	Term                      access.Term // asked for
	Granted                   access.Term
	Items                     []access.Item // of the request
}

// Granted lists up to limit grants that came of requests made since a moment, newest first.
func (tx *Tx) Granted(ctx context.Context, from time.Time, limit int) ([]Given, error) {
	return all(ctx, tx, func(s scanner) (g Given, err error) {
		err = s.Scan(&g.Request, &g.Grant, &g.Entitlement, at{&g.Asked}, at{&g.Start}, at{&g.Seen}, at{&g.Ended}, span{&g.Term}, span{&g.Granted}, nested{&g.Items})
		return g, err
	}, `select r.id, g.id, g.entitlement, r.at, g.start_at, g.seen_at, g.ended_at, r.term, case when g.term = 0 then g.end_at - g.start_at else g.term end, r.items
		from (select * from grants order by id desc limit $2) g join request r on r.id = g.request where r.at >= $1 order by g.id desc`, moment(from), limit)
}

// Found is how a finding went.
type Found struct {
	Kind           string
	Opened, Closed time.Time
}

// Found lists how findings went, newest first: of the newest limit those opened since
// a moment, and up to limit of those that are open, however long ago they were opened.
func (tx *Tx) Found(ctx context.Context, from time.Time, limit int) ([]Found, error) {
	return all(ctx, tx, func(s scanner) (f Found, err error) {
		err = s.Scan(&f.Kind, at{&f.Opened}, at{&f.Closed})
		return f, err
	}, `select kind, opened_at, closed_at from (
			select * from (select id, kind, opened_at, closed_at from finding order by id desc limit $2) n where opened_at >= $1
			union
			select * from (select id, kind, opened_at, closed_at from finding where closed_at is null order by id desc limit $2) o
		) f order by id desc`, moment(from), limit)
}

// What figures are read of newest first, with the moment that each was made.
const (
	ofVotes    = "at from approval"
	ofGrants   = "at from grants"
	ofFindings = "opened_at from finding"
)

// MoreVotes, MoreGrants and MoreFindings tell whether beyond the newest limit there
// is one more that was made since a moment: whoever reads only those leaves it out.
func (tx *Tx) MoreVotes(ctx context.Context, from time.Time, limit int) (bool, error) {
	return tx.more(ctx, ofVotes, from, limit)
}

// MoreGrants is like MoreVotes.
func (tx *Tx) MoreGrants(ctx context.Context, from time.Time, limit int) (bool, error) {
	return tx.more(ctx, ofGrants, from, limit)
}

// MoreFindings is like MoreVotes.
func (tx *Tx) MoreFindings(ctx context.Context, from time.Time, limit int) (bool, error) {
	return tx.more(ctx, ofFindings, from, limit)
}

func (tx *Tx) more(ctx context.Context, of string, from time.Time, limit int) (more bool, err error) {
	column, _, _ := strings.Cut(of, " ")
	err = tx.QueryRowContext(ctx, `select exists (select 1 from (select `+of+` order by id desc limit 1 offset $1) b where `+column+` >= $2)`, limit, moment(from)).Scan(&more)
	return more, err
}

// Proven says of one grant which of its records the log has: 0 none, 1 written and
// not under the signed head yet, 2 under it.
type Proven struct {
	Grant, Request                                  string
	At                                              time.Time
	Submitted, Decided, Granted, FirstSeen, EndTold int
	Votes, Cast, Placed                             int // votes on the request, told of, under the signed head
	WasSeen, HasEnded                               bool
}

// Proofs lists which records the log has of up to limit grants made since a moment, newest first.
func (tx *Tx) Proofs(ctx context.Context, from time.Time, size int64, limit int) ([]Proven, error) {
	about := func(column, of, kind string) string {
		return `coalesce((select max(case when e.seq < $3 then 2 else 1 end) from event e where e.` + column + ` = ` + of + ` and e.` + column + ` <> '' and e.kind = '` + kind + `'), 0)`
	}
	return all(ctx, tx, func(s scanner) (p Proven, err error) {
		err = s.Scan(&p.Grant, &p.Request, at{&p.At}, &p.WasSeen, &p.HasEnded, &p.Submitted, &p.Decided, &p.Granted, &p.FirstSeen, &p.EndTold, &p.Votes, &p.Cast, &p.Placed)
		return p, err
	}, `select g.id, g.request, g.at, g.seen_at is not null, g.state = 'ended', `+about("request", "g.request", "request.submitted")+`, `+about("request", "g.request", "request.decided")+`,
			`+about("grant_id", "g.id", "grant.scheduled")+`, `+about("grant_id", "g.id", "grant.seen")+`, `+about("grant_id", "g.id", "grant.ended")+`,
			(select count(*) from approval p where p.request = g.request),
			(select count(*) from event e where e.request = g.request and e.request <> '' and e.kind = 'vote.cast'),
			(select count(*) from event e where e.request = g.request and e.request <> '' and e.kind = 'vote.cast' and e.seq < $3)
		from (select * from grants order by id desc limit $2) g where g.at >= $1 order by g.id desc`, moment(from), limit, size)
}

// AddOpened stores when a person first laid open a revision of a request; the first moment stays.
func (tx *Tx) AddOpened(ctx context.Context, request string, revision int, person string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `insert into opened (request, revision, person, at) values ($1,$2,$3,$4) on conflict (request, revision, person) do nothing`,
		request, revision, person, moment(now))
	return err
}

// HasOpened tells whether a person is known to have laid open a revision of a request.
func (tx *Tx) HasOpened(ctx context.Context, request string, revision int, person string) (has bool, err error) {
	err = tx.QueryRowContext(ctx, `select exists (select 1 from opened where request=$1 and revision=$2 and person=$3)`, request, revision, person).Scan(&has)
	return has, err
}

// OpenedAt reads when a person first laid open a revision of a request; zero if nobody knows.
func (tx *Tx) OpenedAt(ctx context.Context, request string, revision int, person string) (when time.Time, err error) {
	err = tx.QueryRowContext(ctx, `select at from opened where request=$1 and revision=$2 and person=$3`, request, revision, person).Scan(at{&when})
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return when, err
}

// LastEvent is the id of the newest event; empty if there is none.
func (tx *Tx) LastEvent(ctx context.Context) (id string, err error) {
	err = tx.QueryRowContext(ctx, `select coalesce(max(id), '') from event`).Scan(&id)
	return id, err
}
