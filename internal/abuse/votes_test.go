package abuse

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// The requester owns what is asked for, and so could answer anybody else.
func TestAB20_RequesterApprovesTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			root := c.Entitlements["dir:root"]
			root.Owners = []string{"otto", "owen"}
			c.Entitlements["dir:root"] = root
		})
		r := d.ask("otto", engine.Ask{Entitlements: []string{"dir:root"}})
		_, err := d.vote("otto", r)
		wantStatus(t, "otto on his own", err, http.StatusForbidden)
		d.uncounted("otto", r)
		for _, stage := range []string{"owner", "manager", "", "security"} {
			_, err := d.as("otto").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve, Stage: stage})
			wantStatus(t, "otto as "+stage, err, http.StatusForbidden)
		}
		if n := d.votesFor(r.ID); n != 0 {
			t.Fatalf("%d votes count", n)
		}
		refused := 0
		for _, ev := range d.Events(r.ID, "", "") {
			if ev.Kind == "vote.refused" {
				refused++
			}
		}
		if refused != 6 {
			t.Errorf("%d of 6 attempts left a trace in the log", refused)
		}
		if r = d.approve("owen", d.approve("ada", r)); r.State != access.Approved {
			t.Errorf("with the votes of others it is %s", r.State)
		}
		d.Work()
		d.CheckQuiet()
	})
}

// Whoever has a hand in it votes through every guise there is, each of them in
// the group that may answer.
func TestAB22_EveryGuiseOfTheRequester(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			g := c.Groups["security"]
			g.Members = append(g.Members, "eve", "eve.2", "robot", "pilot", "xena", "mia")
			c.Groups["security"] = g
		})
		for _, c := range []struct {
			name     string
			by       string
			ask      engine.Ask
			attacker []string
		}{
			{"for herself", "eve", engine.Ask{}, []string{"eve", "eve.2", "robot", "pilot"}},
			{"as her second identity", "eve.2", engine.Ask{}, []string{"eve", "eve.2", "robot", "pilot"}},
			{"for her workload", "eve", engine.Ask{Beneficiary: "robot"}, []string{"eve", "eve.2", "robot", "pilot"}},
			{"by her workload", "robot", engine.Ask{}, []string{"eve", "eve.2", "robot", "pilot"}},
			{"by her agent", "pilot", engine.Ask{Ticket: "jira:ACC-1"}, []string{"eve", "eve.2", "robot", "pilot"}},
			{"on behalf of her, by her manager", "mia", engine.Ask{Beneficiary: "eve"}, []string{"mia", "mia.2", "eve", "eve.2", "robot", "pilot"}},
			{"by an external person", "bob", engine.Ask{}, []string{"xena", "bob", "robot"}},
		} {
			c.ask.Entitlements, c.ask.Reason = []string{"git:deploy"}, c.name
			r := d.ask(c.by, c.ask)
			if r.State != access.Pending {
				t.Errorf("%s: %s, want pending: %+v", c.name, r.State, r.Items)
				continue
			}
			for _, who := range c.attacker {
				d.uncounted(who, r)
			}
			r = d.approve("otto", r)
			for _, who := range c.attacker {
				d.uncounted(who, r)
			}
			if r = d.Request(r.ID); r.State != access.Pending || r.Items[0].Grant != "" {
				t.Errorf("%s: %s after votes of those with a hand in it", c.name, r.State)
			}
			if r = d.approve("sara", r); r.State != access.Approved {
				t.Errorf("%s: %s with somebody else's vote", c.name, r.State)
			}
		}
		// That they tried is for security to know, once for each of them however often.
		var tried []string
		for _, f := range d.Findings(true) {
			if f.Kind == "own_vote" && f.Owner == "security" {
				tried = append(tried, f.Subject)
			}
		}
		if slices.Sort(tried); !slices.Equal(tried, []string{"eve", "mia", "pilot", "robot"}) {
			t.Errorf("findings of votes for oneself: %v", tried)
		}
		d.Work()
		d.CheckQuiet()
	})
}

