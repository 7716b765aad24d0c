package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Nobody decides for themselves, in any guise; what is refused leaves a trace
// and changes nothing (AB-20, AB-22, AB-23).
func TestAB20_AB22_WhoHasNoVote(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) { // eve owns what she asks for, and is in security
			e := c.Entitlements["git:deploy"]
			e.Owners = append(e.Owners, "eve", "mia.2")
			c.Entitlements["git:deploy"] = e
			c.Groups["security"] = access.GroupMembers{ID: "security", Members: []string{"sara", "sven", "eve", "eve.2", "robot", "pilot", "xena"}}
		})
		r := f.Ask("eve", ask("git:deploy"))
		for _, by := range []string{"eve", "eve.2", "robot", "pilot", "xena"} {
			_, err := vote(t, f, by, r)
			refused(t, by, err, access.ErrDenied, "does not count")
		}
		for _, by := range []string{"bob", "zoe", "mallory", "owen"} { // they may not even know of it
			_, err := vote(t, f, by, r)
			refused(t, by, err, access.ErrNotFound, r.ID)
		}
		if got := f.Request(r.ID); got.State != access.Pending || len(kinds(f, r.ID, "", "")) != 3+5 {
			t.Errorf("after refused votes: %s, %v", got.State, kinds(f, r.ID, "", ""))
		}
		story, err := f.Engine.Show(t.Context(), f.As("eve"), r.ID)
		if err != nil || len(story.Approvals) != 0 || len(story.Waiting) != 2 || slices.Contains(story.Waiting[0].Approvers, "eve") {
			t.Errorf("story: %+v, %v", story, err)
		}
		weak := f.As("sara")
		weak.Scopes = []string{engine.ScopeRequest, engine.ScopeView} // AB-40
		_, err = f.Engine.Vote(t.Context(), weak, engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
		refused(t, "a token to ask with", err, access.ErrDenied, "not good for")
		// One person, one vote across all stages: mia.2 as owner, then mia nowhere.
		r = f.Approve("mia.2", r)
		_, err = vote(t, f, "mia", r)
		refused(t, "twice", err, access.ErrDenied, "")
		isOutcome(t, f.Approve("sara", r), access.Approved, access.Granted)
	})
}

func TestBallotsThatCannotBeCast(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Ask("eve", ask("dir:reports", "dir:wiki"))
		for _, c := range []struct {
			name, says string
			kind       error
			change     func(*engine.Ballot)
		}{
			{"another revision", "is for another", access.ErrConflict, func(b *engine.Ballot) { b.Digest = "sha256:00" }},
			{"no verdict", "neither approve nor deny", access.ErrInvalid, func(b *engine.Ballot) { b.Verdict = "yes" }},
			{"a longer term", "may shorten", access.ErrInvalid, func(b *engine.Ballot) { b.Term = 2 * hour }},
			{"a negative term", "may shorten", access.ErrInvalid, func(b *engine.Ballot) { b.Term = -1 }},
			{"another entitlement", "does not ask for", access.ErrInvalid, func(b *engine.Ballot) { b.Entitlements = []string{"dir:root"} }},
			{"dropping what is not asked", "does not ask for", access.ErrInvalid, func(b *engine.Ballot) { b.Drop = []string{"dir:root"} }},
			{"another stage", "does not count", access.ErrDenied, func(b *engine.Ballot) { b.Stage = "owner" }},
			{"an unclean note", "control character", access.ErrInvalid, func(b *engine.Ballot) { b.Note = "\x00" }},
			{"another request", "rq-none", access.ErrNotFound, func(b *engine.Ballot) { b.Request = "rq-none" }},
		} {
			_, err := vote(t, f, "mia", r, c.change)
			refused(t, c.name, err, c.kind, c.says)
		}
		r = f.Approve("mia", r)
		_, err := vote(t, f, "mia", r)
		refused(t, "after the decision", err, access.ErrGone, "no more votes")
	})
}

// An approver may narrow, never widen: shorten the term, leave something out.
func TestNarrowing(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		a := ask("dir:reports", "dir:wiki")
		a.Term = 8 * hour
		r := f.Ask("eve", a)
		r, err := vote(t, f, "mia", r, func(b *engine.Ballot) { b.Term, b.Drop = 2*hour, []string{"dir:reports"} })
		if err != nil {
			t.Fatal(err)
		}
		isOutcome(t, r, access.Approved, access.ItemDropped, access.Granted)
		f.Work()
		g := f.Grant(r.Items[1].Grant)
		if g.End.Sub(g.Seen) != 2*time.Hour || g.Term != 2*hour {
			t.Errorf("narrowed to 2h, it lasts %s", g.End.Sub(g.Seen))
		}
		// The second approver cannot undo what the first has narrowed.
		a = ask("dir:root")
		a.Term = 4 * hour
		r = f.Ask("bob", a)
		if r, err = vote(t, f, "mia", r, func(b *engine.Ballot) { b.Term = hour }); err != nil {
			t.Fatal(err)
		}
		if r, err = vote(t, f, "otto", r, func(b *engine.Ballot) { b.Term = 3 * hour }); err != nil {
			t.Fatal(err)
		}
		if g := f.Grant(r.Items[0].Grant); g.Term != hour {
			t.Errorf("narrowed to 1h and then 3h, it is %s", g.Term)
		}
		// Some of it by name; the rest waits, and a denial of the rest leaves the grant alone.
		r = f.Ask("nora", ask("dir:reports", "dir:wiki"))
		if r, err = vote(t, f, "mia", r, func(b *engine.Ballot) { b.Entitlements = []string{"dir:wiki"} }); err != nil {
			t.Fatal(err)
		}
		isOutcome(t, r, access.Pending, access.Undecided, access.Granted)
		_, err = vote(t, f, "mia", r, func(b *engine.Ballot) { b.Entitlements = []string{"dir:wiki"} })
		refused(t, "what is decided", err, access.ErrGone, "still open")
		if r, err = vote(t, f, "mia", r, func(b *engine.Ballot) { b.Verdict = access.Deny }); err != nil {
			t.Fatal(err)
		}
		isOutcome(t, r, access.Approved, access.ItemDenied, access.Granted)
	})
}

