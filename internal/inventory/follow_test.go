package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
)

// line is a target in memory with a feed that says what the test says, and readings
// that are counted, take their time and fail as told.
type line struct {
	*enginetest.Target
	reader *inventory.Reader
	says   chan []string
	cut    chan error // ends the line; it stays cut while fault is set
	dir    atomic.Pointer[access.Directory]

	mu      sync.Mutex
	fault   error
	blind   error
	takes   time.Duration
	early   bool // what is read is so at the beginning, not at the end
	follows []time.Time
	whole   []time.Time
	parts   [][]string
}

func (l *line) Follow(ctx context.Context, changed func([]string)) error {
	l.mu.Lock()
	l.follows = append(l.follows, time.Now())
	fault := l.fault
	l.mu.Unlock()
	if errors.Is(fault, errors.ErrUnsupported) {
		return fault
	}
	changed(nil)
	if fault != nil {
		return fault
	}
	for {
		select {
		case objects := <-l.says:
			changed(objects)
		case err := <-l.cut:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *line) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	l.mu.Lock()
	if len(objects) >= 6 { // all that the catalog names
		l.whole = append(l.whole, time.Now())
	} else {
		l.parts = append(l.parts, objects)
	}
	blind, takes, early := l.blind, l.takes, l.early
	l.mu.Unlock()
	if early {
		var seen []connector.Holding
		if err := l.Target.Observe(ctx, objects, func(h connector.Holding) error { seen = append(seen, h); return nil }); err != nil {
			return err
		}
		time.Sleep(takes)
		for _, h := range seen {
			if err := yield(h); err != nil {
				return err
			}
		}
		return blind
	}
	time.Sleep(takes)
	if blind != nil {
		return blind
	}
	return l.Target.Observe(ctx, objects, yield)
}

func (l *line) set(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

// so far: how many lines were begun, how many readings of all, and of what parts.
func (l *line) so() (follows, whole int, parts [][]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.follows), len(l.whole), slices.Clone(l.parts)
}

// followed runs a follower in virtual time, its first whole reading done.
func followed(t *testing.T, do func(t *testing.T, f *enginetest.Fixture, l *line), change ...func(*line)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := enginetest.Open(t, store.SQLite, enginetest.Virtual)
		l := &line{Target: f.Targets["dir"], says: make(chan []string), cut: make(chan error)}
		l.dir.Store(f.WorldAt(f.Now()).Directory)
		for _, c := range change {
			c(l)
		}
		r := inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: l, Now: f.Now,
			Directory: l.dir.Load, Log: slog.New(slog.DiscardHandler)})
		l.reader = r
		told := 0
		follower := inventory.Follow(inventory.FollowConfig{Reader: r, Told: func(context.Context, error) { told++ }, Log: slog.New(slog.DiscardHandler)})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { follower.Run(ctx) })
		pass(time.Second)
		do(t, f, l)
		stop()
		running.Wait() // or the bubble says that it never ended
		if _, whole, _ := l.so(); told == 0 && whole > 0 {
			t.Error("nobody is told how whole readings ended")
		}
		f.Check()
	})
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

// What is heard of is read in a moment, alone and once, and believed as read. What
// the catalog does not name is nobody's business.
func TestWhatIsHeardOfIsReadInAMoment(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		if _, whole, _ := l.so(); whole != 1 {
			t.Fatalf("%d whole readings at first", whole)
		}
		l.Put("stranger", "wiki")
		for range 1000 {
			l.says <- []string{"wiki", "nothing of ours"}
		}
		pass(time.Second)
		if one := finding(f, "unexpected_access"); one.Subject != "dir:wiki" || !strings.Contains(one.Text, "stranger") {
			t.Errorf("finding is %+v", one)
		}
		l.says <- []string{"reports"} // it is not so
		l.says <- []string{"nothing of ours"}
		pass(time.Second)
		if _, whole, parts := l.so(); whole != 1 || !slices.EqualFunc(parts, [][]string{{"wiki"}, {"reports"}}, slices.Equal) {
			t.Errorf("%d whole readings, and of parts %v", whole, parts)
		}
		if n := len(f.Findings(true)); n != 1 {
			t.Errorf("%d findings", n)
		}
	})
}

