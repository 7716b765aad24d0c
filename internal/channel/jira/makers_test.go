package jira_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// anyOwner is a company where one owner's approval is enough, of two: owen, who
// works at the desk and may edit tickets, and ada.
var anyOwner = setting{company: func(c *enginetest.Company) {
	for _, id := range []string{"dir:wiki", "dir:reports"} {
		e := c.Entitlements[id]
		e.Owners = []string{"owen", "ada"}
		c.Entitlements[id] = e
	}
	c.Rules["request.cedar"] = strings.Replace(c.Rules["request.cedar"], `@needs("manager")`, `@needs("owner")`, 1)
	twin := c.People["owen"]
	twin.ID, twin.Name, twin.Same, twin.Accounts = "owen2", "Owen (desk)", "owen", map[string]string{"acme": jirasim.ExampleSecurity}
	c.People["owen2"] = twin
	sara := c.People["sara"]
	sara.Accounts = map[string]string{"dir": "sara", "git": "sara"}
	c.People["sara"] = sara
}}

// The agent who edited the ticket approves it: in Jira, in Lessor, edited with
// another account of theirs, and though the person who asks edited it after them.
func TestAB23_EditedThenApproved(t *testing.T) {
	t.Parallel()
	const why = "Nobody approves what they wrote or changed in the request themselves"
	for name, c := range map[string]struct {
		with  []setting
		by    string // whose account edits
		fixed bool   // the person who asks edits it once more
	}{
		"cloud": {nil, jirasim.ExampleAgent, false}, "data center": {[]setting{dataCenter}, jirasim.ExampleAgent, false},
		"a second account": {nil, jirasim.ExampleSecurity, false}, "mended": {nil, jirasim.ExampleAgent, true},
	} {
		for field, e := range edits {
			if field == "beneficiary" { // for whom nobody lets eve ask
				continue
			}
			t.Run(name+"/"+field, func(t *testing.T) {
				t.Parallel()
				k := open(t, store.SQLite, append([]setting{anyOwner}, c.with...)...)
				const person, agent = jirasim.ExamplePerson, jirasim.ExampleAgent
				i := k.raise(person, "wiki:editors", "8 hours", map[string]any{"Approvers": []any{agent}})
				k.live(time.Minute, time.Minute)
				was := k.Request(k.ticket(i).Request())
				if was.State != access.Pending || len(was.Makers) != 0 {
					t.Fatalf("as eve asked it, it is %s, made by %v", was.State, was.Makers)
				}
				for _, may := range []string{c.by, person} {
					k.must(k.sim.EditUser(may, func(u *jirasim.User) { u.Groups = append(u.Groups, "desk") }))
				}
				k.must(k.sim.As(c.by).Edit(i.ID, e.fields))
				k.live(time.Minute, time.Minute)
				if c.fixed {
					k.must(k.sim.As(agent).Edit(i.ID, map[string]any{"summary": "what was meant"}))
					k.must(k.sim.As(person).Edit(i.ID, map[string]any{"summary": "as I meant it"}))
					k.live(time.Minute, time.Minute)
				}
				r := k.Request(k.ticket(i).Request())
				if r.State != access.Pending || len(r.Makers) != 1 || !strings.HasPrefix(r.Makers[0], "owen") {
					t.Fatalf("edited by %s it is %s, made by %v", c.by, r.State, r.Makers)
				}
				if k.times(i, "Written or changed by "+r.Makers[0]+" too, whose approval does not count.") == 0 {
					t.Error("the ticket does not say who changed it")
				}
				k.reopen(i, agent)
				k.must(k.sim.As(agent).Approve(i.ID))
				k.live(10*time.Minute, time.Minute)
				k.mustSay(i, why, false)
				_, err := k.Engine.Vote(t.Context(), k.As("owen"), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
				if err == nil || !strings.Contains(err.Error(), why) {
					t.Errorf("in Lessor: %v", err)
				}
				if r = k.Request(r.ID); r.State != access.Pending || len(k.Grants()) != 0 {
					t.Fatalf("it is %s", r.State)
				}
				k.Approve("ada", r) // who never touched it
				k.live(10*time.Minute, time.Minute)
				if r = k.Request(r.ID); r.State != access.Approved {
					t.Errorf("approved by the other owner it is %s", r.State)
				}
				k.CheckQuiet()
			})
		}
	}
}

// reopen leaves the approval and comes back to it, as an agent can: it is put to
// them anew, after the edit.
func (k *desk) reopen(i jirasim.Ticket, agent string) {
	k.t.Helper()
	k.Clock.Pass(time.Second)
	k.must(k.sim.As(agent).Transition(i.ID, "Ask customer"))
	k.Clock.Pass(time.Second)
	k.must(k.sim.As(agent).Transition(i.ID, "Ask again"))
	k.Clock.Pass(time.Second)
}

// The agent raised it in somebody's name, who confirmed it: the agent has a hand in it all the same.
func TestAB23_RaisedThenApproved(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d, anyOwner)
		i, err := k.sim.As(jirasim.ExampleAgent).Raise("ACC", "Get access", map[string]any{"summary": "figures", "Entitlements": []any{"wiki:editors"}, "Term": "8 hours",
			"Approvers": []any{jirasim.ExampleAgent}})
		k.must(err)
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"reporter": map[string]any{"accountId": jirasim.ExamplePerson}}))
		k.live(time.Minute, time.Minute)
		if now := k.ticket(i); now.State != access.Unconfirmed || now.Claim != "eve" {
			t.Fatalf("it is %+v", now)
		}
		k.must(k.Engine.Confirm(t.Context(), k.As("eve"), k.ticket(i).ID))
		k.live(time.Minute, time.Minute)
		r := k.Request(k.ticket(i).Request())
		if r.State != access.Pending || !slices.Equal(r.Makers, []string{"owen"}) {
			t.Fatalf("it is %s, made by %v", r.State, r.Makers)
		}
		k.must(k.sim.As(jirasim.ExampleAgent).Approve(i.ID))
		k.live(10*time.Minute, time.Minute)
		if r = k.Request(r.ID); r.State != access.Pending {
			t.Errorf("approved by who raised it, it is %s", r.State)
		}
		k.Approve("ada", r)
		k.live(time.Minute, time.Minute)
		if r = k.Request(r.ID); r.State != access.Approved {
			t.Errorf("it is %s", r.State)
		}
		k.CheckQuiet()
	})
}

