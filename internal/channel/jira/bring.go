package jira

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// bring makes, edits or renews the request. It goes by what is stored: an
// earlier reading may have stopped anywhere in here.
func (r *reading) bring(ctx context.Context) error {
	by := actor(r.t.Identity)
	if r.t.Request() == "" {
		return r.submit(ctx, by, r.t.ID)
	}
	s, err := r.Door.StoryOf(ctx, r.t.ID, r.t.Request())
	if err != nil {
		return err
	}
	if s.Request.Open() && r.asks(s.Request) {
		r.t.State = access.Linked
		return nil
	}
	part := slices.ContainsFunc(s.Request.Items, func(it access.Item) bool { return it.Outcome == access.Granted })
	if s.Request.Open() && !part {
		if r.strange() {
			return r.hold(ctx)
		}
		_, err := r.Door.Edit(ctx, by, s.Request.ID, s.Request.Digest, r.asked.ask)
		if errors.Is(err, access.ErrGone) || errors.Is(err, access.ErrConflict) {
			return fmt.Errorf("ticket %s: its request has moved on meanwhile: %w", r.t.ID, err) // the next reading sees where to
		}
		if err := r.refused(err); err != nil || r.t.State == access.Linked {
			return err
		}
		return r.takeBack(ctx)
	}
	// What was approved is no longer what the ticket says. What was not seen yet
	// does not begin; what was seen ends as granted, and asks for no more.
	if err := r.takeBack(ctx); err != nil {
		return err
	}
	if s, err = r.Door.StoryOf(ctx, r.t.ID, r.t.Request()); err != nil {
		return err
	}
	superseded := slices.ContainsFunc(s.Grants, func(h engine.Holding) bool { return h.Grant.Ended == access.EndSuperseded })
	if s.Request.State == access.Approved && (stands(s) || !superseded) {
		r.t.State = access.Linked
		return nil
	}
	return r.submit(ctx, by, fmt.Sprintf("%s#%d", r.t.ID, len(r.t.Requests)+1))
}

// asks tells whether a request asks for what the ticket does.
func (r *reading) asks(q access.Request) bool {
	ask, c := r.asked.ask, q.Content()
	b, _ := r.Directory().Bundle(ask.Bundle)
	names := append(slices.Clone(ask.Entitlements), b.Entitlements...)
	slices.Sort(names)
	return slices.Equal(slices.Compact(names), c.Entitlements) && ask.Reason == c.Reason && ask.Term == c.Term &&
		ask.Start.Equal(c.Start) && cmp.Or(ask.Beneficiary, c.Requester) == c.Beneficiary && r.madeBy(c.Makers)
}

// stands tells whether any grant of a request is not over yet.
func stands(s engine.Story) bool {
	return slices.ContainsFunc(s.Grants, func(h engine.Holding) bool { return h.Grant.State != access.Ended })
}

// takeBack takes back what the ticket asked before, as it no longer asks that:
// nobody may approve it any more, and what was approved does not begin. What was
// seen stands, and a finding says so.
func (r *reading) takeBack(ctx context.Context) error {
	if r.t.Request() == "" {
		return nil
	}
	s, err := r.Door.StoryOf(ctx, r.t.ID, r.t.Request())
	if err != nil {
		return err
	}
	const why = "the ticket no longer asks for this"
	if s.Request.Open() {
		// Of somebody who left, it cannot be taken back, nor ever granted.
		err := r.Door.Cancel(ctx, actor(s.Request.Requester), s.Request.ID, why)
		if err != nil && !errors.Is(err, access.ErrGone) && !errors.Is(err, access.ErrNotFound) && !errors.Is(err, access.ErrDenied) {
			return err
		}
	}
	if _, err := r.Door.TicketChanged(ctx, r.t.ID, why); err != nil {
		return err
	}
	if s, err = r.Door.StoryOf(ctx, r.t.ID, r.t.Request()); err != nil || !stands(s) {
		return err
	}
	return r.find(ctx, "ticket_changed", fmt.Sprintf("Ticket %s was edited after access was granted. The grant stands as it was approved; for anything else, a new ticket is needed.", r.t.Key), 72*time.Hour)
}

func (r *reading) submit(ctx context.Context, by access.Actor, reference string) error {
	if r.strange() {
		return r.hold(ctx)
	}
	ask := r.asked.ask
	ask.Reference = reference
	request, err := r.Door.Submit(ctx, by, ask)
	before := false
	if errors.Is(err, access.ErrConflict) {
		// An earlier reading stopped right after asking, and the ticket was edited since.
		if known, e := r.Door.Referred(ctx, by, reference); e == nil {
			request, err, before = known, nil, true
		}
	}
	if err != nil {
		return r.refused(err)
	}
	if !slices.Contains(r.t.Requests, request.ID) {
		r.t.Requests = append(r.t.Requests, request.ID)
		r.what = append(r.what, "became request "+request.ID)
	}
	r.t.State = access.Linked
	if before {
		return r.bring(ctx)
	}
	return nil
}

// refused makes of an ask that the engine does not take a ticket that says so.
func (r *reading) refused(err error) error {
	switch {
	case err == nil:
		r.t.State = access.Linked
		return nil
	case errors.Is(err, access.ErrInvalid), errors.Is(err, access.ErrDenied), errors.Is(err, access.ErrConflict), errors.Is(err, access.ErrNotFound):
		r.t.State, r.t.Note = access.Invalid, plainWords(err)
		return nil
	}
	return err
}

// plainWords drops the names of the verbs and sentinels from an error.
func plainWords(err error) string {
	text := err.Error()
	for _, word := range []string{"submit: ", "edit: ", "vote: ", access.ErrInvalid.Error() + ": ", access.ErrDenied.Error() + ": ", access.ErrConflict.Error() + ": "} {
		text = strings.ReplaceAll(text, word, "")
	}
	return text
}