func TestDeny(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r, err := vote(t, f, "mia", f.Ask("eve", ask("dir:root")), func(b *engine.Ballot) { b.Verdict, b.Note = access.Deny, "not needed" })
		if err != nil {
			t.Fatal(err)
		}
		isOutcome(t, r, access.Denied, access.ItemDenied)
		_, err = vote(t, f, "otto", r)
		refused(t, "after a denial", err, access.ErrGone, "no more votes")
	})
}

func TestWithdraw(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Approve("mia", f.Ask("eve", ask("dir:root")))
		story, err := f.Engine.Show(t.Context(), f.As("mia"), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		mias := story.Approvals[0].ID
		refused(t, "another's vote", f.Engine.Withdraw(t.Context(), f.As("otto"), r.ID, mias), access.ErrNotFound, "no vote")
		if err := f.Engine.Withdraw(t.Context(), f.As("mia"), r.ID, mias); err != nil {
			t.Fatal(err)
		}
		refused(t, "twice", f.Engine.Withdraw(t.Context(), f.As("mia"), r.ID, mias), access.ErrGone, "void")
		isOutcome(t, f.Approve("otto", r), access.Pending, access.Undecided) // the manager's is missing again
		r = f.Approve("mia", f.Request(r.ID))
		isOutcome(t, r, access.Approved, access.Granted)
		story, err = f.Engine.Show(t.Context(), f.As("mia"), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		last := story.Approvals[len(story.Approvals)-1].ID
		refused(t, "what has led to a grant", f.Engine.Withdraw(t.Context(), f.As("mia"), r.ID, last), access.ErrGone, "used")
	})
}

// AB-26, AB-27: authority is asked again where it is used. Lost between vote and
// grant, the vote is void and the request waits; lost between grant and start,
// the grant ends before it begins.
func TestAB26_AB27_AuthorityLost(t *testing.T) {
	lost := map[string]func(*enginetest.Company){
		"left": func(c *enginetest.Company) { i := c.People["otto"]; i.Inactive = true; c.People["otto"] = i },
		"another owner": func(c *enginetest.Company) {
			e := c.Entitlements["dir:root"]
			e.Owners = []string{"owen"}
			c.Entitlements["dir:root"] = e
		},
		"now external": func(c *enginetest.Company) { i := c.People["otto"]; i.External = true; c.People["otto"] = i },
		"now the same": func(c *enginetest.Company) { i := c.People["otto"]; i.Same = "eve"; c.People["otto"] = i },
	}
	for name, change := range lost {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, f *enginetest.Fixture) {
				r := f.Approve("otto", f.Ask("eve", ask("dir:root")))
				f.Change(change)
				isOutcome(t, f.Approve("mia", r), access.Pending, access.Undecided)
				if !slices.Contains(kinds(f, r.ID, "", ""), "vote.withdrawn") || len(f.Targets["dir"].Log()) != 0 {
					t.Errorf("events %v, calls %v", kinds(f, r.ID, "", ""), f.Targets["dir"].Log())
				}
			})
		})
		t.Run(name+" before the start", func(t *testing.T) {
			each(t, func(t *testing.T, f *enginetest.Fixture) {
				a := ask("dir:root")
				a.Start = enginetest.Noon.Add(5 * time.Hour)
				g := f.Granted("eve", a, "otto", "mia")
				f.Advance(time.Hour)
				f.Change(change)
				f.Advance(5 * time.Hour)
				if g = f.Grant(g.ID); g.Ended != access.EndEligibilityLost || len(f.Targets["dir"].Log()) != 0 {
					t.Errorf("grant %s (%s), calls %v", g.State, g.Ended, f.Targets["dir"].Log())
				}
				f.CheckQuiet()
			})
		})
	}
}

// A stricter policy that comes later wins: at the grant, and at the start.
func TestLaterStricterPolicyWins(t *testing.T) {
	stricter := func(c *enginetest.Company) {
		c.Rules["request.cedar"] = strings.ReplaceAll(c.Rules["request.cedar"], `@needs("manager, owner")`, `@needs("manager, owner, security")`)
	}
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Approve("otto", f.Ask("eve", ask("dir:root")))
		later := ask("dir:root")
		later.Start = enginetest.Noon.Add(time.Hour)
		g := f.Granted("bob", later, "mia", "otto")
		f.Change(stricter)
		r = f.Approve("mia", r)
		if r.State == access.Approved || !strings.Contains(r.Items[0].Why, "security") {
			t.Errorf("granted with the old votes: %s (%s)", r.State, r.Items[0].Why)
		}
		f.Advance(2 * time.Hour)
		if g = f.Grant(g.ID); g.Ended != access.EndEligibilityLost {
			t.Errorf("the grant that was to begin later is %s (%s)", g.State, g.Ended)
		}
	})
}
