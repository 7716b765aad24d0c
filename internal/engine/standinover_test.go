package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// What runs out by itself is told once, in the log and to those it was between; what
// somebody ended, or is not over, is not.
func TestStandInsRunOut(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) { m := c.People["mia"]; m.Deputy = "owen"; c.People["mia"] = m })
		lend := func(days int) string {
			l, err := f.Engine.Delegate(t.Context(), f.As("mia"), engine.Delegating{To: "otto", End: f.Now().Add(time.Duration(days) * 24 * time.Hour), Reason: "on holiday"})
			if err != nil {
				t.Fatal(err)
			}
			return l.ID
		}
		short, long, ended := lend(1), lend(9), lend(1)
		if err := f.Engine.EndDelegation(t.Context(), f.As("mia"), ended, "no need"); err != nil {
			t.Fatal(err)
		}
		away, err := f.Engine.Away(t.Context(), f.As("mia"), engine.BeingAway{Until: f.Now().Add(24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(f.Jobs(engine.StandInsJob{}.Kind())); n != 4 {
			t.Errorf("%d looks are asked for", n)
		}
		over := func(want int) {
			t.Helper()
			if n, err := f.Engine.StandInsOver(t.Context()); err != nil || n != want {
				t.Errorf("%d are over, want %d: %v", n, want, err)
			}
		}
		over(0)
		f.Clock.Pass(24 * time.Hour)
		told := len(f.Notices())
		over(2)
		over(0)
		list := f.Notices()[told:]
		if len(list) != 2 || !slices.Equal(list[0].To, []string{"mia", "otto"}) || !slices.Equal(list[1].To, []string{"mia", "owen"}) {
			t.Errorf("told: %+v", list)
		}
		c, err := f.Engine.Cover(t.Context(), f.As("mia"), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range c.Delegations {
			if is := l.EndedBy == "lessor"; is != (l.ID == short) || l.ID == long && !l.EndedAt.IsZero() {
				t.Errorf("delegation %+v", l)
			}
		}
		if len(c.Absences) != 1 || c.Absences[0].ID != away.ID || c.Absences[0].EndedBy != "lessor" {
			t.Errorf("absences %+v", c.Absences)
		}
		f.Check()
	})
}
