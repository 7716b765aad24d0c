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

// What is late, sick, held back and waiting: to security and auditors of everything,
// to a system's owner of that system, to nobody else.
func TestOperations(t *testing.T) {
	t.Parallel()
	p := open(t)
	sara, owen, bob := p.as("sara"), p.as("owen"), p.as("bob")
	bob.goTo("/nothing")
	missing := bob.page
	if bob.goTo("/operations"); bob.page != missing || strings.Contains(bob.page, "/operations") {
		t.Error("operations are shown, or known of, to whom they are not for")
	}
	sara.goTo("/operations")
	sara.is(http.StatusOK, "Nothing is being removed", "No system is sick", "No brake is on", "Granted and seen agree", "Outbox", "never looked at")
	// A system that does not answer, with something to be removed.
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour, Reason: "notes"}, "mia")
	p.Advance(time.Minute)
	p.Targets["dir"].Always(enginetest.Unreachable, enginetest.Blind)
	p.Advance(2 * time.Hour)
	// … whose reading failed, and another that shrank.
	if err := p.Engine.Find(t.Context(), "inventory_unread", "git", "owen", "System git could not be read whole.", 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	var all []engine.Held
	for _, a := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v"} {
		all = append(all, engine.Held{Account: a, Object: "lobby"})
	}
	for _, held := range [][]engine.Held{all, nil} {
		if _, err := p.Engine.Observed(t.Context(), engine.Reading{System: "dir", At: p.Now(), Objects: []string{"lobby"}, Holdings: held}); err != nil {
			t.Fatal(err)
		}
	}
	sara.goTo("/operations")
	sara.is(http.StatusOK, "1 removal under way", "1 is late", "2 systems sick", "Does not do as asked", "wiki", "eve at dir; ended: Its own end", "tries; last:", "its owner was told", "Not read whole since", "1 brake on", "Inventory shrunk",
		"Nobody has to release it", "Telling people", "the oldest for 1 h")
	if !strings.Contains(sara.page, `href="/grants/`+g.ID+`"`) {
		t.Error("the removal leads nowhere")
	}
	owen.goTo("/operations")
	owen.is(http.StatusOK, "Of the systems you own", "1 removal under way", "Inventory shrunk")
	if strings.Contains(owen.words(), "Outbox") {
		t.Error("the outbox of everything is shown to the owner of one system")
	}
	// Mended, all of it closes.
	p.Targets["dir"].Mend()
	p.Advance(time.Hour)
	sara.goTo("/operations")
	sara.is(http.StatusOK, "Nothing is being removed")
}

// Access nobody granted is asked for or removed from its page, by whoever may.
func TestAFindingIsSettled(t *testing.T) {
	t.Parallel()
	p := open(t)
	for _, a := range []string{"eve", "bob", "nobody"} {
		p.Targets["dir"].Put(a, "wiki")
	}
	read := func() {
		t.Helper()
		var held []engine.Held
		for _, r := range p.Held("dir") {
			held = append(held, engine.Held{Account: r.Account, Object: r.Object})
		}
		if _, err := p.Engine.Observed(t.Context(), engine.Reading{System: "dir", At: p.Now(), Objects: []string{"wiki"}, Holdings: held}); err != nil {
			t.Fatal(err)
		}
	}
	read()
	f := p.Findings(true)[0]
	at := "/findings/" + f.ID
	owen, bob, anna := p.as("owen"), p.as("bob"), p.as("anna")
	bob.goTo(at)
	bob.is(http.StatusNotFound, "Not found")
	owen.goTo("/findings")
	owen.is(http.StatusOK, "1 finding open", "Unexpected access")
	owen.follow(at)
	owen.is(http.StatusOK, "owen has until", "What was found", "eve", "bob", "nobody we know", "How it closes", "Ask for it on their behalf", "Have it removed")
	// Who may know and not do is told why.
	anna.goTo(at)
	anna.is(http.StatusOK, "It cannot be closed by hand", "Not by you")
	// What is missing is said in place, and what was typed and ticked is kept.
	owen.press("Have it removed", url.Values{"account": {"nobody"}})
	owen.is(http.StatusUnprocessableEntity, "Say why in a sentence")
	if !strings.Contains(owen.page, `value="nobody" checked`) {
		t.Error("the tick is gone")
	}
	owen.press("Have it removed", url.Values{"account": {}, "reason": {"left in <2019>"}})
	owen.is(http.StatusUnprocessableEntity, "Tick the accounts", "left in <2019>")
	owen.press("Have it removed", url.Values{"account": {"nobody"}, "reason": {"left in <2019>"}})
	owen.is(http.StatusOK, "It is being removed")
	owen.press("Ask for it", url.Values{"account": {"eve"}, "reason": {"she needs it"}})
	owen.is(http.StatusOK, "Asked for on behalf", "asked for already")
	owen.press("Ask for it", url.Values{"account": {"eve"}, "reason": {"she needs it"}})
	owen.is(http.StatusUnprocessableEntity, "asked for already")
	owen.send(http.MethodPost, at, url.Values{"how": {"burn"}, "account": {"bob"}, "reason": {"x"}})
	owen.is(http.StatusUnprocessableEntity, "adopted, removed or let be")
	p.Advance(time.Minute)
	if p.Targets["dir"].Holds("nobody", "wiki") {
		t.Error("it is still there")
	}
	// Granted and removed, it is over; the page of the finding says so.
	owen.press("Have it removed", url.Values{"account": {"bob"}, "reason": {"not his"}})
	p.Advance(time.Minute)
	for _, g := range p.Grants() {
		t.Logf("%s %s", g.Identity, g.Entitlement)
	}
	read()
	owen.goTo(at)
	owen.is(http.StatusOK, "How it was settled")
	p.Check()
}

// What only people can settle is let be, for a reason; what closes by itself says how.
func TestAFindingIsLetBe(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.Ask("ada", engine.Ask{Entitlements: []string{"dir:reports"}}) // who has no manager: nobody can answer
	f := p.Findings(true)[0]
	owen, anna := p.as("owen"), p.as("anna")
	anna.goTo("/findings/" + f.ID)
	anna.is(http.StatusOK, "It cannot be closed by hand", "Not by you", "no rule permits")
	anna.send(http.MethodPost, "/findings/"+f.ID, url.Values{"how": {"accept"}, "reason": {"so what"}})
	anna.is(http.StatusUnprocessableEntity, "Nothing was done", "no rule permits")
	owen.goTo("/findings/" + f.ID)
	owen.press("Let it be", nil)
	owen.is(http.StatusUnprocessableEntity, "Say why in a sentence")
	owen.press("Let it be", url.Values{"reason": {"ada asks the desk"}})
	owen.is(http.StatusOK, "Let be, with your words", "Closed", "Let be by owen: ada asks the desk")
	if n := len(p.Findings(true)); n != 0 {
		t.Errorf("%d open", n)
	}
	owen.send(http.MethodPost, "/findings/"+f.ID, url.Values{"how": {"accept"}, "reason": {"again"}})
	owen.is(http.StatusGone, "It is over")
	if err := p.Engine.Find(t.Context(), access.WorkflowHole, "jira:acme:ACC/third exit", "owen", "a way out", time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"fi-nothing", "gr-x"} {
		owen.goTo("/findings/" + id)
		owen.is(http.StatusNotFound, "Not found")
	}
	p.Check()
}
