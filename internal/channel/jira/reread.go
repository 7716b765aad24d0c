package jira

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

// mostReread is how many tickets one round looks at again.
const mostReread = 20

// Reread looks again at tickets that a request waits in or a grant stands on,
// though nobody said that they changed: the longest unseen first, a few a round.
// It is what finds a ticket that was deleted or hidden without a word, as no
// search ever shows what is not there.
//
// It reads them one after the other in this very round and leaves no work behind:
// while Jira is away nothing piles up, and a round ends where Jira says so.
func (c *Channel) Reread(ctx context.Context) error {
	began := c.Now()
	// Between the rounds in which it comes to be due, no ticket is to be unseen for longer than Reread.
	age := min(c.Site.Reread/2, max(c.Site.Reread-c.Site.Poll, 0))
	list, err := c.Door.Unseen(ctx, c.ticketID(""), began.Add(-age), mostReread)
	if err != nil {
		return err
	}
	var errs []error
	for _, ticket := range list {
		err := c.Read(ctx, ticket, began)
		if errors.Is(err, rest.ErrLimited) || ctx.Err() != nil {
			return errors.Join(append(errs, err)...)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read %s again: %w", ticket, err))
		}
		if err := c.Door.Looked(ctx, ticket); err != nil {
			return errors.Join(append(errs, err)...)
		}
		if errors.Is(err, rest.ErrUnreachable) {
			break
		}
	}
	if len(list) == mostReread {
		c.Log.InfoContext(ctx, "more tickets are to be read again than one round does", "site", c.Site.ID, "every", c.Site.Reread.String(), "most", mostReread, "took", c.Now().Sub(began).Round(time.Millisecond).String())
	}
	return errors.Join(errs...)
}
