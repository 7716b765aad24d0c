package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// task is an ask of an agent: for a task with a ticket.
func task(term access.Term, entitlements ...string) engine.Ask {
	return engine.Ask{Entitlements: entitlements, Reason: "for the task", Ticket: "jira:ACC-7", Term: term}
}

func TestAgentIsBoundByItsSponsor(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		// 1. It asks for what its sponsor does not hold, or for no task.
		if r := f.Ask("pilot", task(hour, "dir:wiki")); r.State != access.Denied {
			t.Errorf("beyond its sponsor: %s", r.State)
		}
		eves := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour}, "mia")
		if r := f.Ask("pilot", ask("dir:wiki")); r.State != access.Denied {
			t.Errorf("without a task: %s", r.State)
		}
		// 2. For longer than its sponsor holds it: it gets it for as long.
		g := f.Granted("pilot", task(20*hour, "dir:wiki"), "owen")
		if g.End.After(eves.End) {
			t.Errorf("it ends %s, and the sponsor's ends %s", g.End, eves.End)
		}
		f.Work() // access is seen, from which the sponsor's term runs: its end moves, and so does the agent's
		if eves, g = f.Grant(eves.ID), f.Grant(g.ID); g.End.After(eves.End) || g.State != access.Live {
			t.Errorf("it is %s until %s, and the sponsor's ends %s", g.State, g.End, eves.End)
		}
		f.Check()
		// 3. The sponsor gives it back: so does the agent, in the same moment.
		if err := f.Engine.Return(t.Context(), f.As("eve"), eves.ID, "done"); err != nil {
			t.Fatal(err)
		}
		if g = f.Grant(g.ID); g.State != access.Ended || g.Ended != access.EndEligibilityLost {
			t.Errorf("it is %s (%s)", g.State, g.Ended)
		}
		f.Work()
		if held := f.Held("dir"); len(held) != 0 {
			t.Errorf("held: %v", held)
		}
		// 4. Of two of the sponsor's, the longer one counts.
		short := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour}, "mia")
		long := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 6 * hour}, "mia")
		g = f.Granted("pilot", task(10*hour, "dir:wiki"), "owen")
		f.Work()
		if err := f.Engine.Return(t.Context(), f.As("eve"), long.ID, "done"); err != nil {
			t.Fatal(err)
		}
		if g, short = f.Grant(g.ID), f.Grant(short.ID); g.State != access.Live || !g.End.Equal(short.End) {
			t.Errorf("it is %s until %s, and what is left of the sponsor's ends %s", g.State, g.End, short.End)
		}
		// 5. Both run out together.
		f.Advance(3 * time.Hour)
		if g = f.Grant(g.ID); g.State != access.Ended {
			t.Errorf("it is %s", g.State)
		}
		f.CheckQuiet()
	})
}

func TestAgentLosesItsSponsor(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour}, "mia")
		g := f.Granted("pilot", task(hour, "dir:wiki"), "owen")
		f.Work()
		// 1. Another sponsor, who does not hold it.
		f.Change(func(c *enginetest.Company) {
			p := c.People["pilot"]
			p.Sponsor = "bob"
			c.People["pilot"] = p
		})
		if _, err := f.Engine.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g = f.Grant(g.ID); g.State != access.Ended {
			t.Errorf("it is %s", g.State)
		}
		// 2. The sponsor leaves while both hold it: one sweep, both ends.
		f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour}, "mia")
		g = f.Granted("pilot", task(hour, "dir:wiki"), "owen")
		f.Change(func(c *enginetest.Company) {
			b := c.People["bob"]
			b.Inactive = true
			c.People["bob"] = b
		})
		if _, err := f.Engine.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g = f.Grant(g.ID); g.State != access.Ended {
			t.Errorf("it is %s", g.State)
		}
		f.Work()
		f.CheckQuiet()
	})
}

func TestTaskClosed(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		eves := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Ticket: "jira:ACC-7", Term: 4 * hour}, "mia")
		g := f.Granted("pilot", task(hour, "dir:wiki"), "owen")
		f.Work()
		ticket, err := f.Engine.KeepTicket(t.Context(), access.Ticket{ID: "jira:acme:10041", Key: "ACC-7", State: access.Invalid}, "read")
		if err != nil {
			t.Fatal(err)
		}
		if n, err := f.Engine.TaskClosed(t.Context(), ticket.ID, "ticket ACC-7 was closed"); err != nil || n != 1 {
			t.Errorf("%d ended, %v", n, err)
		}
		if g, eves = f.Grant(g.ID), f.Grant(eves.ID); g.Ended != access.EndTicketClosed || eves.State != access.Live {
			t.Errorf("the agent's is %s (%s), the sponsor's %s", g.State, g.Ended, eves.State)
		}
		f.Work()
		f.CheckQuiet()
	})
}
