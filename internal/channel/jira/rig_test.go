package jira_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/engine"
)

// page is a log that is read back.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *page) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(p, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// wire is the line to Jira. It numbers the calls about tickets, and lets a test
// do something right before or right after one of them.
type wire struct {
	mu     sync.Mutex
	calls  int
	before func(n int, r *http.Request) (*http.Request, error)
	after  func(n int, r *http.Request, a *http.Response) error
}

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/search") {
		return http.DefaultTransport.RoundTrip(r)
	}
	w.mu.Lock()
	w.calls++
	n, before, after := w.calls, w.before, w.after
	w.mu.Unlock()
	if before != nil {
		changed, err := before(n, r)
		if err != nil {
			return nil, err
		}
		r = changed
	}
	a, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && after != nil {
		if err := after(n, r, a); err != nil {
			a.Body.Close()
			return nil, err
		}
	}
	return a, err
}

// set changes what the wire does from now on, and counts from the beginning.
func (w *wire) set(before func(int, *http.Request) (*http.Request, error), after func(int, *http.Request, *http.Response) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.before, w.after = 0, before, after
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// errCrash is the end of a process, as far as its database can tell.
var errCrash = errors.New("the process ends here")

// gate is the engine behind a door at which the process can end, right before
// or right after any verb that changes something.
type gate struct {
	jira.Door
	mu    sync.Mutex
	calls int
	at    int // the verb at which it ends; 0: at none
	after bool
	ended string // the verb at which it did
}

func (g *gate) set(at int, after bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls, g.at, g.after, g.ended = 0, at, after, ""
}

func (g *gate) do(verb string, do func() error) error {
	g.mu.Lock()
	g.calls++
	here := g.calls == g.at
	if here {
		g.ended = verb
	}
	after := g.after
	g.mu.Unlock()
	if here && !after {
		return errCrash
	}
	if err := do(); err != nil || !here {
		return err
	}
	return errCrash
}

func (g *gate) Submit(ctx context.Context, by access.Actor, ask engine.Ask) (r access.Request, err error) {
	err = g.do("submit", func() error { r, err = g.Door.Submit(ctx, by, ask); return err })
	return r, err
}

func (g *gate) Edit(ctx context.Context, by access.Actor, request, digest string, ask engine.Ask) (r access.Request, err error) {
	err = g.do("edit", func() error { r, err = g.Door.Edit(ctx, by, request, digest, ask); return err })
	return r, err
}

func (g *gate) Vote(ctx context.Context, by access.Actor, b engine.Ballot) (r access.Request, err error) {
	err = g.do("vote", func() error { r, err = g.Door.Vote(ctx, by, b); return err })
	return r, err
}

func (g *gate) KeepTicket(ctx context.Context, t access.Ticket, what string) (kept access.Ticket, err error) {
	err = g.do("keep ticket", func() error { kept, err = g.Door.KeepTicket(ctx, t, what); return err })
	return kept, err
}

func (g *gate) TicketClosed(ctx context.Context, ticket, note string) (n int, err error) {
	err = g.do("ticket closed", func() error { n, err = g.Door.TicketClosed(ctx, ticket, note); return err })
	return n, err
}

func (g *gate) TicketChanged(ctx context.Context, ticket, note string) (n int, err error) {
	err = g.do("ticket changed", func() error { n, err = g.Door.TicketChanged(ctx, ticket, note); return err })
	return n, err
}

func (g *gate) Find(ctx context.Context, kind, subject, owner, text string, within time.Duration) error {
	return g.do("find", func() error { return g.Door.Find(ctx, kind, subject, owner, text, within) })
}

// job is one background job, run as the server runs it: again when it errs,
// later when Jira wants to be left alone.
type job struct {
	due   time.Time
	tries int
	tell  bool
	args  []byte
}

// live lets the server live for a while of virtual time: it polls, reads, tells,
// and its lanes do each thing at the moment it is due.
func (k *desk) live(d, poll time.Duration) {
	k.t.Helper()
	next := k.Now()
	for end := k.Now().Add(d); ; {
		if !k.Now().Before(next) {
			k.poll()
			next = k.Now().Add(poll)
		}
		k.round()
		at := earliest(next, end)
		for _, j := range k.jobs {
			at = earliest(at, j.due)
		}
		if due, ok := k.NextDue(); ok {
			at = earliest(at, due)
		}
		if !k.Now().Before(end) {
			return
		}
		k.Clock.To(at)
	}
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// poll searches the site as the server does: one that fails is not tried again, the next one covers it.
func (k *desk) poll() {
	if err := k.ch.Poll(k.t.Context()); err != nil {
		k.log.logger().Info("poll", "error", err.Error())
	}
}

// round does everything that is due at this moment.
func (k *desk) round() {
	k.t.Helper()
	for range 10_000 {
		k.Work()
		if _, err := k.Engine.ExpireRequests(k.t.Context()); err != nil {
			k.t.Fatal(err)
		}
		for _, args := range k.fresh(engine.ReadTicket{}.Kind()) {
			k.jobs = append(k.jobs, &job{due: k.Now(), args: args})
		}
		for _, args := range k.fresh(engine.TellTicket{}.Kind()) {
			k.jobs = append(k.jobs, &job{due: k.Now(), args: args, tell: true})
		}
		i := slices.IndexFunc(k.jobs, func(j *job) bool { return !j.due.After(k.Now()) })
		if i < 0 {
			return
		}
		if j := k.jobs[i]; k.attempt(j) {
			k.jobs = slices.Delete(k.jobs, i, i+1)
		}
	}
	k.t.Fatal("the jobs are never done")
}

// attempt runs a job once.
func (k *desk) attempt(j *job) (done bool) {
	k.t.Helper()
	var of engine.ReadTicket // a TellTicket has no more
	if err := json.Unmarshal(j.args, &of); err != nil {
		k.t.Fatal(err)
	}
	err := error(nil)
	if j.tell {
		err = k.ch.Tell(k.t.Context(), of.Ticket)
	} else {
		err = k.ch.Read(k.t.Context(), of.Ticket, of.At)
	}
	if err == nil {
		return true
	}
	k.log.logger().Info("job", "tell", j.tell, "ticket", of.Ticket, "error", err.Error())
	wait := min(time.Second<<min(j.tries, 9), 5*time.Minute)
	if e := (*rest.Error)(nil); errors.As(err, &e) && e.Wait > 0 {
		wait = e.Wait
	} else {
		j.tries++
	}
	j.due = k.Now().Add(wait)
	return false
}
