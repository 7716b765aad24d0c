package engine

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Speak gives one replica at a time the word in a ticket, for at most that long:
// two at once would say everything twice. Where somebody else has it, word is
// empty and until is when theirs runs out.
//
// A word that is not given back by [Engine.Spoke] runs out by itself. Whoever
// cannot tell whether a call of theirs was heard keeps it so: nobody says
// anything until the call has landed or never will.
func (e *Engine) Speak(ctx context.Context, ticket string, most time.Duration) (word string, until time.Time, err error) {
	err = e.do(ctx, "speak", access.Clock, func(d *deed) error {
		word = ""
		was, held, err := d.Speaker(ctx, ticket)
		if err != nil {
			return err
		}
		if was != "" && d.now.Before(held) {
			until = held
			return nil
		}
		word, until = d.e.ids.next("wd", d.now), d.now.Add(most)
		return d.SetSpeaker(ctx, ticket, was, word, until)
	})
	return word, until, err
}

// Spoke gives a word back. One that has run out meanwhile is nobody's to give.
func (e *Engine) Spoke(ctx context.Context, ticket, word string) error {
	return e.do(ctx, "spoke", access.Clock, func(d *deed) error {
		was, _, err := d.Speaker(ctx, ticket)
		if err != nil || was != word {
			return err
		}
		return d.SetSpeaker(ctx, ticket, was, "", time.Time{})
	})
}

// Unseen lists up to limit tickets, of those whose ids begin so, that a request
// waits in or a grant stands on and that nobody looked at by rote since a moment,
// the longest unseen first.
func (e *Engine) Unseen(ctx context.Context, begin string, since time.Time, limit int) (list []string, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list, err = tx.TicketsUnseen(ctx, begin, since, limit)
		return err
	})
	return list, err
}

// Looked notes that a ticket was looked at by rote just now, whatever was seen:
// one that cannot be read keeps no other from being read.
func (e *Engine) Looked(ctx context.Context, ticket string) error {
	return e.do(ctx, "looked", access.Clock, func(d *deed) error { return d.TicketLooked(ctx, ticket, d.now) })
}
