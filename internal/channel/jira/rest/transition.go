package rest

import (
	"context"
	"errors"
	"net/http"
)

// Transition is a move the token may make from the present status. Its id is the
// workflow's: the same id means another move in another workflow.
type Transition struct {
	ID, Name string
	To       Status
	Screen   bool // it shows a screen, whose required fields we do not fill
	Global   bool // it leads there from any status; Data Center does not say
}

// Move is a transition to make, and the id of the status it is made for.
type Move struct{ Transition, To string }

func (s *site) Transitions(ctx context.Context, id string) ([]Transition, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	var out struct {
		Transitions []struct {
			ID       ident  `json:"id"`
			Name     string `json:"name"`
			To       status `json:"to"`
			Screen   bool   `json:"hasScreen"`
			IsGlobal bool   `json:"isGlobal"`
		} `json:"transitions"`
	}
	if err := s.do(ctx, get(path(s.root, "issue", id, "transitions")), &out); err != nil {
		return nil, err
	}
	var list []Transition
	for _, t := range out.Transitions {
		list = append(list, Transition{ID: string(t.ID), Name: t.Name, To: t.To.out(), Screen: t.Screen, Global: t.IsGlobal})
	}
	return list, nil
}

func (s *site) Transition(ctx context.Context, id string, move Move) (Status, error) {
	if err := checkIDs(id, move.Transition, move.To); err != nil {
		return Status{}, err
	}
	// 1. Make the move.
	c := send(http.MethodPost, path(s.root, "issue", id, "transitions"), fields{"transition": fields{"id": move.Transition}})
	moved := s.do(ctx, c, nil)
	if errors.Is(moved, ErrLimited) {
		return Status{}, moved // nothing was done, and nothing may be asked
	}
	// 2. Look, whatever the answer was: it may have been lost, and another may have
	// moved the issue at the same time.
	now, err := s.Issue(ctx, id, "status")
	switch {
	case err != nil && moved == nil:
		return Status{}, &Error{Kind: ErrUnanswered, Call: c.String(), Messages: []string{"the move was taken, the status was not seen"}, Cause: err}
	case err != nil:
		return Status{}, moved
	case now.Status.ID == move.To:
		return now.Status, nil
	case moved != nil:
		return now.Status, moved
	}
	return now.Status, &Error{Kind: ErrConflict, Call: c.String(), Messages: []string{"the move was taken, and the issue is in another status: " + now.Status.Name}}
}
