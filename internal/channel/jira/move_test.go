package jira_test

import (
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

func whenMoved(m config.JiraMove) setting {
	return setting{site: func(_ *desk, s *config.JiraSite) { s.Projects[0].WhenMoved = m }}
}

// A status is no decision, by whichever way a ticket comes to it.
func TestAB08_MovedByHand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hand func(*jirasim.Sim) *jirasim.Hand
		exit []string
		at   string
	}{
		"a third way out":            {func(s *jirasim.Sim) *jirasim.Hand { return s.As(jirasim.ExampleAgent) }, []string{"Fast track"}, "Being granted"},
		"from any status":            {func(s *jirasim.Sim) *jirasim.Hand { return s.As(jirasim.ExampleAgent) }, []string{"Set active"}, "Active"},
		"a rule acting as its owner": {func(s *jirasim.Sim) *jirasim.Hand { return s.Rule(jirasim.ExampleAgent) }, []string{"Set active"}, "Active"},
		"done, in two steps":         {func(s *jirasim.Sim) *jirasim.Hand { return s.As(jirasim.ExampleAdmin) }, []string{"Set active", "Remove"}, "Removed"},
		"a rule acting as us":        {func(s *jirasim.Sim) *jirasim.Hand { return s.Rule(jirasim.ExampleBot) }, []string{"Set active"}, "Active"},
	} {
		for _, when := range []config.JiraMove{config.JiraPutBack, config.JiraComment} {
			t.Run(name+"/"+string(when), func(t *testing.T) {
				enginetest.Each(t, func(t *testing.T, d store.Dialect) {
					k := open(t, d, whenMoved(when), setting{site: func(k *desk, s *config.JiraSite) {
						s.Projects[0].Closed = []string{k.status("Removed"), k.status("Refused")}
					}})
					i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
					k.live(10*time.Minute, time.Minute)
					for _, exit := range c.exit {
						k.must(c.hand(k.sim).Transition(i.ID, exit))
					}
					k.live(time.Hour, time.Minute)
					r := k.Request(k.ticket(i).Request())
					if r.State != access.Pending || len(k.Grants())+len(k.Targets["dir"].Log()) != 0 {
						t.Errorf("it is %s, %d grants", r.State, len(k.Grants()))
					}
					if c.at != "Removed" { // which claims no approval
						k.mustHaveFound("workflow_only_approval")
					}
					if when == config.JiraPutBack {
						if got := k.there(i).Status; got != "Waiting for approval" && c.at != "Removed" {
							t.Errorf("its status is %q", got)
						}
					} else {
						k.mustSay(i, "This ticket was moved to \""+c.at+"\" by hand. That changed nothing about the access: it is waiting.", true)
						if got := k.there(i).Status; got != c.at {
							t.Errorf("its status is %q", got)
						}
					}
					k.once(i)
					// And it is still decided as ever.
					k.Approve("mia", r)
					k.live(10*time.Hour, 10*time.Minute)
					if got := k.there(i).Status; len(k.Grants()) != 1 || k.Grants()[0].State != access.Ended || when == config.JiraPutBack && got != "Removed" {
						t.Errorf("in the end its status is %q: %+v", got, k.Grants())
					}
					k.mustSay(i, "The access has ended and was seen removed at", true)
					k.CheckQuiet()
				})
			})
		}
	}
}