// Who edits is nobody we know: what is there by then asks for nothing until the
// person who asks has taken it for their own, and no approval of it counts.
func TestAB06_EditedByAStranger(t *testing.T) {
	t.Parallel()
	for name, hand := range map[string]func(*desk) *jirasim.Hand{
		"an unmapped agent":       func(k *desk) *jirasim.Hand { return k.sim.As(jirasim.ExampleAdmin) },
		"a rule, as our own self": func(k *desk) *jirasim.Hand { return k.sim.Rule(jirasim.ExampleBot) },
		"who is gone by now":      func(k *desk) *jirasim.Hand { return k.sim.As(jirasim.ExampleTwin) },
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d)
				k.must(k.sim.EditUser(jirasim.ExampleTwin, func(u *jirasim.User) { u.Groups = append(u.Groups, "desk") }))
				i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
				k.live(time.Minute, time.Minute)
				was := k.Request(k.ticket(i).Request())
				k.Clock.Pass(time.Second)
				k.must(hand(k).Edit(i.ID, edits["entitlement"].fields))
				k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
				if name == "who is gone by now" {
					k.must(k.sim.EditUser(jirasim.ExampleTwin, func(u *jirasim.User) { u.Gone = true }))
				}
				k.live(10*time.Minute, time.Minute)
				now := k.ticket(i)
				if now.State != access.Unconfirmed || now.Claim != "eve" || k.Request(was.ID).State != access.Cancelled {
					t.Fatalf("it is %+v; what was asked is %s", now, k.Request(was.ID).State)
				}
				k.mustSay(i, "was changed at 2026-03-02 12:01:01 UTC by somebody Lessor does not know", true)
				if err := k.Engine.Confirm(t.Context(), k.As("mia"), now.ID); err == nil {
					t.Error("somebody else confirmed it")
				}
				if len(k.ticket(i).Requests) != 1 || len(k.Grants()) != 0 {
					t.Errorf("it became %v", k.ticket(i).Requests)
				}
				// Confirmed, it is asked anew; the next such change is not confirmed with it.
				k.must(k.Engine.Confirm(t.Context(), k.As("eve"), now.ID))
				k.live(10*time.Minute, time.Minute)
				r := k.Request(k.ticket(i).Request())
				if r.State != access.Pending || r.Item("dir:reports") < 0 || r.ID == was.ID {
					t.Fatalf("confirmed it is %+v", r)
				}
				k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, edits["justification"].fields)) // whom we know
				k.live(10*time.Minute, time.Minute)
				if r = k.Request(k.ticket(i).Request()); r.State != access.Pending || !slices.Equal(r.Makers, []string{"owen"}) {
					t.Fatalf("edited by somebody known it is %s, made by %v", r.State, r.Makers)
				}
				k.must(k.sim.As(jirasim.ExampleAdmin).Edit(i.ID, edits["duration"].fields))
				k.live(10*time.Minute, time.Minute)
				if now = k.ticket(i); now.State != access.Unconfirmed || k.Request(r.ID).State != access.Cancelled {
					t.Errorf("changed again it is %s", now.State)
				}
				k.CheckQuiet()
			})
		})
	}
}

