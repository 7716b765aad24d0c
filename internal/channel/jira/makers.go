package jira

import (
	"context"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

// makers finds who made what the ticket asks: whoever raised it, and whoever
// changed it since. None of them may approve it (law 10), and which of them count
// as the person who asks is for the engine to say. What nobody we know changed
// cannot be laid at anybody's door, so whoever asks has to take it for their own.
//
// A change put back before anybody read it is among them: the history does not
// forget, and neither do we.
func (r *reading) makers(ctx context.Context) error {
	changes, err := r.Rest.Changes(ctx, r.issue.ID)
	if err != nil {
		return err
	}
	if lastEdit(changes, r.asked.fields).After(r.issue.Updated) {
		return fmt.Errorf("%w: ticket %s was edited while it was read", access.ErrConflict, r.t.ID)
	}
	r.asked.ask.Makers, r.t.Stranger = nil, ""
	if id, ok := r.identity(r.issue.Creator); ok {
		r.asked.ask.Makers = append(r.asked.ask.Makers, id) // a creator who is nobody proves nothing, and known has said so
	}
	for _, ch := range changes {
		if !ch.Left && !slices.ContainsFunc(ch.Items, r.makes) {
			continue
		}
		id, ok := r.identity(ch.Author)
		switch {
		case !ok || ch.Left:
			r.t.Stranger, r.asked.strangerAt = ch.ID, ch.At
		case !slices.Contains(r.asked.ask.Makers, id):
			r.asked.ask.Makers = append(r.asked.ask.Makers, id)
		}
	}
	return nil
}

// makes tells whether a change may be of what is asked: of a mapped field, of
// whose ticket it is, or of what kind.
func (r *reading) makes(it rest.ChangeItem) bool {
	return mayAsk(it, r.asked.fields) || it.Field == "reporter" || it.Field == "issuetype"
}

// madeBy tells whether a request knows everybody who made what the ticket asks.
func (r *reading) madeBy(known []string) bool {
	dir := r.Directory()
	return !slices.ContainsFunc(r.asked.ask.Makers, func(id string) bool {
		return dir.PersonOf(id) != dir.PersonOf(r.t.Identity) && !slices.Contains(known, id)
	})
}

// strange tells whether somebody we do not know changed what the ticket asks, and
// whoever asks has not taken it for their own.
func (r *reading) strange() bool { return r.t.Stranger != "" && r.t.Stranger != r.t.Vouched }

// hold keeps a ticket that a stranger changed from asking for anything until
// whoever asks has confirmed it, signed in here.
func (r *reading) hold(ctx context.Context) error {
	r.t.State, r.t.Claim = access.Unconfirmed, r.t.Identity
	r.t.Note = fmt.Sprintf("What this ticket asks was changed at %s by somebody Lessor does not know. It asks for nothing until %s confirms it in Lessor.", stamp(r.asked.strangerAt), r.t.Identity)
	return r.takeBack(ctx)
}
