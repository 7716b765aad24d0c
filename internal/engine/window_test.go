package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

func TestStartInTheFuture(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		a := ask("dir:wiki")
		a.Start, a.AnswerWithin = enginetest.Noon.Add(5*time.Hour), hour // the window and the time to answer are separate
		g := f.Granted("eve", a, "mia")
		if g.State != access.Scheduled || !g.Start.Equal(a.Start) {
			t.Fatalf("%+v", g)
		}
		f.Advance(5*time.Hour - time.Microsecond)
		if len(f.Targets["dir"].Log()) != 0 {
			t.Error("something was done before the start")
		}
		f.Advance(time.Microsecond)
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("not held at its start")
		}
		f.CheckQuiet()
	})
}

// A term runs from the moment access is seen; a fixed window is as asked, whatever is seen.
func TestFixedWindowAndTermFromFirstSight(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		fixed := ask("dir:wiki")
		fixed.Start, fixed.Fixed = enginetest.Noon.Add(10*time.Minute), true
		f.Targets["dir"].Always(enginetest.Unreachable, enginetest.Blind)
		w := f.Granted("eve", fixed, "mia")
		g := f.Granted("bob", ask("dir:wiki"), "mia")
		if latest := f.Clock.Now().Add(2 * time.Hour); !g.End.Equal(latest) {
			t.Errorf("until it is seen it ends %s, want the latest possible %s", g.End, latest)
		}
		f.Advance(30 * time.Minute)
		f.Targets["dir"].Mend()
		f.Advance(5 * time.Minute)
		w, g = f.Grant(w.ID), f.Grant(g.ID)
		if g.Seen.IsZero() || !g.End.Equal(g.Seen.Add(time.Hour)) {
			t.Errorf("seen %s, it ends %s", g.Seen, g.End)
		}
		if w.Seen.IsZero() || !w.End.Equal(fixed.Start.Add(time.Hour)) {
			t.Errorf("the fixed window ends %s", w.End)
		}
		f.CheckQuiet()
		// Never seen, it ends all the same, at the latest possible moment.
		f.Targets["dir"].Always(enginetest.Unreachable, enginetest.Blind)
		never := f.Granted("nora", ask("dir:wiki"), "mia")
		f.Advance(2*time.Hour + time.Minute)
		if never = f.Grant(never.ID); never.State != access.Ended || !never.Seen.IsZero() {
			t.Errorf("never seen: %s, seen %s", never.State, never.Seen)
		}
	})
}

// AB-44: two overlapping grants are two reasons; what one of them ends the other keeps.
func TestAB44_OverlappingGrants(t *testing.T) {
	for _, c := range []struct {
		name      string
		gap       time.Duration // from the first's start to the second's
		term1     access.Term
		term2     access.Term
		heldUntil time.Duration
		hole      bool // there is a moment without a reason
	}{
		{"the second is longer", time.Hour, 2 * hour, 3 * hour, 4 * time.Hour, false},
		{"the second lies within", time.Hour, 4 * hour, hour, 4 * time.Hour, false},
		{"end and start at one second", 2 * time.Hour, 2 * hour, hour, 3 * time.Hour, false},
		{"a microsecond between them", 2*time.Hour + time.Microsecond, 2 * hour, hour, 3*time.Hour + time.Microsecond, true},
		{"together", 0, hour, hour, time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, f *enginetest.Fixture) {
				start := enginetest.Noon.Add(time.Minute)
				fixed := func(at time.Time, term access.Term) engine.Ask {
					return engine.Ask{Entitlements: []string{"dir:wiki"}, Start: at, Fixed: true, Term: term}
				}
				first := f.Granted("eve", fixed(start, c.term1), "mia")
				second := f.Granted("eve", fixed(start.Add(c.gap), c.term2), "mia")
				if first.Assignment != second.Assignment {
					t.Fatal("they are not reasons for one assignment")
				}
				f.Advance(time.Minute)
				end := start.Add(c.heldUntil)
				for f.Clock.Now().Before(end) {
					hole := c.hole && f.Clock.Now().Equal(first.End)
					if f.Targets["dir"].Holds("eve", "wiki") == hole {
						t.Fatalf("held is %t at %s", !hole, f.Clock.Now())
					}
					f.CheckQuiet()
					f.Advance(min(10*time.Minute, end.Sub(f.Clock.Now())))
				}
				if f.Targets["dir"].Holds("eve", "wiki") {
					t.Error("held after the last end")
				}
				f.CheckQuiet()
				removed := 0
				for _, did := range f.Targets["dir"].Log() {
					if !did.Want {
						removed++
					}
				}
				if want := map[bool]int{false: 1, true: 2}[c.hole]; removed != want {
					t.Errorf("it was removed %d times, want %d", removed, want)
				}
				if g := f.Grant(second.ID); g.Seen.IsZero() {
					t.Error("the second was never seen")
				}
			})
		})
	}
}

// The end never lies beyond the holder's own, nor beyond that of the person behind it.
func TestEndOfTheHolder(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		leaves := enginetest.Noon.Add(90 * time.Minute)
		f.Change(func(c *enginetest.Company) { i := c.People["eve"]; i.End = leaves; c.People["eve"] = i })
		for _, by := range []string{"eve", "eve.2"} {
			if g := f.Granted(by, ask("dir:wiki"), "mia"); g.End.After(leaves) {
				t.Errorf("%s: the grant ends %s, after she leaves", by, g.End)
			}
			a := ask("dir:wiki")
			a.Term = 2 * hour
			if r := f.Ask(by, a); r.State != access.Denied {
				t.Errorf("%s: longer than she stays: %s", by, r.State)
			}
		}
	})
}

// A look that began before a grant did is not its first sight; that comes at once after.
func TestFirstSightIsNotOlderThanTheGrant(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("eve", ask("dir:wiki"), "mia")
		f.Work()
		f.Advance(50 * time.Minute)
		f.Clock.Pass(10*time.Minute + time.Second) // the recheck is due, and the end: it is being looked at when the next grant comes
		second := f.Granted("eve", ask("dir:wiki"), "mia")
		tasks, err := f.Engine.Claim(t.Context(), "slow", "dir", 10)
		if err != nil || len(tasks) != 1 {
			t.Fatal(tasks, err)
		}
		looked := f.Clock.Now()
		f.Clock.Pass(time.Second)
		third := f.Granted("eve", ask("dir:wiki"), "mia")
		refused, err := f.Engine.Settle(t.Context(), "slow", []engine.Outcome{{Assignment: tasks[0].ID, Fence: tasks[0].Fence, Looked: true, LookAt: looked, Direct: true, Effective: true}})
		if err != nil || refused != 0 {
			t.Fatal(refused, err)
		}
		f.Work()
		for _, g := range []access.Grant{f.Grant(second.ID), f.Grant(third.ID)} {
			if g.Seen.IsZero() || g.Seen.Before(g.Start) {
				t.Errorf("a grant that starts %s was first seen %s", g.Start, g.Seen)
			}
		}
		f.CheckQuiet()
	})
}
