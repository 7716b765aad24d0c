package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// ReadTicket asks that a channel read a ticket. It is the whole of what a
// message can bring about (law 11).
type ReadTicket struct {
	Ticket string    `json:"ticket"`
	At     time.Time `json:"at"` // a reading later than this has seen what it was about
}

// Kind implements river.JobArgs.
func (ReadTicket) Kind() string { return "read_ticket" }

// TicketQueue is the queue of work that waits for a foreign ticket system: what
// is slow there keeps nothing of ours waiting.
const TicketQueue = "tickets"

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ReadTicket) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: TicketQueue} }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (TellTicket) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: TicketQueue} }

// TellTicket asks that a channel bring a ticket up to date with what is stored.
type TellTicket struct {
	Ticket string `json:"ticket"`
}

// Kind implements river.JobArgs.
func (TellTicket) Kind() string { return "tell_ticket" }

// Heed notes that a message came which says that a ticket should be read, and
// asks for the reading, in one commit. digest tells repeats of a message apart
// from new ones; fresh is false for a repeat, which asks for nothing.
func (e *Engine) Heed(ctx context.Context, site, digest, ticket string) (fresh bool, err error) {
	err = e.do(ctx, "heed", access.Clock, func(d *deed) error {
		fresh, err = d.NoteNudge(ctx, site, digest, ticket, d.now)
		if err != nil || !fresh {
			return err
		}
		return d.Enqueue(ctx, ReadTicket{ticket, d.now}, nil)
	})
	return fresh, err
}

// nudgesKept is how long a repeat of a message is known as one. Queues repeat for about half an hour.
const nudgesKept = 8 * 24 * time.Hour

// ForgetNudges drops what is no longer needed to tell repeats.
func (e *Engine) ForgetNudges(ctx context.Context) error {
	return e.do(ctx, "forget nudges", access.Clock, func(d *deed) error { return d.Tx.ForgetNudges(ctx, d.now.Add(-nudgesKept)) })
}

// ReadUntil returns how far a queue has been read; the zero time if not at all.
func (e *Engine) ReadUntil(ctx context.Context, queue string) (t time.Time, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		t, err = tx.ReadUntil(ctx, queue)
		return err
	})
	return t, err
}

// SetReadUntil notes that a queue has been read up to a moment.
func (e *Engine) SetReadUntil(ctx context.Context, queue string, t time.Time) error {
	return e.do(ctx, "read until", access.Clock, func(d *deed) error { return d.Tx.SetReadUntil(ctx, queue, t) })
}

// Ticket returns a ticket as last read; a ticket nobody knew of is [access.Unread] at version 0.
func (e *Engine) Ticket(ctx context.Context, id string) (t access.Ticket, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		t, err = tx.Ticket(ctx, id)
		if errors.Is(err, access.ErrNotFound) {
			t, err = access.Ticket{ID: id, State: access.Unread}, nil
		}
		return err
	})
	return t, err
}

// Tickets lists up to limit tickets with ids above after; state may be empty for any.
func (e *Engine) Tickets(ctx context.Context, state access.TicketState, after string, limit int) (list []access.Ticket, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list, err = tx.Tickets(ctx, state, after, limit)
		return err
	})
	return list, err
}

// KeepTicket stores a ticket as it was just read, over the version the reader
// began with; somebody else's reading in between is [access.ErrConflict]. Its
// ReadAt is when that reading began: what came later has not been seen. What
// changed is told, so that the log holds what the ticket said when.
func (e *Engine) KeepTicket(ctx context.Context, t access.Ticket, what string) (kept access.Ticket, err error) {
	err = e.do(ctx, "keep ticket", access.Clock, func(d *deed) error {
		kept = t
		kept.Version = t.Version + 1
		save := d.SaveTicket
		if t.Version == 0 {
			save = d.AddTicket
		}
		if err := save(ctx, kept); err != nil {
			return err
		}
		ev := d.event("ticket." + string(kept.State))
		ev.Request, ev.To, ev.Note, ev.After = kept.Request(), string(kept.State), what, kept
		if err := d.tell(ctx, ev); err != nil {
			return err
		}
		return d.Enqueue(ctx, TellTicket{kept.ID}, nil)
	})
	return kept, err
}

