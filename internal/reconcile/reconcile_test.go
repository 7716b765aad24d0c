package reconcile_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

const hour = access.Term(time.Hour)

func wiki(term access.Term) engine.Ask {
	return engine.Ask{Entitlements: []string{"dir:wiki"}, Term: term}
}

// bubble runs a test in virtual time, on SQLite, with lanes that run by themselves.
func bubble(t *testing.T, do func(t *testing.T, f *enginetest.Fixture), change ...func(*enginetest.Options)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := enginetest.Open(t, store.SQLite, append(change, enginetest.Virtual)...)
		stop := f.Run()
		do(t, f)
		stop()
		f.Check()
	})
}

// Due work is picked up at its moment: a lane that sleeps on its timer acts
// within 100 ms of each start and end, however long it has slept.
func TestOnTime(t *testing.T) {
	bubble(t, func(t *testing.T, f *enginetest.Fixture) {
		start := time.Now().Add(5*time.Hour + 123*time.Millisecond)
		late := func(what string, moment time.Time, held bool) {
			time.Sleep(time.Until(moment) - time.Millisecond)
			synctest.Wait()
			if f.Targets["dir"].Holds("eve", "wiki") == held {
				t.Fatalf("%s before its time", what)
			}
			time.Sleep(101 * time.Millisecond)
			synctest.Wait()
			if f.Targets["dir"].Holds("eve", "wiki") != held {
				t.Fatalf("%s more than 100 ms late", what)
			}
		}
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 7 * hour, Start: start, Fixed: true}, "mia")
		late("added", g.Start, true)
		late("removed", g.End, false)

		began := time.Now()
		g = f.Granted("eve", wiki(hour), "mia")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if g = f.Grant(g.ID); g.Seen.IsZero() || g.Seen.Sub(began) > 100*time.Millisecond {
			t.Fatalf("a grant that begins at once is seen at %s", g.Seen)
		}
		late("removed", g.End, false)

		g = f.Granted("eve", wiki(hour), "mia")
		time.Sleep(time.Minute)
		if err := f.Engine.Revoke(t.Context(), f.As("sara"), g.ID, "an incident"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Fatal("held 100 ms after it was revoked")
		}
	})
}

// A target that hangs at every call keeps its lane busy to the end of each
// lease, and its lateness is told all the same.
func TestHangingTargetIsTold(t *testing.T) {
	slow := func(o *enginetest.Options) { o.Pace.Lease, o.Pace.Call = time.Minute, 20*time.Second }
	bubble(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Targets["dir"].Always(enginetest.Hang, enginetest.Stuck)
		g := f.Granted("eve", wiki(8*hour), "mia")
		time.Sleep(20 * time.Minute)
		if j := f.Job(g.Assignment); j.Work.Attempts < 3 || j.Work.Trouble == "" || j.Work.Told != 1 {
			t.Errorf("after 20 minutes: %+v", j.Work)
		}
		if told := f.Notices(); !slices.ContainsFunc(told, func(n engine.Notice) bool { return n.Subject == "late_provisioning: dir" && n.Loud == 1 }) {
			t.Errorf("told after 20 minutes: %+v", told)
		}
		if fs := f.Findings(true); len(fs) != 1 || fs[0].Kind != "late_provisioning" {
			t.Errorf("findings: %+v", fs)
		}
		f.Targets["dir"].Mend()
		time.Sleep(6 * time.Minute)
		if !f.Targets["dir"].Holds("eve", "wiki") || len(f.Findings(true)) != 0 {
			t.Errorf("mended, and not held or still found: %+v", f.Findings(true))
		}
	}, slow)
}

// A sick system has a lane of its own: it delays no other.
func TestSickSystemDelaysNobody(t *testing.T) {
	bubble(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Targets["dir"].Always(enginetest.Hang, enginetest.Stuck)
		f.Granted("eve", wiki(8*hour), "mia")
		time.Sleep(time.Second)
		deploy := f.Granted("bob", engine.Ask{Entitlements: []string{"git:deploy"}, Term: 8 * hour}, "otto", "sara")
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if deploy = f.Grant(deploy.ID); deploy.Seen.IsZero() {
			t.Fatal("not seen within 100 ms, while another system hangs")
		}
	})
}

