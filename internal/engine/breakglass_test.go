package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// enrol makes these the ones who may break the glass.
func enrol(f *enginetest.Fixture, who ...string) {
	f.Change(func(c *enginetest.Company) { c.Groups["oncall"] = access.GroupMembers{ID: "oncall", Members: who} })
}

func breaking(change ...func(*engine.Breaking)) engine.Breaking {
	b := engine.Breaking{Entitlement: "dir:root", Reason: "the primary does not start", Incident: "INC-1"}
	for _, do := range change {
		do(&b)
	}
	return b
}

// Access at once and for a short while; told and to be reviewed in the same transaction;
// reviewed by somebody else; ended by the ordinary loop.
func TestAB37_BreakGlass(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		enrol(f, "bob", "otto")
		m, err := f.Engine.BreakGlass(t.Context(), f.As("bob"), breaking())
		if err != nil {
			t.Fatal(err)
		}
		g := f.Grant(m.Grant)
		if !g.Emergency() || g.Term != hour || g.Identity != "bob" || !slices.Equal(m.Told, []string{"otto", "security"}) {
			t.Errorf("%+v of %+v", g, m)
		}
		notices := f.Notices()
		if last := notices[len(notices)-1]; !slices.Equal(last.To, m.Told) || last.Loud == 0 || !last.At.Equal(m.At) || !strings.Contains(last.Text, "INC-1") {
			t.Errorf("told: %+v", last)
		}
		open := f.Findings(true)
		if len(open) != 1 || open[0].Kind != access.BreakGlassReview || open[0].Owner != "otto" || !open[0].DueAt.Equal(m.At.Add(24*time.Hour)) {
			t.Errorf("to be reviewed: %+v", open)
		}
		f.Work()
		if !slices.ContainsFunc(f.Held("dir"), func(r connector.Ref) bool { return r.Account == "bob" && r.Object == "root" }) {
			t.Errorf("it is not held: %+v", f.Held("dir"))
		}
		// Who cannot review it.
		v := engine.EmergencyReview{Emergency: m.ID, Verdict: access.Justified, Text: "the log shows what he did"}
		_, err = f.Engine.ReviewEmergency(t.Context(), f.As("bob"), v)
		refused(t, "oneself", err, access.ErrDenied, "")
		_, err = f.Engine.ReviewEmergency(t.Context(), f.As("eve"), v)
		refused(t, "a stranger", err, access.ErrNotFound, m.ID)
		refused(t, "let be", f.Engine.Accept(t.Context(), f.As("otto"), engine.Remedy{Finding: open[0].ID, Reason: "fine"}), access.ErrInvalid, "closes when")
		for _, wrong := range []engine.EmergencyReview{{Emergency: m.ID, Verdict: "fine", Text: "x"}, {Emergency: m.ID, Verdict: access.Justified}} {
			_, err = f.Engine.ReviewEmergency(t.Context(), f.As("otto"), wrong)
			refused(t, "a review that says nothing", err, access.ErrInvalid, "")
		}
		if _, err = f.Engine.ReviewEmergency(t.Context(), f.As("otto"), v); err != nil {
			t.Fatal(err)
		}
		_, err = f.Engine.ReviewEmergency(t.Context(), f.As("sara"), v)
		refused(t, "twice", err, access.ErrGone, "was reviewed")
		if open := f.Findings(true); len(open) != 0 {
			t.Errorf("still open: %+v", open)
		}
		f.Advance(2 * time.Hour)
		f.CheckQuiet()
	})
}

