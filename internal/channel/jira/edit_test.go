package jira_test

import (
	"net/http"
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

// edits are the ways in which a ticket asks for something else, by anybody who may edit it.
var edits = map[string]struct {
	fields map[string]any
	seen   func(access.Request) bool
}{
	"entitlement":   {map[string]any{"Entitlements": []any{"prod-db:read"}}, func(r access.Request) bool { return r.Item("dir:reports") == 0 && len(r.Items) == 1 }},
	"duration":      {map[string]any{"Term": "1 day"}, func(r access.Request) bool { return r.Term == access.Term(24*time.Hour) }},
	"beneficiary":   {map[string]any{"For whom": jirasim.ExampleAgent}, func(r access.Request) bool { return r.Beneficiary == "owen" }},
	"justification": {map[string]any{"summary": "something else"}, func(r access.Request) bool { return r.Reason == "something else" }},
	"start":         {map[string]any{"Start": jiraTime(enginetest.Noon.Add(72 * time.Hour))}, func(r access.Request) bool { return r.Start.Equal(enginetest.Noon.Add(72 * time.Hour)) }},
}

func jiraTime(t time.Time) string { return t.Format("2006-01-02T15:04:05.000-0700") }

// twoHands is a company where two people approve, and anybody asks for anybody.
var twoHands = setting{company: func(c *enginetest.Company) {
	for _, id := range []string{"dir:wiki", "dir:reports"} { // owen will have changed what is asked
		e := c.Entitlements[id]
		e.Owners = []string{"owen", "ada"}
		c.Entitlements[id] = e
	}
	c.Rules["request-others.cedar"] = `@id("ask-anybody")
@reason("This company lets its people ask for anybody.")
@needs("manager, owner")
permit (principal, action == Action::"request", resource in Class::"standard");
`
}}

// While it waits: a new revision, and the vote cast for the old one counts nothing.
func TestAB06_EditedWhileItWaits(t *testing.T) {
	t.Parallel()
	for name, e := range edits {
		t.Run(name, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d, twoHands)
				i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
				k.work()
				was := k.Request(k.ticket(i).Request())
				k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID)) // mia is the manager; owen, who owns it, has not answered
				k.work()
				if r := k.Request(was.ID); r.State != access.Pending {
					t.Fatalf("with one of two votes it is %s", r.State)
				}
				k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, e.fields))
				k.work()
				r := k.Request(was.ID)
				if name == "beneficiary" { // whom nobody lets ask for owen
					if r.State != access.Denied {
						t.Errorf("for somebody else it is %s", r.State)
					}
				} else if r.State != access.Pending || r.Revision != was.Revision+1 || r.Digest == was.Digest || !e.seen(r) {
					t.Errorf("after the edit: %+v", r)
				} else {
					k.mustSay(i, "It was changed, so earlier approvals no longer count.", true)
					k.mustSay(i, "The vote of mia no longer counts.", false)
				}
				// What was approved before the edit is not approved by the second of its two.
				_, err := k.Engine.Vote(t.Context(), k.As("owen"), engine.Ballot{Request: r.ID, Digest: was.Digest, Verdict: access.Approve})
				if err == nil {
					t.Error("a vote for the old revision was taken")
				}
				k.live(time.Hour, time.Minute)
				if n := len(k.Grants()) + len(k.Targets["dir"].Log()); n != 0 {
					t.Errorf("%d grants and calls to the target", n)
				}
				k.CheckQuiet()
			})
		})
	}
}

// After approval and before anything is provisioned: it waits anew, and the
// target is never called for what was approved.
func TestAB06_EditedBeforeItsStart(t *testing.T) {
	t.Parallel()
	for name, e := range edits {
		t.Run(name, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d)
				i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours", map[string]any{"Start": jiraTime(enginetest.Noon.Add(48 * time.Hour))})
				k.work()
				k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
				k.work()
				if gs := k.Grants(); len(gs) != 1 || gs[0].State != access.Scheduled {
					t.Fatalf("grants %+v", gs)
				}
				k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, e.fields))
				k.work()
				if gs := k.Grants(); len(gs) != 1 || gs[0].State != access.Ended || gs[0].Ended != access.EndSuperseded {
					t.Errorf("grants %+v", gs)
				}
				r := k.Request(k.ticket(i).Request())
				if want := map[bool]access.RequestState{true: access.Denied, false: access.Pending}[name == "beneficiary"]; r.State != want || !e.seen(r) {
					t.Errorf("it is %s: %+v", r.State, r)
				}
				if r.State == access.Pending {
					k.mustSay(i, "It was changed, so earlier approvals no longer count.", true)
				}
				k.live(72*time.Hour, time.Hour)
				if log := k.Targets["dir"].Log(); len(log) != 0 {
					t.Errorf("the target was called: %+v", log)
				}
				k.CheckQuiet()
			})
		})
	}
}

