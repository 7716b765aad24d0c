package web_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/web"
)

// Asked, checked, sent, answered, seen, given back, seen gone: by forms alone.
func TestEveryTaskWithoutScript(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, mia := p.as("eve"), p.as("mia")
	eve.is(http.StatusOK, "You hold nothing now", "Ask for access")
	eve.goTo("/ask?q=wi+ki")
	eve.is(http.StatusOK, "2 found")
	eve.goTo("/ask?q=nothing+like+it")
	eve.is(http.StatusOK, "Nothing has all of these words")
	r := eve.asks("dir:wiki", "20h", "notes of the week")
	eve.is(http.StatusOK, "Waits for an answer", "mia, as the manager", "notes of the week")
	if r.Term != 20*hour || r.Reason != "notes of the week" || r.Channel != "portal" || r.Requester != "eve" {
		t.Errorf("asked: %+v", r)
	}
	mia.goTo("/waiting")
	mia.is(http.StatusOK, "1 request needs your decision", "wiki", "notes of the week", "You may decide this", "Approve for 20 hours")
	mia.press("Approve", url.Values{"term": {"4h"}})
	mia.is(http.StatusOK, "Your approval is counted", "Nothing needs your decision")
	g := p.Grant(p.Request(r.ID).Items[0].Grant)
	if g.Term != 4*hour {
		t.Errorf("narrowed to 4h, granted %s", g.Term)
	}
	eve.goTo("/access")
	eve.is(http.StatusOK, "Granted, not seen yet")
	p.Advance(time.Minute)
	eve.goTo("/access")
	eve.is(http.StatusOK, "You hold 1 entitlement", "All granted and seen", "3 h 5", "Seen")
	eve.send(http.MethodGet, "/requests/"+r.ID+"?verify", nil, "Sec-Fetch-Site", "cross-site")
	if eve.is(http.StatusOK, "Granted and seen"); strings.Contains(eve.words(), "verified just now") {
		t.Error("a link of another site has the log written on")
	}
	eve.send(http.MethodGet, "/requests/"+r.ID+"?verify", nil, "Sec-Fetch-Site", "same-origin")
	eve.is(http.StatusOK, "Granted and seen", "All verified just now", "mia approved wiki", "Seen", "It is there")
	eve.goTo("/access")
	eve.press("Give back", nil)
	eve.is(http.StatusOK, "Given back", "is being removed", "does not count as removed")
	p.Advance(time.Minute)
	eve.goTo("/access")
	eve.is(http.StatusOK, "You hold nothing now", "given back", "Seen gone")
	eve.goTo("/requests/" + r.ID + "?verify")
	eve.is(http.StatusOK, "Ended, and seen gone", "Seen gone", "All verified just now")
	eve.goTo("/grants/" + g.ID + "/evidence")
	eve.is(http.StatusOK)
	if !strings.Contains(eve.page, g.ID) || !strings.Contains(eve.header.Get("Content-Disposition"), g.ID+".json") {
		t.Errorf("evidence: %v", eve.header)
	}
	p.Check()
}

// What is wrong is said where it is, and what was typed is kept.
func TestFormsKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve := p.as("eve")
	for _, c := range []struct {
		typed  url.Values
		status int
		says   string
	}{
		{url.Values{"term": {"other"}, "other": {"a while"}}, http.StatusUnprocessableEntity, `"a while"`},
		{url.Values{"reason": {"  "}}, http.StatusUnprocessableEntity, "Say in a sentence what the access is for"},
		{url.Values{"start": {"tomorrow"}}, http.StatusUnprocessableEntity, "Write the start as"},
		{url.Values{"start": {"2026-03-02T12:00"}, "offset": {"9999"}}, http.StatusUnprocessableEntity, "Write the start as"},
		{url.Values{"start": {"2020-01-01T00:00"}}, http.StatusUnprocessableEntity, "is in the past"},
		{url.Values{"for": {"nobody"}}, http.StatusUnprocessableEntity, "is nobody the directory knows"},
		{url.Values{"term": {"other"}, "other": {"300d"}}, http.StatusOK, "This would be refused"},
	} {
		eve.goTo("/ask/form?entitlement=dir:wiki")
		with := url.Values{"reason": {"kept <b>as is</b>"}, "ticket": {"jira:ACC-7"}}
		for k, v := range c.typed {
			with[k] = v
		}
		eve.press("Check", with)
		eve.is(c.status, c.says)
		if c.status == http.StatusOK {
			eve.press("Change it", nil)
			eve.is(http.StatusOK)
		}
		for _, k := range []string{"reason", "ticket", "other", "start"} {
			if v := with.Get(k); v != "" && !strings.Contains(eve.page, htmlOf(v)) {
				t.Errorf("%v: %s %q is not kept", c.typed, k, v)
			}
		}
	}
	if n := len(p.Events("", "", "")); n > 0 {
		t.Errorf("%d events of what was only checked", n)
	}
	// A start is in the reader's zone: two hours before UTC, here.
	eve.goTo("/ask/form?entitlement=dir:wiki")
	eve.press("Check", url.Values{"reason": {"later"}, "start": {"2026-03-03T09:00"}, "offset": {"-120"}})
	eve.press("Send the request", nil)
	if r := p.Request(strings.TrimPrefix(eve.at, "/requests/")); !r.Start.Equal(time.Date(2026, 3, 3, 7, 0, 0, 0, time.UTC)) {
		t.Errorf("start %s", r.Start)
	}
	eve.goTo("/ask/form?entitlement=dir:nowhere")
	eve.is(http.StatusNotFound, "Not found")
	eve.goTo("/ask/form")
	eve.is(http.StatusBadRequest, "Nothing is chosen")
}