// What is heard of is read, though another machine whose clock is ahead seems to have
// read everything since.
func TestAnotherMachinesClockHidesNothing(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		if _, err := f.Engine.Observed(t.Context(), engine.Reading{System: "dir", At: f.Now().Add(90 * time.Second), Objects: []string{"wiki"}}); err != nil {
			t.Fatal(err)
		}
		l.Put("stranger", "wiki")
		l.says <- []string{"wiki"}
		pass(5 * time.Minute)
		if one := finding(f, "unexpected_access"); one.Subject != "dir:wiki" {
			t.Errorf("finding is %+v", one)
		}
		if _, whole, _ := l.so(); whole > 4 {
			t.Errorf("all was read %d times", whole)
		}
	})
}

// What the catalog names from now on is read soon, and so is what is heard of it.
func TestWhatTheCatalogNamesAnewIsRead(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		l.Put("stranger", "lab")
		l.says <- []string{"lab"}
		pass(time.Minute)
		if _, _, parts := l.so(); len(parts) != 0 {
			t.Fatalf("read: %v", parts)
		}
		f.Change(func(c *enginetest.Company) {
			e := c.Entitlements["dir:wiki"]
			e.ID, e.Object, e.Name = "dir:lab", "lab", "lab"
			c.Entitlements[e.ID] = e
		})
		l.says <- []string{"nothing of ours"} // and so it has seen that the engine knows
		pass(time.Second)
		l.dir.Store(f.WorldAt(f.Now()).Directory)
		pass(15 * time.Second)
		if finding(f, "unexpected_access").Subject != "dir:lab" {
			t.Error("it is not read")
		}
		l.Put("another", "lab")
		l.says <- []string{"lab"}
		pass(time.Second)
		if _, whole, parts := l.so(); whole != 1 || len(parts) != 2 || !strings.Contains(finding(f, "unexpected_access").Text, "another") {
			t.Errorf("%d whole readings, of parts %v: %+v", whole, parts, finding(f, "unexpected_access"))
		}
	})
}

// Where it is not told which, everything is read: at once, and then no more often
// than readings leave a target alone for. A round that came in between is enough.
func TestWholeReadingsArePaced(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		pass(2 * time.Minute)
		l.set(func() { l.takes = 30 * time.Second })
		for range 3600 { // an hour of somebody's deletions
			l.says <- nil
			pass(time.Second)
		}
		// A reading of 30 s rests for ten minutes: six in an hour.
		if _, whole, _ := l.so(); whole < 5 || whole > 8 {
			t.Errorf("%d whole readings in an hour", whole)
		}
		// Parts do not wait for that rest, only for what is under way.
		l.set(func() { l.takes = 0 })
		l.Put("stranger", "wiki")
		l.says <- []string{"wiki"}
		pass(31 * time.Second)
		if finding(f, "unexpected_access").Subject != "dir:wiki" {
			t.Error("a part waits for the whole")
		}
	})
}

// What is heard while a round reads is read after it: the round may have passed it by.
func TestWhatIsHeardWhileARoundReads(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		pass(2 * time.Minute)
		l.set(func() { l.takes, l.early = 10*time.Second, true })
		l.says <- nil // all may have changed: a round that begins now tells
		pass(time.Millisecond)
		var round sync.WaitGroup
		round.Go(func() {
			if _, err := l.reader.Read(t.Context()); err != nil {
				t.Error(err)
			}
		})
		pass(100 * time.Millisecond)
		l.Put("stranger", "wiki")
		l.says <- []string{"wiki"}
		pass(30 * time.Second)
		round.Wait()
		if finding(f, "unexpected_access").Subject != "dir:wiki" {
			t.Error("it was taken to be read by the round")
		}
	})
}

