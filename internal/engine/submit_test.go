package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

func TestSubmitRefuses(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, c := range []struct {
			name, says string
			change     func(*engine.Ask)
		}{
			{"nothing", "nothing is asked for", func(a *engine.Ask) { a.Entitlements = nil }},
			{"an unknown entitlement", "no entitlement", func(a *engine.Ask) { a.Entitlements = []string{"dir:nothing"} }},
			{"a look-alike", "no entitlement", func(a *engine.Ask) { a.Entitlements = []string{"dir:wіki"} }},
			{"an unknown bundle", "no bundle", func(a *engine.Ask) { a.Bundle = "none" }},
			{"an unknown beneficiary", "nobody the directory knows", func(a *engine.Ask) { a.Beneficiary = "mallory" }},
			{"no reason", "reason is empty", func(a *engine.Ask) { a.Reason = " \n" }},
			{"a long reason", "longer than 4000", func(a *engine.Ask) { a.Reason = strings.Repeat("x", 4001) }},
			{"a control character", "control character", func(a *engine.Ask) { a.Reason = "a\x1b[31mb" }},
			{"text that runs backwards", "control character", func(a *engine.Ask) { a.Ticket = "ACC-\u202e41" }},
			{"a ticket of no queue", "such as jira:ACC-41", func(a *engine.Ask) { a.Ticket = "ACC-41" }},
			{"a ticket without its name", "such as jira:ACC-41", func(a *engine.Ask) { a.Ticket = "jira:" }},
			{"a ticket as an address", "such as jira:ACC-41", func(a *engine.Ask) { a.Ticket = "https://jira.example/ACC-41" }},
			{"two tickets", "such as jira:ACC-41", func(a *engine.Ask) { a.Ticket = "jira:ACC-41, jira:ACC-42" }},
			{"invalid UTF-8", "not valid UTF-8", func(a *engine.Ask) { a.Reason = "a\xff" }},
			{"no term", "is not between", func(a *engine.Ask) { a.Term = 0 }},
			{"a negative term", "is not between", func(a *engine.Ask) { a.Term = -hour }},
			{"a term beyond all", "is not between", func(a *engine.Ask) { a.Term = access.LongestTerm + 1 }},
			{"a fixed window without a start", "needs a start", func(a *engine.Ask) { a.Fixed = true }},
			{"a start in the past", "in the past", func(a *engine.Ask) { a.Start = enginetest.Noon.Add(-2 * time.Hour) }},
			{"a start in another age", "away", func(a *engine.Ask) { a.Start = enginetest.Noon.AddDate(300, 0, 0) }},
			{"a negative time to answer", "answer_within", func(a *engine.Ask) { a.AnswerWithin = -1 }},
			{"a grant that is not there", "no grant", func(a *engine.Ask) { a.Extends = "gr-none" }},
			{"an extension with a window", "has no window of its own", func(a *engine.Ask) { a.Extends, a.Start = "gr-none", enginetest.Noon.Add(time.Hour) }},
			{"too many", "at most 50", func(a *engine.Ask) {
				for i := range 51 {
					a.Entitlements = append(a.Entitlements, fmt.Sprintf("dir:%d", i))
				}
			}},
		} {
			a := ask("dir:wiki")
			c.change(&a)
			_, err := f.Engine.Submit(t.Context(), f.As("eve"), a)
			refused(t, c.name, err, access.ErrInvalid, c.says)
		}
		nobody := f.As("eve")
		nobody.Scopes = []string{engine.ScopeView}
		_, err := f.Engine.Submit(t.Context(), nobody, ask("dir:wiki"))
		refused(t, "a token to look with", err, access.ErrDenied, "not good for")
		if _, err := f.Engine.Submit(t.Context(), f.As("eve"), engine.Ask{Term: -1, Beneficiary: "x", Bundle: "y"}); strings.Count(err.Error(), "\n") < 3 {
			t.Errorf("several mistakes, not all told: %v", err)
		}
		if list, _ := f.Engine.List(t.Context(), f.As("sara"), "", false, "", 10); len(list) != 0 {
			t.Errorf("%d requests are stored", len(list))
		}
	})
}

// A denial is a stored request with its reasons.
func TestSubmitDecides(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, c := range []struct {
			name, by string
			ask      engine.Ask
			state    access.RequestState
			why      string
		}{
			{"standard", "eve", ask("dir:wiki"), access.Pending, ""},
			{"open", "eve", ask("dir:lobby"), access.Approved, ""},
			{"a workload", "robot", ask("dir:wiki"), access.Pending, ""},
			{"an external", "xena", ask("dir:wiki"), access.Pending, ""},
			{"somebody who left", "zoe", ask("dir:wiki"), access.Denied, "not active"},
			{"somebody unknown", "mallory", engine.Ask{Beneficiary: "eve", Entitlements: []string{"dir:wiki"}, Reason: "x", Term: hour}, access.Denied, ""},
			{"for a colleague", "bob", engine.Ask{Beneficiary: "eve", Entitlements: []string{"dir:wiki"}, Reason: "x", Term: hour}, access.Denied, "Only a manager"},
			{"longer than the entitlement allows", "eve", engine.Ask{Entitlements: []string{"dir:root"}, Reason: "x", Term: 5 * hour}, access.Denied, "longer than"},
			{"without an account", "nora", ask("git:deploy"), access.Denied, "no account at git"},
			{"nobody to approve", "ada", ask("dir:wiki"), access.Denied, "nobody can approve"},
		} {
			r := f.Ask(c.by, c.ask)
			if r.State != c.state || !strings.Contains(r.Items[0].Why, c.why) {
				t.Errorf("%s: %s, %q; want %s, %q", c.name, r.State, r.Items[0].Why, c.state, c.why)
			}
		}
		// AB-31: nobody can approve it, and its owner is told at once.
		fs := f.Findings(true)
		if len(fs) != 1 || fs[0].Kind != "no_approver" || fs[0].Owner != "owen" || fs[0].Subject != "dir:wiki" {
			t.Errorf("findings: %+v", fs)
		}
		if n := f.Notices(); len(n) != 1 || n[0].To[0] != "owen" {
			t.Errorf("notices: %+v", n)
		}
	})
}

