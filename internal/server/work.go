package server

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// How background work goes. River's own figures would leave a stuck job for an hour and
// give a failing one up after 25 tries. What a process leaves that is gone does not wait
// for jobStuckAfter, see [Server.takeUp]: that is for what hangs in one that lives.
const (
	jobTimeout    = 30 * time.Second
	jobStuckAfter = 45 * time.Second
	jobTries      = 1 << 14
	slowestRetry  = 5 * time.Minute
)

// startWork begins the background work that verbs ask for.
func (s *Server) startWork(ctx context.Context) (*river.Client[*sql.Tx], error) {
	workers := river.NewWorkers()
	river.AddWorker(workers, &sequencer{s: s})
	river.AddWorker(workers, &witnesser{s: s})
	river.AddWorker(workers, &expirer{s: s})
	river.AddWorker(workers, &standInsOver{s: s})
	river.AddWorker(workers, &escalator{s: s})
	river.AddWorker(workers, &herald{s: s})
	river.AddWorker(workers, &ticketReader{s: s})
	river.AddWorker(workers, &ticketTeller{s: s})
	river.AddWorker(workers, &poller{s: s})
	river.AddWorker(workers, &auditor{s: s})
	river.AddWorker(workers, &stocktaker{s: s})
	river.AddWorker(workers, &sweeper{s: s})
	river.AddWorker(workers, &judge{s: s})
	river.AddWorker(workers, &planner{s: s})
	river.AddWorker(workers, &feedReader{s: s})
	river.AddWorker(workers, &genealogist{s: s})
	river.AddWorker(workers, &leaver{s: s})
	river.AddWorker(workers, &messenger{s: s})
	river.AddWorker(workers, &listener{s: s})
	river.AddWorker(workers, &handoverReminder{s: s})
	periodic := []*river.PeriodicJob{
		// The verbs insert what is needed; these close the gap left by a job that
		// had read its last batch when the next event was written.
		every(10*time.Second, engine.SequenceJob{}), every(10*time.Second, engine.WitnessJob{}), every(time.Minute, engine.ExpireJob{}), every(sweepEvery, engine.StandInsJob{}), every(sweepEvery, engine.SweepJob{}), every(judgeEvery, engine.JudgeJob{}), every(planEvery, engine.PlanRotationsJob{}),
	}
	if err := s.takeUpOwn(ctx); err != nil {
		return nil, err
	}
	client, err := s.db.NewWorker(&river.Config{ID: workerName(s.self.is.ID),
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}, engine.TicketQueue: {MaxWorkers: 4}, auditQueue: {MaxWorkers: 1}}, Workers: workers, PeriodicJobs: periodic,
		PollOnly: s.db.Dialect == store.SQLite, FetchPollInterval: 200 * time.Millisecond, FetchCooldown: 50 * time.Millisecond,
		Middleware: []rivertype.Middleware{&timekeeper{figures: s.figures}, &whileHeld{holding: &s.holding}}, JobTimeout: jobTimeout, RescueStuckJobsAfter: jobStuckAfter, MaxAttempts: jobTries, RetryPolicy: backOff{},
		CompletedJobRetentionPeriod: time.Hour, Logger: slog.New(atLeast{s.log.Handler(), slog.LevelWarn}),
	})
	if err != nil {
		return nil, fmt.Errorf("background work: %w", err)
	}
	s.reload.Lock()
	defer s.reload.Unlock()
	s.rounds = &rounds{jobs: client.PeriodicJobs(), going: map[string]round{}}
	if err := s.goRound(); err != nil {
		return nil, err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil { // it is stopped, not cut off
		return nil, fmt.Errorf("background work: %w", err)
	}
	return client, nil
}

// rounds is the work that comes round at intervals the files name.
type rounds struct {
	jobs  *river.PeriodicJobBundle
	going map[string]round
}

// round is one such work.
type round struct {
	every  time.Duration
	args   river.JobArgs
	handle rivertype.PeriodicJobHandle
}

