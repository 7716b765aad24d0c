package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// A target that was away is known to be back within seconds, whatever the
// back-off of what is to be removed there, and all of it goes then; while it was away it
// was asked often enough for that, and not more.
func TestATargetThatComesBackIsUsedAtOnce(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		dir := f.Targets["dir"]
		var held []string
		for _, who := range []string{"eve", "bob", "nora"} {
			for _, what := range []string{"wiki", "reports", "lobby"} {
				r := f.Ask(who, engine.Ask{Entitlements: []string{"dir:" + what}})
				if what != "lobby" {
					f.Approve("mia", r)
				}
				held = append(held, who+" "+what)
			}
		}
		f.Advance(time.Minute)
		if n := len(dir.Held()); n != len(held) {
			t.Fatalf("%d of %d are held", n, len(held))
		}
		dir.Always(enginetest.Unreachable, enginetest.Blind)
		f.Advance(time.Hour + 5*time.Minute)
		calls := len(dir.Log())
		f.Advance(time.Minute)
		if n := len(dir.Log()) - calls; n > 3*(20+len(held)) {
			t.Errorf("in a minute a target that is away was called %d times", n)
		}
		if n := len(dir.Held()); n != len(held) {
			t.Fatalf("%d of %d are held by a target that is away", n, len(held))
		}
		dir.Mend()
		f.Advance(3 * time.Second)
		if left := dir.Held(); len(left) != 0 {
			t.Errorf("three seconds after it came back it still lets in %v", left)
		}
		f.CheckQuiet()
	})
}

// What a target refuses, though it answers every look, is not tried more often for that:
// another that is refused there hastens nothing.
func TestWhatIsRefusedIsNotHastened(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		dir := f.Targets["dir"]
		for _, who := range []string{"eve", "bob"} {
			f.Granted(who, engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
		}
		f.Work()
		dir.Always(enginetest.Refuse, enginetest.None)
		f.Advance(3 * time.Hour)
		calls := len(dir.Log())
		f.Advance(time.Hour)
		if n := len(dir.Log()) - calls; n > 2*3*14 {
			t.Errorf("two removals that are refused made %d calls in an hour", n)
		}
		dir.Mend()
		f.Advance(6 * time.Minute)
		f.CheckQuiet()
	})
}