func htmlOf(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;").Replace(s)
}

// The same check sent twice is one request.
func TestTwoPressesAreOneRequest(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve := p.as("eve")
	eve.goTo("/ask/form?entitlement=dir:wiki")
	eve.press("Check", url.Values{"reason": {"notes"}})
	checked := *eve
	eve.press("Send the request", nil)
	first := eve.at
	checked.press("Send the request", nil)
	if checked.at != first {
		t.Errorf("a second request: %s beside %s", checked.at, first)
	}
}

// A bundle, for a workload of one's own, and part of it left out by the approver.
func TestBundlesAndNarrowing(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, mia := p.as("eve"), p.as("mia")
	eve.goTo("/ask/form?bundle=onboarding")
	eve.is(http.StatusOK, "Onboarding", "reports", "wiki")
	eve.press("Check", url.Values{"reason": {"first day"}, "term": {"4h"}})
	eve.is(http.StatusOK, "reports", "wiki")
	eve.press("Send the request", nil)
	r := p.Request(strings.TrimPrefix(eve.at, "/requests/"))
	mia.goTo("/waiting/" + r.ID)
	mia.press("Approve", url.Values{"entitlement": {}})
	mia.is(http.StatusUnprocessableEntity, "Everything is unticked")
	mia.press("Deny", url.Values{"words": {""}})
	mia.is(http.StatusUnprocessableEntity, "Say why in a sentence")
	mia.press("Approve", url.Values{"entitlement": {"dir:wiki"}, "words": {"reports later"}})
	mia.is(http.StatusOK, "Your approval is counted")
	r = p.Request(r.ID)
	if a, b := r.Items[0].Outcome, r.Items[1].Outcome; a != access.ItemDropped || b != access.Granted {
		t.Errorf("reports %s, wiki %s", a, b)
	}
	// A denial is told with its words to whoever asked.
	r = eve.asks("dir:reports", "2h", "figures")
	mia.goTo("/waiting/" + r.ID)
	mia.press("Deny", url.Values{"words": {"ask the desk <first>"}})
	eve.goTo("/requests/" + r.ID)
	eve.is(http.StatusOK, "Denied", "ask the desk <first>")
	// For a workload of one's own.
	eve.goTo("/ask/form?entitlement=dir:wiki")
	eve.press("Check", url.Values{"reason": {"nightly"}, "for": {"robot"}})
	eve.is(http.StatusOK, "owen, as an owner of it")
	eve.press("Send the request", nil)
	if r := p.Request(strings.TrimPrefix(eve.at, "/requests/")); r.Beneficiary != "robot" {
		t.Errorf("for %s", r.Beneficiary)
	}
}

// Taken back, remarked upon, extended.
func TestWhatOneMayDoWithARequest(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve := p.as("eve")
	r := eve.asks("dir:wiki", "2h", "notes")
	eve.press("Add the remark", nil)
	eve.is(http.StatusUnprocessableEntity, "Write something first")
	eve.press("Add the remark", url.Values{"text": {"it is for the audit"}})
	eve.is(http.StatusOK, "eve remarked", "it is for the audit")
	eve.press("Take the request back", nil)
	eve.is(http.StatusOK, "Taken back")
	if s := p.Request(r.ID).State; s != access.Cancelled {
		t.Errorf("it is %s", s)
	}
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour, Reason: "notes"}, "mia")
	p.Advance(time.Minute)
	eve.goTo("/ask/form?extends=" + g.ID)
	eve.is(http.StatusOK, "More time for wiki")
	eve.press("Check", url.Values{"reason": {"not done yet"}, "term": {"other"}, "other": {"2h"}})
	eve.is(http.StatusOK, "Held already")
	eve.press("Send the request", nil)
	if r := p.Request(strings.TrimPrefix(eve.at, "/requests/")); r.Extends != g.ID {
		t.Errorf("extends %q", r.Extends)
	}
}