// Confirm says that a ticket which came by an unproven way (mail, an anonymous
// form), or that nobody we know has changed since, is one's own. Only whom it is
// said to be from may say so, signed in here.
func (e *Engine) Confirm(ctx context.Context, by access.Actor, ticket string) error {
	return e.do(ctx, "confirm", by, func(d *deed) error {
		if err := d.scope(ScopeRequest); err != nil {
			return err
		}
		t, err := d.Tx.Ticket(ctx, ticket)
		if err != nil {
			return err
		}
		if t.Claim == "" || d.world.Directory.PersonOf(t.Claim) != d.world.Directory.PersonOf(by.Identity) {
			return fmt.Errorf("%w: ticket %s", access.ErrNotFound, ticket)
		}
		if t.State != access.Unconfirmed {
			return fmt.Errorf("%w: ticket %s is %s and waits for nobody's word", access.ErrGone, ticket, t.State)
		}
		// What is there by now is read anew: only what had been read is vouched for.
		t.Identity, t.State, t.Note, t.Vouched, t.Version = by.Identity, access.Unread, "", t.Stranger, t.Version+1
		if err := d.SaveTicket(ctx, t); err != nil {
			return err
		}
		ev := d.event("ticket." + string(t.State))
		ev.To, ev.Note, ev.After = string(t.State), "confirmed by "+by.Identity, t
		if err := d.tell(ctx, ev); err != nil {
			return err
		}
		return d.Enqueue(ctx, ReadTicket{ticket, d.now}, nil)
	})
}

// TicketClosed ends every grant of a ticket's requests, where the company wants
// a closed ticket to end access. It can only take away.
func (e *Engine) TicketClosed(ctx context.Context, ticket, note string) (ended int, err error) {
	err = e.endFor(ctx, "ticket closed", ticket, access.EndTicketClosed, note, &ended, func(access.Grant) bool { return true })
	return ended, err
}

// TicketChanged ends the grants of a ticket whose access was never seen, because
// what was approved is no longer what the ticket says; what was seen runs out as granted.
func (e *Engine) TicketChanged(ctx context.Context, ticket, note string) (ended int, err error) {
	err = e.endFor(ctx, "ticket changed", ticket, access.EndSuperseded, note, &ended, func(g access.Grant) bool { return g.Seen.IsZero() })
	return ended, err
}

// TaskClosed ends what agents were granted for a task whose ticket was closed, and takes
// back what they await for it, whoever asked, by the ticket's id or by what it is called
// there. It can only take away.
func (e *Engine) TaskClosed(ctx context.Context, ticket, note string) (ended int, err error) {
	err = e.do(ctx, "task closed", access.Clock, func(d *deed) error {
		ended = 0
		t, err := d.Tx.Ticket(ctx, ticket)
		if err != nil {
			return err
		}
		channel, _, _ := strings.Cut(t.ID, ":")
		pending, err := d.PendingOfTicket(ctx, t.ID, channel+":"+t.Key)
		if err != nil {
			return err
		}
		for _, r := range pending {
			if id, _ := d.world.Directory.Identity(r.Beneficiary); id.Kind != access.Agent {
				continue
			}
			if err := d.callOff(ctx, r, note); err != nil {
				return err
			}
		}
		grants, err := d.GrantsOfTicket(ctx, t.ID, channel+":"+t.Key)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if id, _ := d.world.Directory.Identity(g.Identity); id.Kind != access.Agent {
				continue
			}
			if err := d.finish(ctx, g, access.EndTicketClosed, note); err != nil {
				return err
			}
			ended++
		}
		return nil
	})
	return ended, err
}