// One person's second vote for another stage, under whichever identity.
func TestAB22_OnePersonFillsTwoStages(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			e := c.Entitlements["dir:root"]
			e.Owners = []string{"mia", "otto"}
			c.Entitlements["dir:root"] = e
		})
		r := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}}))
		d.uncounted("mia", r)
		d.uncounted("mia.2", r)
		if r = d.Request(r.ID); r.State != access.Pending {
			t.Fatalf("%s by one person's votes", r.State)
		}
		if r = d.approve("otto", r); r.State != access.Approved {
			t.Errorf("%s with a second person's vote", r.State)
		}
	})
}

// Groups in circles and chains, as the source of authority.
func TestAB24_AuthorityThroughCyclesAndDepth(t *testing.T) {
	t.Parallel()
	deep := func(c *enginetest.Company, bottom ...string) {
		const depth = 10_000
		for i := range depth {
			g := access.GroupMembers{ID: fmt.Sprintf("g%d", i), Groups: []string{fmt.Sprintf("g%d", i+1)}}
			c.Groups[g.ID] = g
		}
		c.Groups[fmt.Sprintf("g%d", depth)] = access.GroupMembers{ID: fmt.Sprintf("g%d", depth), Members: bottom}
		c.Groups["security"] = access.GroupMembers{ID: "security", Groups: []string{"g0"}}
	}
	circle := func(c *enginetest.Company, members ...string) {
		c.Groups["security"] = access.GroupMembers{ID: "security", Groups: []string{"g1"}}
		c.Groups["g1"] = access.GroupMembers{ID: "g1", Groups: []string{"g2", "g1"}}
		c.Groups["g2"] = access.GroupMembers{ID: "g2", Groups: []string{"security"}, Members: members}
	}
	many := 20_000
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		many = 1_000_000
	}
	wide := func(c *enginetest.Company, members ...string) {
		for i := range many {
			members = append(members, fmt.Sprintf("p%d", i))
		}
		c.Groups["security"] = access.GroupMembers{ID: "security", Members: members}
	}
	everybody := func(c *enginetest.Company, members ...string) {
		for i := range many {
			p := access.Identity{ID: fmt.Sprintf("p%d", i), Kind: access.Person, Name: fmt.Sprintf("P %d", i), Department: "it"}
			c.People[p.ID] = p
			members = append(members, p.ID)
		}
		c.Groups["security"] = access.GroupMembers{ID: "security", Members: members}
	}
	type crowd struct {
		name    string
		groups  func(*enginetest.Company, ...string)
		members []string
		want    access.RequestState
	}
	crowds := []crowd{
		{"a circle alone", circle, nil, access.Denied},
		{"a circle with the requester in it", circle, []string{"eve", "eve.2", "robot"}, access.Denied},
		{"a circle with somebody in it", circle, []string{"sara"}, access.Pending},
		{"ten thousand deep, nobody at the bottom", deep, nil, access.Denied},
		{"ten thousand deep", deep, []string{"sara"}, access.Pending},
		{"many names nobody bears", wide, nil, access.Denied},
		{"many names, and somebody", wide, []string{"sara"}, access.Pending},
		{"everybody", everybody, []string{"sara"}, access.Pending},
	}
	for _, c := range crowds {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, store.SQLite)
			d.Change(func(company *enginetest.Company) { c.groups(company, c.members...) })
			r := d.ask("eve", engine.Ask{Entitlements: []string{"git:deploy"}}) // of how many that asks, policy's own test says
			if r.State != c.want {
				t.Fatalf("%s, want %s: %s", r.State, c.want, r.Items[0].Why)
			}
			if c.want == access.Denied {
				return
			}
			d.uncounted("sven", r) // who was in the group before, and is not now
			if r = d.approve("sara", d.approve("otto", r)); r.State != access.Approved {
				t.Errorf("%s with every vote", r.State)
			}
		})
	}
}

