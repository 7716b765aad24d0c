package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Security says that somebody has left where it sees what that comes to, as strongly
// signed in as the company wants it; and takes the word back.
func TestLeaverPage(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *enginetest.Company) { c.Lifecycle.StepUp = "mfa" })
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
	eve := p.as("eve")
	sara, bob := p.as("sara"), p.as("bob")
	bob.send(http.MethodPost, "/leavers", url.Values{"who": {"eve"}, "how": {"left"}, "reason": {"I do not like her"}})
	bob.is(http.StatusNotFound)
	sara.goTo("/leavers?who=eve")
	sara.is(http.StatusOK, "If eve left now", "Say that eve has left", "It takes a sign-in by mfa")
	sara.send(http.MethodPost, "/leavers", url.Values{"who": {"eve"}, "how": {"left"}, "reason": {"the contract is over"}})
	sara.is(http.StatusUnprocessableEntity, "Nothing was done", "takes a sign-in by mfa")
	if p.Grant(g.ID).State == access.Ended {
		t.Fatal("she has left by a weak sign-in")
	}
	sara.send(http.MethodPost, "/sign-in", url.Values{"who": {"sara"}, "strength": {"mfa"}, "next": {"/leavers?who=eve"}})
	sara.is(http.StatusOK, "If eve left now")
	sara.press("They have left", url.Values{"reason": {""}})
	sara.is(http.StatusUnprocessableEntity, "Nothing was done", "Reason is empty")
	sara.press("They have left", url.Values{"reason": {"the contract is over"}})
	sara.is(http.StatusOK, "It is said", "eve has left", "by sara", "the contract is over", "Nothing is left to be seen gone", "Say that eve is back")
	if g := p.Grant(g.ID); g.State != access.Ended || g.Ended != access.EndLeaver {
		t.Errorf("her grant is %s (%s)", g.State, g.Ended)
	}
	eve.goTo("/access")
	if !strings.HasPrefix(eve.at, "/sign-in") {
		t.Errorf("a leaver is at %s", eve.at)
	}
	sara.press("They are back", url.Values{"reason": {"it was another eve"}})
	sara.is(http.StatusOK, "The word is taken back", "If eve left now")
	if i, _ := p.Engine.World().Directory.Identity("eve"); i.Inactive || p.Grant(g.ID).State != access.Ended {
		t.Error("she is not back, or more is than she")
	}
	sara.goTo("/leavers?who=nobody")
	sara.is(http.StatusOK, "There is no such person")
	p.Check()
}

// What is held of a transmitter is decided on a page.
func TestHeldPage(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *enginetest.Company) {
		c.Signals = access.Signals{Transmitters: []access.Transmitter{{ID: "idp", Hourly: 1, Heeds: []string{access.SignalDisabled},
			Subjects: []access.SubjectRule{{Format: access.SubjectIssSub, Issuer: "https://idp.example", At: "git"}}}}}
	})
	sara, bob := p.as("sara"), p.as("bob")
	bob.goTo("/signals")
	bob.is(http.StatusNotFound)
	sara.goTo("/signals")
	sara.is(http.StatusOK, "Nothing is held")
	say := func(jti, who, want string) {
		t.Helper()
		did, err := p.Engine.Signalled(t.Context(), access.Signal{Transmitter: "idp", JTI: jti, Event: access.SignalDisabled, At: p.Now(), Subject: access.SignalSubject{Format: access.SubjectIssSub, Iss: "https://idp.example", Sub: who}})
		if err != nil || did != want {
			t.Fatalf("%s: %q, %v", who, did, err)
		}
	}
	say("1", "eve", access.DidSuspend)
	say("2", "mia", access.DidHold)
	sara.goTo("/signals")
	sara.is(http.StatusOK, "idp", "1 signal", "mia Account disabled, heard", "Heeded, they are suspended")
	sara.press("Heed them all", nil)
	sara.is(http.StatusUnprocessableEntity, "Nothing was done")
	sara.press("Drop them", url.Values{"reason": {"they had an outage"}})
	sara.is(http.StatusOK, "Dropped", "Nothing is held")
	if i, _ := p.Engine.World().Directory.Identity("mia"); i.Suspended {
		t.Error("mia is suspended")
	}
	p.Check()
}

