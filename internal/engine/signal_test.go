package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// hears has the company hear two transmitters, and tell two receivers.
func hears(f *enginetest.Fixture) {
	t := access.Transmitter{ID: "idp", Hourly: 3, Finds: []string{access.SignalDevice},
		Heeds:    []string{access.SignalDisabled, access.SignalPurged, access.SignalEnabled, access.SignalCompromise, access.SignalCredentialChange, access.SignalSessionRevoked},
		Subjects: []access.SubjectRule{{Format: access.SubjectIssSub, Issuer: "https://idp.example", At: "git"}}}
	other := t
	other.ID, other.Subjects = "hr", []access.SubjectRule{{Format: access.SubjectEmail}, {Format: access.SubjectAccount, At: "dir", Domain: "example.com"}}
	other.Heeds = []string{access.SignalDisabled, access.SignalEnabled}
	all := []access.SubjectRule{{Format: access.SubjectAccount, At: "dir", Domain: "example.com"}, {Format: access.SubjectIssSub, Issuer: "https://git.example", At: "git"}}
	f.Change(func(c *enginetest.Company) {
		c.Signals = access.Signals{Transmitters: []access.Transmitter{t, other},
			Receivers: []access.SignalReceiver{{ID: "app", Events: access.SignalsSent, Subjects: all}, {ID: "siem", Events: []string{access.SignalDisabled}, Subjects: all[:1], Polls: true}}}
	})
}

func signal(f *enginetest.Fixture, jti, event, who string) access.Signal {
	return access.Signal{Transmitter: "idp", JTI: jti, Event: event, At: f.Now(), Subject: access.SignalSubject{Format: access.SubjectIssSub, Iss: "https://idp.example", Sub: who}}
}

// did has a signal taken, and fails the test unless that was done of it.
func did(t *testing.T, f *enginetest.Fixture, want string, s access.Signal) {
	t.Helper()
	if got, err := f.Engine.Signalled(t.Context(), s); err != nil || got != want {
		t.Errorf("%s %s of %s: %q, %v; want %q", s.JTI, s.Event, s.Subject, got, err, want)
	}
}

func open(f *enginetest.Fixture, kind string) (list []access.Finding) {
	for _, x := range f.Findings(true) {
		if x.Kind == kind {
			list = append(list, x)
		}
	}
	return list
}

func signIn(t *testing.T, f *enginetest.Fixture, who string) {
	t.Helper()
	if err := f.DB.BeginSession(t.Context(), store.Session{Hash: "h-" + who + f.Now().String(), Identity: who, Began: f.Now(), Seen: f.Now(), End: f.Now().Add(hour.D())}, "", f.Now()); err != nil {
		t.Fatal(err)
	}
}

func signIns(t *testing.T, f *enginetest.Fixture, who string) (n int) {
	t.Helper()
	if err := f.DB.Read(t.Context(), func(tx *store.Tx) (err error) { n, err = tx.SignIns(t.Context(), []string{who}); return err }); err != nil {
		t.Fatal(err)
	}
	return n
}

