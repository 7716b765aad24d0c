package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

const hour = access.Term(time.Hour)

// One whole life: asked, approved, seen held, over, seen gone, and all of it told.
func TestLife(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 8 * hour}, "mia")
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Fatal("held before anything was done")
		}
		f.Check()
		f.Work()
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Fatal("not held after the grant")
		}
		f.CheckQuiet()
		if g = f.Grant(g.ID); !g.Seen.Equal(f.Clock.Now()) || !g.End.Equal(g.Seen.Add(8*time.Hour)) {
			t.Fatalf("seen %s, ends %s", g.Seen, g.End)
		}
		f.Advance(8*time.Hour - time.Microsecond)
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Fatal("gone too early")
		}
		f.Advance(time.Microsecond)
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Fatal("held after its end")
		}
		f.CheckQuiet()
		if g = f.Grant(g.ID); g.State != access.Ended || g.Ended != access.EndExpired || f.Job(g.Assignment).State != access.Absent {
			t.Fatalf("grant %s (%s), assignment %s", g.State, g.Ended, f.Job(g.Assignment).State)
		}
	})
}