// every is a job that comes round, the first time at once.
func every(d time.Duration, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(d), func() (river.JobArgs, *river.InsertOpts) { return args, nil }, &river.PeriodicJobOpts{RunOnStart: true})
}

// goRound makes what comes round as the files in force say: every system is read
// whole, every site searched, and audited where that is wanted. Whoever calls it
// holds the lock of reload.
func (s *Server) goRound() error {
	if s.rounds == nil {
		return nil // nothing works yet; starting to will do this
	}
	wanted := map[string]round{}
	for id := range s.readers {
		wanted["inventory "+id] = round{every: s.current.Load().Inventory, args: engine.InventoryJob{System: id}}
	}
	for _, f := range s.feeds() {
		wanted["feed "+f.ID] = round{every: f.Every, args: engine.FeedJob{Feed: f.ID}}
	}
	for id, site := range *s.sites.Load() {
		wanted["poll "+id] = round{every: site.Site.Poll, args: pollTickets{id}}
		if site.Site.Audit > 0 {
			wanted["audit "+id] = round{every: site.Site.Audit, args: auditSite{id}}
		}
	}
	s.signalRounds(wanted)
	going := s.rounds.going
	for name, r := range going {
		if wanted[name].every != r.every {
			s.rounds.jobs.Remove(r.handle)
			delete(going, name)
		}
	}
	for name, r := range wanted {
		if _, ok := going[name]; ok {
			continue
		}
		handle, err := s.rounds.jobs.AddSafely(every(r.every, r.args))
		if err != nil {
			return fmt.Errorf("background work: %s: %w", name, err)
		}
		r.handle = handle
		going[name] = r
	}
	return nil
}

// backOff doubles from a second up to slowestRetry, for ever.
type backOff struct{}

// NextRetry implements river.ClientRetryPolicy.
func (backOff) NextRetry(job *rivertype.JobRow) time.Time {
	wait := time.Second << min(len(job.Errors), 9)
	return time.Now().Add(min(wait, slowestRetry))
}

// atLeast drops what is below a level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (a atLeast) Enabled(_ context.Context, l slog.Level) bool { return l >= a.level }

// sequencer gives waiting events their place in the log.
type sequencer struct {
	river.WorkerDefaults[engine.SequenceJob]
	s *Server
}

// Work implements river.Worker.
func (w *sequencer) Work(ctx context.Context, _ *river.Job[engine.SequenceJob]) error {
	_, err := w.s.engine.Sequence(ctx)
	if errors.Is(err, access.ErrConflict) {
		// It may not be signed by us, or not at all: the job comes round, and need not be tried beside that.
		w.s.log.ErrorContext(ctx, "the log takes in nothing", "error", err.Error())
		return nil
	}
	if err == nil {
		w.s.publish(ctx)
		w.s.keepHead(ctx) // others sequence, too: whoever asks for a bundle
	}
	return err
}

// standInsOver tells of delegations and absences that have run out.
type standInsOver struct {
	river.WorkerDefaults[engine.StandInsJob]
	s *Server
}

// Work implements river.Worker.
func (w *standInsOver) Work(ctx context.Context, _ *river.Job[engine.StandInsJob]) error {
	_, err := w.s.engine.StandInsOver(ctx)
	return err
}

// expirer closes requests that nobody answered in time.
type expirer struct {
	river.WorkerDefaults[engine.ExpireJob]
	s *Server
}

// Work implements river.Worker.
func (w *expirer) Work(ctx context.Context, _ *river.Job[engine.ExpireJob]) error {
	_, err := w.s.engine.ExpireRequests(ctx)
	_, more := w.s.engine.EndHeldOver(ctx)
	return errors.Join(err, more)
}

// inventoryTime bounds the reading of one system.
const inventoryTime = 30 * time.Minute

// stocktaker reads whole systems.
type stocktaker struct {
	river.WorkerDefaults[engine.InventoryJob]
	s *Server
}

// Timeout implements river.Worker.
func (w *stocktaker) Timeout(*river.Job[engine.InventoryJob]) time.Duration { return inventoryTime }

