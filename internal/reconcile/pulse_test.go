package reconcile_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

// A lane is sick while its target answers no look, says since when, and is well with
// the first that does; whoever watches is told of each batch, step by step.
func TestPulse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := enginetest.Open(t, store.SQLite, enginetest.Virtual)
		var turns []reconcile.Turn
		lane := f.Lane("dir", "watched")
		lane.Watch = func(_ context.Context, turn reconcile.Turn) { turns = append(turns, turn) }
		if p := lane.Pulse(); !p.Came.IsZero() || !p.Sick.IsZero() {
			t.Errorf("before it ran: %+v", p)
		}
		f.Targets["dir"].Always(enginetest.None, enginetest.Blind)
		f.Granted("eve", wiki(hour), "mia")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		began := time.Now()
		go func() { lane.Run(ctx); close(ended) }()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if p := lane.Pulse(); p.Sick.IsZero() || p.Sick.Sub(began) > time.Second || p.Trouble == "" || time.Since(p.Came) > lane.LongestTurn() {
			t.Errorf("blind: %+v", p)
		}
		f.Targets["dir"].Mend()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if p := lane.Pulse(); !p.Sick.IsZero() || p.Trouble != "" || time.Since(p.Came) > lane.LongestTurn() {
			t.Errorf("mended: %+v", p)
		}
		// What failed once and was never due here again is somebody else's.
		f.Targets["dir"].Always(enginetest.None, enginetest.Blind)
		time.Sleep(time.Hour)
		synctest.Wait()
		cancel()
		<-ended
		if p := lane.Pulse(); p.Sick.IsZero() {
			t.Errorf("blind at the end: %+v", p)
		}
		time.Sleep(time.Hour)
		if p := lane.Pulse(); !p.Sick.IsZero() {
			t.Errorf("an hour after its last try: %+v", p)
		}
		f.Targets["dir"].Mend()
		f.Work()
		f.Check()

		var steps []string
		for _, s := range turns[0].Steps {
			steps = append(steps, s.Name)
			if len(s.Of) != 1 || s.Of[0] != turns[0].Tasks[0].ID || s.To.Before(s.From) {
				t.Errorf("step %+v", s)
			}
		}
		if got := strings.Join(steps, " "); got != "claim act look settle" || turns[0].System != "dir" || turns[0].Outcomes[0].Looked {
			t.Errorf("the first batch: %s, %+v", got, turns[0])
		}
	})
}
