package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Fault is one way in which one call to a target goes wrong.
type Fault string

const (
	None Fault = "" // as it should be

	// Of Apply.
	Refuse      Fault = "refuse"         // nothing is done, and the target says so
	Unreachable Fault = "unreachable"    // nothing is sent
	Throttle    Fault = "throttle"       // nothing is done; come back in five minutes
	Lost        Fault = "fails"          // nothing is done, no answer
	LostDone    Fault = "fails but done" // done, no answer
	Hang        Fault = "hangs"          // nothing is done, no answer until the deadline
	HangDone    Fault = "hangs but done" // done, no answer until the deadline
	Late        Fault = "done late"      // no answer; done just before the longest call time is over
	Lie         Fault = "lie"            // answers that it was done; nothing is
	TooLate     Fault = "too late"       // answers that it was done; done long after the longest call time

	// Of Look.
	Blind Fault = "blind" // the look fails
	Stuck Fault = "stuck" // the look hangs until the deadline
	Stale Fault = "stale" // the look sees what was so at [Target.Freeze]
)

// Target is one system held in memory: who holds which object. It does exactly
// what it is told, wrong things too. It is safe for concurrent use.
type Target struct {
	System string
	Batch  int           // of its capabilities; 0 means 100
	Call   time.Duration // the longest time a call may take to land

	now  func() time.Time
	pass func(ctx context.Context, d time.Duration) // lets d pass or waits for the context

	mu      sync.Mutex
	held    map[connector.Ref]bool
	frozen  map[connector.Ref]bool
	landing []landing
	writes  []Fault // of the next calls of Apply
	looks   []Fault // of the next calls of Look
	always  Fault   // of every call of Apply beyond those
	blinded Fault   // of every call of Look beyond those
	log     []Did
}

type landing struct {
	at time.Time
	connector.Change
}

// Did is one change that was asked of the target.
type Did struct {
	At    time.Time
	Fault Fault
	connector.Change
}

var _ connector.Connector = (*Target)(nil)

// NewTarget returns an empty target that lives by this clock. pass is how it
// hangs: it lets time pass, or waits until the context is done.
func NewTarget(system string, call time.Duration, now func() time.Time, pass func(context.Context, time.Duration)) *Target {
	return &Target{System: system, Call: call, now: now, pass: pass, held: map[connector.Ref]bool{}}
}

// Break makes the next calls of Apply go wrong, one fault a call.
func (g *Target) Break(faults ...Fault) { g.locked(func() { g.writes = append(g.writes, faults...) }) }

// BreakLook makes the next calls of Look go wrong, one fault a call.
func (g *Target) BreakLook(faults ...Fault) {
	g.locked(func() { g.looks = append(g.looks, faults...) })
}

// Always makes every further call go wrong like this, until Mend.
func (g *Target) Always(write, look Fault) { g.locked(func() { g.always, g.blinded = write, look }) }

// Mend makes the target work again. What has not landed yet still does.
func (g *Target) Mend() {
	g.locked(func() { g.writes, g.looks, g.always, g.blinded = nil, nil, None, None })
}

// Freeze keeps what is so now for [Stale] looks.
func (g *Target) Freeze() {
	g.locked(func() {
		g.frozen = map[connector.Ref]bool{}
		for r := range g.held {
			g.frozen[r] = true
		}
	})
}

// Put lets an account hold an object by nobody's leave; Take takes it away.
func (g *Target) Put(account, object string) {
	g.locked(func() { g.held[connector.Ref{Account: account, Object: object}] = true })
}

// Take is the contrary of Put.
func (g *Target) Take(account, object string) {
	g.locked(func() { delete(g.held, connector.Ref{Account: account, Object: object}) })
}

// Holds tells whether the account holds the object now.
func (g *Target) Holds(account, object string) bool {
	return slices.Contains(g.Held(), connector.Ref{Account: account, Object: object})
}

