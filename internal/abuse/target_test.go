package abuse

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// untilEnd gives one grant that was seen held and whose end has not come.
func (d *door) untilEnd() access.Grant {
	d.t.Helper()
	g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
	d.Work()
	return d.Grant(g.ID)
}

// found tells whether an open finding of that kind is about the assignment.
func (d *door) found(kind, assignment string) bool {
	d.t.Helper()
	return slices.ContainsFunc(d.Findings(true), func(f access.Finding) bool { return f.Kind == kind && f.Subject == assignment })
}

// The target says 200 and removes nothing, or shows what was so before.
func TestAB54_TargetLies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		write, look enginetest.Fault
		holds       bool // in truth, meanwhile
	}{
		{"it answers and does nothing", enginetest.Lie, enginetest.None, true},
		{"its replica is stale", enginetest.None, enginetest.Stale, false},
		{"both", enginetest.Lie, enginetest.Stale, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				g := d.untilEnd()
				d.Targets["dir"].Freeze()
				d.Targets["dir"].Always(c.write, c.look)
				d.Advance(g.End.Sub(d.Now()) + time.Minute)
				if d.Targets["dir"].Holds("eve", "wiki") != c.holds {
					t.Fatal("the target does not do as it was told")
				}
				// 1. Nothing says removed; the answer is not believed, and after a minute it is loud.
				if job := d.Job(g.Assignment); job.State != access.Removing {
					t.Errorf("the assignment is %s on the target's word", job.State)
				}
				if !d.found("late_removal", g.Assignment) {
					t.Errorf("a minute late, and no finding says so: %v", d.Findings(true))
				}
				sight, err := d.as("eve").Grant(t.Context(), g.ID)
				if err != nil || sight.Assignment.State != access.Removing || sight.Trouble == "" {
					t.Errorf("what is shown: %s, trouble %q, %v", sight.Assignment.State, sight.Trouble, err)
				}
				// 2. When it tells the truth again, all is done.
				d.Targets["dir"].Mend()
				d.Advance(10 * time.Minute)
				if d.Targets["dir"].Holds("eve", "wiki") || d.found("late_removal", g.Assignment) {
					t.Error("still held, or still late")
				}
				d.CheckQuiet()
			})
		})
	}
}

// Down at the very end, for an hour, and then flapping: never given up, ever
// louder, and done.
func TestAB55_TargetIsDownAtTheEnd(t *testing.T) {
	t.Parallel()
	for _, fault := range []enginetest.Fault{enginetest.Unreachable, enginetest.Refuse, enginetest.Lost, enginetest.Hang, enginetest.Throttle} {
		t.Run(string(fault), func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				g := d.untilEnd()
				d.Targets["dir"].Always(fault, enginetest.Blind)
				d.Advance(g.End.Sub(d.Now()) + time.Hour)
				if job := d.Job(g.Assignment); job.State != access.Removing || job.Work.Due.IsZero() {
					t.Errorf("after an hour it is %s, due %s", job.State, job.Work.Due)
				}
				if notices := len(d.Notices()); notices < 3 {
					t.Errorf("told %d times in an hour", notices)
				}
				d.Targets["dir"].Mend()
				flapping := make([]enginetest.Fault, 40)
				for i := range flapping {
					flapping[i] = []enginetest.Fault{fault, enginetest.None}[i%2]
				}
				d.Targets["dir"].Break(flapping...)
				d.Targets["dir"].BreakLook(enginetest.Blind, enginetest.None, enginetest.Stuck, enginetest.None)
				d.Advance(time.Hour)
				if d.Targets["dir"].Holds("eve", "wiki") {
					t.Error("still held an hour after the target came back")
				}
				d.CheckQuiet()
			})
		})
	}
}

// Put back by hand half a minute after its removal was seen: the look that
// confirms a removal finds it, says so, and it goes again.
func TestAB56_PutBackAfterItsRemoval(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		g := d.untilEnd()
		d.Advance(g.End.Sub(d.Now()))
		if d.Job(g.Assignment).State != access.Absent {
			t.Fatal("not removed")
		}
		d.Advance(30 * time.Second)
		d.Targets["dir"].Put("eve", "wiki")
		told := len(d.Notices())
		d.Advance(time.Minute)
		if d.Targets["dir"].Holds("eve", "wiki") {
			t.Error("it is there still")
		}
		again := slices.IndexFunc(d.Findings(false), func(f access.Finding) bool { return f.Kind == "seen_again" && f.Subject == g.Assignment })
		if again < 0 || len(d.Notices()) <= told {
			t.Errorf("nobody is told: %v", d.Findings(false))
		}
		d.Advance(10 * time.Minute)
		d.CheckQuiet()
	})
}
