package report_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// What is late counts from its end, whether a lane has taken note of it or is down;
// what waits, waits since it was written.
func TestPulse(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		feel := func() report.Pulse {
			t.Helper()
			p, err := report.Feel(t.Context(), f.DB, []string{"dir", "git"}, f.Now())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if p := feel(); len(p.Systems) != 2 || p.Systems[0] != (report.Beat{Underway: store.Underway{System: "dir"}}) || p.Waiting != 0 || p.Requests != 0 || len(p.Ready) != 0 {
			t.Errorf("nothing yet: %+v", p)
		}
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: hour})
		asked := f.Now()
		f.Ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour})
		p := feel()
		if p.Requests != 1 || p.Unheeded != 0 || !p.Asked.Equal(asked) || p.Waiting == 0 || !p.WaitingAt.Equal(asked) || p.Head.Size != 0 {
			t.Errorf("asked: %+v", p)
		}
		// River's work has a clock of its own.
		if p, err := report.Feel(t.Context(), f.DB, nil, time.Now().Add(time.Minute)); err != nil || p.Ready["sequence"].IsZero() {
			t.Errorf("ready: %v, %v", err, p.Ready)
		}
		f.Work()
		if _, err := f.Engine.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if p := feel(); p.Waiting != 0 || !p.WaitingAt.IsZero() || p.Head.Size == 0 || p.Systems[0].Overdue != 0 {
			t.Errorf("sequenced: %+v", p)
		}
		// It has ended, and no lane runs.
		end := f.Grant(g.ID).End
		f.Clock.To(end.Add(10 * time.Minute))
		if s := feel().Systems; s[0].Overdue != 1 || !s[0].OverdueAt.Equal(end) || s[1].Overdue != 0 {
			t.Errorf("nobody takes note: %+v", s)
		}
		// One does, and the target refuses.
		f.Targets["dir"].Always(enginetest.Refuse, enginetest.None)
		f.Work()
		f.Advance(2 * time.Hour)
		p = feel()
		if s := p.Systems; s[0].Overdue != 1 || s[0].OverdueAt.Before(end) || s[0].Braked {
			t.Errorf("refused: %+v", s)
		}
		i := slices.IndexFunc(p.Findings, func(k store.OpenKind) bool { return k.Kind == "late_removal" })
		if i < 0 || p.Findings[i].Open != 1 || p.Findings[i].Overdue != 1 || p.Findings[i].Oldest.Before(end) {
			t.Errorf("findings: %+v", p.Findings)
		}
		// A brake, and a reading.
		if err := f.Engine.Find(t.Context(), "inventory_shrunk", "git", "security", "why", time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.Observed(t.Context(), engine.Reading{System: "dir", At: f.Now(), Objects: []string{"lobby"}, Holdings: []engine.Held{{Account: "eve", Object: "lobby"}}}); err != nil {
			t.Fatal(err)
		}
		if s := feel().Systems; !s[1].Braked || s[0].Braked || !s[0].Read.Equal(f.Now()) || !s[1].Read.IsZero() {
			t.Errorf("braked: %+v", s)
		}
		f.Targets["dir"].Mend()
		f.Advance(10 * time.Minute)
		if s := feel().Systems; s[0].Overdue != 0 || !s[0].OverdueAt.IsZero() {
			t.Errorf("removed: %+v", s)
		}
	})
}
