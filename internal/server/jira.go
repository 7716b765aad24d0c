package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/secret"
)

// JiraSite makes the way to a configured Jira. It connects to nothing.
func JiraSite(site config.JiraSite) (rest.Site, error) {
	kind := rest.Cloud
	if site.Kind == config.JiraDataCenter {
		kind = rest.DataCenter
	}
	return rest.New(rest.Config{Kind: kind, Base: site.URL, Email: site.User, Token: func() string { return revealed(site.TokenRef).Reveal() }})
}

// revealed reads a secret anew; one that cannot be read is empty, and nothing is sent with it.
func revealed(ref string) secret.Value {
	if ref == "" {
		return secret.Value{}
	}
	v, err := secret.Open(ref)
	if err != nil {
		return secret.Value{}
	}
	return v
}

// jiraSites makes the way to each configured Jira, or says what is wrong with any.
func jiraSites(c *config.Config) (map[string]rest.Site, error) {
	made := map[string]rest.Site{}
	var errs []error
	for _, site := range c.Jira {
		r, err := JiraSite(site)
		if err != nil {
			err = fmt.Errorf("%w: jira.yaml: site %s: %w", access.ErrInvalid, site.ID, err)
		}
		made[site.ID] = r
		errs = append(errs, err)
	}
	return made, errors.Join(errs...)
}

// carriers are the channels by site.
type carriers map[string]*jira.Channel

// carry makes a channel for each site. One whose site is as before goes on: it
// knows what it was told to wait for, and whose turn it is.
func (s *Server) carry(c *config.Config) (carriers, error) {
	rests, err := jiraSites(c)
	if err != nil {
		return nil, err
	}
	was, made := *s.sites.Load(), carriers{}
	for _, site := range c.Jira {
		if old := was[site.ID]; old != nil && reflect.DeepEqual(old.Site, site) {
			made[site.ID] = old
			continue
		}
		made[site.ID], err = jira.New(jira.Config{Site: site, Rest: rests[site.ID], Door: s.engine, Directory: func() *access.Directory { return s.world.Load().Directory },
			Bundle: proof{s}.Bundle, Secret: func() secret.Value { return revealed(site.WebhookSecretRef) }, Now: s.now, Log: s.log})
		if err != nil {
			return nil, err
		}
	}
	return made, nil
}

// hand gives the tickets to other channels, once nobody is at one of them: two
// channels of one site would say everything twice.
func (s *Server) hand(to carriers) {
	if !maps.Equal(*s.sites.Load(), to) {
		s.carrying.Lock()
		defer s.carrying.Unlock()
		s.sites.Store(&to)
	}
}

// hooks puts the receivers of the sites' webhooks beside the doors.
func (s *Server) hooks(doors http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", doors)
	mux.HandleFunc("POST /hooks/jira/{site}", func(w http.ResponseWriter, r *http.Request) {
		next := doors // says that there is nothing
		if ch := (*s.sites.Load())[r.PathValue("site")]; ch != nil {
			next = ch.Receiver()
		}
		next.ServeHTTP(w, r)
	})
	return mux
}

// ticketTime bounds the work on one ticket: a handful of calls to a foreign system.
const ticketTime = 40 * time.Second

// onTicket does something with a ticket's channel. A site that wants to be left
// alone is, for as long as it says; nothing else waits for it.
func (s *Server) onTicket(ctx context.Context, ticket string, do func(*jira.Channel) error) error {
	s.carrying.RLock()
	defer s.carrying.RUnlock()
	id, _, _ := jira.SiteOf(ticket)
	ch := (*s.sites.Load())[id]
	if ch == nil {
		s.log.WarnContext(ctx, "a ticket of a site that is not configured", "ticket", ticket)
		return nil
	}
	err := do(ch)
	if e := (*rest.Error)(nil); errors.As(err, &e) && e.Wait > 0 {
		return river.JobSnooze(e.Wait)
	}
	return err
}

// ticketReader reads tickets that somebody said have changed.
type ticketReader struct {
	river.WorkerDefaults[engine.ReadTicket]
	s *Server
}

// Timeout implements river.Worker.
func (w *ticketReader) Timeout(*river.Job[engine.ReadTicket]) time.Duration { return ticketTime }

// Work implements river.Worker.
func (w *ticketReader) Work(ctx context.Context, job *river.Job[engine.ReadTicket]) error {
	return w.s.onTicket(ctx, job.Args.Ticket, func(ch *jira.Channel) error { return ch.Read(ctx, job.Args.Ticket, job.Args.At) })
}

// ticketTeller brings tickets up to date.
type ticketTeller struct {
	river.WorkerDefaults[engine.TellTicket]
	s *Server
}

// Timeout implements river.Worker.
func (w *ticketTeller) Timeout(*river.Job[engine.TellTicket]) time.Duration { return ticketTime }

// Work implements river.Worker.
func (w *ticketTeller) Work(ctx context.Context, job *river.Job[engine.TellTicket]) error {
	return w.s.onTicket(ctx, job.Args.Ticket, func(ch *jira.Channel) error { return ch.Tell(ctx, job.Args.Ticket) })
}

// pollTickets asks that a site be searched for what changed.
type pollTickets struct {
	Site string `json:"site"`
}

// Kind implements river.JobArgs.
func (pollTickets) Kind() string { return "poll_tickets" }

// InsertOpts implements river.JobArgsWithInsertOpts: a poll that fails is not
// tried again by itself, the next one covers it.
func (pollTickets) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: engine.TicketQueue, MaxAttempts: 1}
}

// poller searches sites.
type poller struct {
	river.WorkerDefaults[pollTickets]
	s *Server
}

// Timeout implements river.Worker.
func (w *poller) Timeout(*river.Job[pollTickets]) time.Duration { return ticketTime }

// Work implements river.Worker.
func (w *poller) Work(ctx context.Context, job *river.Job[pollTickets]) error {
	w.s.carrying.RLock()
	defer w.s.carrying.RUnlock()
	ch := (*w.s.sites.Load())[job.Args.Site]
	if ch == nil {
		return nil
	}
	if err := ch.Poll(ctx); err != nil {
		return err
	}
	return w.s.engine.ForgetNudges(ctx)
}
