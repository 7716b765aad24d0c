package report

import (
	"context"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// rows compares every row of every table, table by table in the order in which they refer to each other.
func (r *replay) rows(ctx context.Context) error {
	for _, table := range []func(context.Context) error{r.requests, r.grants, r.assignments, r.findings, r.tickets, r.credentials, r.objects, r.joined, r.records, r.rotations, r.registrations, r.leavings} {
		if err := table(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) tickets(ctx context.Context) error {
	for after := ""; ; {
		page, err := r.tx.Tickets(ctx, "", after, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			after = row.ID
			if err := r.compare("ticket "+row.ID, row); err != nil {
				return err
			}
		}
	}
}

func (r *replay) requests(ctx context.Context) error {
	for before := ""; ; {
		page, err := r.tx.Requests(ctx, "", "", before, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			before = row.ID
			if err := r.compare("request "+row.ID, row); err != nil {
				return err
			}
			votes, err := r.tx.Approvals(ctx, row.ID)
			if err != nil {
				return err
			}
			for _, v := range votes {
				if err := r.compare("approval "+v.ID, v); err != nil {
					return err
				}
			}
		}
	}
}

func (r *replay) grants(ctx context.Context) error {
	for before := ""; ; {
		page, err := r.tx.GrantsOf(ctx, nil, false, before, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			before = row.ID
			if err := r.compare("grant "+row.ID, row); err != nil {
				return err
			}
		}
	}
}

func (r *replay) assignments(ctx context.Context) error {
	for after := ""; ; {
		page, err := r.tx.AssignmentsAfter(ctx, after, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		ids := make([]string, len(page))
		for i, row := range page {
			ids[i] = row.ID
		}
		open, err := r.tx.OpenGrants(ctx, ids)
		if err != nil {
			return err
		}
		for _, row := range page {
			after = row.ID
			if err := r.compare("assignment "+row.ID, bare(row.Assignment)); err != nil {
				return err
			}
			if err := awake(row, open[row.ID]); err != nil {
				return err
			}
			if err := r.receipts(ctx, row.Assignment); err != nil {
				return err
			}
		}
	}
}

// longestSleep is how much later than the next start or end of its grants an
// assignment's work may be due: a retry that is waited for moves it, by minutes.
const longestSleep = 24 * time.Hour

// awake checks what no event tells of: that work is due wherever something must
// still happen. Whoever puts a due moment out of reach takes away an end (law 3)
// without touching a grant.
func awake(job store.Job, grants []access.Grant) error {
	next, more := access.NextAt(grants)
	due := job.Work.Due
	switch underway := job.State == access.Adding || job.State == access.Removing; {
	case due.IsZero() && (more || underway):
		return fmt.Errorf("assignment %s: it is %s and no work on it is due, ever", job.ID, job.State)
	case more && due.After(next.Add(longestSleep)):
		return fmt.Errorf("assignment %s: a grant starts or ends %s, and work on it is due only %s", job.ID, stamp(next), stamp(due))
	}
	return nil
}

// receipts checks each look against its own digest, those that were told of
// against the log, and that the assignment rests on one that says the same.
func (r *replay) receipts(ctx context.Context, a access.Assignment) error {
	looks, err := r.tx.Receipts(ctx, a.ID)
	if err != nil {
		return err
	}
	rests := a.Receipt == ""
	for _, look := range looks {
		plain := look
		plain.Digest = ""
		if access.Digest(plain) != look.Digest {
			return fmt.Errorf("receipt %s: its content does not give its digest", look.ID)
		}
		if _, told := r.last["receipt "+look.ID]; told {
			if err := r.compare("receipt "+look.ID, look); err != nil {
				return err
			}
		}
		if look.ID == a.Receipt {
			rests = (a.State != access.Held || look.Held()) && (a.State != access.Absent || look.Gone())
		}
	}
	if !rests {
		return fmt.Errorf("assignment %s: it is %s, and no receipt says so", a.ID, a.State)
	}
	return nil
}

func (r *replay) findings(ctx context.Context) error {
	page, err := r.tx.Findings(ctx, false, 1<<30)
	if err != nil {
		return err
	}
	for _, row := range page {
		if err := r.compare("finding "+row.ID, row); err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) credentials(ctx context.Context) error {
	for after := ""; ; {
		page, err := r.tx.CredentialsAfter(ctx, after, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			after = row.ID
			if err := r.compare("credential "+row.ID, row.Told()); err != nil {
				return err
			}
		}
	}
}

func (r *replay) objects(ctx context.Context) error {
	for system, object := "", ""; ; {
		page, err := r.tx.SaidAfter(ctx, system, object, replayPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			system, object = row.System, row.Object
			if err := r.compare("object "+system+" "+object, row); err != nil {
				return err
			}
		}
	}
}

// joined are the identities beside those of the files, and what has changed hands.
func (r *replay) joined(ctx context.Context) error {
	for after := ""; ; {
		page, err := r.tx.RegisteredAfter(ctx, after, replayPage)
		if err != nil {
			return err
		}
		for _, row := range page {
			after = row.ID
			if err := r.compare("identity "+row.ID, row); err != nil {
				return err
			}
		}
		if len(page) == 0 {
			break
		}
	}
	j, err := r.tx.JoinedAfter(ctx, 0)
	for _, h := range j.Hands {
		if err := r.compare("hand "+h.Subject, h); err != nil {
			return err
		}
	}
	return err
}

// leavings are who has left, and what others have to decide because of it.
func (r *replay) leavings(ctx context.Context) error {
	left, err := r.tx.Departures(ctx)
	if err != nil {
		return err
	}
	for _, row := range left {
		if err := r.compare("departure "+row.Person, row); err != nil {
			return err
		}
	}
	for before := ""; ; {
		page, err := r.tx.HandoversSought(ctx, store.HandoversSought{Before: before, Limit: replayPage})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, row := range page {
			before = row.ID
			if err := r.compare("handover "+row.ID, row); err != nil {
				return err
			}
			if row.Undecided() && row.Next.IsZero() {
				return fmt.Errorf("handover %s is %s, and nothing will say that it is overdue", row.ID, row.State)
			}
		}
	}
}