// Whose account is disabled elsewhere has nothing here from that moment, and has not
// left: nothing of theirs is handed over. Enabled again, nothing comes back but that
// they may ask.
func TestSuspended(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		hears(f)
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		second := f.Granted("eve.2", ask("dir:lobby"))
		agent := f.Granted("pilot", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: hour, Ticket: "jira:ACC-1"})
		robot := f.Granted("robot", ask("dir:reports"), "owen")
		asked := f.Ask("eve", ask("dir:pay"))
		signIn(t, f, "eve")
		f.Work()

		did(t, f, access.DidSuspend, signal(f, "1", access.SignalDisabled, "eve"))
		for _, g := range []access.Grant{g, second, agent} {
			if g = f.Grant(g.ID); g.State != access.Ended || g.Ended != access.EndEligibilityLost {
				t.Errorf("the grant of %s to %s is %s (%s)", g.Entitlement, g.Identity, g.State, g.Ended)
			}
		}
		if f.Grant(robot.ID).State != access.Live {
			t.Error("her workload's access has ended")
		}
		if r := f.Request(asked.ID); r.State != access.Cancelled || signIns(t, f, "eve") != 0 {
			t.Errorf("what she asked for is %s; %d sign-ins", r.State, signIns(t, f, "eve"))
		}
		if list := open(f, "signal_suspended"); len(list) != 1 || list[0].Subject != "eve" || list[0].Owner != "security" {
			t.Errorf("findings %+v", list)
		}
		if n := f.Notices(); !slices.ContainsFunc(n, func(n engine.Notice) bool {
			return slices.Contains(n.To, "mia") && strings.Contains(n.Subject, "signal_suspended")
		}) {
			t.Errorf("her manager was not told: %+v", n)
		}
		f.Work()
		if f.Targets["dir"].Holds("eve", "wiki") || f.Targets["dir"].Holds("eve.2", "lobby") || f.Targets["dir"].Holds("pilot", "lobby") || !f.Targets["dir"].Holds("robot", "reports") {
			t.Errorf("held %v", f.Held("dir"))
		}
		if r, err := f.Engine.Submit(t.Context(), f.As("eve"), ask("dir:lobby")); err == nil && r.State != access.Denied {
			t.Errorf("she is granted %+v", r)
		}
		sweep(t, f)
		if l, err := f.Engine.Leaving(t.Context(), f.As("sara"), "eve"); err != nil || !l.Left.IsZero() {
			t.Errorf("she is taken for a leaver: %+v, %v", l, err)
		}
		// Once more, late, and by another.
		did(t, f, access.DidSuspend, signal(f, "1", access.SignalDisabled, "eve"))
		did(t, f, access.DidNothing, signal(f, "2", access.SignalPurged, "eve"))
		early := signal(f, "3", access.SignalEnabled, "eve")
		early.At = f.Now().Add(-time.Hour)
		did(t, f, access.DidNothing, early)
		by := access.Signal{Transmitter: "hr", JTI: "1", Event: access.SignalDisabled, At: f.Now(), Subject: access.SignalSubject{Format: access.SubjectAccount, URI: "acct:eve@example.com"}}
		did(t, f, access.DidSuspend, by)
		// One takes back its word, and the other's stands.
		f.Advance(time.Minute)
		did(t, f, access.DidUnsuspend, signal(f, "4", access.SignalEnabled, "eve"))
		if i, _ := f.WorldAt(f.Now()).Directory.Identity("eve"); !i.Suspended {
			t.Error("one transmitter's word lifts another's")
		}
		by.JTI, by.Event, by.At = "2", access.SignalEnabled, f.Now()
		did(t, f, access.DidUnsuspend, by)
		if i, _ := f.WorldAt(f.Now()).Directory.Identity("eve"); i.Suspended || len(open(f, "signal_suspended")) != 0 {
			t.Error("she is still suspended")
		}
		late := signal(f, "5", access.SignalDisabled, "eve")
		late.At = f.Now().Add(-30 * time.Second)
		did(t, f, access.DidNothing, late)
		f.Work()
		if g := f.Grant(g.ID); g.State != access.Ended || f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("something came back")
		}
		f.Granted("eve", ask("dir:wiki"), "mia")
	})
}

// A person's word lifts a suspension that nobody else takes back.
func TestRejoinLiftsASuspension(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		hears(f)
		did(t, f, access.DidSuspend, signal(f, "1", access.SignalDisabled, "bob"))
		refused(t, "his manager", f.Engine.Rejoin(t.Context(), f.As("mia"), "bob", "he is here"), access.ErrDenied, "only people of")
		if err := f.Engine.Rejoin(t.Context(), f.As("sara"), "bob", "the provider was wrong"); err != nil {
			t.Fatal(err)
		}
		if i, _ := f.WorldAt(f.Now()).Directory.Identity("bob"); i.Suspended || len(open(f, "signal_suspended")) != 0 {
			t.Error("he is still suspended")
		}
		did(t, f, access.DidSuspend, signal(f, "2", access.SignalDisabled, "robot"))
		if err := f.Engine.Accept(t.Context(), f.As("sara"), engine.Remedy{Finding: open(f, "signal_suspended")[0].ID, Reason: "it is right"}); err != nil {
			t.Error(err)
		}
		if i, _ := f.WorldAt(f.Now()).Directory.Identity("robot"); !i.Suspended {
			t.Error("letting the finding be lifts the suspension")
		}
		if err := f.Engine.Rejoin(t.Context(), f.As("sara"), "robot", "mended"); err != nil {
			t.Error(err)
		}
		if i, _ := f.WorldAt(f.Now()).Directory.Identity("robot"); i.Suspended {
			t.Error("a workload stays suspended")
		}
	})
}

