package jira

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
)

// answer is one answer found in a ticket.
type answer struct {
	id      string
	by      rest.User
	verdict access.Verdict
	since   time.Time // when what it answers was put to them, at the latest
}

// answers takes every answer not taken yet as a vote, at most once. Whether it
// counts is for policy to say, as of any vote.
func (r *reading) answers(ctx context.Context) error {
	if r.t.State != access.Linked || r.t.Request() == "" {
		return nil
	}
	s, err := r.Door.StoryOf(ctx, r.t.ID, r.t.Request())
	if err != nil || s.Request.State != access.Pending {
		return err
	}
	found, changes, err := r.found(ctx)
	if err != nil {
		return err
	}
	edited := lastEdit(changes, r.asked.fields)
	if edited.After(r.issue.Updated) {
		return fmt.Errorf("%w: ticket %s was edited while it was read", access.ErrConflict, r.t.ID)
	}
	for _, a := range found {
		if r.t.Answer(a.id) >= 0 || !a.since.After(r.t.Past) {
			continue
		}
		taken, err := r.take(ctx, a, s, edited)
		if err != nil {
			return err
		}
		r.t = r.t.Take(taken)
		r.what = append(r.what, fmt.Sprintf("answer %s by account %s", a.verdict, a.by.ID))
		// 1. Kept at once: a crash between two votes repeats neither.
		if err := r.keep(ctx); err != nil {
			return err
		}
		// 2. A vote may have closed the request.
		if s, err = r.Door.StoryOf(ctx, r.t.ID, r.t.Request()); err != nil || s.Request.State != access.Pending {
			return err
		}
	}
	return nil
}

// found lists the answers in the ticket, by whichever ways the project reads votes.
func (r *reading) found(ctx context.Context) (list []answer, changes []rest.Change, err error) {
	votes := r.project.Votes
	if !votes.Approvals && len(votes.Statuses) == 0 {
		return nil, nil, nil
	}
	// The history last: an edit from before an answer we have seen is in it.
	if votes.Approvals {
		approvals, err := r.Rest.Approvals(ctx, r.issue.ID)
		if err != nil && !errors.Is(err, rest.ErrMissing) {
			return nil, nil, err
		}
		for _, a := range approvals {
			for _, by := range a.Approvers {
				if verdict, ok := verdictOf(by.Decision); ok {
					// Jira does not say when one of several answered: only that it was after the approval was opened.
					list = append(list, answer{"approval/" + a.ID + "/" + by.User.ID, by.User, verdict, a.Created})
				}
			}
		}
	}
	if changes, err = r.Rest.Changes(ctx, r.issue.ID); err != nil {
		return nil, nil, err
	}
	for _, ch := range changes {
		for _, it := range ch.Items {
			if verdict, ok := votes.Statuses[it.To]; ok && isStatus(it) {
				list = append(list, answer{"change/" + ch.ID, ch.Author, verdict, ch.At})
			}
		}
	}
	return list, changes, nil
}

func verdictOf(decision string) (access.Verdict, bool) {
	switch strings.ToLower(decision) {
	case "approved":
		return access.Approve, true
	case "declined":
		return access.Deny, true
	}
	return "", false
}

// isStatus tells whether a change is of the status. Names of fields are in the site's own language.
func isStatus(it rest.ChangeItem) bool {
	return it.Field == "status" || (it.Field == "" && it.Name == "status")
}

// lastEdit is when what the ticket asks was last changed; zero: never.
func lastEdit(changes []rest.Change, fields []string) (last time.Time) {
	for _, ch := range changes {
		if (ch.Left || slices.ContainsFunc(ch.Items, func(it rest.ChangeItem) bool { return mayAsk(it, fields) })) && ch.At.After(last) {
			last = ch.At
		}
	}
	return last
}

// asksNothing are Jira's own fields, as changes without a field's id name them, that can be no mapped field.
var asksNothing = []string{"status", "resolution", "labels", "assignee", "security", "priority", "duedate", "environment", "Component", "Version", "Fix Version",
	"timespent", "timeestimate", "timeoriginalestimate", "WorklogId", "WorklogTimeSpent", "project", "Key", "Workflow", "Link", "RemoteIssueLink", "Attachment", "Comment"}

// mayAsk tells whether a change may be of a mapped field. Data Center names
// fields as people do, which tells us nothing: any that we do not know may be.
func mayAsk(it rest.ChangeItem, fields []string) bool {
	if it.Field == "" {
		return it.Custom || slices.Contains(fields, it.Name) || !slices.Contains(asksNothing, it.Name)
	}
	return slices.Contains(fields, it.Field)
}

// take has an answer judged, and says what became of it in one sentence.
func (r *reading) take(ctx context.Context, a answer, s engine.Story, edited time.Time) (access.TicketAnswer, error) {
	request := s.Request
	taken := access.TicketAnswer{ID: a.id, Account: a.by.ID, Digest: request.Digest, At: a.since}
	no := func(why string) (access.TicketAnswer, error) {
		taken.Why = fmt.Sprintf("This answer does not count for %s: %s", strings.Join(request.Content().Entitlements, ", "), why)
		return taken, nil
	}
	voter, ok, err := r.voter(ctx, a.by)
	if err != nil {
		return taken, err
	}
	switch {
	case !ok:
		return no("the account it came from is not known to Lessor, or is no person's.")
	case !r.asks(request):
		return no("what the request asks is no longer what the ticket says, which is what they answered. Vote in Lessor.")
	case !edited.IsZero() && !a.since.After(edited):
		return no("what the ticket asks was changed since it was put to them. Vote in Lessor, or have the approval opened anew.")
	}
	// An earlier reading may have stopped right after the vote.
	mark := " as " + a.id
	if slices.ContainsFunc(s.Approvals, func(v access.Approval) bool {
		return v.Channel == Name && v.Digest == request.Digest && strings.HasSuffix(v.Note, mark)
	}) {
		taken.Counted = true
		return taken, nil
	}
	_, err = r.Door.Vote(ctx, actor(voter), engine.Ballot{Request: request.ID, Digest: request.Digest, Verdict: a.verdict, Note: "answered in " + r.t.Key + mark})
	switch {
	case errors.Is(err, access.ErrDenied), errors.Is(err, access.ErrNotFound):
		if errors.Is(err, access.ErrNotFound) {
			return no("only those whom policy names may answer it.")
		}
		return no(sentence(err, request))
	case errors.Is(err, access.ErrGone), errors.Is(err, access.ErrConflict):
		return no("the request had changed or closed before it.")
	case err != nil:
		return taken, err
	}
	taken.Counted = true
	return taken, nil
}

// voter is who answered. The service desk does not say what kind of account an
// approver's is, so that is looked up: no app votes, whoever the directory takes it for.
func (r *reading) voter(ctx context.Context, u rest.User) (id string, ok bool, err error) {
	if u.Account == "" && r.Site.Kind != config.JiraDataCenter {
		switch u, err = r.Rest.User(ctx, u.ID); {
		case errors.Is(err, rest.ErrMissing), errors.Is(err, rest.ErrInvalid):
			return "", false, nil
		case err != nil:
			return "", false, err
		}
	}
	id, ok = r.identity(u)
	return id, ok, nil
}

// sentence is why a vote does not count, to stand behind what it does not count for.
func sentence(err error, request access.Request) string {
	text := plainWords(err)
	const again = "this vote does not count for "
	if len(request.Items) == 1 {
		text = strings.ReplaceAll(text, again+request.Items[0].Entitlement+": ", "")
	}
	return strings.TrimSuffix(strings.ReplaceAll(text, again, ""), ".") + "."
}