// A hundred tickets at once.
func TestAB08_MovedInBulk(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	var all []jirasim.Ticket
	for range 100 {
		all = append(all, k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours"))
	}
	k.live(2*time.Minute, time.Minute)
	for _, i := range all {
		k.must(k.sim.As(jirasim.ExampleAgent).Transition(i.ID, "Set active"))
	}
	k.live(10*time.Minute, time.Minute)
	for _, i := range all {
		if got := k.there(i).Status; got != "Waiting for approval" {
			t.Errorf("%s is %q", i.Key, got)
		}
		k.once(i)
	}
	if len(k.Grants()) != 0 {
		t.Errorf("%d grants", len(k.Grants()))
	}
	k.CheckQuiet()
}

// What becomes of a ticket after its grant changes nothing about the grant: it
// ends on time, its evidence is whole, and somebody is told.
func TestAB10_GoneAfterTheGrant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(*desk, jirasim.Ticket) error
		told bool // whether a webhook tells of it
	}{
		"deleted": {func(k *desk, i jirasim.Ticket) error { return k.sim.As(jirasim.ExampleAdmin).Delete(i.ID) }, true},
		"hidden": {func(k *desk, i jirasim.Ticket) error {
			return k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"security": "Security only"})
		}, true},
		"project deleted": {func(k *desk, _ jirasim.Ticket) error { return k.sim.DeleteProject("ACC") }, false},
	} {
		for _, lost := range []bool{false, true} {
			t.Run(name+map[bool]string{false: "", true: ", webhooks lost"}[lost], func(t *testing.T) {
				enginetest.Each(t, func(t *testing.T, d store.Dialect) {
					k := open(t, d)
					i, g := k.granted("wiki:editors")
					k.live(10*time.Minute, time.Minute)
					k.sim.DropDeliveries()
					k.must(c.do(k, i))
					if !lost {
						if _, err := k.sim.Deliver(t.Context(), 100); err != nil {
							t.Fatal(err)
						}
					}
					k.live(10*time.Minute, time.Minute)
					if told := c.told && !lost; told {
						k.mustFind("ticket_missing")
					}
					if now := k.Grant(g.ID); now.State != access.Live || !now.End.Equal(g.End) {
						t.Errorf("its grant is %+v", now)
					}
					k.live(g.End.Sub(k.Now())-time.Second, time.Hour)
					if !k.Targets["dir"].Holds("eve", "wiki") {
						t.Error("it is gone before its end")
					}
					k.live(2*time.Second, time.Hour)
					if k.Targets["dir"].Holds("eve", "wiki") {
						t.Error("it is held after its end")
					}
					k.live(time.Hour, time.Hour)
					k.mustFind("ticket_missing")
					if proof, err := k.bundle(t.Context(), g.ID); err != nil || !strings.Contains(string(proof), i.ID) {
						t.Errorf("its evidence: %v", err)
					}
					k.CheckQuiet()
				})
			})
		}
	}
}

// alsoOPS lets tasks of the example's other project, which is no desk, ask too.
var alsoOPS = setting{site: func(k *desk, s *config.JiraSite) {
	types, err := k.rest.Statuses(k.t.Context(), "OPS")
	k.must(err)
	p := s.Projects[0]
	p.Key, p.Desk, p.Votes = "OPS", false, config.JiraVotes{}
	p.RequestTypes = slices.Clone(p.RequestTypes)
	for _, of := range types {
		if of.Type.Name == "Task" {
			p.RequestTypes[0].ID = of.Type.ID
		}
	}
	s.Projects = append(s.Projects, p)
}}