// A stranger's edit of what is held or over asks for nothing, and so for nobody's word.
func TestAB06_EditedByAStrangerWhileItIsHeld(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i, g := k.granted("wiki:editors")
		k.must(k.sim.As(jirasim.ExampleAdmin).Edit(i.ID, edits["entitlement"].fields))
		k.live(10*time.Minute, time.Minute)
		if now := k.ticket(i); now.State != access.Linked || k.Grant(g.ID).State != access.Live {
			t.Errorf("it is %s, its grant %s", now.State, k.Grant(g.ID).State)
		}
		k.mustFind("ticket_changed")
		k.live(9*time.Hour, time.Hour)
		k.CheckQuiet()
	})
}

// The request was changed in Lessor, and the ticket still says what it said: an
// answer to the ticket is none to the request.
func TestAB06_EditedInLessorThenApprovedInJira(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.live(time.Minute, time.Minute)
		r := k.Request(k.ticket(i).Request())
		r, err := k.Engine.Edit(t.Context(), k.As("eve"), r.ID, r.Digest, engine.Ask{Entitlements: []string{"dir:reports"}, Term: r.Term, Reason: r.Reason, Ticket: r.Ticket})
		k.must(err)
		k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
		k.live(10*time.Minute, time.Minute)
		if r = k.Request(r.ID); r.State != access.Pending || len(k.Grants()) != 0 {
			t.Errorf("it is %s", r.State)
		}
		k.mustSay(i, "what the request asks is no longer what the ticket says", false)
		k.Approve("mia", r)
		k.live(10*time.Hour, 10*time.Minute)
		k.CheckQuiet()
	})
}

// Data Center's history comes with the issue and may be cut: what was left out is
// nobody's, however the rest of it looks.
func TestAB06_EditedBeyondTheHistory(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite, anyOwner, dataCenter)
	i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
	k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, edits["entitlement"].fields))
	for n := range 101 {
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"labels": []any{fmt.Sprintf("l%d", n)}}))
	}
	k.live(10*time.Minute, time.Minute)
	if now := k.ticket(i); now.State != access.Unconfirmed || now.Claim != "eve" || len(now.Requests) != 0 {
		t.Fatalf("it is %+v", now)
	}
	k.must(k.Engine.Confirm(t.Context(), k.As("eve"), k.ticket(i).ID))
	k.live(10*time.Minute, time.Minute)
	if r := k.Request(k.ticket(i).Request()); r.State != access.Pending || r.Item("dir:reports") < 0 {
		t.Errorf("confirmed it is %+v", r)
	}
	k.CheckQuiet()
}
