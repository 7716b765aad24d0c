// Package news reads what has happened once for everybody who listens: streams of
// the API and pages of the portal that are open. It never says who may know of
// what (that is asked of the engine, for each listener, when it is told), keeps
// nothing, and asks nothing while nobody listens.
//
//	Join -> Beats (each: something was written; what has got its place) -> Leave | cut: too slow | ended with the server
//
// A listener that falls behind is cut, and comes again with the place that it had:
// nothing waits for it, and nothing is kept for it.
package news

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Source is where it is read: the engine. Both read only.
type Source interface {
	// Pulse is another text whenever an event was written or placed; size is how many are placed.
	Pulse(ctx context.Context) (mark string, size int64, err error)
	// News reads up to limit events from a place on.
	News(ctx context.Context, from int64, limit int) ([]engine.News, error)
}

// Config is what a wire is made of. Every field but Log is needed.
type Config struct {
	Source Source
	Every  time.Duration // how often it is looked whether something has happened
	Joined Bound         // of those who are told what has happened
	Waited Bound         // of those who are told that something has
	Log    *slog.Logger
}

// Bound is how many may listen in all, and of one identity: nobody takes them all.
type Bound struct{ All, One int }

// How much is read at once, and how many readings a listener may be behind.
const (
	page   = 500
	behind = 16
)

// Wire is that. It is safe for concurrent use.
type Wire struct {
	Config
	mu      sync.Mutex
	ears    map[*Ear]bool
	count   map[seat]int
	running bool
	ended   bool
	ending  chan struct{}
	asked   sync.Mutex // one reading back at a time
	turn    sync.Mutex
	once    sync.Once
}

// seat is what is counted: those of an identity, or all of a kind.
type seat struct {
	who   string // empty: all
	nudge bool
}

// New returns a wire that nobody listens to, or says what is missing.
func New(c Config) (*Wire, error) {
	if c.Source == nil || c.Every <= 0 || min(c.Joined.All, c.Joined.One, c.Waited.All, c.Waited.One) <= 0 {
		return nil, fmt.Errorf("%w: a wire needs Source, Every and how many may join and wait", access.ErrInvalid)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Wire{Config: c, ears: map[*Ear]bool{}, count: map[seat]int{}, ending: make(chan struct{})}, nil
}

// Beat says that something has happened. News are those with places from From up
// to To; there may be none, where something was only written.
type Beat struct {
	From, To int64
	News     []engine.News
}

// Ear is one who listens.
type Ear struct {
	f     *Wire
	who   string
	beats chan Beat
	nudge bool
	left  bool
}

// ErrFull: as many listen as may.
var ErrFull = errors.New("as many listen as may")

// Join has an identity listen, until Leave.
func (f *Wire) Join(who string) (*Ear, error) {
	return f.join(&Ear{f: f, who: who, beats: make(chan Beat, behind)})
}

// Wait is Join for whoever wants to know that something has happened and not what:
// while it is busy, beats become one, and it is never cut for it.
func (f *Wire) Wait(who string) (*Ear, error) {
	return f.join(&Ear{f: f, who: who, beats: make(chan Beat, 1), nudge: true})
}

func (f *Wire) join(e *Ear) (*Ear, error) {
	bound := f.Joined
	if e.nudge {
		bound = f.Waited
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return nil, fmt.Errorf("%w: the server stops", ErrFull)
	}
	if f.count[seat{"", e.nudge}] >= bound.All || f.count[seat{e.who, e.nudge}] >= bound.One {
		return nil, fmt.Errorf("%w: %d in all, %d of each identity", ErrFull, bound.All, bound.One)
	}
	f.ears[e] = true
	f.count[seat{"", e.nudge}]++
	f.count[seat{e.who, e.nudge}]++
	if !f.running {
		f.running = true
		go f.run()
	}
	return e, nil
}

// Beats gives what happens, and is closed once that is over: the ear was too slow,
// or the server stops.
func (e *Ear) Beats() <-chan Beat { return e.beats }

// Leave ends listening, and makes room for another. One that was cut keeps its
// room until it leaves: its connection is still there.
func (e *Ear) Leave() {
	f := e.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut(e)
	if e.left {
		return
	}
	e.left = true
	for _, s := range []seat{{"", e.nudge}, {e.who, e.nudge}} {
		if f.count[s]--; f.count[s] == 0 {
			delete(f.count, s)
		}
	}
}

// cut is called with mu held.
func (f *Wire) cut(e *Ear) {
	if f.ears[e] {
		delete(f.ears, e)
		close(e.beats)
	}
}

// run looks until nobody listens any more. Its first beat comes at once, whatever
// has happened: it tells who joined before it from which place on beats come.
func (f *Wire) run() {
	ctx := context.Background()
	tick := time.NewTicker(f.Every)
	defer tick.Stop()
	mark, at := "", int64(-1)
	for {
		now, size, err := f.Source.Pulse(ctx)
		switch {
		case err != nil:
			f.Log.WarnContext(ctx, "news", "error", err.Error()) // looked at again
		case now != mark:
			if at < 0 {
				at = size
			}
			if at, err = f.tell(ctx, at, size); err != nil {
				f.Log.WarnContext(ctx, "news", "error", err.Error())
				break // from where it stopped, at the next tick
			}
			mark = now
		}
		if !f.wanted() {
			return
		}
		select {
		case <-tick.C:
		case <-f.ending:
			return
		}
	}
}

// wanted tells whether anybody listens; if not, who comes next begins it anew.
func (f *Wire) wanted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = len(f.ears) > 0
	return f.running
}

// tell reads from a place up to another, and returns how far everybody was told.
func (f *Wire) tell(ctx context.Context, from, to int64) (int64, error) {
	for {
		b := Beat{From: from, To: from}
		if from < to {
			var err error
			if b.News, err = f.Source.News(ctx, from, int(min(page, to-from))); err != nil {
				return from, err
			}
			b.To = from + int64(len(b.News))
		}
		f.beat(b)
		if b.To >= to || len(b.News) == 0 {
			return b.To, nil
		}
		from = b.To
	}
}

// beat hands one to everybody, and waits for nobody.
func (f *Wire) beat(b Beat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for e := range f.ears {
		select {
		case e.beats <- b:
		default:
			if !e.nudge {
				f.cut(e)
			}
		}
	}
}

// Back reads what has its place already, from one up to another: for whoever comes
// again. However many do, one reads at a time. Up to limit are read.
func (f *Wire) Back(ctx context.Context, from, to int64) ([]engine.News, error) {
	f.asked.Lock()
	defer f.asked.Unlock()
	return f.Source.News(ctx, from, int(min(page, to-from)))
}

// Turn does something that costs, one listener at a time: however many listen,
// deeds and pages have the rest of the machine.
func (f *Wire) Turn(do func()) {
	f.turn.Lock()
	defer f.turn.Unlock()
	do()
}

// End ends all listening: a server waits for every answer, and a stream is one
// that does not end by itself.
func (f *Wire) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	f.ended = true
	close(f.ending)
	for e := range f.ears {
		f.cut(e)
	}
}

// EndWith has all listening end when the server of a request is told to stop.
func (f *Wire) EndWith(r *http.Request) {
	f.once.Do(func() {
		if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
			s.RegisterOnShutdown(f.End)
		}
	})
}