// Hidden and shown again, moved away and back: it goes on where it was.
func TestAB10_GoneAndBack(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		away, back func(*desk, jirasim.Ticket) error
	}{
		"ticket_missing": {
			func(k *desk, i jirasim.Ticket) error {
				return k.sim.As(jirasim.ExampleAgent).Edit(i.ID, map[string]any{"security": "Security only"})
			},
			func(k *desk, i jirasim.Ticket) error {
				return k.sim.As(jirasim.ExampleSecurity).Edit(i.ID, map[string]any{"security": nil})
			}},
		"ticket_moved": {
			func(k *desk, i jirasim.Ticket) error { return k.sim.As(jirasim.ExampleAgent).Move(i.ID, "ACC") },
			func(k *desk, i jirasim.Ticket) error { return k.sim.As(jirasim.ExampleAgent).Move(i.ID, "OPS") }},
	} {
		t.Run(kind, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d, alsoOPS)
				k.must(k.sim.EditUser(jirasim.ExampleSecurity, func(u *jirasim.User) { u.Groups = append(u.Groups, "desk") }))
				k.must(k.sim.AddWebhook(jirasim.Webhook{Name: "all", URL: "https://lessor.example/hooks/jira/acme", Secret: hookSecret}))
				i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
				if kind == "ticket_moved" { // a request that is moved away is none when it comes back
					var err error
					i, err = k.sim.As(jirasim.ExampleAgent).Create("OPS", "Task", map[string]any{"summary": "figures", "Entitlements": []any{"wiki:editors"}, "Term": "8 hours"})
					k.must(err)
				}
				k.live(2*time.Minute, time.Minute)
				r := k.Request(k.ticket(i).Request())
				k.must(c.away(k, i))
				k.deliverAll()
				k.live(10*time.Minute, time.Minute)
				k.mustFind(kind)
				said := len(k.there(i).Comments)
				k.must(c.back(k, i))
				k.deliverAll()
				k.live(10*time.Minute, time.Minute)
				k.mustFind()
				if now := k.ticket(i); now.State != access.Linked || !slices.Equal(now.Requests, []string{r.ID}) || k.Request(r.ID).Revision != 1 {
					t.Errorf("back it is %+v", now)
				}
				if n := len(k.there(i).Comments); n != said {
					t.Errorf("%d comments were made of it", n-said)
				}
				k.Approve(map[bool]string{true: "mia", false: "ada"}[r.Requester == "eve"], r)
				k.live(10*time.Hour, 10*time.Minute)
				k.mustSay(i, "The access has ended and was seen removed at", true)
				k.once(i)
				k.CheckQuiet()
			})
		})
	}
}

func (k *desk) deliverAll() {
	k.t.Helper()
	if _, err := k.sim.Deliver(k.t.Context(), 1000); err != nil {
		k.t.Fatal(err)
	}
}

// Granted while it was away, it is told when it is back; where it was away,
// nothing of ours was written.
func TestMovedAwayMeanwhile(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.live(2*time.Minute, time.Minute)
		k.must(k.sim.As(jirasim.ExampleAgent).Move(i.ID, "OPS"))
		k.deliverAll()
		k.live(2*time.Minute, time.Minute)
		said := len(k.there(i).Comments)
		k.Approve("mia", k.Request(k.ticket(i).Request()))
		k.live(10*time.Minute, time.Minute)
		if !k.Targets["dir"].Holds("eve", "wiki") || len(k.there(i).Comments) != said {
			t.Errorf("held %v, %d comments", k.Held("dir"), len(k.there(i).Comments)-said)
		}
		k.must(k.sim.As(jirasim.ExampleAgent).Move(i.ID, "ACC"))
		k.deliverAll()
		k.live(10*time.Minute, time.Minute)
		k.mustSay(i, "The access is active: seen at", true)
		k.mustFind("ticket_moved") // it is no request of the desk's any more, so nothing in it is read
		k.live(10*time.Hour, 10*time.Minute)
		k.mustSay(i, "The access has ended and was seen removed at", true)
		if n := k.times(i, "Granted: "); n != 0 {
			t.Errorf("what is for the desk was said to all, %d times", n)
		}
		k.once(i)
		k.CheckQuiet()
	})
}