// Held lists all that is held now, sorted.
func (g *Target) Held() (list []connector.Ref) {
	g.locked(func() {
		for r := range g.held {
			list = append(list, r)
		}
	})
	slices.SortFunc(list, func(a, b connector.Ref) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Object, b.Object))
	})
	return list
}

// Log lists what was asked of it so far.
func (g *Target) Log() (list []Did) {
	g.locked(func() { list = slices.Clone(g.log) })
	return list
}

// ForgetLog lets go of what was asked of it so far.
func (g *Target) ForgetLog() { g.locked(func() { g.log = nil }) }

// locked lets land what has had its time, then runs do.
func (g *Target) locked(do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.land()
	do()
}

func (g *Target) land() {
	now := g.now()
	g.landing = slices.DeleteFunc(g.landing, func(l landing) bool {
		if now.Before(l.at) {
			return false
		}
		g.set(l.Change)
		return true
	})
}

func (g *Target) set(c connector.Change) {
	if c.Want {
		g.held[c.Ref] = true
	} else {
		delete(g.held, c.Ref)
	}
}

func next(plan *[]Fault, always Fault) Fault {
	if len(*plan) == 0 {
		return always
	}
	f := (*plan)[0]
	*plan = (*plan)[1:]
	return f
}

// Capabilities implements [connector.Connector].
func (g *Target) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: cmp.Or(g.Batch, 100), Effective: true}
}

// Close implements [connector.Connector].
func (g *Target) Close() error { return nil }

// Apply implements [connector.Connector], as wrongly as it was told.
func (g *Target) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	var f Fault
	g.locked(func() {
		f = next(&g.writes, g.always)
		for _, c := range changes {
			g.log = append(g.log, Did{g.now(), f, c})
			switch f {
			case None, LostDone, HangDone:
				g.set(c)
			case Late:
				g.landing = append(g.landing, landing{g.now().Add(g.Call - time.Microsecond), c})
			case TooLate:
				g.landing = append(g.landing, landing{g.now().Add(20 * g.Call), c})
			}
		}
	})
	if f == Hang || f == HangDone {
		g.pass(ctx, g.Call)
	}
	err := answers[f]
	if f == Throttle {
		err = &connector.RetryAfter{Err: connector.ErrRefused, Wait: 5 * time.Minute}
	}
	var results []connector.Result
	for _, c := range changes {
		results = append(results, connector.Result{Ref: c.Ref, Err: err})
	}
	return results
}

var answers = map[Fault]error{
	Refuse: connector.ErrRefused, Unreachable: connector.ErrUnreachable, Lost: connector.ErrUnanswered, LostDone: connector.ErrUnanswered,
	Hang: connector.ErrUnanswered, HangDone: connector.ErrUnanswered, Late: connector.ErrUnanswered,
}

// Look implements [connector.Connector], as wrongly as it was told.
func (g *Target) Look(ctx context.Context, refs []connector.Ref) (list []connector.Seen) {
	var f Fault
	g.locked(func() {
		f = next(&g.looks, g.blinded)
		from := g.held
		if f == Stale {
			from = g.frozen
		}
		for _, r := range refs {
			list = append(list, connector.Seen{Ref: r, Direct: from[r], Effective: from[r], Path: "memory", At: g.now()})
		}
	})
	if f == Stuck {
		g.pass(ctx, g.Call)
	}
	if f == Blind || f == Stuck {
		for i := range list {
			list[i] = connector.Seen{Ref: list[i].Ref, Err: fmt.Errorf("%w: %s", connector.ErrUnreachable, f)}
		}
	}
	return list
}

// Observe implements [connector.Connector].
func (g *Target) Observe(_ context.Context, objects []string, yield func(connector.Holding) error) error {
	for _, r := range g.Held() {
		if len(objects) > 0 && !slices.Contains(objects, r.Object) {
			continue
		}
		if err := yield(connector.Holding{Ref: r}); err != nil {
			return err
		}
	}
	return nil
}
