package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Leaving is what somebody's leaving comes to: what would end and be decided if it were
// said now, or, once it was, what is seen gone and what is not yet.
type Leaving struct {
	Person     string            `json:"person"`
	Identities []string          `json:"identities"`    // whose access ends: all of theirs, and the agents that act for them
	Left       time.Time         `json:"left,omitzero"` // when it was said; zero: it was not
	By         string            `json:"by,omitempty"`  // who said so
	Reason     string            `json:"reason,omitempty"`
	Grants     []Holding         `json:"grants"`         // that are open, and would end
	Requests   []string          `json:"requests"`       // that would be cancelled
	Votes      []string          `json:"votes"`          // requests on which a vote of theirs would be void
	SignIns    int               `json:"sign_ins"`       // sessions and tokens that would end
	Decisions  []access.Handover `json:"decisions"`      // what others would have to decide, or have to
	Waiting    []Unseen          `json:"waiting"`        // what has ended and is not seen gone yet
	More       bool              `json:"more,omitempty"` // there is more of something than is listed
}

// Unseen is one holding that ought to be gone and was not seen to be.
type Unseen struct {
	Assignment access.Assignment `json:"assignment"`
	Since      time.Time         `json:"since,omitzero"`
	Trouble    string            `json:"trouble,omitempty"`
}

// Leaving answers what a leaving would do, or how far it is, and changes nothing. It
// rests on the same steps as Leave.
func (e *Engine) Leaving(ctx context.Context, by access.Actor, identity string) (l Leaving, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		dir := d.world.Directory
		groups := dir.GroupsOf(by.Identity)
		if err := d.mayLeave(ctx); err != nil && !slices.Contains(groups, "security") && !slices.Contains(groups, "auditors") {
			return err
		}
		if id, ok := dir.Identity(identity); !ok || id.Kind != access.Person {
			return fmt.Errorf("%w: person %.80q", access.ErrNotFound, identity)
		}
		person := dir.PersonOf(identity)
		l = Leaving{Person: person, Identities: d.leavingWith(person), Requests: []string{}, Votes: []string{}, Decisions: []access.Handover{}, Waiting: []Unseen{}}
		dep, err := d.Departure(ctx, person)
		if err == nil && dep.Back.IsZero() {
			l.Left, l.By, l.Reason = dep.At, dep.By, dep.Reason
		} else if err != nil && !errors.Is(err, access.ErrNotFound) {
			return err
		}
		if err := d.leavingAccess(ctx, &l); err != nil {
			return err
		}
		return d.leavingCharges(ctx, &l)
	})
	return l, err
}

// leavingAccess lists what is theirs.
func (d *deed) leavingAccess(ctx context.Context, l *Leaving) error {
	grants, err := d.GrantsOf(ctx, l.Identities, true, "", leaveAt)
	if err != nil {
		return err
	}
	if l.Grants, err = d.holdings(ctx, grants); err != nil {
		return err
	}
	requests, err := d.OpenFor(ctx, l.Identities, leaveAt)
	if err != nil {
		return err
	}
	for _, r := range requests {
		l.Requests = append(l.Requests, r.ID)
	}
	votes, err := d.VotesWaiting(ctx, l.Person, leaveAt)
	if err != nil {
		return err
	}
	for _, v := range votes {
		l.Votes = append(l.Votes, v.Request)
	}
	slices.Sort(l.Votes)
	l.Votes = slices.Compact(l.Votes)
	l.More = len(grants) == leaveAt || len(requests) >= leaveAt || len(votes) == leaveAt
	if l.SignIns, err = d.SignIns(ctx, l.Identities); err != nil || l.Left.IsZero() {
		return err
	}
	jobs, err := d.NotAbsent(ctx, l.Identities)
	for _, j := range jobs {
		u := Unseen{j.Assignment, j.Work.Since, j.Work.Trouble}
		if u.Trouble != "" && !d.operates(j.Assignment) {
			u.Trouble = hiddenTrouble
		}
		l.Waiting = append(l.Waiting, u)
	}
	return err
}

// leavingCharges lists what others have to decide, as it was forced or would be.
func (d *deed) leavingCharges(ctx context.Context, l *Leaving) error {
	if !l.Left.IsZero() {
		list, err := d.HandoversFrom(ctx, l.Person)
		for _, h := range list {
			if !h.At.Before(l.Left) || h.Undecided() {
				l.Decisions = append(l.Decisions, h)
			}
		}
		return err
	}
	subjects, err := d.chargesOf(ctx, l.Person, l.Identities)
	if err != nil {
		return err
	}
	l.More = l.More || len(subjects) > leaveAt
	for _, subject := range subjects[:min(len(subjects), leaveAt)] {
		h, err := d.propose(ctx, subject, l.Person)
		if err != nil {
			return err
		}
		l.Decisions = append(l.Decisions, h)
	}
	return nil
}
