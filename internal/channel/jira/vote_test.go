package jira_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Whoever may edit the approvers makes whom they like an approver, in Jira. Each
// of them answers, and is told in one sentence that it counts nothing.
func TestAB23_WhoeverJiraLetsAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		account string
		company func(*enginetest.Company)
		why     string
	}{
		"agent and assignee":        {jirasim.ExampleAgent, nil, "This answer does not count for dir:wiki: no rule permits owen to approve dir:wiki at the stage manager."},
		"project admin":             {jirasim.ExampleAdmin, nil, "the account it came from is not known to Lessor"},
		"somebody's twin":           {jirasim.ExampleTwin, nil, "the account it came from is not known to Lessor"},
		"customer, a participant":   {jirasim.ExampleCustomer, nil, "the account it came from is not known to Lessor"},
		"security, who owns it not": {jirasim.ExampleSecurity, nil, "This answer does not count for dir:wiki: no rule permits sara to approve dir:wiki at the stage manager."},
		"who asked":                 {jirasim.ExamplePerson, nil, "This answer does not count for dir:wiki: Nobody approves access for themselves, under whichever identity."},
		"our own account": {jirasim.ExampleBot, func(c *enginetest.Company) {
			who := c.People["ada"]
			who.Accounts = maps.Clone(who.Accounts)
			who.Accounts["acme"] = jirasim.ExampleBot
			c.People["ada"] = who
			eve := c.People["eve"]
			eve.Manager = "ada" // who could, from an account of her own
			c.People["eve"] = eve
		}, "is no person's."},
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d, setting{company: c.company})
				i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
				k.work()
				k.Clock.Pass(time.Minute)
				k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"Approvers": []any{c.account}}))
				k.must(k.sim.As(c.account).Approve(i.ID))
				k.live(time.Hour, time.Minute)
				r := k.Request(k.ticket(i).Request())
				if r.State != access.Pending || len(k.Grants()) != 0 {
					t.Errorf("it is %s: %+v", r.State, r.Items)
				}
				k.mustSay(i, c.why, false)
				k.mustHaveFound("workflow_only_approval")
				if got := k.there(i).Status; got != "Waiting for approval" {
					t.Errorf("its status is %q", got)
				}
				k.CheckQuiet()
			})
		})
	}
}

// An account that cannot be resolved any more votes nothing, though it answered before it went.
func TestAB23_UnknownByNow(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.work()
		k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
		k.must(k.sim.EditUser(jirasim.ExampleOwner, func(u *jirasim.User) { u.Gone = true }))
		k.live(time.Hour, time.Minute)
		if r := k.Request(k.ticket(i).Request()); r.State != access.Pending || len(k.Grants()) != 0 {
			t.Errorf("it is %s", r.State)
		}
		k.CheckQuiet()
	})
}

// Who asked is their own approver, there; and so is who it is for.
func TestAB23_NobodyForThemselves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asks, whom string
		answers    string
	}{
		"an approver for themselves":    {jirasim.ExampleOwner, "", jirasim.ExampleOwner},
		"a manager for whom they asked": {jirasim.ExampleOwner, jirasim.ExamplePerson, jirasim.ExampleOwner},
		"whom it is for":                {jirasim.ExampleOwner, jirasim.ExamplePerson, jirasim.ExamplePerson},
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d, setting{company: func(c *enginetest.Company) {
					wiki := c.Entitlements["dir:wiki"]
					wiki.Owners = []string{"mia", "eve", "owen"}
					c.Entitlements["dir:wiki"] = wiki
					c.Rules["request.cedar"] = strings.Replace(c.Rules["request.cedar"], `@needs("manager")`, `@needs("owner")`, 1)
				}})
				more := map[string]any{"Approvers": []any{c.answers}}
				if c.whom != "" {
					more["For whom"] = c.whom
				}
				i := k.raise(c.asks, "wiki:editors", "8 hours", more)
				k.work()
				if r := k.Request(k.ticket(i).Request()); r.Requester != "mia" || !r.Open() {
					t.Fatalf("%s: %+v", r.State, r.Items)
				}
				k.Clock.Pass(time.Second)
				k.must(k.sim.As(c.answers).Approve(i.ID))
				k.live(time.Hour, time.Minute)
				now := k.ticket(i)
				if r := k.Request(now.Request()); r.State != access.Pending || len(k.Grants()) != 0 || len(now.Answers) != 1 || now.Answers[0].Counted {
					t.Errorf("it is %s; answers %+v", r.State, now.Answers)
				}
				k.mustSay(i, now.Answers[0].Why, false)
				if strings.Count(now.Answers[0].Why, "does not count") != 1 {
					t.Errorf("it says %q", now.Answers[0].Why)
				}
				k.CheckQuiet()
			})
		})
	}
}