// The target is down, so what was approved has not been seen when the ticket is
// edited: it is not provisioned later.
func TestAB06_EditedWhileTheTargetIsDown(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		k.Targets["dir"].Always(enginetest.Unreachable, enginetest.Blind)
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.live(2*time.Minute, time.Minute)
		k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
		k.live(2*time.Minute, time.Minute)
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, edits["entitlement"].fields))
		k.live(2*time.Minute, time.Minute)
		k.Targets["dir"].Mend()
		k.live(2*time.Hour, time.Minute)
		if held := k.Held("dir"); len(held) != 0 {
			t.Errorf("held: %v", held)
		}
		if r := k.Request(k.ticket(i).Request()); r.State != access.Pending || r.Item("dir:reports") < 0 {
			t.Errorf("%+v", r)
		}
		k.CheckQuiet()
	})
}

// After it was seen: the grant stands as it was approved, and a finding says so.
func TestAB06_EditedWhileItIsHeld(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i, g := k.granted("wiki:editors")
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"Entitlements": []any{"prod-db:admin"}, "Term": "1 day"}))
		k.work()
		if now := k.Grant(g.ID); now.State != access.Live || !now.End.Equal(g.End) {
			t.Errorf("the grant is %+v", now)
		}
		k.mustFind("ticket_changed")
		k.live(9*time.Hour, time.Hour)
		if k.Targets["dir"].Holds("eve", "wiki") || k.Targets["dir"].Holds("eve", "root") {
			t.Error("held at its end")
		}
		// An edit of what is over asks for nothing.
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"Term": "8 hours"}))
		k.live(time.Hour, time.Minute)
		if n := len(k.ticket(i).Requests); n != 1 || len(k.Grants()) != 1 {
			t.Errorf("%d requests, %d grants", n, len(k.Grants()))
		}
		k.CheckQuiet()
	})
}

// granted is a ticket whose access is held, and its grant.
func (k *desk) granted(entitlement string) (jirasim.Ticket, access.Grant) {
	k.t.Helper()
	i := k.raise(jirasim.ExamplePerson, entitlement, "8 hours")
	k.work()
	k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
	k.work()
	r := k.Request(k.ticket(i).Request())
	if r.State != access.Approved {
		k.t.Fatalf("request is %s: %+v", r.State, r.Items)
	}
	g := k.Grant(r.Items[0].Grant)
	if g.Seen.IsZero() {
		k.t.Fatalf("grant is %+v", g)
	}
	return i, g
}

// mustFind fails unless exactly these kinds of findings are open.
func (k *desk) mustFind(kinds ...string) {
	k.t.Helper()
	var open []string
	for _, f := range k.Findings(true) {
		open = append(open, f.Kind)
	}
	slices.Sort(open)
	slices.Sort(kinds)
	if !slices.Equal(open, kinds) {
		k.t.Errorf("findings %v, want %v", open, kinds)
	}
}

// mustHaveFound fails unless such a finding is or was open.
func (k *desk) mustHaveFound(kind string) {
	k.t.Helper()
	if !slices.ContainsFunc(k.Findings(false), func(f access.Finding) bool { return f.Kind == kind }) {
		k.t.Errorf("nothing was found of %s", kind)
	}
}

// What can no longer be understood is no longer asked: nobody may approve it,
// here or in Lessor, and mended it is asked anew.
func TestAB06_EditedIntoNothing(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.work()
		was := k.Request(k.ticket(i).Request())
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"Term": "30 days"})) // which is in no mapping
		k.work()
		if now := k.ticket(i); now.State != access.Invalid {
			t.Fatalf("the ticket is %s", now.State)
		}
		k.mustSay(i, "Choose for how long the access is needed.", true)
		if _, err := k.Engine.Vote(t.Context(), k.As("mia"), engine.Ballot{Request: was.ID, Digest: was.Digest, Verdict: access.Approve}); err == nil {
			t.Error("what the ticket no longer asks was approved")
		}
		k.work()
		k.mustSay(i, "Choose for how long the access is needed.", true) // once for one content
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"Term": "1 day"}))
		k.work()
		now := k.Request(k.ticket(i).Request())
		if now.ID == was.ID || now.State != access.Pending || now.Term != access.Term(24*time.Hour) {
			t.Errorf("mended: %+v", now)
		}
		k.live(9*time.Hour, time.Hour)
		if len(k.Grants()) != 0 {
			t.Errorf("grants %+v", k.Grants())
		}
		k.CheckQuiet()
	})
}

