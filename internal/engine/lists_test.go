package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Newer findings of others hide none of one's own.
func TestAnOwnersFindingsAreNotCrowdedOut(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		find := func(subject, owner string) {
			if err := f.Engine.Find(t.Context(), "test", subject, owner, "something", time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		find("mine", "owen")
		for i := range 5 {
			find(fmt.Sprint(i), "otto")
		}
		for who, want := range map[string]int{"owen": 1, "otto": 2, "sara": 2, "eve": 0} {
			list, err := f.Engine.Findings(t.Context(), f.As(who), false, 2)
			if err != nil || len(list) != want {
				t.Errorf("%s sees %d findings, want %d: %v", who, len(list), want, err)
			}
		}
	})
}

// Whoever is gone from the directory is still seen holding what is being removed.
func TestWhoIsGoneIsStillSeenHolding(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour), Reason: "work"}, "mia")
	f.Work()
	f.Change(func(c *enginetest.Company) {
		for _, id := range []string{"robot", "pilot", "eve.2", "eve"} {
			delete(c.People, id)
		}
	})
	for who, want := range map[string]int{"sara": 1, "bob": 0} {
		list, err := f.Engine.Holdings(t.Context(), f.As(who), "eve", true, "", 10)
		if err != nil || len(list) != want || (want == 1 && list[0].Grant.ID != g.ID) {
			t.Errorf("%s sees %+v, %v", who, list, err)
		}
	}
}

// An account that went away while a request waited is a denial with its reason,
// not a vote that fails again and again.
func TestAnAccountGoneBeforeTheLastVote(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	r := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour), Reason: "work"})
	f.Change(func(c *enginetest.Company) {
		eve := c.People["eve"]
		eve.Accounts = map[string]string{"git": "eve"}
		c.People["eve"] = eve
	})
	if r = f.Approve("mia", r); r.State != access.Denied {
		t.Errorf("request is %s: %+v", r.State, r.Items)
	}
	f.Check()
}