// The approval is passed a second time, and answered by the same person again.
func TestAB23_OnePersonOneVote(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "prod-db:admin", "8 hours")
		k.work()
		for range 3 {
			k.Clock.Pass(time.Minute)
			k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
			k.live(10*time.Minute, time.Minute) // and it is put back, which opens the approval anew
		}
		r := k.Request(k.ticket(i).Request())
		if r.State != access.Pending || len(k.ticket(i).Answers) != 3 {
			t.Errorf("it is %s; answers %+v", r.State, k.ticket(i).Answers)
		}
		for n, a := range k.ticket(i).Answers {
			if a.Counted != (n == 0) {
				t.Errorf("answer %d counts: %t (%s)", n, a.Counted, a.Why)
			}
		}
		k.Approve("otto", r) // who owns it
		k.live(time.Minute, time.Minute)
		if r = k.Request(r.ID); r.State != access.Approved {
			t.Errorf("with the owner's vote it is %s", r.State)
		}
		k.CheckQuiet()
	})
}

// Where policy wants more than Jira can know of a voter, the ticket says where to vote.
func TestStepUp(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d, setting{company: func(c *enginetest.Company) {
			text := c.Rules["request.cedar"]
			c.Rules["request.cedar"] = strings.Replace(text, `@id("ask-standard")`, "@step_up(\"mfa\")\n@id(\"ask-standard\")", 1)
			if text == c.Rules["request.cedar"] {
				t.Fatal("no such rule")
			}
		}})
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.work()
		k.mustSay(i, "An answer here is not enough for it: vote in Lessor, signed in strongly", true)
		k.Clock.Pass(time.Second)
		k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
		k.live(time.Hour, time.Minute)
		r := k.Request(k.ticket(i).Request())
		if r.State != access.Pending || len(k.Grants()) != 0 {
			t.Fatalf("with a vote in Jira it is %s", r.State)
		}
		k.Approve("mia", r)
		k.live(time.Minute, time.Minute)
		if !k.Targets["dir"].Holds("eve", "wiki") {
			t.Error("with a vote in Lessor it is not held")
		}
		k.CheckQuiet()
	})
}

// Two in one ticket are decided each by itself; a shorter vote elsewhere is told here.
func TestTwoInOneTicket(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "", "8 hours", map[string]any{"Entitlements": []any{"wiki:editors", "prod-db:admin"}})
		k.work()
		k.Clock.Pass(time.Second)
		k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
		k.live(10*time.Minute, time.Minute)
		r := k.Request(k.ticket(i).Request())
		if r.State != access.Pending || !k.Targets["dir"].Holds("eve", "wiki") || k.Targets["dir"].Holds("eve", "root") {
			t.Fatalf("half way it is %s, held %v", r.State, k.Held("dir"))
		}
		_, err := k.Engine.Vote(t.Context(), k.As("otto"), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve, Term: access.Term(time.Hour)})
		k.must(err)
		k.live(10*time.Minute, time.Minute)
		if !k.Targets["dir"].Holds("eve", "root") {
			t.Error("root is not held")
		}
		k.live(time.Hour, time.Minute)
		if k.Targets["dir"].Holds("eve", "root") || !k.Targets["dir"].Holds("eve", "wiki") {
			t.Errorf("after the shorter term: %v", k.Held("dir"))
		}
		if got := k.there(i).Status; got != "Active" {
			t.Errorf("its status is %q", got)
		}
		k.live(8*time.Hour, 10*time.Minute)
		if got := k.there(i).Status; got != "Removed" {
			t.Errorf("its status is %q", got)
		}
		k.once(i)
		k.CheckQuiet()
	})
}

