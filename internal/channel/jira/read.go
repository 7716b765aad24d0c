package jira

import (
	"context"
	"encoding/json"
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

// reading is one ticket being read.
type reading struct {
	*Channel
	was, t  access.Ticket
	issue   rest.Issue
	project *config.JiraProject
	kind    *config.JiraRequestType
	asked   asked
	what    []string // what changed, for the log
}

// Read reads a ticket with our own credentials and does what follows from what
// is there now. What woke us is not looked at. after is when it was asked for: a
// reading later than that has seen it.
//
// If it stops anywhere, the next reading goes on: every verb below gives the
// same again, or says that it is done.
func (c *Channel) Read(ctx context.Context, ticket string, after time.Time) error {
	issue, err := c.issueOf(ticket)
	if err != nil {
		return err
	}
	give, err := c.turns.take(ctx, ticket)
	if err != nil {
		return err
	}
	defer give()
	// 1. As it was, and as it is.
	began := c.Now()
	t, err := c.Door.Ticket(ctx, ticket)
	if err != nil || t.ReadAt.After(after) {
		return err
	}
	r := &reading{Channel: c, was: t, t: t}
	r.t.ReadAt = began.UTC()
	r.t.Requests, r.t.Answers = slices.Clone(t.Requests), slices.Clone(t.Answers)
	if r.issue, err = c.Rest.Issue(ctx, issue); errors.Is(err, rest.ErrMissing) {
		return r.missing(ctx)
	} else if err != nil {
		return err
	}
	if ours, err := r.place(ctx); err != nil || !ours {
		return err
	}
	// 2. Who asks for what, and whether that is new.
	if err := r.claim(ctx); err != nil {
		return err
	}
	if err := r.keep(ctx); err != nil {
		return err
	}
	// 3. Answers in it, each taken once.
	waits := r.answers(ctx) // during a halt they are taken later; that a ticket was closed is not
	if waits != nil && !errors.Is(waits, access.ErrHalted) {
		return waits
	}
	// 4. What somebody did to it that may matter, and decides nothing.
	if err := r.watch(ctx); err != nil {
		return err
	}
	return errors.Join(r.keep(ctx), waits)
}

// keep stores the ticket if anything of it has changed.
func (r *reading) keep(ctx context.Context) error {
	was, is := r.was, r.t
	was.ReadAt, is.ReadAt, is.Version = time.Time{}, time.Time{}, was.Version
	if access.Digest(was) == access.Digest(is) {
		return nil
	}
	kept, err := r.Door.KeepTicket(ctx, r.t, strings.Join(r.what, "; "))
	if err == nil {
		r.was, r.t, r.what = kept, kept, nil
	}
	return err
}

// find opens a finding about the ticket, or closes it where there is nothing to say.
func (r *reading) find(ctx context.Context, kind, text string, within time.Duration) error {
	at := slices.Index(r.t.Open, kind)
	if (text == "") != (at >= 0) {
		return nil // as it was
	}
	if err := r.Door.Find(ctx, kind, r.t.ID, r.Site.Owner, text, within); err != nil {
		return err
	}
	r.t.Open = slices.Clone(r.t.Open)
	if text == "" {
		r.t.Open = slices.Delete(r.t.Open, at, at+1)
	} else {
		r.t.Open = append(r.t.Open, kind)
	}
	return nil
}

// missing notes that a ticket we knew can no longer be read. Grants live and end
// as they were given; nothing is forgotten.
func (r *reading) missing(ctx context.Context) error {
	if r.t.Version == 0 || r.t.State == access.Missing {
		return nil
	}
	r.t.State, r.what = access.Missing, []string{"deleted, or hidden from us"}
	text := fmt.Sprintf("Ticket %s can no longer be read: it was deleted, or hidden from Lessor. What it asked for is decided and ends as before.", r.t.Key)
	if err := r.find(ctx, "ticket_missing", text, 24*time.Hour); err != nil {
		return err
	}
	return r.keep(ctx)
}

// place finds how tickets where this one is now are read. One that was ours and
// was moved away is noted, and keeps what came of it.
func (r *reading) place(ctx context.Context) (ours bool, err error) {
	r.project = r.Channel.project(r.issue.Project.Key)
	if r.project != nil {
		kind := r.issue.Type.ID
		if r.project.Desk {
			request, err := r.Rest.Request(ctx, r.issue.ID)
			if err != nil && !errors.Is(err, rest.ErrMissing) {
				return false, err
			}
			kind = request.Type
		}
		for n := range r.project.RequestTypes {
			if r.project.RequestTypes[n].ID == kind {
				r.kind = &r.project.RequestTypes[n]
			}
		}
	}
	if r.kind == nil && r.t.Version == 0 {
		return false, nil // a ticket about something else
	}
	if r.t.Key != r.issue.Key && r.t.Key != "" {
		r.what = append(r.what, "moved from "+r.t.Key+" to "+r.issue.Key)
	}
	r.t.Key, r.t.Reporter = r.issue.Key, r.issue.Reporter.ID
	text := ""
	if r.kind == nil {
		text = fmt.Sprintf("Ticket %s was moved to a place whose tickets are not read; what it asked for is decided and ends as before.", r.issue.Key)
	}
	if err := errors.Join(r.find(ctx, "ticket_moved", text, 72*time.Hour), r.find(ctx, "ticket_missing", "", 0)); err != nil {
		return false, err
	}
	if r.was.State == access.Missing {
		r.t.State = access.Unread
		if len(r.t.Requests) > 0 && r.t.Note == "" {
			r.t.State = access.Linked
		}
	}
	if r.kind == nil {
		return false, r.keep(ctx)
	}
	r.asked = r.Channel.read(r.kind, r.issue)
	r.t.Secrets = r.asked.leaks
	return true, nil
}

// claim brings the ticket's request up to date with what the ticket asks.
func (r *reading) claim(ctx context.Context) error {
	fresh := r.t.Content != r.asked.content
	if fresh && r.t.Content != "" {
		r.what = append(r.what, "what it asks was edited")
	}
	if !fresh && r.t.State == access.Linked {
		return nil
	}
	// 1. Who is known to ask.
	ok, err := r.known(ctx)
	if err != nil {
		return err
	}
	r.t.Content = r.asked.content
	if ok || r.t.State == access.Unconfirmed {
		if err := r.makers(ctx); err != nil {
			return err
		}
	}
	switch {
	case !ok: // known has said why
		return r.takeBack(ctx)
	case len(r.asked.problems) > 0:
		r.t.State, r.t.Note = access.Invalid, strings.Join(r.asked.problems, "\n")
		return r.takeBack(ctx)
	}
	r.t.Note = ""
	// 2. The request it is by now.
	return r.bring(ctx)
}

// known finds who asks. Whoever Jira merely says it is from is not known: a mail,
// an anonymous form or somebody else's hand is only a claim, until the person
// confirms it here.
func (r *reading) known(ctx context.Context) (bool, error) {
	id, mapped := r.identity(r.issue.Reporter)
	if !mapped {
		r.t.State, r.t.Claim, r.t.Identity = access.Invalid, "", ""
		r.t.Note = "The reporter of this ticket is not known to Lessor, so it asks for nothing. Ask from your own account, or have your account there entered in the directory."
		return false, nil
	}
	dir := r.Directory()
	if r.t.Identity != "" && dir.PersonOf(r.t.Identity) == dir.PersonOf(id) {
		return true, nil // it is theirs already, or they have confirmed it
	}
	proven, err := r.proven(ctx)
	if err != nil {
		return false, err
	}
	r.t.Claim, r.t.Identity = id, ""
	if !proven {
		r.t.State, r.t.Note = access.Unconfirmed, "This ticket came by a way that does not prove who wrote it. It asks for nothing until the person it is said to be from confirms it in Lessor."
		return false, nil
	}
	r.t.Identity = id
	return true, nil
}

// proven tells whether the reporter made the issue, signed in to Jira.
func (r *reading) proven(ctx context.Context) (bool, error) {
	if r.issue.Creator.ID != r.issue.Reporter.ID || !r.issue.Creator.Known() {
		return false, nil
	}
	if !r.project.Desk {
		return true, nil
	}
	raw, err := r.Rest.Property(ctx, r.issue.ID, "request.channel.type")
	if errors.Is(err, rest.ErrMissing) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	var channel struct {
		Value string `json:"value"`
	}
	if json.Unmarshal(raw, &channel) != nil {
		return false, nil //nolint:nilerr // what cannot be read proves nobody
	}
	return slices.Contains([]string{"portal", "jira", "api"}, channel.Value), nil
}

var _ Door = (*engine.Engine)(nil)
