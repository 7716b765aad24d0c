package reconcile_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

func each(t *testing.T, do func(t *testing.T, f *enginetest.Fixture)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		do(t, f)
		f.Check()
	})
}

func finding(t *testing.T, f *enginetest.Fixture, kind string, open bool) {
	t.Helper()
	for _, got := range f.Findings(false) {
		if got.Kind == kind && got.ClosedAt.IsZero() == open && got.Owner == "owen" {
			return
		}
	}
	t.Errorf("no finding %s (open: %t) among %+v", kind, open, f.Findings(false))
}

// Access that is wanted and gone is found at the next recheck and added again.
func TestDriftAway(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("eve", wiki(8*hour), "mia")
		f.Advance(10 * time.Minute)
		f.Targets["dir"].Take("eve", "wiki")
		f.Targets["dir"].Break(enginetest.Refuse)
		f.Clock.To(enginetest.Noon.Add(time.Hour))
		f.Work()
		finding(t, f, "drift", true)
		f.Advance(time.Minute)
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("not added again")
		}
		finding(t, f, "drift", false)
		f.CheckQuiet()
	})
}

// AB-56: access seen again after its removal was seen re-opens the revocation.
func TestAB56_SeenAgain(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("eve", wiki(hour), "mia")
		f.Advance(time.Hour)
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Fatal("held after its end")
		}
		f.Clock.Pass(30 * time.Second)
		f.Targets["dir"].Put("eve", "wiki")
		f.Targets["dir"].Break(enginetest.Refuse)
		f.Clock.Pass(30 * time.Second)
		f.Work()
		finding(t, f, "seen_again", true)
		f.Advance(10 * time.Minute)
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("held again for ten minutes")
		}
		finding(t, f, "seen_again", false)
		f.CheckQuiet()
	})
}

// A provisioning that lands after the revocation is found and removed, though
// the target had answered long ago that it was done.
func TestProvisioningThatLandsAfterRevocation(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Targets["dir"].Break(enginetest.TooLate)
		g := f.Granted("eve", wiki(hour), "mia")
		f.Engine.Pace.Confirm = 5 * time.Minute // longer than this target's queue
		f.Work()
		if err := f.Engine.Revoke(t.Context(), f.As("owen"), g.ID, "a mistake"); err != nil {
			t.Fatal(err)
		}
		f.Work()
		if j := f.Job(g.Assignment); j.State != access.Absent {
			t.Fatalf("revoked, it is %s", j.State)
		}
		f.Clock.Pass(4 * time.Minute)
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Fatal("it did not land")
		}
		f.Check()
		f.Advance(10 * time.Minute)
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("what landed late is still there")
		}
		finding(t, f, "seen_again", false)
		f.CheckQuiet()
	})
}

// AB-54: a target that answers "done" and does nothing is not believed, and told.
func TestAB54_LyingTarget(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("eve", wiki(hour), "mia")
		f.Work()
		f.Targets["dir"].Always(enginetest.Lie, enginetest.None)
		f.Advance(time.Hour + time.Minute)
		if j := f.Job(g.Assignment); j.State != access.Removing {
			t.Errorf("after a lie it is %s", j.State)
		}
		finding(t, f, "late_removal", true) // within a minute
		f.Targets["dir"].Mend()
		f.Advance(f.Engine.Pace.SlowestOff)
		finding(t, f, "late_removal", false)
		f.CheckQuiet()
	})
}

// AB-55: down for an hour over many ends, then half of all calls fail: all are drained.
func TestAB55_DownAtTheEnd(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, who := range []string{"eve", "bob", "nora", "mia.2"} {
			approver := map[bool]string{true: "ada", false: "mia"}[who == "mia.2"]
			f.Granted(who, engine.Ask{Entitlements: []string{"dir:reports", "dir:wiki"}, Term: hour}, approver)
		}
		f.Work()
		dir := f.Targets["dir"]
		if len(dir.Held()) != 8 {
			t.Fatalf("held: %v", dir.Held())
		}
		dir.Always(enginetest.Unreachable, enginetest.Blind)
		f.Advance(2 * time.Hour)
		dir.Mend()
		for range 20 {
			dir.Break(enginetest.Lost, enginetest.None)
			dir.BreakLook(enginetest.Blind, enginetest.None, enginetest.None)
		}
		f.Advance(time.Hour)
		if held := dir.Held(); len(held) != 0 {
			t.Errorf("an hour later still held: %v", held)
		}
		f.CheckQuiet()
	})
}