// One of two is granted, the other waits, and the ticket is edited: what waits
// is taken back, what was granted ends as granted, and the ticket goes on being read.
func TestAB06_EditedHalfWay(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours", map[string]any{"Entitlements": []any{"wiki:editors", "prod-db:admin"}})
		k.work()
		r := k.Request(k.ticket(i).Request())
		k.Approve("mia", r) // enough for the wiki, one of two for root
		k.work()
		if r = k.Request(r.ID); r.State != access.Pending || r.Items[r.Item("dir:wiki")].Outcome != access.Granted {
			t.Fatalf("half way: %+v", r.Items)
		}
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"Term": "1 day"}))
		k.work()
		if r = k.Request(r.ID); r.State != access.Approved || r.Items[r.Item("dir:root")].Outcome != access.ItemDropped {
			t.Errorf("after the edit: %s %+v", r.State, r.Items)
		}
		if !k.Targets["dir"].Holds("eve", "wiki") || k.Targets["dir"].Holds("eve", "root") {
			t.Errorf("held: %v", k.Held("dir"))
		}
		k.mustFind("ticket_changed")
		k.live(9*time.Hour, time.Hour)
		k.mustSay(i, "The access has ended and was seen removed at", true)
		k.CheckQuiet()
	})
}

// The ticket is edited, and the approval asked anew, between two of our looks at
// it: what was approved is not what we had read.
func TestAB06_EditedWhileItIsRead(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"/issue/", "/changelog", "/approval"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			k := open(t, store.SQLite)
			i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
			k.work()
			k.Clock.Pass(time.Minute)
			k.must(k.sim.As(jirasim.ExampleAgent).Comment(i.ID, "look here", false))
			done := false
			k.wire.set(nil, func(_ int, r *http.Request, _ *http.Response) error {
				if !done && (strings.HasSuffix(r.URL.Path, at) || strings.HasSuffix(r.URL.Path, at+i.ID)) {
					done = true
					k.Clock.Pass(time.Second)
					k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, edits["entitlement"].fields))
					k.must(k.sim.As(jirasim.ExampleAgent).Transition(i.ID, "Ask customer"))
					k.Clock.Pass(time.Second)
					k.must(k.sim.As(jirasim.ExampleAgent).Transition(i.ID, "Ask again"))
					k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
				}
				return nil
			})
			k.live(10*time.Minute, time.Minute)
			if !done {
				t.Fatal("nothing was edited")
			}
			for _, g := range k.Grants() {
				if g.Entitlement == "dir:wiki" {
					t.Errorf("granted what the approver did not see: %+v", g)
				}
			}
			if r := k.Request(k.ticket(i).Request()); r.Item("dir:reports") < 0 {
				t.Errorf("%+v", r)
			}
			k.CheckQuiet()
		})
	}
}

// Approved, and edited, before anybody read it: the approval was of something else.
func TestAB06_EditedBetweenApprovalAndReading(t *testing.T) {
	t.Parallel()
	for kind, with := range map[string]setting{"cloud": {}, "data center": dataCenter} {
		t.Run(kind, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d, with)
				i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
				k.Clock.Pass(time.Second)
				k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
				k.Clock.Pass(time.Second)
				k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, edits["entitlement"].fields))
				k.Clock.Pass(time.Second)
				k.live(time.Hour, time.Minute)
				if r := k.Request(k.ticket(i).Request()); r.State != access.Pending || len(k.Grants()) != 0 {
					t.Errorf("it is %s", r.State)
				}
				k.mustSay(i, "what the ticket asks was changed since it was put to them.", false)
				// Put back, the approval was opened anew; that answer counts.
				k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
				k.live(time.Hour, time.Minute)
				if r := k.Request(k.ticket(i).Request()); r.State != access.Approved {
					t.Errorf("approved anew, it is %s: %+v", r.State, k.ticket(i).Answers)
				}
				k.CheckQuiet()
			})
		})
	}
}

// The process ended right after asking, and the ticket was edited before it was
// read again: what was asked is found, and changed.
func TestAB06_EditedAfterTheProcessEnded(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.Clock.Pass(time.Second)
		k.door.set(1, true)
		k.poll()
		k.round()
		if k.door.ended != "submit" {
			t.Fatalf("it ended at %q", k.door.ended)
		}
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(i.ID, edits["entitlement"].fields))
		k.live(time.Hour, time.Minute)
		now := k.ticket(i)
		if r := k.Request(now.Request()); len(now.Requests) != 1 || r.Revision != 2 || r.Item("dir:reports") < 0 || r.State != access.Pending {
			t.Errorf("%+v: %+v", now, r)
		}
		k.CheckQuiet()
	})
}
