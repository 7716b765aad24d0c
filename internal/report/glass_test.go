package report_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// Each use of break-glass is counted by how its review went; what waits for one
// stays in the figures however short the window is.
func TestBreakGlassIsCounted(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		f := enginetest.Open(t, kind)
		f.Change(func(c *enginetest.Company) {
			c.Groups["oncall"] = access.GroupMembers{ID: "oncall", Members: []string{"bob", "nora", "eve", "otto"}}
		})
		counts := func(what string, days int, want report.Glass) {
			t.Helper()
			n, err := report.Count(t.Context(), f.DB, f.WorldAt(f.Now()).Directory, f.Now().Add(-time.Duration(days)*24*time.Hour), f.Now())
			if err != nil || n.Glass != want {
				t.Errorf("%s: %+v, want %+v (%v)", what, n.Glass, want, err)
			}
		}
		use := func(by string) access.Emergency {
			t.Helper()
			m, err := f.Engine.BreakGlass(t.Context(), f.As(by), engine.Breaking{Entitlement: "dir:root", Reason: "the primary does not start", Incident: "INC-1"})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		review := func(m access.Emergency, verdict access.EmergencyVerdict) {
			t.Helper()
			if _, err := f.Engine.ReviewEmergency(t.Context(), f.As("sara"), engine.EmergencyReview{Emergency: m.ID, Verdict: verdict, Text: "the log shows what was done"}); err != nil {
				t.Fatal(err)
			}
		}
		counts("none", 7, report.Glass{})
		late, never, soon := use("nora"), use("bob"), use("eve")
		review(soon, access.Unjustified)
		counts("one reviewed, two not yet", 7, report.Glass{Uses: 3, InTime: 1, Unjustified: 1, Open: 2})
		f.Advance(25 * time.Hour)
		review(late, access.Justified)
		counts("one late, one overdue", 7, report.Glass{Uses: 3, InTime: 1, Late: 1, Unjustified: 1, Open: 1, Overdue: 1})
		f.Advance(10 * 24 * time.Hour)
		counts("before the window", 7, report.Glass{Open: 1, Overdue: 1})
		review(never, access.Justified)
		counts("all said", 30, report.Glass{Uses: 3, InTime: 1, Late: 2, Unjustified: 1})
		f.CheckQuiet()
	})
}
