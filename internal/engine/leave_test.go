package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// leave says that somebody has left, and fails the test if that is an error.
func leave(t *testing.T, f *enginetest.Fixture, identity string) engine.Left {
	t.Helper()
	left, err := f.Engine.Leave(t.Context(), f.As("sara"), identity, "the contract is over")
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// decisions lists what somebody's leaving forces, by subject.
func decisions(t *testing.T, f *enginetest.Fixture, person string) map[string]access.Handover {
	t.Helper()
	l, err := f.Engine.Leaving(t.Context(), f.As("sara"), person)
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]access.Handover{}
	for _, h := range l.Decisions {
		of[h.Subject] = h
	}
	return of
}

// Everything of a leaver ends in one deed: under every identity, what is held, asked
// for, voted and signed in; and it is seen gone.
func TestLeave(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		held := f.Granted("eve", ask("dir:wiki"), "mia")
		second := f.Granted("eve.2", ask("dir:lobby"))
		robot := f.Granted("robot", ask("dir:reports"), "owen")
		sponsors := f.Granted("eve", ask("dir:lobby"))
		later := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: hour, Start: f.Now().Add(time.Hour)}, "mia")
		agent := f.Granted("pilot", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: hour, Ticket: "jira:ACC-1"})
		asked := f.Ask("eve", ask("dir:pay"))
		forHer := f.Ask("mia", engine.Ask{Beneficiary: "eve", Entitlements: []string{"git:deploy"}, Term: hour})
		if err := f.DB.BeginSession(t.Context(), store.Session{Hash: "h", Identity: "eve", Began: f.Now(), Seen: f.Now(), End: f.Now().Add(hour.D())}, "", f.Now()); err != nil {
			t.Fatal(err)
		}
		f.Work()
		before, err := f.Engine.Leaving(t.Context(), f.As("sara"), "eve.2")
		if err != nil || before.Person != "eve" || len(before.Grants) != 5 || len(before.Requests) != 2 || before.SignIns != 1 || !before.Left.IsZero() || len(before.Waiting) != 0 {
			t.Errorf("a dry run says %+v, %v", before, err)
		}

		left := leave(t, f, "eve.2")
		if left.Ended != 5 || left.Cancelled != 2 || left.SignIns != 1 || left.Handovers != len(before.Decisions) || left.Handovers == 0 {
			t.Errorf("left %+v; the dry run had %d decisions", left, len(before.Decisions))
		}
		for _, g := range []access.Grant{held, second, agent, sponsors, later} {
			if g = f.Grant(g.ID); g.State != access.Ended || g.Ended != access.EndLeaver {
				t.Errorf("the grant of %s to %s is %s (%s)", g.Entitlement, g.Identity, g.State, g.Ended)
			}
		}
		for _, r := range []access.Request{asked, forHer} {
			if r = f.Request(r.ID); r.State != access.Cancelled {
				t.Errorf("the request %s is %s", r.ID, r.State)
			}
		}
		if f.Grant(robot.ID).State != access.Live {
			t.Error("the workload's access has ended before anybody could take it over")
		}
		if after, err := f.Engine.Leaving(t.Context(), f.As("sara"), "eve"); err != nil || len(after.Waiting) != 4 || len(after.Grants) != 0 || after.Left.IsZero() || after.By != "sara" {
			t.Errorf("not seen gone yet: %+v, %v", after, err)
		}
		f.Work()
		if after, err := f.Engine.Leaving(t.Context(), f.As("sara"), "eve"); err != nil || len(after.Waiting) != 0 {
			t.Errorf("all is gone: %+v, %v", after, err)
		}
		if f.Targets["dir"].Holds("eve", "wiki") || f.Targets["dir"].Holds("eve.2", "lobby") || !f.Targets["dir"].Holds("robot", "reports") {
			t.Errorf("held %v", f.Held("dir"))
		}
		// Again is nothing, and neither is what would follow by itself.
		if again := leave(t, f, "eve"); again != (engine.Left{Person: "eve"}) {
			t.Errorf("again: %+v", again)
		}
		if swept := sweep(t, f); swept.Ended != 0 {
			t.Errorf("swept %+v", swept)
		}
		if r, err := f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby")); err == nil && r.State != access.Denied {
			t.Errorf("a leaver is granted %+v", r)
		}
	})
}