// A line that flaps is taken up ever less often, and has nothing read over and over.
func TestALineThatFlaps(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		l.set(func() { l.fault = errors.New("connection reset") })
		l.cut <- errors.New("connection reset")
		pass(6 * time.Hour)
		follows, whole, _ := l.so()
		if follows < 60 || follows > 90 || whole > follows {
			t.Errorf("taken up %d times in six hours, all was read %d times", follows, whole)
		}
		// Mended, it is found within the longest wait, and what was missed is read.
		l.set(func() { l.fault = nil })
		l.Put("stranger", "wiki")
		pass(6 * time.Minute)
		if finding(f, "unexpected_access").Subject != "dir:wiki" {
			t.Error("what was missed is not found")
		}
		pass(time.Hour)
		// It has held, so a break is mended in a second.
		l.cut <- errors.New("connection reset")
		before, _, _ := l.so()
		pass(1500 * time.Millisecond)
		if after, _, _ := l.so(); after != before+1 {
			t.Errorf("taken up %d times", after-before)
		}
	})
}

// A reading that fails is made again, ever less often, until it is done.
func TestAPartThatCannotBeRead(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		l.set(func() { l.blind = errors.New("busy") })
		l.Put("stranger", "wiki")
		l.says <- []string{"wiki"}
		pass(time.Hour)
		if _, whole, parts := l.so(); len(parts) < 12 || len(parts) > 30 || whole != 1 {
			t.Errorf("read %d times in an hour, the whole %d times", len(parts), whole)
		}
		l.set(func() { l.blind = nil })
		pass(6 * time.Minute)
		if finding(f, "unexpected_access").Subject != "dir:wiki" {
			t.Error("it is not read in the end")
		}
	})
}

// A whole reading that fails is made again, too.
func TestAWholeThatCannotBeRead(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		pass(time.Hour)
		if _, whole, _ := l.so(); whole < 10 || whole > 20 {
			t.Errorf("read %d times in an hour", whole)
		}
		l.set(func() { l.blind = nil })
		l.Put("stranger", "wiki")
		pass(6 * time.Minute)
		if finding(f, "unexpected_access").Subject != "dir:wiki" {
			t.Error("it is not read in the end")
		}
	}, func(l *line) { l.blind = errors.New("busy") })
}

// AB-61: an object emptied behind our back is concluded from only once the whole
// has said so, which is asked at once.
func TestAB61AnEmptiedObjectHasTheWholeRead(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		pass(2 * time.Minute)
		for i := range 30 {
			l.Take(fmt.Sprintf("old%02d", i), "reports")
		}
		l.says <- []string{"reports"}
		pass(5 * time.Second)
		if _, whole, parts := l.so(); whole != 2 || len(parts) != 1 {
			t.Fatalf("%d whole readings, and of parts %v", whole, parts)
		}
		if finding(f, "inventory_shrunk").Owner == "" || finding(f, "unexpected_access").ID == "" {
			t.Errorf("findings: %+v", f.Findings(true))
		}
	}, func(l *line) {
		for i := range 30 {
			l.Put(fmt.Sprintf("old%02d", i), "reports")
		}
	})
}

// A target without a feed is not asked over and over.
func TestATargetWithoutAFeed(t *testing.T) {
	followed(t, func(t *testing.T, f *enginetest.Fixture, l *line) {
		pass(10 * time.Hour)
		if follows, whole, parts := l.so(); follows != 11 || whole+len(parts) != 0 {
			t.Errorf("asked %d times; read %d times", follows, whole+len(parts))
		}
	}, func(l *line) { l.fault = fmt.Errorf("%w: no such control", errors.ErrUnsupported) })
	f := enginetest.Open(t, store.SQLite)
	if inventory.Follow(inventory.FollowConfig{Reader: reader(f)}) != nil {
		t.Error("a connector that is no feed is followed")
	}
}
