package jira

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/secret"
)

// Name is the channel's, and the first part of every ticket's id.
const Name = "jira"

// Door is the part of the engine this channel needs: the verbs any door has,
// and those that keep what was read.
type Door interface {
	Submit(ctx context.Context, by access.Actor, ask engine.Ask) (access.Request, error)
	Edit(ctx context.Context, by access.Actor, request, digest string, ask engine.Ask) (access.Request, error)
	Vote(ctx context.Context, by access.Actor, b engine.Ballot) (access.Request, error)
	Cancel(ctx context.Context, by access.Actor, request, note string) error
	Referred(ctx context.Context, by access.Actor, reference string) (access.Request, error)

	Heed(ctx context.Context, site, digest, ticket string) (fresh bool, err error)
	Ticket(ctx context.Context, id string) (access.Ticket, error)
	KeepTicket(ctx context.Context, t access.Ticket, what string) (access.Ticket, error)
	TicketClosed(ctx context.Context, ticket, note string) (ended int, err error)
	TaskClosed(ctx context.Context, ticket, note string) (ended int, err error)
	TicketChanged(ctx context.Context, ticket, note string) (ended int, err error)
	Speak(ctx context.Context, ticket string, most time.Duration) (word string, until time.Time, err error)
	Spoke(ctx context.Context, ticket, word string) error
	Unseen(ctx context.Context, begin string, since time.Time, limit int) ([]string, error)
	Looked(ctx context.Context, ticket string) error
	StoryOf(ctx context.Context, ticket, request string) (engine.Story, error)
	Find(ctx context.Context, kind, subject, owner, text string, within time.Duration) error
	ReadUntil(ctx context.Context, queue string) (time.Time, error)
	SetReadUntil(ctx context.Context, queue string, t time.Time) error
}

// Config may be wrong; New says how. Every field but BodyTime and Log is needed.
type Config struct {
	Site      config.JiraSite
	Rest      rest.Site
	Door      Door
	Directory func() *access.Directory
	Bundle    func(ctx context.Context, grant string) ([]byte, error)
	Secret    func() secret.Value // of the site's webhook; the zero value: none is accepted
	Now       func() time.Time
	// BodyTime is how long a delivery may take to send its body; zero means ten seconds.
	BodyTime time.Duration
	Log      *slog.Logger
}

// Channel carries the tickets of one site. It is safe for concurrent use.
type Channel struct {
	Config
	turns    turns
	receiver *Receiver
}

// New returns the channel of one site; it sends nothing.
func New(c Config) (*Channel, error) {
	if c.Site.ID == "" || c.Rest == nil || c.Door == nil || c.Directory == nil || c.Bundle == nil || c.Secret == nil || c.Now == nil {
		return nil, errors.New("jira: Site, Rest, Door, Directory, Bundle, Secret and Now are needed")
	}
	if c.Site.Reread <= 0 {
		c.Site.Reread = time.Hour
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.BodyTime <= 0 {
		c.BodyTime = 10 * time.Second
	}
	made := &Channel{Config: c}
	made.receiver = &Receiver{Channel: made, slots: make(chan struct{}, mostAtOnce)}
	return made, nil
}

// ticketID names an issue of this site for good.
func (c *Channel) ticketID(issue string) string { return Name + ":" + c.Site.ID + ":" + issue }

var ticketForm = regexp.MustCompile(`^jira:([a-z0-9][a-z0-9._-]{0,63}):([1-9][0-9]{0,18})$`)

// SiteOf returns the site of a ticket, and the issue's id there; ok is false for any other text.
func SiteOf(ticket string) (site, issue string, ok bool) {
	m := ticketForm.FindStringSubmatch(ticket)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

func (c *Channel) issueOf(ticket string) (string, error) {
	site, issue, ok := SiteOf(ticket)
	if !ok || site != c.Site.ID {
		return "", fmt.Errorf("%w: %q is no ticket of %s", access.ErrInvalid, ticket, c.Site.ID)
	}
	return issue, nil
}

// Identity is who an account is, by the directory alone: never by a name or a
// mail address. Apps, rules and accounts Jira cannot tell are nobody.
func (c *Channel) identity(u rest.User) (id string, ok bool) {
	if !u.Known() || strings.EqualFold(u.Account, "app") {
		return "", false
	}
	return c.Directory().ByAccount(c.Site.ID, u.ID)
}

// actor is somebody acting in a ticket. How strongly Jira knows them is nothing we have seen.
func actor(identity string) access.Actor {
	return access.Actor{Identity: identity, Channel: Name, Scopes: []string{engine.ScopeRequest, engine.ScopeApprove, engine.ScopeView}}
}

// project is how the tickets of a project are read; nil where they are not.
func (c *Channel) project(key string) *config.JiraProject {
	for i := range c.Site.Projects {
		if c.Site.Projects[i].Key == key {
			return &c.Site.Projects[i]
		}
	}
	return nil
}