// A leaver's vote on what is still pending is void at once, and its stage is open again.
func TestAB26_LeaverHasNoVoteLeft(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Approve("otto", f.Ask("eve", ask("dir:root")))
		if left := leave(t, f, "otto"); left.Voided != 1 {
			t.Errorf("left %+v", left)
		}
		after, err := vote(t, f, "mia", f.Request(r.ID))
		if err != nil || after.State != access.Pending {
			t.Errorf("with mia's vote alone it is %s, %v", after.State, err)
		}
	})
}

// Who says that somebody has left, of whom, and why.
func TestLeaveIsRefused(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, by := range []string{"eve", "mia", "anna", "robot"} {
			_, err := f.Engine.Leave(t.Context(), f.As(by), "bob", "why not")
			refused(t, by, err, access.ErrDenied, "only people of security")
		}
		weak := f.As("sara")
		weak.Scopes = []string{engine.ScopeView}
		_, err := f.Engine.Leave(t.Context(), weak, "bob", "why not")
		refused(t, "a token for looking", err, access.ErrDenied, "not good for")
		_, err = f.Engine.Leave(t.Context(), f.As("sara"), "bob", " ")
		refused(t, "no reason", err, access.ErrInvalid, "reason")
		_, err = f.Engine.Leave(t.Context(), f.As("sara"), "nobody", "x")
		refused(t, "nobody", err, access.ErrNotFound, "nobody")
		_, err = f.Engine.Leave(t.Context(), f.As("sara"), "robot", "x")
		refused(t, "a workload", err, access.ErrInvalid, "retired")
		_, err = f.Engine.Leaving(t.Context(), f.As("mia"), "bob")
		refused(t, "a dry run by a manager", err, access.ErrDenied, "only people of")
	})
}

// Whom the directory calls gone leaves just so, without a verb; whoever is active again
// has nothing back.
func TestDirectorySaysWhoHasLeft(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		r := f.Ask("eve", ask("dir:pay"))
		f.Work()
		inactive := func(is bool) {
			f.Change(func(c *enginetest.Company) {
				i := c.People["eve"]
				i.Inactive = is
				c.People["eve"] = i
			})
		}
		inactive(true)
		sweep(t, f)
		if f.Grant(g.ID).Ended != access.EndLeaver || f.Request(r.ID).State != access.Cancelled {
			t.Errorf("grant %s, request %s", f.Grant(g.ID).State, f.Request(r.ID).State)
		}
		bot := decisions(t, f, "eve")["identity robot"]
		if bot.State != access.HandoverOffered || bot.Offered != "mia" || bot.Proposed != "mia" || !strings.Contains(bot.Why, "manager") || !bot.Due.Equal(f.Now().Add(72*time.Hour)) {
			t.Fatalf("%+v", bot)
		}
		inactive(false)
		sweep(t, f)
		if f.Grant(g.ID).State != access.Ended || f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("something came back")
		}
		if h, err := f.Engine.ShowHandover(t.Context(), f.As("sara"), bot.ID); err != nil || h.State != access.HandoverMoot {
			t.Errorf("%+v, %v", h, err)
		}
		// And once more: the second leaving is one as well.
		inactive(true)
		sweep(t, f)
		if h := decisions(t, f, "eve")["identity robot"]; h.State != access.HandoverOffered || h.ID == bot.ID {
			t.Errorf("%+v", h)
		}
	})
}

// Whoever said so can take it back; nothing else comes back, and what the files say stays.
func TestRejoin(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		leave(t, f, "eve")
		refused(t, "by mia", f.Engine.Rejoin(t.Context(), f.As("mia"), "eve", "a mistake"), access.ErrDenied, "only people of")
		refused(t, "by eve", f.Engine.Rejoin(t.Context(), f.As("eve"), "eve", "a mistake"), access.ErrDenied, "only people of")
		if err := f.Engine.Rejoin(t.Context(), f.As("sara"), "eve", "a mistake"); err != nil {
			t.Fatal(err)
		}
		sweep(t, f)
		if f.Grant(g.ID).State != access.Ended {
			t.Error("a grant came back")
		}
		f.Granted("eve", ask("dir:wiki"), "mia")
		if err := f.Engine.Rejoin(t.Context(), f.As("sara"), "zoe", "a mistake"); err != nil {
			t.Fatal(err)
		}
		if r := f.Ask("mia", engine.Ask{Beneficiary: "zoe", Entitlements: []string{"dir:lobby"}, Term: hour}); r.State != access.Denied {
			t.Errorf("zoe, whom the files call inactive, is %s", r.State)
		}
	})
}

