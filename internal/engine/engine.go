// Package engine is the door: only it changes requests, approvals, grants,
// assignments or findings, and only it writes events (law 1). One verb a file.
//
//	Submit, Edit, Vote, Withdraw, Comment, Cancel, ExpireRequests   requests
//	BreakGlass, ReviewEmergency                                     access without approval, and its review
//	Seal, Unseal, SettleSeal                                        credentials for the day Lessor is down
//	Delegate, EndDelegation, Away, Back, Escalate, StandInsOver     who answers for whom
//	Return, Revoke                                                  grants
//	Claim, Settle, NextDue                                          assignments, for the reconciler
//	Heed, KeepTicket, TicketClosed, TicketChanged                   tickets, for their channel
//	Observed, Adopt, Remove, Accept                                 what was found, and how it is settled
//	Audited                                                         findings, for audits of ticket queues
//	Leave, Rejoin, Departed, OfferHandover, AcceptHandover, …       people who leave, and what they answered for
//	PlanRotations, ClaimRotations, SettleRotation                   credentials, for whoever makes them anew
//	Rotate, Retire, Compromised                                     the same, for people
//	Signalled, HeedHeld, SignalsHad, SignalsLate                    what others say has happened, and what they are told
//	Sweep, Appraise                                                 whatever the directory no longer has, or understates
//	RegisterWorkload, AcceptWorkload, ReviewWorkload, ChangeContract,
//	RetireWorkload, JudgeWorkloads                                  workloads and agents, and what is found about them
//	Halt, Resume, Halts                                             the gate before everything that makes access
//	KeepTime, ClockAgrees, AcceptClock                              what time it is, and who may say so
//	LeaveRecovery, EndHeldOver                                      databases that were put back, and what they did not know
//	TakeFiles                                                       the files by which all of it is decided
//	Sequence, RotateLogKey                                          the log
//	Cosigned, Witnessed, Forked                                     what witnesses say of it
//
// Each verb is one transaction holding the new state, the work that follows
// from it and the event that tells of it (law 2). No verb calls the outside,
// and none calls another: what comes next is decided from what is stored.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/powers"
	"github.com/lessor-iam/lessor/internal/store"
)

// World is what the engine decides by, as one snapshot; see [NewWorld].
type World struct {
	Directory *access.Directory
	Version   int64 // of what the database adds to it
	Policy    *policy.Set
	Lifecycle access.Lifecycle // what is said of those who join, move and leave
	powers    *powers.Graph    // what everything in the catalog can become; only read
	order     []string         // of classes, lowest first
	said      *sayings         // what the targets add to that
	ways      *ways            // what lists are found by; only read
}

