package reconcile

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
)

// Turn is one batch as it went, for whoever watches. It decides nothing.
type Turn struct {
	System   string
	Tasks    []engine.Task
	Outcomes []engine.Outcome // empty where it never came to any
	Refused  int              // outcomes that came too late for their lease
	Steps    []Step           // in order: claim, look, act, look, sessions, settle; those that had something to do
	Err      error            // the database's; what a target answered is in the outcomes
}

// Step is one part of a batch.
type Step struct {
	Name     string // claim, look, act, sessions, settle
	From, To time.Time
	Of       []string // the assignments it was about
}

// Pulse is how a lane does, as far as it knows by itself.
type Pulse struct {
	Came    time.Time // when the one of its runners came round that has not for longest; zero: one never did
	Sick    time.Time // since when no look has been answered; zero: the last was, or none was due for long
	Trouble string    // what stood in the way last
}

// beat is what a lane remembers of how it goes. Nothing is decided by it.
type beat struct {
	mu      sync.Mutex
	came    map[string]time.Time // by runner
	sick    time.Time
	last    time.Time // of the batches that failed
	trouble string
}

// Pulse says how the lane does.
func (l *Lane) Pulse() Pulse {
	l.beat.mu.Lock()
	defer l.beat.mu.Unlock()
	p := Pulse{Sick: l.beat.sick, Trouble: l.beat.trouble}
	for i := range max(1, l.Width) {
		came := l.beat.came[l.runner(i)]
		if i == 0 || came.Before(p.Came) {
			p.Came = came
		}
	}
	// What failed here is retried by whoever comes first. Where nothing has been due
	// here for longer than any retry waits, somebody else has seen to it.
	if !p.Sick.IsZero() && l.Now().Sub(l.beat.last) > l.Pace.SlowestOff+l.Pace.Lease+l.Backstop {
		p.Sick, p.Trouble = time.Time{}, ""
	}
	return p
}

// LongestTurn is how long a runner that works may take to come round.
func (l *Lane) LongestTurn() time.Duration { return l.Backstop + 2*l.Pace.Lease }

func (l *Lane) runner(i int) string { return fmt.Sprintf("%s/%d", l.Holder, i) }

func (l *Lane) come(holder string) {
	l.beat.mu.Lock()
	defer l.beat.mu.Unlock()
	if l.beat.came == nil {
		l.beat.came = map[string]time.Time{}
	}
	l.beat.came[holder] = l.Now()
}

// felt notes how a batch went: a lane is sick whose target answered no look.
func (l *Lane) felt(t Turn) {
	reached, trouble := false, ""
	for _, o := range t.Outcomes {
		reached = reached || o.Looked
		if o.Trouble != "" {
			trouble = o.Trouble
		}
	}
	if t.Err != nil {
		trouble = t.Err.Error()
	}
	l.beat.mu.Lock()
	defer l.beat.mu.Unlock()
	switch now := l.Now(); {
	case reached:
		l.beat.sick, l.beat.trouble = time.Time{}, ""
	case len(t.Tasks) > 0 || t.Err != nil:
		if l.beat.sick.IsZero() {
			l.beat.sick = now
		}
		l.beat.last, l.beat.trouble = now, trouble
	}
}

// timed runs one step of a batch about some assignments, and notes how long it took.
func (t *Turn) timed(now func() time.Time, name string, of []string, do func()) {
	if len(of) == 0 {
		do()
		return
	}
	from := now()
	do()
	t.Steps = append(t.Steps, Step{name, from, now(), of})
}

// tell ends the batch for whoever watches.
func (l *Lane) tell(ctx context.Context, t Turn) {
	l.felt(t)
	if l.Watch != nil && (len(t.Tasks) > 0 || t.Err != nil) {
		l.Watch(ctx, t)
	}
}