// What is signed in ends, and nothing else; what is of nobody, not heeded, or not known
// does nothing.
func TestSignalsThatEndLittle(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		hears(f)
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		signIn(t, f, "eve")
		signIn(t, f, "bob")
		did(t, f, access.DidSignOut, signal(f, "1", access.SignalSessionRevoked, "eve"))
		did(t, f, access.DidNothing, signal(f, "2", access.SignalSessionRevoked, "eve"))
		if signIns(t, f, "eve") != 0 || signIns(t, f, "bob") != 1 || f.Grant(g.ID).State == access.Ended {
			t.Error("another's session, or a grant, ended with hers")
		}
		change := signal(f, "3", access.SignalCredentialChange, "bob")
		change.Change, change.Credential = "create", "password"
		did(t, f, access.DidNothing, change)
		change.JTI, change.Change = "4", "revoke"
		did(t, f, access.DidSignOut, change)
		if len(open(f, "signal_compromised")) != 0 {
			t.Error("what was revoked elsewhere is found here")
		}
		leak := signal(f, "5", access.SignalCompromise, "bob")
		leak.Credential = "password"
		did(t, f, access.DidFind, leak)
		if list := open(f, "signal_compromised"); len(list) != 1 || list[0].Owner != "bob" || list[0].Subject != "git bob" {
			t.Errorf("findings %+v", list)
		}
		did(t, f, access.DidFind, signal(f, "6", access.SignalDevice, "eve"))
		did(t, f, access.DidIgnore, signal(f, "7", access.SignalRisk, "eve"))
		did(t, f, access.DidIgnore, signal(f, "8", "", "eve"))
		did(t, f, access.DidNothing, signal(f, "9", access.SignalVerification, ""))
		stream := signal(f, "10", access.SignalStream, "")
		stream.Status = "disabled"
		did(t, f, access.DidFind, stream)
		stream.JTI, stream.Status = "11", "enabled"
		did(t, f, access.DidNothing, stream)
		if len(open(f, "signal_stream")) != 0 || len(open(f, "signal_noted")) != 1 {
			t.Errorf("findings %+v", f.Findings(true))
		}
		did(t, f, access.DidNotKnow, signal(f, "12", access.SignalDisabled, "stranger"))
		foreign := signal(f, "13", access.SignalDisabled, "eve")
		foreign.Subject.Iss = "https://elsewhere.example"
		did(t, f, access.DidNotKnow, foreign)
		mail := signal(f, "14", access.SignalDisabled, "eve")
		mail.Subject = access.SignalSubject{Format: access.SubjectEmail, Email: "eve@example.com"}
		did(t, f, access.DidNotKnow, mail) // of this transmitter no rule says so
		if len(open(f, "signal_unknown")) != 0 {
			t.Error("three are many")
		}
		for i := range 20 {
			did(t, f, access.DidNotKnow, signal(f, fmt.Sprint("u", i), access.SignalDisabled, fmt.Sprint("stranger", i)))
		}
		if len(open(f, "signal_unknown")) != 1 {
			t.Error("nobody is told that it speaks of many whom nobody knows")
		}
		_, err := f.Engine.Signalled(t.Context(), access.Signal{Transmitter: "nobody", JTI: "1", Event: access.SignalDisabled})
		refused(t, "no transmitter", err, access.ErrNotFound, "transmitter")
	})
}

// A credential that is kept here is killed when somebody else has it.
func TestSignalKillsWhatIsKept(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		hears(f)
		f.Change(func(c *enginetest.Company) {
			c.Plans = []access.CredentialPlan{{ID: "robot-token", System: "git", Account: "robot", Kind: "token", Store: "vault", Ref: "robot", Every: 24 * hour}}
		})
		leak := signal(f, "1", access.SignalCompromise, "robot")
		leak.Credential = "token"
		did(t, f, access.DidKill, leak)
		leak.JTI = "2"
		did(t, f, access.DidNothing, leak)
		if len(open(f, "credential_compromised")) != 1 || len(open(f, "signal_compromised")) != 0 {
			t.Errorf("findings %+v", f.Findings(true))
		}
	})
}