// An owner puts another contract in the place of a workload's.
func TestContractPage(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, bob := p.as("eve"), p.as("bob")
	for _, who := range []*person{bob, p.as("sara")} { // who guards it all sees it, and its owner alone may change it
		who.goTo("/workload/contract?id=robot")
		who.is(http.StatusNotFound)
	}
	eve.goTo("/workload?id=robot")
	eve.is(http.StatusOK, "Change its contract")
	eve.goTo("/workload/contract?id=robot")
	with := url.Values{"purpose": {"nightly report"}, "environment": {"production"}, "system": {"dir"}, "rotate_every": {"often"}, "review_every": {"180d"}, "retires": {"2040-12-31"}, "reason": {"it had none"}}
	eve.press("Change it", with)
	eve.is(http.StatusUnprocessableEntity, "Not changed", "nightly report")
	with.Set("rotate_every", "90d")
	eve.press("Change it", with)
	eve.is(http.StatusOK, "It has another contract", "nightly report")
	eve.goTo("/workload/contract?id=robot")
	eve.is(http.StatusOK, "nightly report")
	if i, _ := p.Engine.World().Directory.Identity("robot"); i.Contract == nil || i.Contract.Purpose != "nightly report" || i.Contract.RotateEvery != access.Term(90*24*hour.D()) || len(i.Contract.Systems) != 1 {
		t.Errorf("the contract is %+v", i.Contract)
	}
	bob.send(http.MethodPost, "/workload/contract", with)
	bob.is(http.StatusNotFound)
	p.Check()
}

// Seals have a page: those who may know of one see it, security says that it is broken,
// and nobody who keeps it settles its use.
func TestSealsPage(t *testing.T) {
	t.Parallel()
	p := open(t)
	sara, bob := p.as("sara"), p.as("bob")
	sara.goTo("/seals")
	sara.is(http.StatusOK, "No seal that you may know of")
	form := url.Values{"system": {"dir"}, "account": {"sealed-1"}, "opens": {"dir:root"}, "first": {"mia"}, "second": {"sara"}, "place": {"the safe in room 4"}, "within": {"180d"}}
	sara.press("Note that it is sealed", form)
	sara.is(http.StatusUnprocessableEntity, "Nothing was noted", "Nobody seals what they keep themselves")
	if !strings.Contains(sara.page, `value="the safe in room 4"`) {
		t.Error("what was written is gone")
	}
	form.Set("second", "owen")
	form.Set("within", "some time")
	sara.press("Note that it is sealed", form)
	sara.is(http.StatusUnprocessableEntity, "Nothing was noted")
	form.Set("within", "180d")
	sara.press("Note that it is sealed", form)
	sara.is(http.StatusOK, "Noted, and told to its custodians")
	list, err := p.Engine.Seals(t.Context(), p.As("sara"), "", 5)
	if err != nil || len(list) != 1 || list[0].By != "sara" || list[0].Until.Sub(list[0].At).Round(time.Hour) != 180*24*time.Hour {
		t.Fatalf("%+v, %v", list, err)
	}
	s := list[0]
	bob.goTo("/seals")
	bob.is(http.StatusOK, "No seal that you may know of")
	bob.send(http.MethodPost, "/seals", form)
	if bob.status == http.StatusOK || bob.status == http.StatusSeeOther {
		t.Error("bob seals")
	}
	sara.goTo("/seals")
	sara.is(http.StatusOK, "sealed-1 at dir", "whole", "the safe in room 4")
	mia := p.as("mia")
	mia.goTo("/seals")
	mia.is(http.StatusOK, "sealed-1 at dir", "the safe in room 4")
	mia.press("It is not to be relied on", nil)
	mia.is(http.StatusUnprocessableEntity, "Nothing was done")
	mia.press("It is not to be relied on", url.Values{"reason": {"the envelope is open"}})
	mia.is(http.StatusOK, "The seal is broken", "broken", "by mia: the envelope is open")
	mia.send(http.MethodPost, "/seals/"+s.ID, url.Values{"how": {"settle"}, "incident": {"INC-1"}, "reason": {"it was me"}})
	if mia.status == http.StatusOK {
		t.Error("a custodian settles")
	}
	sara.goTo("/seals")
	sara.press("Settle its use", url.Values{"incident": {"INC-1"}, "reason": {"nobody used it"}})
	sara.is(http.StatusUnprocessableEntity, "Nothing was done", "No use of seal")
	sara.press("Nothing is sealed there any more", url.Values{"reason": {"the safe is gone"}})
	sara.is(http.StatusOK, "Retired")
	p.Check()
}