// Denied by an answer, and narrowed to nothing.
func TestDeclined(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.work()
		k.Clock.Pass(time.Second)
		k.must(k.sim.As(jirasim.ExampleOwner).Decline(i.ID))
		k.live(10*time.Minute, time.Minute)
		if r := k.Request(k.ticket(i).Request()); r.State != access.Denied {
			t.Errorf("it is %s", r.State)
		}
		k.mustSay(i, "This request was refused.", true)
		// The edit of one that was refused asks anew, and is told of anew.
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"Term": "1 day"}))
		k.Clock.Pass(time.Second)
		k.live(10*time.Minute, time.Minute)
		if r := k.Request(k.ticket(i).Request()); r.State != access.Pending || len(k.ticket(i).Requests) != 2 {
			t.Errorf("edited, it is %s", r.State)
		}
		k.mustSay(i, "It was changed, so earlier approvals no longer count.", true)
		k.must(k.sim.As(jirasim.ExampleOwner).Decline(i.ID))
		k.live(10*time.Minute, time.Minute)
		if n := k.times(i, "This request was refused."); n != 2 {
			t.Errorf("refused twice, it was said %d times", n)
		}
		k.CheckQuiet()
	})
}

// Statuses that a company reads as votes: whoever moved it there has voted, by
// their own authority.
func TestVotesByStatus(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d, setting{site: func(k *desk, s *config.JiraSite) {
			s.Projects[0].Votes = config.JiraVotes{Statuses: map[string]access.Verdict{k.status("Waiting for customer"): access.Approve}}
		}, company: func(c *enginetest.Company) {
			eve := c.People["eve"]
			eve.Manager = "owen" // the agent, who may move tickets
			c.People["eve"] = eve
		}})
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.work()
		k.Clock.Pass(time.Second)
		k.must(k.sim.As(jirasim.ExampleBot).Transition(i.ID, "Ask customer")) // a rule, as the app it is
		k.live(10*time.Minute, time.Minute)
		if r := k.Request(k.ticket(i).Request()); r.State != access.Pending {
			t.Fatalf("moved by an app it is %s", r.State)
		}
		k.must(k.sim.As(jirasim.ExampleAgent).Transition(i.ID, "Ask customer"))
		k.live(10*time.Minute, time.Minute)
		if r := k.Request(k.ticket(i).Request()); r.State != access.Approved {
			t.Errorf("moved by the manager it is %s: %+v", r.State, k.ticket(i).Answers)
		}
		k.CheckQuiet()
	})
}

// times counts how often a text stands in our comments.
func (k *desk) times(i jirasim.Ticket, text string) (n int) {
	for _, c := range k.there(i).Comments {
		if c.Author == jirasim.ExampleBot {
			n += strings.Count(c.Text, text)
		}
	}
	return n
}

// once fails if any line of our comments stands in more than one of them, or the
// ticket was moved by us twice to one status.
func (k *desk) once(i jirasim.Ticket) {
	k.t.Helper()
	lines := map[string]int{}
	for _, c := range k.there(i).Comments {
		for line := range strings.SplitSeq(c.Text, "\n") {
			if line = strings.TrimSpace(line); line != "" && c.Author == jirasim.ExampleBot {
				lines[line]++
			}
		}
	}
	for line, n := range lines {
		if n > 1 {
			k.t.Errorf("%s: said %d times: %s", i.Key, n, line)
		}
	}
	moves := map[string]int{}
	for _, c := range k.there(i).Changes {
		if c.Author == jirasim.ExampleBot && c.FieldID == "status" {
			moves[c.To]++
		}
	}
	for to, n := range moves {
		if n > 1 {
			k.t.Errorf("%s: moved to %q %d times", i.Key, to, n)
		}
	}
}