// Tickets about something else are neither kept nor written in.
func TestNotOurs(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		ops, err := k.sim.As(jirasim.ExampleAgent).Create("OPS", "Task", map[string]any{"summary": "Entitlement dir:root for eve, approved"})
		k.must(err)
		mail, err := k.sim.Mail("ACC", "Ask by mail", "paul@example.com", "access please", "dir:root")
		k.must(err)
		for _, i := range []jirasim.Ticket{ops, mail} {
			if _, err := k.Engine.Heed(t.Context(), "acme", "by hand "+i.ID, "jira:acme:"+i.ID); err != nil {
				t.Fatal(err)
			}
		}
		k.live(time.Hour, time.Minute)
		for _, i := range []jirasim.Ticket{ops, mail} {
			if now := k.ticket(i); now.Version != 0 || len(k.there(i).Comments) != 0 || len(k.there(i).Properties) > 1 {
				t.Errorf("%s is kept: %+v", i.Key, now)
			}
		}
		if list, err := k.Engine.Tickets(t.Context(), "", "", 100); err != nil || len(list) != 0 {
			t.Errorf("%d tickets are kept: %v", len(list), err)
		}
		k.CheckQuiet()
	})
}

// An option that is taken out of the mapping: what was asked stands, what is
// asked from now on is invalid, said once, and read again when it is mended.
func TestOptionRemoved(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		before := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.live(2*time.Minute, time.Minute)
		ent := k.sim.FieldID("Entitlements")
		delete(k.site.Projects[0].RequestTypes[0].Entitlements.Options, k.sim.OptionID(ent, "wiki:editors"))
		k.ch = k.channel(k.rest)
		after := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
		k.live(time.Hour, time.Minute)
		if r := k.Request(k.ticket(before).Request()); r.State != access.Pending || r.Revision != 1 {
			t.Errorf("what was asked before is %s, revision %d", r.State, r.Revision)
		}
		if now := k.ticket(after); now.State != access.Invalid || len(now.Requests) != 0 {
			t.Errorf("what was asked after is %+v", now)
		}
		k.mustSay(after, "One of the choices of access is not known to Lessor any more; choose another.", true)
		for range 3 { // read again and again, it is said once
			k.must(k.sim.As(jirasim.ExampleAgent).Comment(after.ID, "hm", false))
			k.live(10*time.Minute, time.Minute)
		}
		k.mustSay(after, "One of the choices of access is not known to Lessor any more; choose another.", true)
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(after.ID, map[string]any{"Term": "30 days"}))
		k.live(10*time.Minute, time.Minute)
		if n := k.times(after, "One of the choices of access is not known"); n != 2 {
			t.Errorf("of another content it was said %d times in all", n)
		}
		k.must(k.sim.As(jirasim.ExampleAgent).Edit(after.ID, map[string]any{"Entitlements": []any{"prod-db:read"}, "Term": "8 hours"}))
		k.live(10*time.Minute, time.Minute)
		if r := k.Request(k.ticket(after).Request()); r.State != access.Pending || r.Item("dir:reports") < 0 {
			t.Errorf("mended it is %+v", r)
		}
		k.CheckQuiet()
	})
}

// A closed ticket ends its grants where the company wants that, and only there;
// our own closing ends nothing, and deleting never does.
func TestClosed(t *testing.T) {
	t.Parallel()
	for _, revoke := range []bool{true, false} {
		t.Run(map[bool]string{true: "revoked", false: "kept"}[revoke], func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d, whenMoved(config.JiraComment), setting{site: func(k *desk, s *config.JiraSite) {
					s.Projects[0].RevokeOnClose, s.Projects[0].Closed = revoke, []string{k.status("Removed"), k.status("Refused")}
				}})
				i, g := k.granted("wiki:editors")
				k.must(k.sim.As(jirasim.ExampleAgent).Transition(i.ID, "Remove"))
				k.live(10*time.Minute, time.Minute)
				now := k.Grant(g.ID)
				if (now.State == access.Ended && now.Ended == access.EndTicketClosed) != revoke || k.Targets["dir"].Holds("eve", "wiki") == revoke {
					t.Errorf("its grant is %s (%s), held %v", now.State, now.Ended, k.Held("dir"))
				}
				if !revoke {
					k.mustSay(i, "This ticket was moved to \"Removed\" by hand. That changed nothing about the access: it is active.", true)
				}
				k.live(10*time.Hour, 10*time.Minute)
				// One that we close ourselves, with another of the same ticket to come.
				j, h := k.granted("prod-db:read")
				k.live(10*time.Hour, 10*time.Minute)
				if now := k.Grant(h.ID); now.Ended != access.EndExpired {
					t.Errorf("its grant ended because it %s", now.Ended)
				}
				if got := k.there(j).Status; got != "Removed" {
					t.Errorf("its status is %q", got)
				}
				k.once(j)
				k.CheckQuiet()
			})
		})
	}
}

