package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// The sponsor is another and the agent's own end is moved, in one change: the one does not hide the other.
func TestAgentOfAnotherSponsorAndWithAnEnd(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 20 * hour}, "mia")
		g := f.Granted("pilot", task(10*hour, "dir:wiki"), "owen")
		f.Work()
		f.Change(func(c *enginetest.Company) {
			p := c.People["pilot"]
			p.Sponsor, p.End = "bob", f.Now().Add(5*time.Hour)
			c.People["pilot"] = p
		})
		if _, err := f.Engine.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g = f.Grant(g.ID); g.State != access.Ended {
			t.Errorf("its sponsor holds nothing, and it is %s until %s", g.State, g.End)
		}
		f.Work()
		f.CheckQuiet()
	})
}
