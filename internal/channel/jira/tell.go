package jira

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/adf"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
)

// telling is one ticket being brought up to date.
type telling struct {
	*Channel
	t       access.Ticket
	s       engine.Story // of its request, if it has one
	linked  bool
	issue   rest.Issue
	project *config.JiraProject
	said    said
}

// Tell brings a ticket up to date with what was decided and seen: what it has to
// say and has not said, whose move it is, its status. It may stop anywhere and be
// run again: what was said is read before anything is said twice.
func (c *Channel) Tell(ctx context.Context, ticket string) error {
	issue, err := c.issueOf(ticket)
	if err != nil {
		return err
	}
	give, err := c.turns.take(ctx, ticket)
	if err != nil {
		return err
	}
	defer give()
	return c.speaking(ctx, ticket, func(ctx context.Context) error { return c.tell(ctx, ticket, issue) })
}

func (c *Channel) tell(ctx context.Context, ticket, issue string) (err error) {
	// 1. What is stored, and what is there.
	l := &telling{Channel: c}
	if l.t, err = c.Door.Ticket(ctx, ticket); err != nil || l.t.Version == 0 || l.t.State == access.Missing || l.t.State == access.Unread {
		return err
	}
	if request := l.t.Request(); request != "" {
		if l.s, err = c.Door.StoryOf(ctx, ticket, request); err != nil {
			return err
		}
		l.linked = true
	}
	if l.issue, err = c.Rest.Issue(ctx, issue, "project", "status", "labels", "assignee", "security"); errors.Is(err, rest.ErrMissing) {
		return (&reading{Channel: c, was: l.t, t: l.t}).missing(ctx) // nobody may ever tell us to read what is gone
	} else if err != nil {
		return err
	}
	if l.project = c.project(l.issue.Project.Key); l.project == nil {
		return nil // it was moved to a place that is not ours to write in
	}
	if err := l.remember(ctx); err != nil {
		return err
	}
	// 2. Say what has not been said.
	news, err := l.news(ctx)
	if err != nil {
		return err
	}
	if err := l.sayAll(ctx, news); err != nil {
		return err
	}
	if !l.linked {
		return nil
	}
	// 3. What the ticket shows: where to look, whose move it is, who may see it, how far it has come.
	if err := errors.Join(l.link(ctx), l.label(ctx), l.secure(ctx)); err != nil {
		return err
	}
	return l.status(ctx)
}

// news lists what the ticket has to say and has not said.
func (l *telling) news(ctx context.Context) ([]Fact, error) {
	var list []Fact
	if l.t.Note != "" && l.t.State != access.Linked {
		list = append(list, Fact{ID: string(l.t.State) + "-" + short(l.t.Content+l.t.Note), Public: true, Lines: noteLines(l.t, l.Site.Portal)})
	}
	if len(l.t.Secrets) > 0 {
		list = append(list, Fact{ID: "secret-" + short(strings.Join(l.t.Secrets, "\n")), Public: true, Lines: lines("This ticket holds what looks like a secret (" + strings.Join(l.t.Secrets, ", ") +
			"). Lessor did not keep it. Whoever can read this ticket may have read it: change the secret now, and take it out of the ticket.")})
	}
	if l.linked {
		list = append(list, facts(l.t, l.s, l.Site.Portal)...)
		if f, ok := l.moved(); ok {
			list = append(list, f)
		}
		for _, h := range l.s.Grants {
			if id := "final-" + h.Grant.ID; h.Grant.State == access.Ended && over(h) && !slices.Contains(l.said.Facts, id) {
				bundle, err := l.Bundle(ctx, h.Grant.ID)
				if err != nil {
					return nil, err
				}
				list = append(list, final(l.s, h, bundle))
			}
		}
	}
	live := map[string]bool{"link-" + l.s.Request.ID: true}
	for _, f := range list {
		live[f.ID] = true
	}
	for _, h := range l.s.Grants {
		live["final-"+h.Grant.ID] = true
	}
	l.said.prune(live)
	return slices.DeleteFunc(list, func(f Fact) bool { return slices.Contains(l.said.Facts, f.ID) }), nil
}

func noteLines(t access.Ticket, portal string) [][]adf.Span {
	var list [][]adf.Span
	for line := range strings.SplitSeq(t.Note, "\n") {
		list = append(list, []adf.Span{adf.Text(line)})
	}
	switch t.State {
	case access.Invalid:
		list = append(list, []adf.Span{adf.Text("Edit this ticket to mend that; it is read again when you do.")})
	case access.Unconfirmed:
		list = append(list, []adf.Span{adf.Text("To confirm: "), adf.Mono("lessor confirm " + t.ID), adf.Text(" "), adf.Link("or in the portal", portal+"/tickets/"+t.ID)})
	}
	return list
}

func (l *telling) link(ctx context.Context) error {
	id := "link-" + l.s.Request.ID
	if l.Site.Portal == "" || slices.Contains(l.said.Facts, id) {
		return nil
	}
	err := l.Rest.Link(ctx, l.issue.ID, rest.RemoteLink{GlobalID: "lessor:" + l.s.Request.ID, Relation: "governed by", Title: "Lessor " + l.s.Request.ID,
		Summary: "who decided what, what was seen, and the proof", URL: l.Site.Portal + "/requests/" + l.s.Request.ID})
	if err != nil {
		return err
	}
	l.said.Facts = append(l.said.Facts, id)
	return l.note(ctx)
}

// The labels that say who has the next move.
const nextPrefix = "lessor-next-"

func (l *telling) label(ctx context.Context) error {
	next := nextPrefix + "nobody"
	switch milestone(l.s) {
	case Waiting:
		next = nextPrefix + "approver"
	case Granting, Active:
		next = nextPrefix + "lessor"
	}
	var add, remove []string
	if !slices.Contains(l.issue.Labels, next) {
		add = append(add, next)
	}
	for _, have := range l.issue.Labels {
		if strings.HasPrefix(have, nextPrefix) && have != next {
			remove = append(remove, have)
		}
	}
	if len(add)+len(remove) > 0 {
		if err := l.Rest.Label(ctx, l.issue.ID, add, remove); err != nil {
			return err
		}
	}
	return l.assign(ctx)
}

// assign puts a waiting ticket before somebody who may answer it, if nobody has it.
func (l *telling) assign(ctx context.Context) error {
	if milestone(l.s) != Waiting || l.issue.Assignee.ID != "" {
		return nil
	}
	for _, w := range l.s.Waiting {
		for _, id := range w.Approvers {
			if who, _ := l.Directory().Identity(id); who.Accounts[l.Site.ID] != "" {
				err := l.Rest.Assign(ctx, l.issue.ID, who.Accounts[l.Site.ID])
				if errors.Is(err, rest.ErrInvalid) || errors.Is(err, rest.ErrDenied) {
					return nil // not assignable there; the label says enough
				}
				return err
			}
		}
	}
	return nil
}

// secure narrows who sees a ticket about what few may know of.
func (l *telling) secure(ctx context.Context) error {
	if l.project.SecurityLevel == "" || l.issue.Security.ID != "" {
		return nil
	}
	for _, it := range l.s.Request.Items {
		if e, _ := l.Directory().Entitlement(it.Entitlement); e.Class != "standard" {
			return l.Rest.Secure(ctx, l.issue.ID, l.project.SecurityLevel)
		}
	}
	return nil
}