// Config is what an engine is made of. Every field but Afar, Mixed, Carries, Joined, Feeds, Signals, Halted, Nudge, Watch, Quorum, NextSigner, EarlierSigner, Stamped, Seam and Log is needed.
type Config struct {
	DB              *store.DB
	World           func() World     // the snapshot in force; cheap, concurrent
	Now             func() time.Time // the only clock
	Rand            io.Reader        // for ids and salts; concurrent use is serialised here
	Signer          *evidence.Signer // of the log's checkpoints
	Pace            access.Pace
	AnswerWithin    time.Duration     // how long a request waits for its answers
	ProvisionWithin time.Duration     // how late access may first be seen; the stored end counts it in
	StandingIn      func() StandingIn // how long one person may answer for another, and when a stage waits too long
	// Glass is who may take what without approval; nil, or nil of it: nobody.
	Glass func() *Glass
	// ReadEvery is how often every system is read whole; nil: every six hours.
	ReadEvery func() time.Duration
	// Carries tells whether some channel keeps the tickets of that name ("jira")
	// up to date; nil: none does.
	Carries func(channel string) bool
	// Nudge is told, after commit, that a system has work due at a time. It must not block.
	Nudge func(system string, due time.Time)
	// Afar reads, where there is one, a copy of the database that follows it, a moment
	// behind; nil: DB itself. No decision is made by what it says.
	Afar func(ctx context.Context, do func(*store.DB) error) error
	// Mixed tells whether another version of the program may work on the database, too;
	// nil: never. It must be quick.
	Mixed func() bool
	// Joined is told, after commit, that the database adds something else to the
	// directory than before; when it returns, World has it, unless it cannot be had.
	// What may wait World has soon: one of many words of a feed, by which nobody leaves.
	Joined func(ctx context.Context, mayWait bool)
	// Feeds are those there are, in order of authority; nil: none.
	Feeds func() []access.Feed
	// Signals are from whom signals are heard, and who is told of what was removed; nil: nobody.
	Signals func() access.Signals
	// Halted lists why nothing is granted now as far as only this process sees; nil: it
	// sees nothing. It must be quick, and must not call the engine.
	Halted func() []access.Halt
	// Watch is told of each verb once it is over; nil: nobody watches. It must not block.
	Watch func(Did)
	// Quorum is which witnesses see the log, and how many must; nil: none are asked.
	Quorum func() Quorum
	// NextSigner is asked once Signer's key is no longer the log's: another signer that
	// this process has by now; nil, or nil of it: none.
	NextSigner func() *evidence.Signer
	// EarlierSigner is asked of events that were stamped before the log's key was changed:
	// a signer whose key was the log's, as far as this process has one; nil, or nil of it: none.
	EarlierSigner func() *evidence.Signer
	// Stamped: time was kept for this database before, as this process knows from elsewhere;
	// so every event of it has a stamp, whatever the database says.
	Stamped bool
	// Seam is called right before and right after a verb's commit, with "VERB before
	// commit" and "VERB after commit"; tests stop the process there.
	Seam func(step string)
	Log  *slog.Logger
}

// Engine is the door. It is safe for concurrent use.
type Engine struct {
	Config
	ids  *ids
	told bool                            // World follows what the database adds, by Joined
	next atomic.Pointer[evidence.Signer] // what NextSigner had, once its key was the log's

	unplaced atomic.Int64 // deeds with events, each of which asks for the sequencer
	asking   atomic.Bool  // one does
}