// Taken back in Lessor, and not answered in time.
func TestTakenBackOrExpired(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do   func(*desk, access.Request)
		says string
		want access.RequestState
	}{
		"taken back": {func(k *desk, r access.Request) {
			k.must(k.Engine.Cancel(k.t.Context(), k.As("eve"), r.ID, "not needed"))
		}, "This request was taken back.", access.Cancelled},
		"expired": {func(k *desk, _ access.Request) { k.live(49*time.Hour, time.Hour) }, "Nobody answered this request in time, so it is refused. You may ask again.", access.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) {
				k := open(t, d)
				i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
				k.live(2*time.Minute, time.Minute)
				c.do(k, k.Request(k.ticket(i).Request()))
				k.live(10*time.Minute, time.Minute)
				if r := k.Request(k.ticket(i).Request()); r.State != c.want {
					t.Errorf("it is %s", r.State)
				}
				k.mustSay(i, c.says, true)
				if got := k.there(i).Status; got != "Refused" {
					t.Errorf("its status is %q", got)
				}
				// An approval after that is of nothing.
				k.must(k.sim.As(jirasim.ExampleAgent).Transition(i.ID, "Reopen"))
				k.Clock.Pass(time.Second)
				k.must(k.sim.As(jirasim.ExampleOwner).Approve(i.ID))
				k.live(time.Hour, time.Minute)
				if len(k.Grants()) != 0 {
					t.Errorf("%d grants", len(k.Grants()))
				}
				k.CheckQuiet()
			})
		})
	}
}

// Given back before its term: until it was seen gone no ticket says that it is,
// nor that it stays.
func TestGivenBackIsNotGoneUntilSeen(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i, g := k.granted("wiki:editors")
		k.live(10*time.Minute, time.Minute)
		k.Targets["dir"].Always(enginetest.Unreachable, enginetest.Blind)
		k.must(k.Engine.Return(t.Context(), k.As("eve"), g.ID, "done"))
		k.tellings() // before any lane has looked
		k.live(time.Hour, time.Minute)
		if n := k.times(i, "The access stays") + k.times(i, "seen removed") + k.times(i, "The whole life of"); n != 0 {
			t.Errorf("said %d times that it stays or is gone, and it is not known", n)
		}
		if got := k.there(i).Status; got != "Active" {
			t.Errorf("its status is %q", got)
		}
		k.Targets["dir"].Mend()
		k.live(time.Hour, time.Minute)
		k.mustSay(i, "The access has ended and was seen removed at", true)
		k.mustSay(i, "The whole life of "+g.ID, false)
		k.once(i)
		k.CheckQuiet()
	})
}

// Two tickets are reasons for one access: the one that ends first says that it stays.
func TestItStaysForAnother(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		i, g := k.granted("wiki:editors")
		k.live(2*time.Hour, time.Hour)
		j, _ := k.granted("wiki:editors")
		k.live(g.End.Sub(k.Now())+time.Minute, time.Hour)
		k.mustSay(i, "The access stays: another grant is a reason for it.", false)
		if !k.Targets["dir"].Holds("eve", "wiki") || k.times(i, "seen removed") != 0 {
			t.Error("it is gone")
		}
		k.live(4*time.Hour, 10*time.Minute)
		for _, one := range []jirasim.Ticket{i, j} {
			k.mustSay(one, "The access has ended and was seen removed at", true)
			k.once(one)
		}
		k.CheckQuiet()
	})
}
