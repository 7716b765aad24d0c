package jira_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Deleted or hidden without a word, while its request waits or its grant lives:
// it is found within the configured time, and found to be back within it.
func TestAB10_GoneWithoutAWord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		every time.Duration // 0: as ever, an hour
		poll  time.Duration
	}{"an hour": {0, time.Minute}, "six hours": {6 * time.Hour, time.Minute}, "polled no more often": {time.Hour, time.Hour}} {
		t.Run(name, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d, setting{site: func(_ *desk, s *config.JiraSite) { s.Reread, s.Poll = c.every, c.poll }})
				within := max(c.every, time.Hour)
				waits := k.raise(jirasim.ExamplePerson, "prod-db:read", "1 day")
				held, _ := k.granted("wiki:editors")
				over, g := k.granted("wiki:editors")
				k.must(k.Engine.Return(t.Context(), k.As("eve"), g.ID, "done"))
				k.live(c.poll+10*time.Minute, c.poll)
				for _, i := range []jirasim.Ticket{waits, held, over} {
					k.must(k.sim.As(jirasim.ExampleAdmin).Delete(i.ID)) // no webhook of it is delivered
				}
				k.live(within+time.Second, c.poll)
				for _, i := range []jirasim.Ticket{waits, held} {
					if now := k.ticket(i); now.State != access.Missing || !slices.Contains(now.Open, "ticket_missing") {
						t.Errorf("%s is %s after %s", i.Key, now.State, within)
					}
				}
				if now := k.ticket(over); now.State != access.Linked {
					t.Errorf("what is over is looked at for ever: %s", now.State)
				}
				k.CheckQuiet()
			})
		})
	}
}

// Hundreds of tickets wait: each round looks at a few, the longest unseen first,
// and one that cannot be read keeps none of them from its turn.
func TestRereadByTurns(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	const many = 45 // more than two rounds
	var all []jirasim.Ticket
	for range many {
		all = append(all, k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours"))
	}
	k.live(10*time.Minute, time.Minute) // what the search shows is read for a while
	k.sim.Break(jirasim.Fault{Method: http.MethodGet, Path: "/rest/api/3/issue/" + all[3].ID, Times: -1, Status: 400})
	k.sim.Break(jirasim.Fault{Method: http.MethodGet, Path: "/rest/api/3/issue/" + all[5].ID, Times: -1, Status: 500})
	k.sim.ForgetCalls()
	k.live(time.Hour, time.Minute)
	seen, round := map[string]int{}, map[time.Time]int{}
	for _, c := range k.sim.Calls() {
		if id, ok := strings.CutPrefix(c.Path, "/rest/api/3/issue/"); ok && c.Method == http.MethodGet && !strings.Contains(id, "/") {
			seen[id]++
			round[c.At]++
		}
	}
	for _, i := range all {
		if n := seen[i.ID]; n < 1 || n > 4 {
			t.Errorf("%s was looked at %d times in an hour", i.Key, n)
		}
	}
	for at, n := range round {
		if n > 20 {
			t.Errorf("%d tickets in the round of %s", n, at)
		}
	}
	k.Check()
}

// While Jira is away, or wants to be left alone, nothing piles up that is read afterwards.
func TestRereadLeavesJiraAlone(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	for range 30 {
		k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
	}
	k.live(2*time.Minute, time.Minute)
	k.sim.Outage(true)
	k.live(4*time.Hour, time.Minute)
	if n := len(k.jobs); n > 0 {
		t.Errorf("%d jobs wait for Jira, and nobody asked for anything", n)
	}
	k.sim.Outage(false)
	k.sim.ForgetCalls()
	k.live(time.Minute, time.Minute)
	if n := len(k.sim.Calls()); n > 200 {
		t.Errorf("%d calls in the first minute", n)
	}
	k.Check()
}