// lose is what may happen to an approver between one moment and the next.
var lose = []struct {
	name string
	do   func(*enginetest.Company)
}{
	{"deactivated", func(c *enginetest.Company) { change(c, "mia", func(i *access.Identity) { i.Inactive = true }) }},
	{"gone", func(c *enginetest.Company) { delete(c.People, "mia"); delete(c.People, "mia.2"); orphan(c, "mia") }},
	{"left by date", func(c *enginetest.Company) { change(c, "mia", func(i *access.Identity) { i.End = enginetest.Noon }) }},
	{"no longer the manager", func(c *enginetest.Company) { change(c, "eve", func(i *access.Identity) { i.Manager = "ada" }) }},
	{"became external", func(c *enginetest.Company) {
		change(c, "mia", func(i *access.Identity) { i.External, i.Sponsor = true, "ada" })
	}},
	{"became the requester's second identity", func(c *enginetest.Company) {
		change(c, "mia", func(i *access.Identity) { i.Same = "eve" })
		change(c, "mia.2", func(i *access.Identity) { i.Same = "eve" })
	}},
}

func change(c *enginetest.Company, id string, do func(*access.Identity)) {
	i := c.People[id]
	do(&i)
	c.People[id] = i
}

// orphan takes an identity out of all that names it.
func orphan(c *enginetest.Company, id string) {
	for other, i := range c.People {
		if i.Manager == id {
			i.Manager = ""
		}
		if i.Sponsor == id {
			i.Sponsor = "ada"
		}
		c.People[other] = i
	}
}

// The first of two approvers loses authority before the second has voted.
func TestAB26_AuthorityLostBetweenVoteAndGrant(t *testing.T) {
	t.Parallel()
	for _, l := range lose {
		t.Run(l.name, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				r := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}}))
				d.Change(l.do)
				r = d.approve("otto", r)
				if r.State != access.Pending || r.Items[0].Grant != "" {
					t.Fatalf("request is %s on a vote that no longer stands: %+v", r.State, r.Items[0])
				}
				if n := d.votesFor(r.ID); n != 1 {
					t.Errorf("%d votes stand, want that of otto alone", n)
				}
				d.Work()
				if held := d.Held("dir"); len(held) != 0 {
					t.Errorf("held: %v", held)
				}
			})
		})
	}
}

// Authority is lost after the grant and before its start: it never begins.
func TestAB26_AuthorityLostBetweenGrantAndStart(t *testing.T) {
	t.Parallel()
	for _, l := range lose {
		t.Run(l.name, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				start := d.Clock.Now().Add(2 * time.Hour)
				g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:root"}, Start: start}, "mia", "otto")
				d.Advance(time.Hour)
				d.Change(l.do)
				d.Advance(2 * time.Hour)
				if g = d.Grant(g.ID); g.State != access.Ended || g.Ended != access.EndEligibilityLost {
					t.Errorf("grant is %s (%s), want ended by eligibility-lost", g.State, g.Ended)
				}
				if calls := d.Targets["dir"].Log(); len(calls) != 0 {
					t.Errorf("the target was called: %v", calls)
				}
				d.CheckQuiet()
			})
		})
	}
}

