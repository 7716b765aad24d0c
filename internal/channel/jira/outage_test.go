package jira_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// crowd are people of the company with accounts at Jira, all managed by mia.
func crowd(n int) (ids []string, s setting) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("p%02d", i))
	}
	return ids, setting{
		company: func(c *enginetest.Company) {
			for _, id := range ids {
				who := c.People["bob"]
				who.ID, who.Name, who.Accounts = id, id, map[string]string{"dir": id, "git": id, "acme": "acc-" + id}
				c.People[id] = who
			}
		},
		sim: func(c *jirasim.Config) {
			for _, id := range ids {
				c.Site.Users = append(c.Site.Users, jirasim.User{AccountID: "acc-" + id, Name: id, Login: id, Email: id + "@example.com", Token: "token-" + id, Groups: []string{"jira-users"}})
			}
		},
	}
}

// Jira is gone for a day. Every grant ends when it should; afterwards each ticket
// says each thing once, and Jira is not asked more than it lets.
func TestADayWithoutJira(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		people, with := crowd(24)
		const perMinute = 100
		k := open(t, d, with, setting{sim: func(c *jirasim.Config) { c.Rate = jirasim.Rate{Calls: perMinute, Per: time.Minute} }})
		// 1. Before: a third each held, waiting, and just raised.
		tickets := map[string]jirasim.Ticket{}
		for n, id := range people {
			if n%3 != 2 {
				tickets[id] = k.raise("acc-"+id, "wiki:editors", "8 hours")
			}
		}
		k.live(30*time.Minute, time.Minute)
		for n, id := range people {
			if n%3 == 0 {
				k.must(k.sim.As(jirasim.ExampleOwner).Approve(tickets[id].ID))
			}
		}
		k.live(30*time.Minute, time.Minute)
		for n, id := range people {
			if n%3 == 2 {
				tickets[id] = k.raise("acc-"+id, "wiki:editors", "8 hours")
			}
		}
		// 2. The outage. What waits is approved in Lessor; nothing waits for Jira.
		k.sim.Outage(true)
		began := k.Now()
		k.live(time.Hour, time.Minute)
		for n, id := range people {
			if n%3 == 1 {
				k.Approve("mia", k.Request(k.ticket(tickets[id]).Request()))
			}
		}
		k.live(time.Minute, time.Minute)
		for n, id := range people {
			if n%3 != 2 && !k.Targets["dir"].Holds(id, "wiki") {
				t.Errorf("%s does not hold it", id)
			}
		}
		for _, g := range k.Grants() {
			if end := k.Grant(g.ID).End; end.After(k.Now()) {
				k.live(end.Sub(k.Now()), time.Hour)
			}
			if k.Targets["dir"].Holds(g.Identity, "wiki") {
				t.Errorf("%s holds it at %s, past its end", g.Identity, k.Now())
			}
			if h := k.Job(g.Assignment); h.State != access.Absent || h.SeenAt.Before(k.Grant(g.ID).End) {
				t.Errorf("%s: seen %s at %s", g.Identity, h.State, h.SeenAt)
			}
		}
		k.Check()
		k.live(24*time.Hour-k.Now().Sub(began), time.Hour)
		// 3. Afterwards.
		k.sim.ForgetCalls()
		k.sim.Outage(false)
		back := k.Now()
		for len(k.jobs) > 0 && k.Now().Before(back.Add(6*time.Hour)) {
			k.live(time.Minute, time.Minute)
		}
		caught := k.Now().Sub(back)
		asked, refused := 0, 0
		for _, c := range k.sim.Calls() {
			asked++
			if c.Status == http.StatusTooManyRequests {
				refused++
			}
		}
		t.Logf("caught up in %s with %d calls, of which %d were refused for the rate of %d a minute", caught, asked, refused, perMinute)
		// One refusal ends a minute's asking: all else that waits is held back here.
		if minutes := int(caught/time.Minute) + 1; refused > minutes {
			t.Errorf("%d refusals in %d minutes", refused, minutes)
		}
		k.live(time.Hour, time.Minute)
		for n, id := range people {
			i := tickets[id]
			k.once(i)
			if n%3 == 2 {
				if r := k.Request(k.ticket(i).Request()); r.State != access.Pending {
					t.Errorf("%s, raised right before, is %s", i.Key, r.State)
				}
				k.mustSay(i, "This request waits for approval by: manager.", true)
				continue
			}
			for text, public := range map[string]bool{"The access is active: seen at": true, "The access has ended and was seen removed at": true, "Granted: ": false, "The whole life of": false} {
				k.mustSay(i, text, public)
			}
			if got := k.there(i).Status; got != "Removed" {
				t.Errorf("%s is %q", i.Key, got)
			}
		}
		k.CheckQuiet()
	})
}