// What somebody answered for is taken over by whom it is offered to, who accepts it; in
// force at once, and only then.
func TestHandover(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("robot", ask("dir:reports"), "owen")
		f.Work()
		leave(t, f, "eve")
		bot := decisions(t, f, "eve")["identity robot"]
		// 1. Until somebody accepts, the workload can ask for nothing.
		if r := f.Ask("robot", ask("dir:wiki")); r.State != access.Denied {
			t.Errorf("a workload whose owner is gone is %s", r.State)
		}
		_, err := f.Engine.AcceptHandover(t.Context(), f.As("sara"), bot.ID, "")
		refused(t, "security accepts for mia", err, access.ErrDenied, "alone")
		_, err = f.Engine.ShowHandover(t.Context(), f.As("bob"), bot.ID)
		refused(t, "bob looks", err, access.ErrNotFound, bot.ID)
		_, err = f.Engine.AcceptHandover(t.Context(), f.As("eve"), bot.ID, "")
		refused(t, "the leaver", err, access.ErrNotFound, bot.ID)
		// 2. Declined, it is security's to offer; not to whoever may not.
		_, err = f.Engine.DeclineHandover(t.Context(), f.As("mia"), bot.ID, "")
		refused(t, "without a word", err, access.ErrInvalid, "note")
		if h, err := f.Engine.DeclineHandover(t.Context(), f.As("mia"), bot.ID, "bob runs it"); err != nil || h.State != access.HandoverOpen || h.Proposed != "security" || h.Offered != "" {
			t.Fatalf("%+v, %v", h, err)
		}
		for who, why := range map[string]string{"eve": "not active", "eve.2": "not active", "xena": "employee", "pilot": "employee", "nobody": "unknown"} {
			_, err = f.Engine.OfferHandover(t.Context(), f.As("sara"), bot.ID, who, "")
			refused(t, who, err, access.ErrDenied, why)
		}
		if _, err := f.Engine.OfferHandover(t.Context(), f.As("sara"), bot.ID, "nora", "for now"); err != nil {
			t.Fatal(err)
		}
		if h, err := f.Engine.OfferHandover(t.Context(), f.As("sara"), bot.ID, "bob", "you run it"); err != nil || h.Offered != "bob" || h.State != access.HandoverOffered {
			t.Fatalf("%+v, %v", h, err)
		}
		_, err = f.Engine.AcceptHandover(t.Context(), f.As("nora"), bot.ID, "")
		refused(t, "nora, who is no longer asked", err, access.ErrNotFound, bot.ID)
		if mine, err := f.Engine.Handovers(t.Context(), f.As("bob"), false, false, "", 10); err != nil || len(mine) != 1 || mine[0].ID != bot.ID {
			t.Errorf("bob's: %+v, %v", mine, err)
		}
		// 3. Accepted.
		if h, err := f.Engine.AcceptHandover(t.Context(), f.As("bob"), bot.ID, "it is ours"); err != nil || h.State != access.HandoverAccepted || h.By != "bob" {
			t.Fatalf("%+v, %v", h, err)
		}
		if r := f.Ask("robot", ask("dir:wiki")); r.State != access.Pending {
			t.Errorf("a workload with a new owner is %s", r.State)
		}
		if _, err := f.Engine.AcceptHandover(t.Context(), f.As("bob"), bot.ID, ""); err == nil {
			t.Error("accepted twice")
		}
		sweep(t, f)
		if f.Advance(30 * time.Minute); f.Grant(g.ID).State != access.Live {
			t.Error("the workload's grant is gone")
		}
	})
}