// A transmitter ends so much in an hour; the rest waits for people, and so does what
// would leave nobody to undo it.
func TestAB16_SignalsAreBraked(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		hears(f)
		for i, who := range []string{"eve", "bob", "xena"} {
			did(t, f, access.DidSuspend, signal(f, fmt.Sprint(i), access.SignalDisabled, who))
		}
		g := f.Granted("otto", ask("dir:lobby"))
		did(t, f, access.DidHold, signal(f, "4", access.SignalDisabled, "otto"))
		did(t, f, access.DidHold, signal(f, "5", access.SignalDisabled, "owen"))
		did(t, f, access.DidHold, signal(f, "6", access.SignalPurged, "sara"))
		if f.Grant(g.ID).State == access.Ended || len(open(f, "signal_held")) != 1 {
			t.Errorf("findings %+v", f.Findings(true))
		}
		f.Advance(time.Minute)
		did(t, f, access.DidNothing, signal(f, "7", access.SignalEnabled, "owen")) // nobody has decided yet
		_, err := f.Engine.HeedHeld(t.Context(), f.As("mia"), "idp", true, "it is so")
		refused(t, "a manager", err, access.ErrDenied, "only people of")
		if n, err := f.Engine.HeedHeld(t.Context(), f.As("sara"), "idp", false, "nonsense"); err != nil || n != 1 || len(open(f, "signal_held")) != 1 {
			t.Errorf("sara lets herself off: %d, %v", n, err)
		}
		did(t, f, access.DidHold, signal(f, "8", access.SignalDisabled, "otto"))
		if n, err := f.Engine.HeedHeld(t.Context(), f.As("sven"), "idp", true, "it is so"); err != nil || n != 2 || len(open(f, "signal_held")) != 0 {
			t.Errorf("%d, %v, findings %+v", n, err, f.Findings(true))
		}
		dir := f.WorldAt(f.Now()).Directory
		for who, want := range map[string]bool{"otto": true, "sara": true, "owen": false} {
			if i, _ := dir.Identity(who); i.Suspended != want {
				t.Errorf("%s is suspended: %t", who, i.Suspended)
			}
		}
		if g = f.Grant(g.ID); g.State != access.Ended {
			t.Errorf("the grant is %s", g.State)
		}
		f.Advance(2 * time.Hour)
		did(t, f, access.DidSuspend, signal(f, "9", access.SignalDisabled, "sven"))
		did(t, f, access.DidHold, signal(f, "10", access.SignalDisabled, "sean"))
		_, err = f.Engine.HeedHeld(t.Context(), f.As("sean"), "hr", true, "x")
		refused(t, "nothing held", err, access.ErrNotFound, "held")
	})
}

// waiting lists what a receiver is still to have, as EVENT FORMAT NAME.
func waiting(t *testing.T, f *enginetest.Fixture, receiver string) (list []string, ids []string) {
	t.Helper()
	due, err := f.Engine.SignalsDue(t.Context(), receiver, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range due {
		list, ids = append(list, o.Event+" "+o.Subject.URI+o.Subject.Sub), append(ids, o.ID)
	}
	return list, ids
}

// What was seen gone, and who has left, those hear who want to, in order, until they
// say that they have it.
func TestAB47_RemovalsAreTold(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		hears(f)
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		f.Granted("bob", ask("git:deploy"), "otto", "sara")
		f.Work()
		if list, _ := waiting(t, f, "app"); len(list) != 0 {
			t.Errorf("before anything was removed: %v", list)
		}
		if err := f.Engine.Return(t.Context(), f.As("eve"), g.ID, "done"); err != nil {
			t.Fatal(err)
		}
		if list, _ := waiting(t, f, "app"); len(list) != 0 {
			t.Errorf("before it was seen gone: %v", list)
		}
		f.Work()
		leave(t, f, "bob")
		f.Work()
		list, ids := waiting(t, f, "app")
		want := []string{"session-revoked acct:eve@example.com", "account-disabled acct:bob@example.com", "account-disabled bob", "session-revoked bob"}
		if !slices.Equal(list, want) || !slices.IsSorted(ids) {
			t.Errorf("waiting %v, want %v", list, want)
		}
		if list, _ := waiting(t, f, "siem"); !slices.Equal(list, []string{"account-disabled acct:bob@example.com"}) {
			t.Errorf("the other has %v", list)
		}
		if jobs := f.Jobs("signal"); len(jobs) != 1 {
			t.Errorf("%d jobs, of one receiver", len(jobs))
		}
		// What it has is not told again; what it does not take is found.
		if err := f.Engine.SignalsHad(t.Context(), "app", []access.SignalAnswer{{ID: ids[0]}, {ID: ids[1], Error: "invalid_request"}, {ID: "si-none", Error: "what"}}); err != nil {
			t.Fatal(err)
		}
		if list, _ := waiting(t, f, "app"); !slices.Equal(list, want[2:]) || len(open(f, "signal_refused")) != 1 {
			t.Errorf("waiting %v, findings %+v", list, f.Findings(true))
		}
		// Late is told once, and settled.
		late := func() int {
			if err := f.Engine.SignalsLate(t.Context(), "app", "it does not answer"); err != nil {
				t.Fatal(err)
			}
			return len(open(f, "signal_late"))
		}
		if late() != 0 {
			t.Error("late at once")
		}
		f.Advance(20 * time.Minute)
		if once, again := late(), late(); once != 1 || again != 1 {
			t.Error("nobody is told that it is late")
		}
		f.Advance(8 * 24 * time.Hour)
		late()
		if list, _ := waiting(t, f, "app"); len(list) != 0 {
			t.Errorf("after a week %v", list)
		}
		if err := f.Engine.SignalsHad(t.Context(), "app", []access.SignalAnswer{{ID: ids[2]}}); err != nil || len(open(f, "signal_late")) != 0 {
			t.Errorf("%v, %+v", err, f.Findings(true))
		}
	})
}
