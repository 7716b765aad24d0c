package jira

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
)

// wanted is the status the ticket should be in, or empty.
func (l *telling) wanted() string {
	m := l.project.Milestones
	return map[Milestone]string{Waiting: m.Waiting, Granting: m.Granting, Active: m.Active, Removed: m.Removed, Refused: m.Refused}[milestone(l.s)]
}

// moved tells that somebody else moved the ticket, where it is to stay where they put it.
func (l *telling) moved() (Fact, bool) {
	want := l.wanted()
	if l.project.WhenMoved == config.JiraPutBack || want == "" || l.t.Ours != want || l.issue.Status.ID == want {
		return Fact{}, false
	}
	return Fact{ID: fmt.Sprintf("moved-%s-%s-%s", l.s.Request.ID, want, l.issue.Status.ID), Public: true,
		Lines: lines(fmt.Sprintf("This ticket was moved to %q by hand. That changed nothing about the access: it is %s.", l.issue.Status.Name, milestone(l.s)))}, true
}

// status moves the ticket to where its request has come. We move it there once;
// whoever moves it away then is put right, or told, as the company wants.
func (l *telling) status(ctx context.Context) error {
	want := l.wanted()
	if want == "" || (l.t.Ours == want && (l.issue.Status.ID == want || l.project.WhenMoved != config.JiraPutBack)) {
		return nil
	}
	seen := l.issue.Status
	for been := []string{seen.ID}; seen.ID != want; been = append(been, seen.ID) {
		moves, err := l.Rest.Transitions(ctx, l.issue.ID)
		if err != nil {
			return err
		}
		move, ok := l.next(moves, want, been)
		if !ok {
			return l.stuck(ctx, want)
		}
		seen, err = l.Rest.Transition(ctx, l.issue.ID, move)
		if errors.Is(err, rest.ErrInvalid) || errors.Is(err, rest.ErrDenied) {
			return l.stuck(ctx, want)
		} else if err != nil {
			return err
		}
	}
	t := l.t
	t.Ours, t.Status = want, seen.ID
	_, err := l.Door.KeepTicket(ctx, t, "moved to "+seen.Name)
	return err
}

// next is the move to make: to the status that is wanted or, where no move leads
// there at once (we may have been away while the access came and went), to the
// furthest of those that the request did pass.
func (l *telling) next(moves []rest.Transition, want string, been []string) (rest.Move, bool) {
	m := l.project.Milestones
	way := []string{want}
	switch milestone(l.s) {
	case Removed:
		if slices.ContainsFunc(l.s.Grants, func(h engine.Holding) bool { return !h.Grant.Seen.IsZero() }) {
			way = append(way, m.Active)
		}
		way = append(way, m.Granting)
	case Active:
		way = append(way, m.Granting)
	}
	for _, to := range way {
		i := slices.IndexFunc(moves, func(m rest.Transition) bool { return m.To.ID == to })
		if to != "" && i >= 0 && !slices.Contains(been, to) {
			return rest.Move{Transition: moves[i].ID, To: to}, true
		}
	}
	return rest.Move{}, false
}

// stuck says once that the workflow has no way there; access does not wait for it.
func (l *telling) stuck(ctx context.Context, want string) error {
	f := inner("stuck-"+l.s.Request.ID+"-"+want, fmt.Sprintf("Lessor could not move this ticket on (%s): the workflow has no way to that status that it may take. The access does not depend on it.", milestone(l.s)))
	if slices.Contains(l.said.Facts, f.ID) {
		return nil
	}
	return l.say(ctx, []Fact{f}, false)
}