// A workload that nobody takes over holds nothing from its due date on, and it is told
// louder every day until somebody decides.
func TestHandoverIsOverdue(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) {
			e := c.Entitlements["dir:reports"]
			e.MaxTerm, e.MaxTotal = 500*hour, 0
			c.Entitlements["dir:reports"] = e
		})
		g := f.Granted("robot", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 400 * hour}, "owen")
		f.Work()
		leave(t, f, "eve")
		bot := decisions(t, f, "eve")["identity robot"]
		f.Advance(72*time.Hour - time.Second)
		if sweep(t, f); f.Grant(g.ID).State != access.Live {
			t.Fatal("ended too early")
		}
		f.Advance(time.Second)
		sweep(t, f)
		if g = f.Grant(g.ID); g.State != access.Ended || f.Targets["dir"].Holds("robot", "reports") {
			t.Errorf("grant %s, held %v", g.State, f.Held("dir"))
		}
		is := func(x access.Finding) bool {
			return x.Kind == "handover_overdue" && x.Subject == bot.ID && x.Owner == "security"
		}
		if !slices.ContainsFunc(f.Findings(true), is) {
			t.Errorf("findings %+v", f.Findings(true))
		}
		f.Advance(48 * time.Hour)
		sweep(t, f)
		if !slices.ContainsFunc(f.Notices(), func(n engine.Notice) bool { return n.Loud == 1 && strings.Contains(n.Subject, "robot") }) {
			t.Error("it grows no louder")
		}
		// Taken over late, nothing comes back by itself; retired, the matter is closed.
		_, err := f.Engine.RetireHandover(t.Context(), f.As("bob"), bot.ID, "not needed")
		refused(t, "bob", err, access.ErrNotFound, bot.ID)
		if h, err := f.Engine.RetireHandover(t.Context(), f.As("mia"), bot.ID, "not needed"); err != nil || h.State != access.HandoverRetired {
			t.Fatalf("%+v, %v", h, err)
		}
		if slices.ContainsFunc(f.Findings(true), is) {
			t.Error("the finding is still open")
		}
		if r := f.Ask("robot", ask("dir:lobby")); r.State != access.Denied {
			t.Errorf("a retired workload is %s", r.State)
		}
		sweep(t, f)
		if h := decisions(t, f, "eve")["identity robot"]; h.ID != bot.ID {
			t.Errorf("it is to be decided again: %+v", h)
		}
	})
}

// An entitlement, the system, those managed and the findings of somebody who has left.
func TestWhatElseIsHandedOver(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("ada", ask("dir:lobby"))
		f.Work()
		leave(t, f, "owen")
		of := decisions(t, f, "owen")
		if h := of["entitlement dir:wiki"]; h.Offered != "ada" {
			t.Errorf("%+v", h)
		}
		// Ada holds what is in the lobby: she cannot come to decide over it.
		lobby := of["entitlement dir:lobby"]
		if lobby.State != access.HandoverOpen || lobby.Proposed != "security" {
			t.Errorf("%+v", lobby)
		}
		_, err := f.Engine.OfferHandover(t.Context(), f.As("sara"), lobby.ID, "ada", "")
		refused(t, "to its holder", err, access.ErrDenied, "holds it")
		_, err = f.Engine.RetireHandover(t.Context(), f.As("sara"), lobby.ID, "away with it")
		refused(t, "retire an entitlement", err, access.ErrInvalid, "out of the files")
		if _, err := f.Engine.OfferHandover(t.Context(), f.As("sara"), lobby.ID, "otto", ""); err != nil {
			t.Fatal(err)
		}
		// Otto holds it by the time he accepts.
		f.Granted("otto", ask("dir:lobby"))
		_, err = f.Engine.AcceptHandover(t.Context(), f.As("otto"), lobby.ID, "")
		refused(t, "by its holder", err, access.ErrDenied, "holds it")
		if _, err := f.Engine.AcceptHandover(t.Context(), f.As("ada"), of["entitlement dir:wiki"].ID, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.AcceptHandover(t.Context(), f.As("ada"), of["system dir"].ID, ""); err != nil {
			t.Fatal(err)
		}
		sweep(t, f)
		if h := decisions(t, f, "owen")["entitlement dir:wiki"]; h.State != access.HandoverAccepted {
			t.Errorf("%+v", h)
		}
		// Mia's people, and the external one she sponsors.
		leave(t, f, "mia")
		of = decisions(t, f, "mia")
		if _, err := f.Engine.AcceptHandover(t.Context(), f.As("ada"), of["reports mia"].ID, ""); err != nil {
			t.Fatal(err)
		}
		f.Granted("bob", ask("dir:wiki"), "ada")
		if h := of["sponsor xena"]; h.Offered != "ada" {
			t.Errorf("%+v", h)
		}
		f.Advance(72 * time.Hour)
		sweep(t, f)
		if h := decisions(t, f, "mia")["sponsor xena"]; h.State != access.HandoverRetired {
			t.Errorf("%+v", h)
		}
		if l, err := f.Engine.Leaving(t.Context(), f.As("sara"), "xena"); err != nil || l.Left.IsZero() || l.By != "lessor" {
			t.Errorf("%+v, %v", l, err)
		}
		// What was found is somebody's again.
		if h := decisions(t, f, "owen")["findings owen"]; h.ID != "" {
			t.Errorf("%+v", h)
		}
	})
}