func (e *Engine) endFor(ctx context.Context, verb, ticket string, why access.EndReason, note string, ended *int, which func(access.Grant) bool) error {
	return e.do(ctx, verb, access.Clock, func(d *deed) error {
		*ended = 0
		t, err := d.Tx.Ticket(ctx, ticket)
		if err != nil {
			return err
		}
		for _, request := range t.Requests {
			grants, err := d.GrantsFor(ctx, request)
			if err != nil {
				return err
			}
			for _, g := range grants {
				if g.State == access.Ended || !which(g) {
					continue
				}
				if err := d.finish(ctx, g, why, note); err != nil {
					return err
				}
				*ended++
			}
		}
		return nil
	})
}

// Find opens a finding of a channel's about a ticket, unless one of that kind is
// open, or closes it where text is empty.
func (e *Engine) Find(ctx context.Context, kind, ticket, owner, text string, within time.Duration) error {
	return e.do(ctx, "find", access.Clock, func(d *deed) error {
		if text == "" {
			return d.settleFinding(ctx, kind, ticket, "no longer so")
		}
		return d.finding(ctx, access.Finding{Kind: kind, Subject: ticket, Owner: owner, Text: text, DueAt: d.now.Add(within)})
	})
}

// Referred returns the request that somebody's reference in a channel stands
// for: a channel that stopped between asking and noting what came of it finds it so.
func (e *Engine) Referred(ctx context.Context, by access.Actor, reference string) (r access.Request, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		r, err = tx.RequestByReference(ctx, by.Channel, by.Identity, reference)
		return err
	})
	return r, err
}

// StoryOf returns a request with what came of it, for the channel that carries its ticket.
func (e *Engine) StoryOf(ctx context.Context, ticket, request string) (s Story, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		d := &deed{Tx: tx, e: e, now: e.Now().UTC(), by: access.Clock, world: e.World()}
		if s.Request, err = d.Request(ctx, request); err != nil {
			return err
		}
		if s.Request.Ticket != ticket {
			return fmt.Errorf("%w: request %s is not of ticket %s", access.ErrNotFound, request, ticket)
		}
		if err := d.story(ctx, &s); err != nil {
			return err
		}
		return d.kept(ctx, &s)
	})
	return s, err
}

// kept finds the ended grants whose access stays, because another grant is a reason for it.
func (d *deed) kept(ctx context.Context, s *Story) error {
	for _, h := range s.Grants {
		if h.Grant.State != access.Ended {
			continue
		}
		grants, err := d.GrantsAt(ctx, h.Grant.Assignment)
		if err != nil {
			return err
		}
		if access.Wanted(grants, d.now) {
			s.Kept = append(s.Kept, h.Grant.ID)
		}
	}
	return nil
}

// carried tells whether somebody keeps this ticket up to date.
func (e *Engine) carried(ticket string) bool {
	channel, _, ok := strings.Cut(ticket, ":")
	return ok && e.Carries != nil && e.Carries(channel)
}

// tellTickets asks, for every request this deed told of, that its ticket be
// brought up to date, in this same transaction.
func (d *deed) tellTickets(ctx context.Context) error {
	if d.e.Carries == nil {
		return nil
	}
	var tickets []string
	for _, id := range d.toldOf {
		r, err := d.Request(ctx, id)
		if err != nil {
			return err
		}
		if !d.e.carried(r.Ticket) {
			continue
		}
		tickets = append(tickets, r.Ticket)
	}
	slices.Sort(tickets)
	for _, t := range slices.Compact(tickets) {
		if err := d.Enqueue(ctx, TellTicket{t}, nil); err != nil {
			return err
		}
	}
	return nil
}

// mention notes that something happened which the request's ticket may have to say.
func (d *deed) mention(request string) {
	if request == "" || d.e.Carries == nil {
		return
	}
	for _, r := range d.toldOf {
		if r == request {
			return
		}
	}
	d.toldOf = append(d.toldOf, request)
}

// mentionAll mentions every request whose grant is a reason for an assignment, past ones too.
func (d *deed) mentionAll(ctx context.Context, assignment string) error {
	if d.e.Carries == nil {
		return nil
	}
	grants, err := d.GrantsAt(ctx, assignment)
	for _, g := range grants {
		d.mention(g.Request)
	}
	return err
}