// A page of a list is a page, however long the list.
func TestListsArePages(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *enginetest.Company) {
		for i := range 40 {
			e := c.Entitlements["dir:wiki"]
			e.ID, e.Object, e.Name = fmt.Sprintf("dir:extra%02d", i), fmt.Sprintf("extra%02d", i), fmt.Sprintf("Extra %02d", i)
			c.Entitlements[e.ID] = e
		}
	})
	for i := range 30 {
		p.Ask("eve", engine.Ask{Entitlements: []string{fmt.Sprintf("dir:extra%02d", i)}, Reason: "much to do"})
	}
	eve, mia := p.as("eve"), p.as("mia")
	eve.goTo("/ask?q=extra")
	eve.is(http.StatusOK, "the first 25 of 40")
	eve.goTo("/requests")
	if n := strings.Count(eve.page, `class="name" href="/requests/`); n != 25 {
		t.Errorf("%d requests on a page", n)
	}
	older := regexp.MustCompile(`/requests\?before=[^"]*`).FindString(eve.page)
	eve.follow(older)
	if n := strings.Count(eve.page, `class="name" href="/requests/`); n != 5 {
		t.Errorf("%d requests on the second page", n)
	}
	mia.goTo("/waiting")
	mia.is(http.StatusOK, "25 requests and more need your decision", "Older ones")
}

// Each thing has a page, and shows of it what the reader may know.
func TestThingsHavePages(t *testing.T) {
	t.Parallel()
	p := open(t)
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour, Reason: "notes"}, "mia")
	p.Advance(time.Minute)
	eve, owen, anna, bob := p.as("eve"), p.as("owen"), p.as("anna"), p.as("bob")
	eve.goTo("/grants/" + g.ID)
	eve.is(http.StatusOK, "A grant to eve", "left", "Looks at the target", "there", "Every rule that decided at the grant")
	eve.goTo("/entitlements?id=dir:wiki")
	eve.is(http.StatusOK, "wiki", "Owned by owen", "Ask for it")
	if strings.Contains(eve.words(), "Who holds it") {
		t.Error("who holds it is shown to whoever does not answer for it")
	}
	owen.goTo("/entitlements?id=dir:wiki")
	owen.is(http.StatusOK, "Who holds it", "eve", "Seen")
	owen.goTo("/entitlements?id=dir:audit")
	owen.is(http.StatusOK, "Not beside pay", "Nobody does by a grant")
	eve.goTo("/systems?id=dir")
	eve.is(http.StatusOK, "What it can let people hold", "wiki", "root")
	eve.goTo("/people?id=eve")
	eve.is(http.StatusOK, "Managed by mia", "wiki", "robot")
	bob.goTo("/people?id=eve")
	bob.is(http.StatusNotFound, "Not found")
	owen.goTo("/people?id=eve") // who owns what she holds
	owen.is(http.StatusOK, "eve", "wiki")
	if strings.Contains(owen.words(), "Managed by") || strings.Contains(owen.words(), "robot") {
		t.Error("who owns what somebody holds is shown who they are managed by and answer for")
	}
	for who, closeTo := range map[string]bool{"xena": true, "mia": true, "mia.2": true, "sara": true, "anna": true, "bob": false, "owen": false} {
		b := p.as(who)
		if b.goTo("/people?id=xena"); closeTo {
			b.is(http.StatusOK, "sponsored by mia", "Contract ends")
		} else if b.is(http.StatusNotFound, "Not found"); strings.Contains(b.words(), "xena") {
			t.Errorf("%s is shown xena", who)
		}
	}
	eve.goTo("/people?id=robot")
	eve.is(http.StatusOK, "Answers for it")
	bob.goTo("/findings")
	bob.is(http.StatusOK, "Nothing that you may know of is other than it should be")
	p.Ask("ada", engine.Ask{Entitlements: []string{"dir:reports"}}) // who has no manager: nobody can answer
	anna.goTo("/findings")
	anna.is(http.StatusOK, "1 finding open", "No approver", "dir:reports")
	for _, at := range []string{"/entitlements?id=dir:nothing", "/people?id=nobody", "/systems?id=none", "/grants/gr-none"} {
		eve.goTo(at)
		eve.is(http.StatusNotFound, "Not found")
	}
	// The register, and the file of it.
	if strings.Contains(eve.page, "/register") || !strings.Contains(anna.page, "/register") {
		t.Error("the register is in the wrong navigation")
	}
	anna.goTo("/register")
	anna.is(http.StatusOK, "eve", "wiki", "Seen")
	p.Advance(3 * time.Hour)
	anna.goTo("/register")
	anna.is(http.StatusOK, "No grants")
	anna.goTo("/register?all=yes")
	anna.is(http.StatusOK, "expired", "Seen gone")
	anna.goTo("/register.csv")
	anna.is(http.StatusOK)
	rows, err := csv.NewReader(strings.NewReader(anna.page)).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][0] != g.ID || rows[1][12] != "absent" || rows[1][10] != "expired" {
		t.Errorf("%v, %v", rows, err)
	}
}

func TestPortalThatCannotBe(t *testing.T) {
	t.Parallel()
	if _, err := web.New(web.Config{}); err == nil {
		t.Error("a portal of nothing")
	}
}