// Whom, for what, how often, and when not (AB-37): each refusal leaves a trace and nothing else.
func TestAB37_WhoDoesNotBreakTheGlass(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		enrol(f, "bob", "nora", "robot", "xena", "zoe", "otto")
		for _, c := range []struct {
			by, says string
			kind     error
			change   func(*engine.Breaking)
		}{
			{"eve", "enrolled", access.ErrDenied, func(*engine.Breaking) {}},
			{"bob", "enrolled", access.ErrDenied, func(b *engine.Breaking) { b.Entitlement = "dir:wiki" }},
			{"robot", "active person", access.ErrDenied, func(*engine.Breaking) {}},
			{"zoe", "not active", access.ErrDenied, func(*engine.Breaking) {}},
			{"bob", "It is written as ^INC-[0-9]+$", access.ErrDenied, func(b *engine.Breaking) { b.Incident = "" }},
			{"bob", "incident", access.ErrDenied, func(b *engine.Breaking) { b.Incident = "INC-1 or so" }},
			{"bob", "longer than the 1h", access.ErrDenied, func(b *engine.Breaking) { b.Term = 2 * hour }},
			{"bob", "not between", access.ErrInvalid, func(b *engine.Breaking) { b.Term = -1 }},
			{"bob", "reason is empty", access.ErrInvalid, func(b *engine.Breaking) { b.Reason = " " }},
			{"bob", "no entitlement", access.ErrInvalid, func(b *engine.Breaking) { b.Entitlement = "dir:none" }},
			{"bob", "control character", access.ErrInvalid, func(b *engine.Breaking) { b.Incident = "INC-1\x00" }},
		} {
			_, err := f.Engine.BreakGlass(t.Context(), f.As(c.by), breaking(c.change))
			refused(t, c.by+": "+c.says, err, c.kind, c.says)
		}
		weak := f.As("bob")
		weak.Strength = "password"
		_, err := f.Engine.BreakGlass(t.Context(), weak, breaking())
		refused(t, "a weak sign-in", err, access.ErrDenied, "stronger sign-in")
		weak.Scopes = []string{engine.ScopeView}
		_, err = f.Engine.BreakGlass(t.Context(), weak, breaking())
		refused(t, "a token to look with", err, access.ErrDenied, "not good for")
		// A rule of the company that forbids to ask for it forbids this too, and so do duties.
		f.Change(func(c *enginetest.Company) {
			c.Rules["never.cedar"] = `@id("never-nora") forbid (principal == Identity::"nora", action == Action::"request", resource);`
		})
		_, err = f.Engine.BreakGlass(t.Context(), f.As("nora"), breaking())
		refused(t, "a rule forbids to ask", err, access.ErrDenied, "never-nora")
		f.Granted("otto", engine.Ask{Entitlements: []string{"dir:audit"}}, "ada")
		_, err = f.Engine.BreakGlass(t.Context(), f.As("otto"), breaking(func(b *engine.Breaking) { b.Entitlement = "dir:pay" }))
		refused(t, "a conflict of duties", err, access.ErrDenied, "Nobody may hold this beside")
		if n := len(f.Grants()); n != 1 {
			t.Errorf("%d grants came of it", n)
		}
		f.Work()
	})
}

// Three within thirty days; and none while a review is overdue, until it is done.
func TestAB37_CapAndOverdueReview(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		enrol(f, "bob", "otto")
		var m access.Emergency
		var err error
		for range 3 {
			if m, err = f.Engine.BreakGlass(t.Context(), f.As("bob"), breaking()); err != nil {
				t.Fatal(err)
			}
			if _, err = f.Engine.ReviewEmergency(t.Context(), f.As("sara"), engine.EmergencyReview{Emergency: m.Grant, Verdict: access.Unjustified, Text: "no incident of that name"}); err != nil {
				t.Fatal(err)
			}
			if g := f.Grant(m.Grant); g.State != access.Ended || g.Ended != access.EndRevoked {
				t.Errorf("unjustified, and %s", g.State)
			}
			f.Clock.Pass(time.Hour)
		}
		_, err = f.Engine.BreakGlass(t.Context(), f.As("bob"), breaking())
		refused(t, "the fourth", err, access.ErrDenied, "as often as is allowed")
		f.Advance(30 * 24 * time.Hour)
		// Its own owner takes it: security reviews, not he.
		if m, err = f.Engine.BreakGlass(t.Context(), f.As("otto"), breaking()); err != nil {
			t.Fatal(err)
		}
		_, err = f.Engine.ReviewEmergency(t.Context(), f.As("otto"), engine.EmergencyReview{Emergency: m.ID, Verdict: access.Justified, Text: "I know"})
		refused(t, "the owner of what he took", err, access.ErrDenied, "")
		f.Advance(25 * time.Hour)
		_, err = f.Engine.BreakGlass(t.Context(), f.As("otto"), breaking())
		refused(t, "overdue", err, access.ErrDenied, "overdue")
		if _, err := f.Engine.BreakGlass(t.Context(), f.As("bob"), breaking()); err != nil {
			t.Errorf("for others the path is open: %v", err)
		}
		if _, err = f.Engine.ReviewEmergency(t.Context(), f.As("sara"), engine.EmergencyReview{Emergency: m.ID, Verdict: access.Justified, Text: "seen in the log"}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.BreakGlass(t.Context(), f.As("otto"), breaking()); err != nil {
			t.Errorf("after the review: %v", err)
		}
		list, err := f.Engine.Emergencies(t.Context(), f.As("anna"), "", 10)
		if err != nil || len(list) != 6 {
			t.Errorf("an auditor sees %d, %v", len(list), err)
		}
		if list, err = f.Engine.Emergencies(t.Context(), f.As("eve"), "", 10); err != nil || len(list) != 0 {
			t.Errorf("a stranger sees %d, %v", len(list), err)
		}
		en, err := f.Engine.Enrolled(t.Context(), f.As("bob"))
		if err != nil || len(en.Entitlements) != 3 || en.Left != 2 || en.Overdue {
			t.Errorf("what bob may take: %+v, %v", en, err)
		}
		f.Work()
	})
}