// AB-31: a group of approvers that is empty, gone or only the requester is nobody.
func TestAB31_NoApproverIsADenial(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, c := range []struct {
			name   string
			change func(*enginetest.Company)
		}{
			{"empty", func(c *enginetest.Company) { c.Groups["security"] = access.GroupMembers{ID: "security"} }},
			{"gone", func(c *enginetest.Company) { delete(c.Groups, "security") }},
			{"inactive", func(c *enginetest.Company) {
				c.Groups["security"] = access.GroupMembers{ID: "security", Members: []string{"zoe"}}
			}},
			{"only the requester", func(c *enginetest.Company) {
				c.Groups["security"] = access.GroupMembers{ID: "security", Members: []string{"eve", "eve.2", "robot"}}
			}},
		} {
			f.Change(c.change)
			if r := f.Ask("eve", ask("git:deploy")); r.State != access.Denied {
				t.Errorf("%s: %s", c.name, r.State)
			}
		}
	})
}

func TestSubmitAgain(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		a := ask("dir:wiki")
		a.Reference, a.Start = "ACC-41", enginetest.Noon.Add(time.Hour)
		first := f.Ask("eve", a)
		if again := f.Ask("eve", a); again.ID != first.ID {
			t.Errorf("asked again: %s, not %s", again.ID, first.ID)
		}
		other := a
		other.Term = 2 * hour
		_, err := f.Engine.Submit(t.Context(), f.As("eve"), other)
		refused(t, "the same reference with other content", err, access.ErrConflict, first.ID)
		if bobs := f.Ask("bob", a); bobs.ID == first.ID {
			t.Error("the same reference of somebody else is the same request")
		}
		// AB-02: seven days later its start is past and it could not be asked any more; it is the same all the same.
		f.Advance(7 * 24 * time.Hour)
		if again, err := f.Engine.Submit(t.Context(), f.As("eve"), a); err != nil || again.ID != first.ID {
			t.Errorf("seven days later: %s, %v", again.ID, err)
		}
	})
}

// AB-02: fifty deliveries at once of one thing are one request.
func TestAB02_FiftyAtOnceAreOne(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		a := ask("dir:wiki")
		a.Reference = "ACC-41"
		var mu sync.Mutex
		ids := map[string]int{}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				r, err := f.Engine.Submit(t.Context(), f.As("eve"), a)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[r.ID]++
			})
		}
		all.Wait()
		if len(ids) != 1 {
			t.Errorf("they became %v", ids)
		}
	})
}

func TestBundle(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Ask("eve", engine.Ask{Bundle: "onboarding", Entitlements: []string{"dir:wiki", "dir:lobby"}})
		if got := r.Content().Entitlements; !slices.Equal(got, []string{"dir:lobby", "dir:reports", "dir:wiki"}) {
			t.Fatalf("it asks for %v", got)
		}
		isOutcome(t, r, access.Pending, access.Granted, access.Undecided, access.Undecided) // each decided by itself
		f.Work()
		if !f.Targets["dir"].Holds("eve", "lobby") || f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("what needs nobody waits for what does")
		}
		isOutcome(t, f.Approve("mia", r), access.Approved, access.Granted, access.Granted, access.Granted)
		f.Work()
		f.CheckQuiet()
	})
}

// Duties in conflict are found across requests, second identities, owned
// workloads and what is only pending (AB-52).
func TestAB52_ConflictOfDuties(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		denied := func(what, by string, a engine.Ask) {
			t.Helper()
			for _, it := range f.Ask(by, a).Items {
				if it.Outcome != access.ItemDenied || !strings.Contains(it.Why, "beside") {
					t.Errorf("%s: %s is %s (%s)", what, it.Entitlement, it.Outcome, it.Why)
				}
			}
		}
		denied("both at once", "bob", ask("dir:pay", "dir:audit"))
		pending := f.Ask("eve", ask("dir:pay"))
		denied("beside what is pending", "eve", ask("dir:audit"))
		denied("under a second identity", "eve.2", ask("dir:audit"))
		denied("for an owned workload", "robot", ask("dir:audit"))
		f.Approve("mia", pending)
		denied("beside what is granted", "robot", ask("dir:audit"))
		f.Work()
		denied("beside what is held", "eve", ask("dir:audit"))
		if r := f.Ask("bob", ask("dir:audit")); r.State != access.Pending {
			t.Errorf("bob is somebody else, and is %s", r.State)
		}
		f.Advance(2 * time.Hour)
		if r := f.Ask("eve", ask("dir:audit")); r.State != access.Pending {
			t.Errorf("after its end: %s (%s)", r.State, r.Items[0].Why)
		}
	})
}

// Who keeps too many people waiting is not heard (AB-16).
func TestAB16_NobodyFloodsTheApprovers(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for range 100 {
			f.Ask("eve", ask("dir:wiki"))
		}
		_, err := f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:wiki"))
		refused(t, "the 101st", err, access.ErrDenied, "waiting for an answer")
		if r := f.Ask("bob", ask("dir:wiki")); r.State != access.Pending {
			t.Errorf("somebody else is %s", r.State)
		}
	})
}
