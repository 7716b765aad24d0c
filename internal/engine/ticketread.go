package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// TicketStory is a ticket as last read, and what came of every request it was.
type TicketStory struct {
	Ticket access.Ticket `json:"ticket"`
	Came   []Story       `json:"came"` // the current request last; for whom it waits is left out
}

// TicketStories returns up to limit tickets with ids above after, in order, to
// security and auditors: what a queue shows can be held against what was granted.
func (e *Engine) TicketStories(ctx context.Context, by access.Actor, after string, limit int) (list []TicketStory, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		groups := d.world.Directory.GroupsOf(by.Identity)
		if !slices.Contains(groups, "security") && !slices.Contains(groups, "auditors") {
			return fmt.Errorf("%w: the list of tickets is for members of security and auditors", access.ErrDenied)
		}
		list, err = d.ticketStories(ctx, after, limit)
		return err
	})
	return list, err
}

func (d *deed) ticketStories(ctx context.Context, after string, limit int) ([]TicketStory, error) {
	tickets, err := d.Tickets(ctx, "", after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]TicketStory, len(tickets))
	for i, t := range tickets {
		list[i] = TicketStory{Ticket: t, Came: []Story{}}
		for _, id := range t.Requests {
			s, err := d.came(ctx, id)
			if err != nil {
				return nil, err
			}
			list[i].Came = append(list[i].Came, s)
		}
	}
	return list, nil
}

// factsAtOnce is how many rows one reading takes.
const factsAtOnce = 200

// AuditFacts is what the server's own audit of a source goes by: every ticket of
// it with what came of each, and what was granted since a moment and not asked for
// in any ticket. It is no door's: nobody is asked whether they may see it.
func (e *Engine) AuditFacts(ctx context.Context, source string, since time.Time) (stories []TicketStory, untied []access.Request, err error) {
	for after, more := "", true; more && err == nil; {
		err = e.DB.Read(ctx, func(tx *store.Tx) error {
			d := &deed{Tx: tx, e: e, now: e.Now().UTC(), by: access.Clock, world: e.World()}
			page, err := d.ticketStories(ctx, after, factsAtOnce)
			for _, s := range page {
				if after = s.Ticket.ID; strings.HasPrefix(after, source+":") {
					stories = append(stories, s)
				}
			}
			more = len(page) == factsAtOnce
			return err
		})
	}
	for before, more := "", true; more && err == nil; {
		err = e.DB.Read(ctx, func(tx *store.Tx) error {
			page, err := tx.Requests(ctx, access.Approved, "", before, factsAtOnce)
			more = len(page) == factsAtOnce
			for _, r := range page {
				before = r.ID
				switch {
				case r.At.Before(since):
					more = false // the newest come first
				case r.Ticket == "":
					untied = append(untied, r)
				}
			}
			return err
		})
	}
	return stories, untied, err
}

// came is a request with its votes and grants.
func (d *deed) came(ctx context.Context, request string) (s Story, err error) {
	if s.Request, err = d.Request(ctx, request); err != nil {
		return s, err
	}
	if s.Approvals, err = d.Approvals(ctx, request); err != nil {
		return s, err
	}
	grants, err := d.GrantsFor(ctx, request)
	if err != nil {
		return s, err
	}
	s.Grants, err = d.holdings(ctx, grants)
	return s, err
}
