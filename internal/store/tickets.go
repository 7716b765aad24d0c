package store

import (
	"context"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func scanTicket(s scanner) (t access.Ticket, err error) {
	err = s.Scan(nested{&t})
	return t, err
}

// AddTicket stores a ticket nobody knew of.
func (tx *Tx) AddTicket(ctx context.Context, t access.Ticket) error {
	return tx.exec(ctx, "add ticket "+t.ID, `insert into ticket (id, state, request, identity, body, version, read_at) values ($1,$2,$3,$4,$5,$6,$7)`,
		t.ID, string(t.State), t.Request(), t.Identity, text(t), t.Version, moment(t.ReadAt))
}

// SaveTicket writes a ticket over the one of the version before.
func (tx *Tx) SaveTicket(ctx context.Context, t access.Ticket) error {
	return tx.exec(ctx, "save ticket "+t.ID, `update ticket set state=$1, request=$2, identity=$3, body=$4, version=$5, read_at=$6 where id=$7 and version=$8`,
		string(t.State), t.Request(), t.Identity, text(t), t.Version, moment(t.ReadAt), t.ID, t.Version-1)
}

// Ticket reads one by id.
func (tx *Tx) Ticket(ctx context.Context, id string) (access.Ticket, error) {
	return one(ctx, tx, "ticket "+id, scanTicket, `select body from ticket where id=$1`, id)
}

// Tickets lists up to limit tickets with ids above after, in order; state may be empty for any.
func (tx *Tx) Tickets(ctx context.Context, state access.TicketState, after string, limit int) ([]access.Ticket, error) {
	return all(ctx, tx, scanTicket, `select body from ticket where id > $1 and ($2 = '' or state = $2) order by id limit $3`, after, string(state), limit)
}

// TicketsUnseen lists up to limit tickets, of those whose ids begin so, that
// something waits for or stands on and that nobody looked at by rote since a
// moment, the longest unseen first.
func (tx *Tx) TicketsUnseen(ctx context.Context, begin string, since time.Time, limit int) ([]string, error) {
	return all(ctx, tx, func(s scanner) (id string, err error) { err = s.Scan(&id); return id, err },
		`select id from ticket where substr(id, 1, $1) = $2 and coalesce(looked_at, read_at, 0) <= $3 and id in (
			select ticket from request where state in ('submitted', 'pending') union
			select r.ticket from grants g join request r on r.id = g.request where g.state <> 'ended')
		order by coalesce(looked_at, read_at, 0), id limit $4`, len(begin), begin, moment(since), limit)
}

// TicketLooked notes when a ticket was looked at by rote.
func (tx *Tx) TicketLooked(ctx context.Context, id string, now time.Time) error {
	return tx.exec(ctx, "look at ticket "+id, `update ticket set looked_at=$1 where id=$2`, moment(now), id)
}

// Speaker reads who may write in a ticket at its queue, and until when.
func (tx *Tx) Speaker(ctx context.Context, id string) (speaker string, until time.Time, err error) {
	list, err := all(ctx, tx, func(s scanner) (string, error) { return speaker, s.Scan(&speaker, at{&until}) }, `select speaker, speaks_until from ticket where id=$1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%w: ticket %s", access.ErrNotFound, id)
	}
	return speaker, until, err
}

// SetSpeaker stores who may write in a ticket, presuming it was still somebody.
func (tx *Tx) SetSpeaker(ctx context.Context, id, was, speaker string, until time.Time) error {
	return tx.exec(ctx, "speaker of ticket "+id, `update ticket set speaker=$1, speaks_until=$2 where id=$3 and speaker=$4`, speaker, moment(until), id, was)
}

// NoteNudge notes a nudge; fresh is false if the same one was noted before.
func (tx *Tx) NoteNudge(ctx context.Context, site, digest, ticket string, now time.Time) (fresh bool, err error) {
	res, err := tx.ExecContext(ctx, `insert into nudge (site, digest, ticket, at) values ($1,$2,$3,$4) on conflict (site, digest) do nothing`, site, digest, ticket, moment(now))
	if err != nil {
		return false, fmt.Errorf("note nudge: %w", err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// ForgetNudges drops nudges noted before a moment: a repeat later than that reads the ticket once more, which changes nothing.
func (tx *Tx) ForgetNudges(ctx context.Context, before time.Time) error {
	_, err := tx.ExecContext(ctx, `delete from nudge where at < $1`, moment(before))
	return err
}

// ReadUntil returns how far something has been read; the zero time if not at all.
func (tx *Tx) ReadUntil(ctx context.Context, name string) (t time.Time, err error) {
	list, err := all(ctx, tx, func(s scanner) (t time.Time, err error) { err = s.Scan(at{&t}); return t, err }, `select at from reading where name=$1`, name)
	if len(list) > 0 {
		t = list[0]
	}
	return t, err
}

// SetReadUntil stores how far something has been read.
func (tx *Tx) SetReadUntil(ctx context.Context, name string, t time.Time) error {
	return tx.exec(ctx, "reading "+name, `insert into reading (name, at) values ($1,$2) on conflict (name) do update set at = excluded.at`, name, moment(t))
}

// Count returns a number that was stored under a name; zero if none was.
func (tx *Tx) Count(ctx context.Context, name string) (n int, err error) {
	list, err := all(ctx, tx, func(s scanner) (n int, err error) { err = s.Scan(&n); return n, err }, `select at from reading where name=$1`, name)
	if len(list) > 0 {
		n = list[0]
	}
	return n, err
}

// SetCount stores a number under a name.
func (tx *Tx) SetCount(ctx context.Context, name string, n int) error {
	return tx.exec(ctx, "reading "+name, `insert into reading (name, at) values ($1,$2) on conflict (name) do update set at = excluded.at`, name, n)
}

// GrantsAt lists every grant of an assignment.
func (tx *Tx) GrantsAt(ctx context.Context, assignment string) ([]access.Grant, error) {
	return all(ctx, tx, scanGrant, `select `+grantColumns+` from grants where assignment=$1 order by id`, assignment)
}