// A target that says how long it wants to be left alone is, but not for ever.
func TestRetryAfter(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Targets["dir"].Break(enginetest.Throttle) // five minutes
		f.Granted("eve", wiki(8*hour), "mia")
		f.Advance(5*time.Minute - time.Second)
		if n := len(f.Targets["dir"].Log()); n != 1 {
			t.Errorf("asked %d times within the five minutes", n)
		}
		f.Advance(time.Second)
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("not tried again when the five minutes were over")
		}
		f.CheckQuiet()
	})
}

// Whoever lost the lease settles nothing, and its answer is not believed (rule 3).
func TestLostLease(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("eve", wiki(hour), "mia")
		slow, err := f.Engine.Claim(t.Context(), "slow", "dir", 10)
		if err != nil || len(slow) != 1 {
			t.Fatal(slow, err)
		}
		if more, err := f.Engine.Claim(t.Context(), "other", "dir", 10); err != nil || len(more) != 0 {
			t.Fatalf("leased twice: %v, %v", more, err)
		}
		f.Clock.Pass(f.Engine.Pace.Lease)
		other, err := f.Engine.Claim(t.Context(), "other", "dir", 10)
		if err != nil || len(other) != 1 || !other[0].LookFirst || other[0].Fence <= slow[0].Fence {
			t.Fatalf("after the lease ran out: %+v, %v", other, err)
		}
		saw := func(task engine.Task) engine.Outcome {
			return engine.Outcome{Assignment: task.ID, Fence: task.Fence, Looked: true, LookAt: f.Clock.Now(), Direct: true, Effective: true}
		}
		if refused, err := f.Engine.Settle(t.Context(), "slow", []engine.Outcome{saw(slow[0])}); err != nil || refused != 1 {
			t.Errorf("the slow one settled: %d refused, %v", refused, err)
		}
		if refused, err := f.Engine.Settle(t.Context(), "other", []engine.Outcome{saw(slow[0])}); err != nil || refused != 1 {
			t.Errorf("under an old fence: %d refused, %v", refused, err)
		}
		// A call of the slow one may still land: what the other sees now settles nothing (rule 2).
		if refused, err := f.Engine.Settle(t.Context(), "other", []engine.Outcome{saw(other[0])}); err != nil || refused != 0 {
			t.Errorf("%d refused, %v", refused, err)
		}
		if j := f.Job(g.Assignment); j.State != access.Adding || j.Work.Due.Before(j.Work.SuspectUntil) {
			t.Errorf("it is %s, due %s, suspect until %s", j.State, j.Work.Due, j.Work.SuspectUntil)
		}
		f.Advance(time.Minute)
		f.CheckQuiet()
	})
}

// Two replicas work one system side by side: nothing is lost and nothing doubled.
func TestTwoReplicas(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Targets["dir"].Batch = 3
		second := f.Lane("dir", "replica-2")
		for i, who := range []string{"eve", "bob", "nora"} {
			f.Granted(who, engine.Ask{Entitlements: []string{"dir:reports", "dir:wiki"}, Term: access.Term(i+1) * hour}, "mia")
		}
		done := make(chan error, 1)
		go func() {
			for range 20 {
				if _, err := second.Once(t.Context()); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		f.Work()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		f.Work()
		if held := f.Targets["dir"].Held(); len(held) != 6 {
			t.Errorf("held: %v", held)
		}
		adds := map[connector.Ref]int{}
		for _, did := range f.Targets["dir"].Log() {
			adds[did.Ref]++
		}
		for ref, n := range adds {
			if n != 1 {
				t.Errorf("%v was asked for %d times", ref, n)
			}
		}
		f.CheckQuiet()
		f.Advance(4 * time.Hour)
		f.CheckQuiet()
	})
}
