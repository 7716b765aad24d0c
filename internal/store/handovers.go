package store

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const handoverColumns = `id, subject, giver, state, proposed, why, taker, at, due_at, loud, next_at, decided_at, decided_by, note, refused`

func scanHandover(s scanner) (h access.Handover, err error) {
	err = s.Scan(&h.ID, &h.Subject, &h.From, &h.State, &h.Proposed, &h.Why, &h.Offered, at{&h.At}, at{&h.Due}, &h.Loud, at{&h.Next},
		at{&h.Decided}, &h.By, &h.Note, nested{&h.Refused})
	return h, err
}

// AddHandover stores a new one; there is at most one undecided about a subject.
func (tx *Tx) AddHandover(ctx context.Context, h access.Handover) error {
	return tx.exec(ctx, "add handover "+h.ID, `insert into handover (`+handoverColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)`,
		h.ID, h.Subject, h.From, h.State, h.Proposed, h.Why, h.Offered, moment(h.At), moment(h.Due), h.Loud, moment(h.Next),
		moment(h.Decided), h.By, h.Note, text(h.Refused))
}

// SaveHandover writes what of a handover can change, presuming its stored state.
func (tx *Tx) SaveHandover(ctx context.Context, was access.HandoverState, h access.Handover) error {
	return tx.exec(ctx, "save handover "+h.ID, `update handover set state=$1, proposed=$2, why=$3, taker=$4, loud=$5, next_at=$6, decided_at=$7,
		decided_by=$8, note=$9, refused=$10 where id=$11 and state=$12`,
		h.State, h.Proposed, h.Why, h.Offered, h.Loud, moment(h.Next), moment(h.Decided), h.By, h.Note, text(h.Refused), h.ID, was)
}

// Handover reads one by id.
func (tx *Tx) Handover(ctx context.Context, id string) (access.Handover, error) {
	return one(ctx, tx, "handover "+id, scanHandover, `select `+handoverColumns+` from handover where id=$1`, id)
}

// UndecidedAbout reads the undecided handover of a subject.
func (tx *Tx) UndecidedAbout(ctx context.Context, subject string) (access.Handover, error) {
	return one(ctx, tx, "handover of "+subject, scanHandover, `select `+handoverColumns+` from handover where subject=$1 and decided_at is null`, subject)
}

// HandoversDue lists up to limit handovers about which something is to be done by itself by now.
func (tx *Tx) HandoversDue(ctx context.Context, now time.Time, limit int) ([]access.Handover, error) {
	return all(ctx, tx, scanHandover, `select `+handoverColumns+` from handover where next_at is not null and next_at <= $1 order by next_at, id limit $2`, moment(now), limit)
}

// HandoversFrom lists those that somebody's leaving made, in order of id.
func (tx *Tx) HandoversFrom(ctx context.Context, person string) ([]access.Handover, error) {
	return all(ctx, tx, scanHandover, `select `+handoverColumns+` from handover where giver=$1 order by id`, person)
}

// HandoversSought says which handovers a page is of; what is empty narrows nothing.
type HandoversSought struct {
	For       []string // offered to one of these, or open and one of these proposed
	Undecided bool
	Before    string // ids below this one
	Limit     int
}

// HandoversSought reads the newest of those sought.
func (tx *Tx) HandoversSought(ctx context.Context, s HandoversSought) ([]access.Handover, error) {
	if s.Before == "" {
		s.Before = "~"
	}
	where, args := "id < $1", []any{s.Before, s.Limit}
	if s.Undecided {
		where += " and decided_at is null"
	}
	if len(s.For) > 0 {
		marks, ids := inFrom(3, s.For)
		where += " and (taker in (" + marks + ") or (state='open' and proposed in (" + marks + ")))"
		args = append(args, ids...)
	}
	return all(ctx, tx, scanHandover, `select `+handoverColumns+` from handover where `+where+` order by id desc limit $2`, args...)
}

func scanDeparture(s scanner) (d access.Departure, err error) {
	err = s.Scan(&d.Person, at{&d.At}, &d.By, &d.Reason, at{&d.Done}, at{&d.Back})
	return d, err
}

const departureColumns = `person, at, said_by, reason, done_at, back_at`

// SaveDeparture stores that somebody has left, how far that is, or that they are back.
func (tx *Tx) SaveDeparture(ctx context.Context, d access.Departure) error {
	return tx.exec(ctx, "save departure "+d.Person, `insert into departure (`+departureColumns+`) values ($1,$2,$3,$4,$5,$6)
		on conflict (person) do update set at=excluded.at, said_by=excluded.said_by, reason=excluded.reason, done_at=excluded.done_at, back_at=excluded.back_at`,
		d.Person, moment(d.At), d.By, d.Reason, moment(d.Done), moment(d.Back))
}

// Departure reads that of a person.
func (tx *Tx) Departure(ctx context.Context, person string) (access.Departure, error) {
	return one(ctx, tx, "departure of "+person, scanDeparture, `select `+departureColumns+` from departure where person=$1`, person)
}

// Departures lists all of them, in order of the person.
func (tx *Tx) Departures(ctx context.Context) ([]access.Departure, error) {
	return all(ctx, tx, scanDeparture, `select `+departureColumns+` from departure order by person`)
}

// OpenFor lists the requests that wait for somebody and that any of the identities
// asked for or would benefit from, in order of id, up to limit of each kind and identity.
func (tx *Tx) OpenFor(ctx context.Context, identities []string, limit int) ([]access.Request, error) {
	tx.reads(identities...)
	seen := map[string]bool{}
	var list []access.Request
	for batch := range chunks(identities) {
		for _, column := range []string{"requester", "beneficiary"} {
			marks, args := inFrom(2, batch)
			some, err := all(ctx, tx, scanRequest, `select `+requestColumns+` from request where state in ('submitted','pending') and `+column+` in (`+marks+`) limit $1`, append([]any{limit}, args...)...)
			if err != nil {
				return nil, err
			}
			for _, r := range some {
				if !seen[r.ID] {
					seen[r.ID] = true
					list = append(list, r)
				}
			}
		}
	}
	return list, nil
}

// VotesWaiting lists up to limit standing votes of a person on requests that are still pending.
func (tx *Tx) VotesWaiting(ctx context.Context, person string, limit int) ([]access.Approval, error) {
	return all(ctx, tx, scanApproval, `select `+approvalColumns+` from approval where person=$1 and withdrawn_at is null
		and request in (select id from request where state='pending') order by id limit $2`, person, limit)
}

// NotAbsent lists the assignments of the identities that are not seen absent, in order of id.
func (tx *Tx) NotAbsent(ctx context.Context, identities []string) (list []Job, err error) {
	for batch := range chunks(identities) {
		marks, args := in(batch)
		some, err := all(ctx, tx, scanJob, `select `+assignmentColumns+` from assignment where identity in (`+marks+`) and state <> 'absent' order by id`, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// EndSignIns drops every session and token of these identities in this transaction, and returns how many there were.
func (tx *Tx) EndSignIns(ctx context.Context, identities []string) (n int64, err error) {
	for batch := range chunks(identities) {
		marks, args := in(batch)
		some, err := tx.drop(ctx, `identity in (`+marks+`)`, args...)
		if err != nil {
			return n, err
		}
		n += some
	}
	return n, nil
}

// SignIns counts the sessions and tokens of these identities.
func (tx *Tx) SignIns(ctx context.Context, identities []string) (n int, err error) {
	for batch := range chunks(identities) {
		marks, args := in(batch)
		for _, table := range []string{"session", "person_token"} {
			some, err := one(ctx, tx, table, func(s scanner) (n int, err error) { err = s.Scan(&n); return n, err },
				`select count(*) from `+table+` where identity in (`+marks+`)`, args...)
			if err != nil {
				return n, err
			}
			n += some
		}
	}
	return n, nil
}
