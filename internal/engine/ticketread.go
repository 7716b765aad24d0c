package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
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
		tickets, err := d.Tickets(ctx, "", after, limit)
		if err != nil {
			return err
		}
		list = make([]TicketStory, len(tickets))
		for i, t := range tickets {
			list[i] = TicketStory{Ticket: t, Came: []Story{}}
			for _, id := range t.Requests {
				s, err := d.came(ctx, id)
				if err != nil {
					return err
				}
				list[i].Came = append(list[i].Came, s)
			}
		}
		return nil
	})
	return list, err
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
