package engine_test

import (
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// planned has four credentials in plans: three of the robot's, of which one is being made
// anew and one was retired by hand, and one of another's.
func planned(t *testing.T, f *enginetest.Fixture) {
	t.Helper()
	f.Change(func(c *enginetest.Company) {
		for id, account := range map[string]string{"k-new": "robot", "k-open": "robot", "k-gone": "robot", "k-other": "pilot"} {
			c.Plans = append(c.Plans, access.CredentialPlan{ID: id, System: "dir", Account: account, Kind: id + " token", Store: "main", Ref: id, Every: 30 * 24 * hour})
		}
	})
	if _, err := f.Engine.Rotate(t.Context(), f.As("eve"), engine.Deed{Credential: "k-open", Reason: "it is old"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Engine.Retire(t.Context(), f.As("eve"), engine.Deed{Credential: "k-gone", Reason: "not needed"}); err != nil {
		t.Fatal(err)
	}
}

// killed holds that the robot's are being killed for that reason, each once, and no new one follows.
func killed(t *testing.T, f *enginetest.Fixture, why string) {
	t.Helper()
	if _, err := f.Engine.PlanRotations(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]struct {
		rotations int
		reason    string
	}{"k-new": {1, why}, "k-open": {2, why}, "k-gone": {1, "not needed"}} {
		c, err := f.Engine.CredentialKept(t.Context(), f.As("sara"), id)
		if err != nil || len(c.Rotations) != want.rotations {
			t.Errorf("%s: %+v, %v", id, c, err)
			continue
		}
		if r := c.Rotations[0]; r.Cause != access.CauseRetired || r.Renew || r.State.Over() || r.Reason != want.reason {
			t.Errorf("%s: %+v", id, r)
		}
		for _, was := range c.Rotations[1:] {
			if was.State != access.RotationDropped {
				t.Errorf("%s: what was under way is %s", id, was.State)
			}
		}
	}
	c, err := f.Engine.CredentialKept(t.Context(), f.As("sara"), "k-other")
	if err != nil || len(c.Rotations) != 1 || c.Rotations[0].Cause != access.CauseScheduled {
		t.Errorf("another's: %+v, %v", c.Rotations, err)
	}
	f.CheckQuiet()
}

// What plans keep for a workload goes with it, whether it is retired by hand or as what
// a leaver answered for.
func TestRetiredWithItsCredentials(t *testing.T) {
	t.Run("by hand", func(t *testing.T) {
		each(t, func(t *testing.T, f *enginetest.Fixture) {
			planned(t, f)
			_, err := f.Engine.RetireWorkload(t.Context(), f.As("bob"), "robot", "to see")
			refused(t, "bob", err, access.ErrNotFound, "robot")
			if c, err := f.Engine.CredentialKept(t.Context(), f.As("eve"), "k-new"); err != nil || c.State != "planned" {
				t.Errorf("refused, and its credential is %s, %v", c.State, err)
			}
			w, err := f.Engine.Workload(t.Context(), f.As("eve"), "robot")
			if err != nil || len(w.Kept) != 3 {
				t.Errorf("%+v, %v", w.Kept, err)
			}
			if _, err := f.Engine.RetireWorkload(t.Context(), f.As("eve"), "robot", "the job is over"); err != nil {
				t.Fatal(err)
			}
			killed(t, f, "robot is retired: the job is over")
		})
	})
	t.Run("handed over by a leaver", func(t *testing.T) {
		each(t, func(t *testing.T, f *enginetest.Fixture) {
			planned(t, f)
			if _, err := f.Engine.Leave(t.Context(), f.As("sara"), "eve", "gone"); err != nil {
				t.Fatal(err)
			}
			list, err := f.Engine.Handovers(t.Context(), f.As("sara"), true, false, "", 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, h := range list {
				if h.Subject != "identity robot" {
					continue
				}
				if _, err := f.Engine.RetireHandover(t.Context(), f.As("mia"), h.ID, "nobody needs it"); err != nil {
					t.Fatal(err)
				}
			}
			killed(t, f, "robot is retired: nobody needs it")
		})
	})
}
