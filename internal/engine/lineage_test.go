package engine_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Access that has ended and is still there makes more: a reading from before it was
// seen gone settles nothing, and each time it was seen gone is asked about by itself.
func TestWhatIsMadeUntilAccessIsSeenGoneIsFound(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		target := f.Targets["dir"]
		root := engine.Ask{Entitlements: []string{"dir:root"}, Term: hour, Reason: "work"}
		left := func(at time.Time, seen ...engine.TraceSeen) int {
			t.Helper()
			n, err := f.Engine.LeftBehind(t.Context(), f.Grants()[0].Assignment, at, seen)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		// 1. Once over and gone; what asks about it is not yet done.
		first := f.Granted("eve", root, "mia", "otto")
		f.Work()
		if err := f.Engine.Return(t.Context(), f.As("eve"), first.ID, "done"); err != nil {
			t.Fatal(err)
		}
		f.Work()
		f.Clock.To(f.Now().Add(time.Minute))
		// 2. Over again, and the target does not remove it.
		second := f.Granted("eve", root, "mia", "otto")
		f.Work()
		target.Always(enginetest.Refuse, enginetest.None)
		if err := f.Engine.Return(t.Context(), f.As("eve"), second.ID, "done"); err != nil {
			t.Fatal(err)
		}
		f.Advance(time.Minute)
		if !target.Holds("eve", "root") {
			t.Fatal("it was removed")
		}
		if n := left(f.Now()); n != 0 {
			t.Errorf("%d things are left behind before there is any", n)
		}
		door := engine.TraceSeen{By: "eve", What: "made a door", At: f.Now().Add(time.Second)}
		f.Clock.To(f.Now().Add(2 * time.Second))
		target.Mend()
		f.Advance(time.Hour)
		if target.Holds("eve", "root") {
			t.Fatal("it was not removed")
		}
		// 3. A reading that began before is no answer; one that begins now is.
		if _, err := f.Engine.LeftBehind(t.Context(), second.Assignment, door.At, nil); !errors.Is(err, access.ErrConflict) {
			t.Errorf("a reading from before it was gone: %v", err)
		}
		if n := left(f.Now(), door); n != 1 {
			t.Errorf("%d things are left behind, want the door", n)
		}
		if jobs := f.Jobs(engine.LineageJob{}.Kind()); len(jobs) != 2 {
			t.Errorf("asked is %s, want each time it was seen gone", jobs)
		}
	})
}

// A whole reading that began before the door was there ends after the one that found
// it: it takes nothing back. One that began later does.
func TestAnOlderReadingTakesNothingBack(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:root"}, Term: hour, Reason: "work"}, "mia", "otto")
		f.Work()
		began := f.Now()
		f.Clock.To(began.Add(time.Second))
		if err := f.Engine.Return(t.Context(), f.As("eve"), g.ID, "done"); err != nil {
			t.Fatal(err)
		}
		f.Work()
		f.Clock.To(began.Add(2 * time.Second))
		if n, err := f.Engine.LeftBehind(t.Context(), g.Assignment, f.Now(), []engine.TraceSeen{{By: "eve", What: "made a door"}}); err != nil || n != 1 {
			t.Fatalf("%d things are left behind: %v", n, err)
		}
		open := func(at time.Time) bool {
			t.Helper()
			if err := f.Engine.Traced(t.Context(), "dir", at, nil); err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(f.Findings(true), func(f access.Finding) bool { return f.Kind == "left_behind" && f.Subject == g.ID })
		}
		if !open(began) {
			t.Error("an older reading closed the finding")
		}
		if open(f.Now().Add(time.Second)) {
			t.Error("the door is gone, and the finding is open")
		}
	})
}
