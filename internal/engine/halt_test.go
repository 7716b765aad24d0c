package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// While there is a halt nothing is granted, extended, begun or added; what ends, ends.
func TestHaltClosesTheGate(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		held := f.Granted("eve", ask("dir:wiki"), "mia")
		ended := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "it is revoked", Term: 4 * hour}, "mia")
		f.Work()
		later := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Reason: "it begins meanwhile", Term: 4 * hour, Start: f.Now().Add(10 * time.Minute)}, "mia")
		pending := f.Ask("bob", ask("dir:reports"))
		coming := f.Granted("bob", ask("dir:pay"), "mia") // granted, and not begun: no lane has worked
		for range 2 {                                     // the second time it is there already
			if _, err := f.Engine.Halt(t.Context(), access.HaltWitness, "two of three witnesses do not answer"); err != nil {
				t.Fatal(err)
			}
		}
		// 1. Nothing is granted or extended, by whatever verb.
		_, err := vote(t, f, "mia", pending)
		refused(t, "a vote that would grant", err, access.ErrHalted, "witness: two of three witnesses do not answer")
		_, err = f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby"))
		refused(t, "an ask that needs nobody", err, access.ErrHalted, "try again when that is over")
		f.Change(func(c *enginetest.Company) {
			c.Groups["oncall"] = access.GroupMembers{ID: "oncall", Members: []string{"bob"}}
		})
		_, err = f.Engine.BreakGlass(t.Context(), f.As("bob"), engine.Breaking{Entitlement: "dir:root", Reason: "it burns", Incident: "INC-1", Term: hour / 2})
		refused(t, "break-glass", err, access.ErrHalted, "witness")
		more := f.Ask("eve", engine.Ask{Extends: held.ID, Reason: "it takes longer", Term: hour})
		_, err = vote(t, f, "mia", more)
		refused(t, "an extension", err, access.ErrHalted, "witness")
		if r := f.Request(pending.ID); r.State != access.Pending || len(r.Items) != 1 {
			t.Errorf("the request is %s", r.State)
		}
		// 2. Nothing begins or is added.
		f.Advance(15 * time.Minute)
		for _, g := range []access.Grant{later, coming} {
			if g = f.Grant(g.ID); g.State != access.Scheduled {
				t.Errorf("grant of %s is %s", g.Entitlement, g.State)
			}
		}
		if f.Targets["dir"].Holds("eve", "reports") || f.Targets["dir"].Holds("bob", "pay") {
			t.Error("added during a halt")
		}
		// 3. What ends, ends: revoked, and expired.
		if err := f.Engine.Revoke(t.Context(), f.As("owen"), ended.ID, "no longer"); err != nil {
			t.Fatal(err)
		}
		f.Work()
		if f.Targets["dir"].Holds("bob", "wiki") {
			t.Error("a revocation waited")
		}
		f.Advance(time.Hour)
		if f.Targets["dir"].Holds("eve", "wiki") || f.Grant(held.ID).State != access.Ended {
			t.Error("an expiry waited")
		}
		// 4. Over: what was kept back begins, and votes count.
		if err := f.Engine.Resume(t.Context(), access.HaltWitness, "they answer"); err != nil {
			t.Fatal(err)
		}
		f.Advance(time.Minute)
		if !f.Targets["dir"].Holds("eve", "reports") || f.Grant(later.ID).State != access.Live {
			t.Errorf("what was kept back is %s", f.Grant(later.ID).State)
		}
		if r, err := vote(t, f, "mia", f.Request(pending.ID)); err != nil || r.State != access.Approved {
			t.Errorf("%s: %v", r.State, err)
		}
		if list, err := f.Engine.Halts(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// Access that was lost during a halt is not given back before it is over, though it is
// wanted; and what goes on being held is looked at as ever.
func TestHaltGivesNothingBack(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to write", Term: 20 * hour}, "mia")
		f.Work()
		if _, err := f.Engine.Halt(t.Context(), access.HaltLog, "it does not say what the tables say"); err != nil {
			t.Fatal(err)
		}
		f.Targets["dir"].Take("eve", "wiki")
		f.Advance(2 * time.Hour)
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("given back during a halt")
		}
		if err := f.Engine.Resume(t.Context(), access.HaltLog, "it does again"); err != nil {
			t.Fatal(err)
		}
		f.Advance(time.Minute)
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("not given back afterwards")
		}
		refused(t, "what takes people to end", f.Engine.Resume(t.Context(), access.HaltRecovery, "it is fine"), access.ErrInvalid, "verb of its own")
	})
}