// The catalog moves under the votes: another owner, another group, a stricter rule.
func TestAB27_AuthorityTakenAwayInBetween(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, entitlement string
		voters            []string
		last              string // votes after the change
		do                func(*enginetest.Company)
	}{
		{"another owner", "dir:root", []string{"otto"}, "mia", func(c *enginetest.Company) {
			e := c.Entitlements["dir:root"]
			e.Owners = []string{"owen"}
			c.Entitlements["dir:root"] = e
		}},
		{"out of the group", "git:deploy", []string{"sara"}, "otto", func(c *enginetest.Company) {
			c.Groups["security"] = access.GroupMembers{ID: "security", Members: []string{"sven", "sean"}}
		}},
		{"the rule of the stage is gone", "dir:root", []string{"mia"}, "otto", func(c *enginetest.Company) {
			at := strings.Index(c.Rules["approve.cedar"], `@id("approve-manager")`)
			to := strings.Index(c.Rules["approve.cedar"], `@id("approve-manager-of-owner")`)
			c.Rules["approve.cedar"] = c.Rules["approve.cedar"][:at] + c.Rules["approve.cedar"][to:]
		}},
		{"a stage more", "dir:root", []string{"mia"}, "otto", func(c *enginetest.Company) {
			c.Rules["more.cedar"] = `@id("more") @needs("security:2") permit (principal, action == Action::"oblige", resource);`
		}},
		{"forbidden since", "dir:root", []string{"mia"}, "otto", func(c *enginetest.Company) {
			c.Rules["no.cedar"] = `@id("no") @reason("Not any more.") forbid (principal, action == Action::"request", resource in Class::"privileged");`
		}},
		{"the catalog has it no longer", "dir:root", []string{"mia"}, "otto", func(c *enginetest.Company) { delete(c.Entitlements, "dir:root") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				r := d.ask("eve", engine.Ask{Entitlements: []string{c.entitlement}})
				for _, v := range c.voters {
					r = d.approve(v, r)
				}
				d.Change(c.do)
				_, err := d.vote(c.last, r) // may be refused; what matters is that nothing comes of it
				if r = d.Request(r.ID); r.State == access.Approved || r.Items[0].Grant != "" {
					t.Errorf("granted (%v): %+v", err, r.Items[0])
				}
				d.Work()
				if n := len(d.Targets["dir"].Log()) + len(d.Targets["git"].Log()); n != 0 {
					t.Errorf("%d calls to targets", n)
				}
			})
		})
	}
}

// A ballot is no bearer: late, for an old revision, by somebody else, twice.
func TestAB29_BallotUsedAgainOrElsewhere(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		late := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "late"})
		old := d.ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Reason: "old", AnswerWithin: 200 * hour})
		other := d.ask("bob", engine.Ask{Entitlements: []string{"dir:reports"}, Reason: "other", AnswerWithin: 200 * hour})
		twice := d.ask("bob", engine.Ask{Entitlements: []string{"dir:root"}, Reason: "twice", AnswerWithin: 200 * hour})

		// 1. A link forwarded to a colleague is nothing: the colleague is asked who they are.
		for _, who := range []string{"bob", "nora", "anna", "sara", "xena", "robot"} {
			d.uncounted(who, late)
		}
		// 2. On the revision that was shown, and no later one.
		edited, err := d.as("eve").Edit(t.Context(), old.ID, old.Digest, filled(engine.Ask{Entitlements: []string{"dir:wiki", "dir:reports"}, Reason: "and more", AnswerWithin: 200 * hour}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.vote("mia", old)
		wantStatus(t, "a vote on an old revision", err, http.StatusConflict)
		// 3. The digest of one request is no key to another.
		_, err = d.as("mia").Vote(t.Context(), engine.Ballot{Request: other.ID, Digest: edited.Digest, Verdict: access.Approve})
		wantStatus(t, "another request's digest", err, http.StatusConflict)
		// 4. Single use; and nobody takes back somebody else's.
		twice = d.approve("mia", twice)
		_, err = d.vote("mia", twice)
		wantStatus(t, "the same vote again", err, http.StatusForbidden)
		story, err := d.as("otto").Request(t.Context(), twice.ID)
		if err != nil || len(story.Approvals) != 1 {
			t.Fatalf("%d votes: %v", len(story.Approvals), err)
		}
		for _, who := range []string{"otto", "bob", "eve", "sara"} {
			wantStatus(t, who+" withdraws the vote of mia", d.as(who).Withdraw(t.Context(), twice.ID, story.Approvals[0].ID), http.StatusNotFound)
		}
		if n := d.votesFor(twice.ID); n != 1 {
			t.Errorf("%d votes stand", n)
		}
		// 5. After its time, whether or not the clock's own verb has run yet.
		d.Clock.Pass(49 * time.Hour)
		_, err = d.vote("mia", late)
		wantStatus(t, "a vote after the time to answer", err, http.StatusGone)
		d.Advance(time.Minute)
		_, err = d.vote("mia", late)
		wantStatus(t, "a vote on an expired request", err, http.StatusGone)
		if late = d.Request(late.ID); late.State != access.Expired {
			t.Errorf("unanswered, it is %s", late.State)
		}
	})
}