// New returns an engine, or says everything that is missing.
func New(c Config) (*Engine, error) {
	var errs []error
	for _, miss := range []struct {
		name string
		bad  bool
	}{
		{"DB", c.DB == nil}, {"World", c.World == nil}, {"Now", c.Now == nil}, {"Rand", c.Rand == nil}, {"Signer", c.Signer == nil},
		{"AnswerWithin", c.AnswerWithin <= 0}, {"ProvisionWithin", c.ProvisionWithin <= 0}, {"StandingIn", c.StandingIn == nil},
		{"Pace.Call", c.Pace.Call <= 0}, {"Pace.Lease (more than twice Pace.Call: a look and a change must fit)", c.Pace.Lease <= 2*c.Pace.Call},
		{"Pace.Retry", c.Pace.Retry <= 0}, {"Pace.SlowestOff", c.Pace.SlowestOff < c.Pace.Retry},
	} {
		if miss.bad {
			errs = append(errs, fmt.Errorf("%w: engine needs %s", access.ErrInvalid, miss.name))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if c.Seam == nil {
		c.Seam = func(string) {}
	}
	if c.Feeds == nil {
		c.Feeds = func() []access.Feed { return nil }
	}
	if c.Signals == nil {
		c.Signals = func() access.Signals { return access.Signals{} }
	}
	if c.Quorum == nil {
		c.Quorum = func() Quorum { return Quorum{} }
	}
	if c.NextSigner == nil {
		c.NextSigner = func() *evidence.Signer { return nil }
	}
	if c.Afar == nil {
		c.Afar = func(_ context.Context, do func(*store.DB) error) error { return do(c.DB) }
	}
	if c.EarlierSigner == nil {
		c.EarlierSigner = func() *evidence.Signer { return nil }
	}
	if c.Halted == nil {
		c.Halted = func() []access.Halt { return nil }
	}
	told := c.Joined != nil
	if !told {
		c.Joined = func(context.Context, bool) {}
	}
	if c.Glass == nil {
		c.Glass = func() *Glass { return nil }
	}
	if c.ReadEvery == nil {
		c.ReadEvery = func() time.Duration { return 6 * time.Hour }
	}
	if c.Nudge == nil {
		c.Nudge = func(string, time.Time) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{Config: c, ids: &ids{rand: c.Rand}, told: told}, nil
}

// deed is one verb under way: its transaction, its moment, the snapshot it
// decides by, and what must be told once it is committed.
type deed struct {
	*store.Tx
	e       *Engine
	now     time.Time
	by      access.Actor
	world   World
	all     *heard               // what everything can become, once that was asked
	due     map[string]time.Time // system -> earliest new due time
	events  int
	stamper *evidence.Signer // by whose key they are stamped, once that was asked
	inPlace *access.StandIns // who may answer for whom, once that was asked
	joined  bool             // what the database adds to the directory was changed
	mayWait bool             // … by which nobody leaves, and more of the kind will follow
	toSweep []string         // identities whose open grants are to be held against the directory
	toldOf  []string         // requests whose tickets may have to say something new
	subject string           // the first request, grant or finding an event tells of

	over   map[Held]time.Time // what is held over since the database was put back, until when
	broken map[Held]string    // what broken seals say their accounts hold -> the seal

	newly []string            // identities that records of feeds have become in this deed
	mails map[string][]string // whose an address is, once that was asked

	happened []Happened // for whoever watches, as are the next two
	parts    []Part
	gone     []Gone

	charges map[string][]string // what people answer for, once that was asked
	sweeps  bool                // it is part of a sweep, which comes round again

	halted   *[]access.Halt       // why nothing is granted now, once that was asked
	keptBack map[string]time.Time // assignment -> when to look again at grants that a halt keeps back
	awaited  map[string]bool      // assignments of grants that are kept back for the witnesses
	seenTo   *int64               // up to where the witnesses have seen the log, once that was asked
}

// do runs one verb in one transaction and, once it is durable, nudges the
// reconciler. The clock is read once: a verb happens at one moment.
func (e *Engine) do(ctx context.Context, verb string, by access.Actor, do func(*deed) error) error {
	err := e.try(ctx, verb, by, do)
	if errors.Is(err, errBehind) { // somebody has left, and what is in force has it in a moment
		e.Joined(ctx, false)
		err = e.try(ctx, verb, by, do)
	}
	return err
}

// try is do by the snapshot that is in force now.
func (e *Engine) try(ctx context.Context, verb string, by access.Actor, do func(*deed) error) error {
	var d *deed
	var from time.Time
	if e.Watch != nil {
		from = e.Now()
	}
	err := e.DB.WriteIn(ctx, e.manner(verb), func(tx *store.Tx) error {
		d = &deed{Tx: tx, e: e, now: e.Now().UTC().Truncate(time.Microsecond), by: by, world: e.World(), due: map[string]time.Time{}}
		if err := d.upToDate(ctx); err != nil {
			return err
		}
		if err := d.repeated(ctx); err != nil {
			return err
		}
		if err := do(d); err != nil {
			return err
		}
		if err := d.doneOnce(ctx); err != nil {
			return err
		}
		if err := d.tellTickets(ctx); err != nil {
			return err
		}
		if err := d.sweepMoved(ctx); err != nil {
			return err
		}
		if err := d.hasten(ctx); err != nil {
			return err
		}
		e.Seam(verb + " before commit")
		return nil
	})
	attrs := []any{"verb", verb, "by", by.Identity, "channel", by.Channel}
	defer func() { e.watched(ctx, verb, by, from, d, err) }()
	if err != nil {
		e.Log.InfoContext(ctx, "refused", append(attrs, "error", err.Error())...)
		return fmt.Errorf("%s: %w", verb, err)
	}
	e.Seam(verb + " after commit")
	e.Log.DebugContext(ctx, "done", append(attrs, "events", d.events)...)
	if d.joined {
		e.Joined(ctx, d.mayWait)
	}
	for system, due := range d.due {
		e.Nudge(system, due)
	}
	if d.events > 0 {
		e.askToSequence(ctx)
	}
	return nil
}

// wake notes that a system's work is due at that moment.
func (d *deed) wake(system string, due time.Time) {
	if was, ok := d.due[system]; !due.IsZero() && (!ok || due.Before(was)) {
		d.due[system] = due
	}
}

// tell writes the event of a move. What it tells of is written by the caller in the same transaction.
func (d *deed) tell(ctx context.Context, ev access.Event) error {
	ev.ID = d.e.ids.next("ev", d.now)
	body, err := access.Canonical(ev)
	if err != nil {
		return err
	}
	salt, err := d.e.ids.salt()
	if err != nil {
		return err
	}
	if d.stamper == nil {
		if d.stamper, err = d.e.stamper(ctx, d.Tx); err != nil {
			return err
		}
	}
	d.events++
	d.happened = append(d.happened, Happened{ev.Kind, ev.To, ev.Request, ev.Grant, ev.Assignment, ev.Finding})
	d.subject = cmp.Or(d.subject, ev.Request, ev.Grant, ev.Finding)
	if ev.Kind != "ticket."+ev.To {
		d.mention(ev.Request)
	}
	return d.AddEvent(ctx, store.Event{ID: ev.ID, At: ev.At, Kind: ev.Kind, Request: ev.Request, Grant: ev.Grant,
		Assignment: ev.Assignment, Finding: ev.Finding, Body: body, Salt: salt, Stamp: d.stamper.Stamp(eventStamp, []byte(ev.ID), salt, body)})
}

// event starts an event of this deed.
func (d *deed) event(kind string) access.Event {
	return access.Event{At: d.now, Kind: kind, Actor: d.by}
}

// notice tells somebody through the notice job, in this transaction.
func (d *deed) notice(ctx context.Context, n Notice) error {
	n.At = d.now
	return d.Enqueue(ctx, n, nil)
}

// finding opens a finding unless one of that kind about that subject is open,
// and tells its owner.
func (d *deed) finding(ctx context.Context, f access.Finding) error {
	switch _, err := d.OpenFinding(ctx, f.Kind, f.Subject); {
	case err == nil:
		return nil
	case !errors.Is(err, access.ErrNotFound):
		return err
	}
	if err := d.openFinding(ctx, f); err != nil {
		return err
	}
	return d.notice(ctx, Notice{To: []string{f.Owner}, Subject: f.Kind + ": " + f.Subject, Text: f.Text})
}

// openFinding opens one of which there is none. Whose it is is still to be told.
func (d *deed) openFinding(ctx context.Context, f access.Finding) error {
	f.ID, f.OpenedAt = d.e.ids.next("fi", d.now), d.now
	if err := d.AddFinding(ctx, f); err != nil {
		return err
	}
	ev := d.event("finding.opened")
	ev.Finding, ev.To, ev.After = f.ID, "open", f
	return d.tell(ctx, ev)
}

// settleFinding closes the open finding of a kind about a subject, if there is one.
func (d *deed) settleFinding(ctx context.Context, kind, subject, resolution string) error {
	f, err := d.OpenFinding(ctx, kind, subject)
	if errors.Is(err, access.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return d.closeFinding(ctx, f, resolution)
}

// closeFinding closes one that is open.
func (d *deed) closeFinding(ctx context.Context, f access.Finding, resolution string) error {
	f.ClosedAt, f.Resolution = d.now, resolution
	if err := d.CloseFinding(ctx, f); err != nil {
		return err
	}
	ev := d.event("finding.closed")
	ev.Finding, ev.From, ev.To, ev.After = f.ID, "open", "closed", f
	return d.tell(ctx, ev)
}