// No back-off sleeps through an end: the target is blind for an hour, recovers
// seconds before the end, and access is gone at the end, not a retry later.
func TestBackOffDoesNotSleepThroughAnEnd(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		g := f.Granted("eve", wiki(8*hour), "mia")
		f.Advance(7*time.Hour - time.Minute)
		f.Targets["dir"].Always(enginetest.None, enginetest.Blind)
		f.Advance(time.Hour + 50*time.Second)
		f.Targets["dir"].Mend()
		if j := f.Job(g.Assignment); j.Work.Attempts == 0 {
			t.Fatal("the lane did not notice that it is blind")
		}
		f.Advance(10 * time.Second)
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("held after its end, because a retry was not due yet")
		}
		f.CheckQuiet()
	})
}

// Revocation is tried for ever and told louder and louder, at growing intervals.
func TestRevocationNeverGivesUp(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		g := f.Granted("eve", wiki(hour), "mia")
		f.Work()
		f.Targets["dir"].Always(enginetest.Refuse, enginetest.None)
		f.Advance(time.Hour + 29*time.Second)
		if n := len(f.Findings(true)); n != 0 {
			t.Fatalf("%d findings within half a minute", n)
		}
		f.Advance(3 * 24 * time.Hour)
		var told []engine.Notice
		for _, n := range f.Notices() {
			if strings.HasPrefix(n.Subject, "late_removal: "+g.Assignment) {
				told = append(told, n)
			}
		}
		if len(told) < 7 || len(told) > 12 {
			t.Fatalf("told %d times in three days", len(told))
		}
		for i, n := range told {
			if n.Loud != i {
				t.Errorf("notice %d is as loud as %d", i, n.Loud)
			}
			if i > 0 && (n.To[0] != "owen" || n.To[1] != "security") {
				t.Errorf("notice %d goes to %v", i, n.To)
			}
			if i > 1 && i < 6 && n.At.Sub(told[i-1].At) <= told[i-1].At.Sub(told[i-2].At) {
				t.Errorf("notice %d comes %s after the one before, no later than that after its own", i, n.At.Sub(told[i-1].At))
			}
		}
		tries := len(f.Targets["dir"].Log())
		f.Check()
		f.Targets["dir"].Mend()
		f.Advance(f.Engine.Pace.SlowestOff)
		if f.Targets["dir"].Holds("eve", "wiki") || len(f.Findings(true)) != 0 {
			t.Errorf("after %d tries and mending: held, or still found: %+v", tries, f.Findings(true))
		}
		f.CheckQuiet()
	})
}

// Every fault of a call, at adding and at removing, ends in reality equal to authority.
func TestFaultsOfCalls(t *testing.T) {
	t.Parallel()
	writes := []enginetest.Fault{enginetest.Refuse, enginetest.Unreachable, enginetest.Throttle, enginetest.Lost, enginetest.LostDone,
		enginetest.Hang, enginetest.HangDone, enginetest.Late, enginetest.Lie, enginetest.TooLate}
	looks := []enginetest.Fault{enginetest.None, enginetest.Blind, enginetest.Stuck, enginetest.Stale}
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		dir := f.Targets["dir"]
		for _, w := range writes {
			for _, l := range looks {
				name := string(w) + ", " + string(l)
				dir.Freeze()
				dir.Break(w)
				dir.BreakLook(l, l)
				f.Granted("eve", wiki(hour), "mia")
				f.Advance(30 * time.Minute)
				if !dir.Holds("eve", "wiki") {
					t.Fatalf("adding, %s: not held after half an hour", name)
				}
				f.CheckQuiet()
				dir.Freeze()
				dir.Break(w)
				dir.BreakLook(l, l)
				f.Advance(2 * time.Hour)
				if dir.Holds("eve", "wiki") {
					t.Fatalf("removing, %s: held an hour after its end", name)
				}
				f.CheckQuiet()
				if t.Failed() {
					t.Fatalf("removing or adding, %s", name)
				}
			}
		}
	})
}
