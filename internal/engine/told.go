package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// asTold leaves of the votes on a request those that stand in their table as the
// last event that told of them says. A vote that was edited or slipped in with a
// shell on the database counts nothing wherever votes are counted; verify names
// it. Whoever rewrites the event as well breaks the log, which verify names too; and
// one that has no place there yet tells something only if we wrote it.
func (d *deed) asTold(ctx context.Context, request string, votes []access.Approval) ([]access.Approval, error) {
	if len(votes) == 0 {
		return votes, nil
	}
	events, err := d.EventsOf(ctx, request, voteCast, voteWithdrawn)
	if err != nil {
		return nil, err
	}
	s, err := d.e.stamps(ctx, d.Tx)
	if err != nil {
		return nil, err
	}
	told := map[string]string{} // vote -> its digest as last told
	for _, ev := range events {
		var of struct {
			Kind  string
			After access.Approval
		}
		if err := json.Unmarshal(ev.Body, &of); err != nil {
			return nil, fmt.Errorf("event %s: %w", ev.ID, err)
		}
		ours := ev.Seq >= 0
		if !ours {
			if ours, err = s.hold(ev); err != nil {
				return nil, err
			}
		}
		if !ours || of.Kind != ev.Kind {
			d.e.Log.ErrorContext(ctx, "an event that Lessor did not write tells of a vote; it tells nothing", "request", request, "event", ev.ID)
			continue
		}
		told[of.After.ID] = access.Digest(of.After)
	}
	return slices.DeleteFunc(votes, func(v access.Approval) bool {
		if told[v.ID] == access.Digest(v) {
			return false
		}
		d.e.Log.ErrorContext(ctx, "a vote is not as the log tells; it counts nothing", "request", request, "vote", v.ID, "voter", v.Voter)
		return true
	}), nil
}

// The events that tell of votes.
const (
	voteCast      = "vote.cast"
	voteWithdrawn = "vote.withdrawn"
)
