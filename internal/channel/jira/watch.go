package jira

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// watch notes what somebody did to the ticket: a status that says more than was
// decided, a closed ticket. None of it grants, extends or keeps anything.
func (r *reading) watch(ctx context.Context) error {
	moved := r.t.Status != r.issue.Status.ID
	if moved && r.t.Status != "" {
		r.what = append(r.what, "its status is now "+r.issue.Status.Name)
	}
	r.t.Status = r.issue.Status.ID
	// 0. A closed task ends what agents were granted for it, whoever asked where.
	if r.t.Version > 0 && slices.Contains(r.project.Closed, r.issue.Status.ID) {
		ended, err := r.Door.TaskClosed(ctx, r.t.ID, "ticket "+r.issue.Key+" was closed")
		if err != nil {
			return err
		}
		if ended > 0 {
			r.what = append(r.what, fmt.Sprintf("closed: %d grants of agents ended", ended))
		}
	}
	if r.t.Request() == "" {
		return nil
	}
	s, err := r.Door.StoryOf(ctx, r.t.ID, r.t.Request())
	if err != nil {
		return err
	}
	// 1. A status that claims an approval nobody gave.
	text := ""
	if r.claims(r.issue.Status.ID) && (s.Request.Open() || milestone(s) == Refused) {
		text = fmt.Sprintf("Ticket %s was moved to %q, and its request %s is %s: the move approved nothing.", r.issue.Key, r.issue.Status.Name, s.Request.ID, s.Request.State)
	}
	if err := r.find(ctx, "workflow_only_approval", text, 72*time.Hour); err != nil {
		return err
	}
	if !stands(s) { // what stood as it was approved is over
		if err := r.find(ctx, "ticket_changed", "", 0); err != nil {
			return err
		}
	}
	// 2. A closed ticket can end its grants, where the company wants that. Where we
	// moved it there ourselves, they have ended already.
	if r.project.RevokeOnClose && slices.Contains(r.project.Closed, r.issue.Status.ID) && r.t.Ours != r.issue.Status.ID {
		ended, err := r.Door.TicketClosed(ctx, r.t.ID, "ticket "+r.issue.Key+" was closed")
		if err != nil {
			return err
		}
		if ended > 0 {
			r.what = append(r.what, fmt.Sprintf("closed: %d grants ended", ended))
		}
	}
	return nil
}

// claims tells whether a status says that access was approved or is there.
func (r *reading) claims(status string) bool {
	m := r.project.Milestones
	if verdict, ok := r.project.Votes.Statuses[status]; ok && verdict == access.Approve {
		return true
	}
	return status != "" && (status == m.Granting || status == m.Active || (slices.Contains(r.project.Closed, status) && status != m.Refused && status != m.Removed))
}
