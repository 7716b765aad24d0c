package jira_test

import (
	"encoding/json"
	"fmt"
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

// property is the size of what Lessor remembers with the issue itself, in bytes.
func (k *desk) property(i jirasim.Ticket) int {
	k.t.Helper()
	raw, err := json.Marshal(k.there(i).Properties["lessor"])
	k.must(err)
	return len(raw)
}

// fill asks for fifty entitlements in one ticket, whose owner lets go everything
// he may: each has half a dozen facts in its life.
var fill = setting{company: func(c *enginetest.Company) {
	one := c.Entitlements["dir:wiki"]
	for n := range 50 {
		e := one
		e.ID, e.Object = fmt.Sprintf("dir:room%02d", n), fmt.Sprintf("room%02d", n)
		c.Entitlements[e.ID] = e
	}
	c.Rules["request.cedar"] += `
@id("ask-twice") @needs("manager, owner")
permit (principal, action == Action::"request", resource in Class::"standard");
`
}, site: func(k *desk, s *config.JiraSite) {
	all := s.Projects[0].RequestTypes[0].Entitlements.Options
	ent := k.sim.FieldID("Entitlements")
	all[k.sim.OptionID(ent, "wiki:editors")] = config.JiraChoice{Bundle: "rooms"}
}}

// A ticket with five hundred facts: all of them are said once, in comments that
// Jira takes, what is remembered of them stays within Jira's bound, and a repeat
// says nothing again.
func TestFiveHundredFacts(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite, fill, setting{company: func(c *enginetest.Company) {
		var names []string
		for n := range 50 {
			names = append(names, fmt.Sprintf("dir:room%02d", n))
		}
		c.Bundles["rooms"] = access.Bundle{ID: "rooms", Entitlements: names}
	}})
	i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
	k.live(time.Minute, time.Minute)
	r := k.Request(k.ticket(i).Request())
	if r.State != access.Pending || len(r.Items) != 50 {
		t.Fatalf("it is %s: %+v", r.State, r.Items)
	}
	most := 0
	look := func() { most = max(most, k.property(i)) }
	k.sim.Outage(true) // so that they all come at once
	k.Approve("mia", r)
	k.Approve("owen", r)
	k.live(10*time.Minute, time.Minute)
	k.sim.Outage(false)
	k.live(10*time.Minute, time.Minute)
	look()
	k.live(10*time.Hour, 10*time.Minute)
	look()
	for text, n := range map[string]int{"mia said approve to dir:room": 50, "owen said approve to dir:room": 50, "Granted: eve may hold dir:room": 50, "The access is active: seen at": 50,
		"The grant of dir:room": 50, "The access has ended and was seen removed at": 50, "The whole life of": 50} {
		if got := k.times(i, text); got != n {
			t.Errorf("%q was said %d times, want %d", text, got, n)
		}
	}
	comments := len(k.there(i).Comments)
	for range 3 {
		k.must(k.ch.Tell(t.Context(), k.ticket(i).ID))
	}
	if n := len(k.there(i).Comments); n != comments {
		t.Errorf("a repeat made %d comments", n-comments)
	}
	look()
	t.Logf("%d comments; the memory grew to %d bytes", comments, most)
	if most > 32_768 {
		t.Errorf("the memory grew to %d bytes", most)
	}
	k.CheckQuiet()
}

// Hundreds of edits, votes and answers in one ticket: what is kept of it in Jira
// and in the store stays bounded, and no fact that is news goes unsaid.
func TestATicketThatNeverEnds(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	i := k.raise(jirasim.ExamplePerson, "prod-db:admin", "8 hours") // which the manager alone cannot grant
	k.live(time.Minute, time.Minute)
	var most, body int
	cast := map[string]bool{}
	for n := range 60 {
		// 1. Answered in Jira, which counts once and then no more, and put back.
		k.Clock.Pass(time.Second)
		k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
		k.work()
		// 2. Voted in Lessor and taken back.
		r := k.Request(k.ticket(i).Request())
		story, err := k.Engine.StoryOf(t.Context(), r.Ticket, r.ID)
		k.must(err)
		for _, v := range story.Approvals {
			cast[v.ID] = true
			if v.Voter == "mia" && v.Counts(r) {
				k.must(k.Engine.Withdraw(t.Context(), k.As("mia"), r.ID, v.ID))
			}
		}
		if n%3 == 0 {
			_, err := k.Engine.Vote(t.Context(), k.As("mia"), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
			k.must(err)
		}
		if n%10 == 9 {
			k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"summary": fmt.Sprintf("figures, %d", n)}))
		}
		k.work()
		kept, err := json.Marshal(k.ticket(i))
		k.must(err)
		most, body = max(most, k.property(i)), max(body, len(kept))
	}
	now := k.ticket(i)
	t.Logf("the memory grew to %d bytes, the ticket to %d, with %d answers; %d comments", most, body, len(now.Answers), len(k.there(i).Comments))
	if most > 15_000 || body > 30_000 || len(now.Answers) > 50 || now.Past.IsZero() {
		t.Errorf("%d bytes in Jira, %d in the store, %d answers, past %s", most, body, len(now.Answers), now.Past)
	}
	if n := k.times(i, "mia said approve"); n < len(cast) || len(cast) < 50 {
		t.Errorf("%d votes were told of %d", n, len(cast))
	}
	// And it is still decided as ever.
	r := k.Request(now.Request())
	k.reopen(i, jirasim.ExampleAgent)
	k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
	k.live(10*time.Minute, time.Minute)
	k.Approve("otto", k.Request(r.ID))
	k.live(10*time.Minute, time.Minute)
	if r = k.Request(r.ID); r.State != access.Approved {
		t.Errorf("in the end it is %s; %+v", r.State, k.ticket(i).Answers[len(k.ticket(i).Answers)-1])
	}
	k.CheckQuiet()
}

// Somebody writes over what Lessor remembers: with what is no memory, with a
// marker that is none of ours, with more than Jira would take from us.
func TestMemoryWrittenOver(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"a text": "x", "a marker": map[string]any{"facts": []string{}, "marker": "../..", "saying": []string{"x"}},
		"full": map[string]any{"facts": strings.Split(strings.Repeat("granted-nothing-at-all ", 1300), " ")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := open(t, store.SQLite)
			i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
			k.live(time.Minute, time.Minute)
			k.must(k.rest.SetProperty(t.Context(), i.ID, "lessor", value))
			k.Approve("mia", k.Request(k.ticket(i).Request()))
			k.live(10*time.Hour, 10*time.Minute)
			k.mustSay(i, "The access has ended and was seen removed at", true)
			if n := k.property(i); n > 10_000 {
				t.Errorf("%d bytes", n)
			}
			k.CheckQuiet()
		})
	}
}