// Work implements river.Worker. A reading that fails is not tried again by itself: the next one is due soon enough.
func (w *stocktaker) Work(ctx context.Context, job *river.Job[engine.InventoryJob]) error {
	r := w.s.readers[job.Args.System]
	if r == nil {
		return nil
	}
	_, err := r.Read(ctx)
	return w.s.stockTaken(ctx, job.Args.System, err)
}

// stockTaken tells people of a reading that failed, or that there is one again.
func (s *Server) stockTaken(ctx context.Context, system string, err error) error {
	text := ""
	if err != nil {
		s.log.WarnContext(ctx, "inventory", "system", system, "error", err.Error())
		text = fmt.Sprintf("System %s could not be read whole: nobody knows who holds what there that was not granted. The server's log says why.", system)
	}
	sys, _ := s.world.Load().Directory.System(system)
	return s.engine.Find(ctx, "inventory_unread", system, sys.Owner, text, 24*time.Hour)
}

// sweepEvery is how often every open grant is held against the directory, beside
// each start and reload: a sweep that failed then is made up for.
const sweepEvery = 10 * time.Minute

// sweeper ends what the directory no longer has.
type sweeper struct {
	river.WorkerDefaults[engine.SweepJob]
	s *Server
}

// Timeout implements river.Worker.
func (w *sweeper) Timeout(*river.Job[engine.SweepJob]) time.Duration { return inventoryTime }

// Work implements river.Worker.
func (w *sweeper) Work(ctx context.Context, job *river.Job[engine.SweepJob]) error {
	if len(job.Args.Identities) > 0 {
		// Who has moved must be seen to have: another replica may have stored it, or a feed's word that may wait.
		if err := w.s.roster.sees(ctx); err != nil {
			return err
		}
		_, err := w.s.engine.SweepOf(ctx, job.Args.Identities)
		return err
	}
	_, err := w.s.engine.Sweep(ctx)
	return errors.Join(err, w.s.appraise(ctx))
}

// appraise finds the entitlements whose label understates them, and the duties
// that somebody holds together. Nothing that must end waits for it, and the next
// sweep does it again.
func (s *Server) appraise(ctx context.Context) error {
	gaps, err := s.engine.Appraise(ctx)
	pairs, more := s.engine.DutiesTogether(ctx)
	if err = errors.Join(err, more, s.findCircles(ctx)); err != nil {
		s.log.WarnContext(ctx, "labels and duties could not be held against what entitlements become", "error", err.Error())
		return err
	}
	if gaps+pairs > 0 {
		s.log.WarnContext(ctx, "labels understate what entitlements become, or duties are together", "labels", gaps, "duties", pairs)
	}
	return nil
}

// groupCycle is the finding that groups of the directory lie in each other.
const groupCycle = "group_cycle"

// findCircles tells security of groups that lie in each other, as the files in force have
// them: harmless by itself, and never what anybody meant.
func (s *Server) findCircles(ctx context.Context) error {
	text := ""
	if list := s.current.Load().Circles; len(list) > 0 {
		text = fmt.Sprintf("Groups of the directory lie in each other: %s. A circle alone grants nothing, and each of them has the members of all. Take a link out of each circle.", strings.Join(list, "; "))
	}
	return s.engine.Find(ctx, groupCycle, "directory", "security", text, 30*24*time.Hour)
}

// herald tells people: into the log always, and through the configured command.
// A command that fails is run again: a notice may come twice, never not at all.
type herald struct {
	river.WorkerDefaults[engine.Notice]
	s *Server
}

// Work implements river.Worker.
func (w *herald) Work(ctx context.Context, job *river.Job[engine.Notice]) error {
	n := job.Args
	w.s.log.WarnContext(ctx, "notice", "to", n.To, "subject", n.Subject, "text", n.Text, "loud", n.Loud)
	command := w.s.current.Load().Notify
	if len(command) == 0 {
		return nil
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	run := exec.CommandContext(ctx, command[0], command[1:]...)
	run.Stdin = bytes.NewReader(text)
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("notify command: %w: %.200s", err, out)
	}
	return nil
}
