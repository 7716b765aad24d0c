// Package rotate makes credentials anew and ends them: one lane a system takes the
// rotations that are due, does one step of each through the connector and the secret
// store, looks, and tells the engine what it saw. The same steps make the first one,
// follow a plan, end what is compromised, and go on after a crash.
//
//	made by the target: claim -> issue -> deliver, try the new -> [overlap] -> try the new, kill the old -> try the old -> done
//	chosen, a password: claim -> deliver -> set, try the new ---------------------------------------> try the old -> done
//
// It writes no state: the engine does. It remembers nothing but a worth, in memory and
// for as long as one lease: what was lost with it is killed, and made again. No worth
// is ever written to a log, into an error or into what the engine is told.
package rotate

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/lane"
)

// Door is the part of the engine a lane needs.
type Door interface {
	// ClaimRotations leases rotations that are due; what it returns is durably intended.
	ClaimRotations(ctx context.Context, holder, system string, kinds []engine.KindIssued, limit int) ([]engine.RotationTask, error)
	// SettleRotation takes what was done and seen; refused says that the lease is gone.
	SettleRotation(ctx context.Context, holder string, o engine.RotationOutcome) (next engine.RotationTask, refused bool, err error)
	// NextRotation returns when there is something to claim; ok false if never.
	NextRotation(ctx context.Context, system string) (next time.Time, ok bool, err error)
}

// Config is what a lane is made of. Every field but Issuer, Listing, Width, Seam and Log is needed.
type Config struct {
	Door     Door
	System   string
	Issuer   connector.Issuer                               // nil: nothing is made or killed there from outside
	Listing  connector.Credentials                          // nil: the target does not list what lets bearers in
	Stores   func(id string) (store deliver.Store, ok bool) // cheap, concurrent
	Holder   string                                         // unique among all lanes of this system, over restarts too
	Width    int                                            // how many rotations may be under way at once; 0: one
	Pace     access.Pace
	Backstop time.Duration // how long it sleeps at most when nothing is known to be due
	Now      func() time.Time
	Rand     io.Reader         // what chosen worths are made of
	Seam     func(step string) // called between steps; tests stop the process there
	Log      *slog.Logger
}

// Lane rotates what is at one system. A sick target delays nobody but itself.
type Lane struct {
	Config
	loop *lane.Lane
}

// New returns a lane; Run starts it.
func New(c Config) *Lane {
	if c.Seam == nil {
		c.Seam = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &Lane{Config: c}
	l.loop = lane.New(lane.Config{Work: l.once, Next: func(ctx context.Context) (time.Time, bool, error) { return l.Door.NextRotation(ctx, l.System) },
		Trouble: func(ctx context.Context, err error) {
			l.Log.ErrorContext(ctx, "rotation lane", "system", l.System, "error", err.Error())
		},
		Retry: c.Pace.Retry, Backstop: c.Backstop, Now: c.Now})
	return l
}

// kinds is what the target makes, as its connector knows it by now.
func (l *Lane) kinds() (list []engine.KindIssued) {
	if l.Issuer == nil {
		return nil
	}
	for _, k := range l.Issuer.Issues() {
		list = append(list, engine.KindIssued{Kind: k.Kind, Chosen: k.Chosen, Lingers: k.Lingers})
	}
	return list
}

// Nudge says that work is due at that moment. It never blocks.
func (l *Lane) Nudge(due time.Time) { l.loop.Nudge(due) }

// Run works until the context ends, and then sees the steps through that it is about.
func (l *Lane) Run(ctx context.Context) {
	holders := make([]string, max(1, l.Width))
	for i := range holders {
		holders[i] = fmt.Sprintf("%s/%d", l.Holder, i)
	}
	l.loop.Run(ctx, holders...)
}

// Once claims one rotation, if any is due, and goes on with it for as long as there is
// something to do. It returns how many it claimed.
func (l *Lane) Once(ctx context.Context) (claimed int, err error) { return l.once(ctx, l.Holder) }

func (l *Lane) once(ctx context.Context, holder string) (claimed int, err error) {
	tasks, err := l.Door.ClaimRotations(ctx, holder, l.System, l.kinds(), 1)
	if err != nil || len(tasks) == 0 {
		return 0, err
	}
	l.Seam("claimed")
	if l.Width > 1 {
		l.Nudge(l.Now()) // there may be more: nobody sleeps through it
	}
	for _, t := range tasks {
		if err := l.turn(ctx, holder, t); err != nil {
			return len(tasks), fmt.Errorf("rotation %s of %s: %w", t.ID, l.System, err)
		}
	}
	return len(tasks), nil
}

// turn does one step after the other under one lease. Each is decided from what is
// stored: whoever else begins here would do the same.
func (l *Lane) turn(ctx context.Context, holder string, t engine.RotationTask) error {
	w := &work{Lane: l, task: t}
	defer w.forget()
	for {
		w.out = engine.RotationOutcome{Rotation: w.task.ID, Fence: w.task.Fence, Keep: true}
		was := w.task.State
		w.step(ctx)
		next, refused, err := l.Door.SettleRotation(ctx, holder, w.out)
		if err != nil {
			return err
		}
		l.Seam("settled " + string(was))
		l.Log.InfoContext(ctx, "rotation", "rotation", w.task.ID, "credential", w.task.Credential, "system", l.System, "state", was, "step", string(w.out.Step),
			"next", next.State, "unanswered", w.out.Unanswered, "trouble", w.out.Trouble, "refused", refused)
		if refused || next.LeaseUntil.IsZero() || next.State.Over() {
			return nil
		}
		w.task = next
	}
}
