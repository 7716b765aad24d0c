package web_test

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
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
	eve.goTo("/requests/" + r.ID + "?verify")
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

// What is not yours to know of is not found, word for word as what is not there.
func TestNotYoursIsNotFound(t *testing.T) {
	t.Parallel()
	p := open(t)
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour, Reason: "secret plans"}, "mia")
	bob := p.as("bob")
	for there, missing := range map[string]string{
		"/requests/" + g.Request:             "/requests/rq-nothing",
		"/requests/" + g.Request + "?verify": "/requests/rq-nothing?verify",
		"/waiting/" + g.Request:              "/waiting/rq-nothing",
		"/grants/" + g.ID + "/evidence":      "/grants/gr-nothing/evidence",
		"/grants/" + g.ID:                    "/grants/gr-nothing", "/register": "/nothing", "/register.csv": "/nothing",
		"/ask/form?extends=" + g.ID: "/ask/form?extends=gr-nothing",
	} {
		bob.goTo(missing)
		bob.is(http.StatusNotFound)
		want := bob.page
		bob.goTo(there)
		bob.is(http.StatusNotFound)
		if bob.page != want || strings.Contains(bob.page, "secret") {
			t.Errorf("%s answers otherwise than %s", there, missing)
		}
	}
	for there, form := range map[string]url.Values{
		"/requests/" + g.Request + "/cancel": nil, "/requests/" + g.Request + "/comment": {"text": {"hello"}}, "/grants/" + g.ID + "/return": nil,
		"/waiting/" + g.Request: {"verdict": {"approve"}},
	} {
		bob.send(http.MethodPost, there, form)
		bob.is(http.StatusNotFound, "Not found")
	}
	// Who may know and not do is told so, and nothing happens.
	anna := p.as("anna")
	anna.goTo("/waiting/" + g.Request)
	anna.is(http.StatusOK, "Nothing here waits for you")
	if g := p.Grant(g.ID); g.State == access.Ended {
		t.Error("somebody else gave it back")
	}
}

// Nobody decides for themselves, whatever they send.
func TestOwnRequestIsNotOnesToAnswer(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve := p.as("eve")
	r := eve.asks("dir:wiki", "2h", "notes")
	eve.goTo("/waiting")
	eve.is(http.StatusOK, "Nothing needs your decision")
	eve.send(http.MethodPost, "/waiting/"+r.ID, url.Values{"verdict": {"approve"}, "digest": {r.Digest}})
	eve.is(http.StatusUnprocessableEntity, "Nobody approves access for themselves")
	if s := p.Request(r.ID).State; s != access.Pending {
		t.Errorf("it is %s", s)
	}
}

// A vote is for what was read: an edit meanwhile is shown, and nothing counts.
func TestAVoteBindsToWhatWasRead(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, mia := p.as("eve"), p.as("mia")
	r := eve.asks("dir:wiki", "2h", "notes")
	mia.goTo("/waiting/" + r.ID)
	if _, err := p.Engine.Edit(t.Context(), p.As("eve"), r.ID, r.Digest, engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 20 * hour, Reason: "much more"}); err != nil {
		t.Fatal(err)
	}
	mia.press("Approve", nil)
	mia.is(http.StatusUnprocessableEntity, "It was changed while you read it", "much more")
	if s := p.Request(r.ID).State; s != access.Pending {
		t.Errorf("it is %s", s)
	}
}

// A vote that needs a stronger sign-in is shown with what it needs, and cannot
// be cast without it.
func TestAVoteThatNeedsAStrongerSignIn(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *enginetest.Company) {
		c.Rules["strong.cedar"] = `@id("oblige-strong")
@reason("Every vote is by a second factor.")
@step_up("mfa")
permit (principal, action == Action::"oblige", resource);
`
	})
	eve, mia := p.as("eve"), p.as("mia")
	r := eve.asks("dir:wiki", "2h", "notes")
	mia.goTo("/waiting")
	mia.is(http.StatusOK, "Approving needs a sign-in by mfa", "notes")
	mia.send(http.MethodPost, "/waiting/"+r.ID, url.Values{"verdict": {"approve"}, "digest": {r.Digest}})
	mia.is(http.StatusUnprocessableEntity)
	if s := p.Request(r.ID).State; s != access.Pending {
		t.Errorf("it is %s", s)
	}
	mia.send(http.MethodPost, "/sign-in", url.Values{"who": {"mia"}, "strength": {"mfa"}, "next": {"/waiting/" + r.ID}})
	mia.press("Approve", nil)
	mia.is(http.StatusOK, "Your approval is counted")
	if s := p.Request(r.ID).State; s != access.Approved {
		t.Errorf("it is %s", s)
	}
}

// routes are every page and every deed.
func routes(p *portal) (pages, deeds []string) {
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour, Reason: "notes"}, "mia")
	w := p.Ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 2 * hour, Reason: "figures"})
	return []string{"/access", "/ask", "/ask/form?entitlement=dir:wiki", "/waiting", "/waiting/" + w.ID, "/requests", "/requests/" + g.Request, "/requests/" + g.Request + "?verify", "/nothing",
			"/grants/" + g.ID, "/entitlements?id=dir:wiki", "/people?id=eve", "/systems?id=dir", "/findings", "/register", "/register?all=yes"},
		[]string{"/ask/form", "/ask/check", "/ask", "/grants/" + g.ID + "/return", "/waiting/" + w.ID, "/requests/" + w.ID + "/cancel", "/requests/" + w.ID + "/comment"}
}

// Whoever is not signed in gets to the door, and nothing is done for them.
func TestNobodyGetsInUnsigned(t *testing.T) {
	t.Parallel()
	p := open(t)
	pages, deeds := routes(p)
	nobody := p.as("")
	nobody.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, at := range pages {
		nobody.goTo(at)
		want := "/sign-in?" + (url.Values{"next": {at}}).Encode()
		if nobody.status != http.StatusSeeOther || nobody.header.Get("Location") != want {
			t.Errorf("%s: %d to %s, want %s", at, nobody.status, nobody.header.Get("Location"), want)
		}
	}
	before := len(p.Events("", "", ""))
	for _, at := range deeds {
		nobody.send(http.MethodPost, at, url.Values{"entitlement": {"dir:wiki"}, "reason": {"x"}, "term": {"1h"}, "for": {"eve"}, "offset": {"0"}, "verdict": {"approve"}, "text": {"x"}})
		if nobody.status != http.StatusSeeOther || nobody.header.Get("Location") != "/sign-in" {
			t.Errorf("%s: %d to %s", at, nobody.status, nobody.header.Get("Location"))
		}
	}
	if after := len(p.Events("", "", "")); after != before {
		t.Errorf("%d events more", after-before)
	}
	eve := p.as("eve")
	eve.press("Sign out", nil)
	eve.goTo("/access")
	eve.is(http.StatusOK)
	if !strings.HasPrefix(eve.at, "/sign-in") {
		t.Errorf("signed out, and still at %s", eve.at)
	}
}

// A form of another origin does nothing, whoever's cookies come along.
func TestFormsFromElsewhereAreRefused(t *testing.T) {
	t.Parallel()
	p := open(t)
	_, deeds := routes(p)
	eve := p.as("eve")
	before := len(p.Events("", "", ""))
	for _, at := range append(deeds, "/sign-out", "/sign-in") {
		for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://elsewhere.example"}, {"Origin", "null"}} {
			eve.send(http.MethodPost, at, url.Values{"who": {"mia"}, "entitlement": {"dir:wiki"}, "reason": {"x"}, "term": {"1h"}, "for": {"eve"}, "offset": {"0"}, "text": {"x"}}, from...)
			if eve.status != http.StatusForbidden {
				t.Errorf("%s with %v: %d", at, from, eve.status)
			}
		}
	}
	eve.goTo("/access")
	eve.is(http.StatusOK, "My access") // still herself, still signed in
	if after := len(p.Events("", "", "")); after != before {
		t.Errorf("%d events more", after-before)
	}
}

var (
	inline  = regexp.MustCompile(`(?i)\sstyle=|<style|\son[a-z]+=|javascript:|<script>|<script [^>]*>[^<]`)
	loads   = regexp.MustCompile(`\b(?:src|href|action|formaction)="([^"]*)"`)
	notHere = regexp.MustCompile(`^(?:[a-z]+:|//)`)
)

// Every answer keeps to itself: nothing of another origin, nothing inline, no
// frame around it, nothing kept by caches; and none is heavy.
func TestEveryPageKeepsToItself(t *testing.T) {
	t.Parallel()
	p := open(t)
	pages, _ := routes(p)
	eve := p.as("mia")
	fixed := 0
	for _, name := range []string{"lessor.css", "htmx.min.js", "app.js"} {
		at := regexp.MustCompile(`/assets/[0-9a-f]+/` + name).FindString(eve.page)
		eve.goTo2(at)
		eve.is(http.StatusOK)
		if c := eve.header.Get("Cache-Control"); c != "public, max-age=31536000, immutable" {
			t.Errorf("%s is kept: %q", at, c)
		}
		fixed += eve.size
		eve.goTo("/assets/0000000000000000/" + name)
		eve.is(http.StatusNotFound)
		eve.goTo("/access")
	}
	for _, at := range pages {
		eve.goTo(at)
		for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"} {
			if got := eve.header.Get(k); got != want {
				t.Errorf("%s: %s is %q, want %q", at, k, got, want)
			}
		}
		csp := eve.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: the policy %q lacks %q", at, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: the policy lets in what it should not: %q", at, csp)
		}
		if found := inline.FindString(eve.page); found != "" {
			t.Errorf("%s has something inline: %q", at, found)
		}
		for _, m := range loads.FindAllStringSubmatch(eve.page, -1) {
			if notHere.MatchString(m[1]) {
				t.Errorf("%s points elsewhere: %q", at, m[1])
			}
		}
		if all := fixed + eve.size; all > 60<<10 {
			t.Errorf("%s weighs %d bytes with what it loads", at, all)
		}
	}
}

// goTo2 is goTo for a path that may be missing from the page.
func (b *person) goTo2(path string) {
	b.t.Helper()
	if path == "" {
		b.t.Fatal("the page loads no such file")
	}
	b.goTo(path)
}

// Somebody's words are shown and never run.
func TestWordsAreNeverMarkup(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, mia := p.as("eve"), p.as("mia")
	bad := `<script>alert(1)</script><img src=x onerror="alert(1)">`
	r := eve.asks("dir:wiki", "2h", bad)
	for _, at := range []string{"/requests", "/requests/" + r.ID} {
		eve.goTo(at)
		eve.is(http.StatusOK, "<script>alert(1)</script>")
		if strings.Contains(eve.page, "<script>alert") || strings.Contains(eve.page, "<img") {
			t.Errorf("%s runs it", at)
		}
	}
	mia.goTo("/waiting/" + r.ID)
	if strings.Contains(mia.page, "<script>alert") || strings.Contains(mia.page, "<img") {
		t.Error("the desk runs it")
	}
	eve.goTo("/ask?q=" + url.QueryEscape(`"><script>alert(1)</script>`))
	if strings.Contains(eve.page, "<script>alert") {
		t.Error("the search runs it")
	}
}

// After signing in one gets back to a page of ours, and to no other.
func TestNextIsAPageOfOurs(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/access": "/access", "/requests/rq-1?verify": "/requests/rq-1?verify", "": "/", "access": "/", "https://elsewhere.example/": "/", "//elsewhere.example": "/",
		`/\elsewhere.example`: "/", "/\t/elsewhere.example": "/", "javascript:alert(1)": "/", "/a\r\nSet-Cookie: x": "/",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/sign-in?"+url.Values{"next": {next}}.Encode(), nil)
		if got := web.Next(r); got != want {
			t.Errorf("next %q leads to %q, want %q", next, got, want)
		}
	}
}

// htmx is the one that was read, licence beside it.
func TestWhatIsVendored(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("assets/htmx.min.js")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	if got := hex.EncodeToString(sum[:]); got != "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130" { // htmx.org 4.0.1, dist/htmx.min.js
		t.Errorf("htmx.min.js is another: %s", got)
	}
	if text, err := os.ReadFile("assets/htmx.LICENSE"); err != nil || !strings.Contains(string(text), "Zero-Clause BSD") {
		t.Errorf("its licence: %v", err)
	}
}

// Nobody makes the portal work for nothing else.
func TestTooMuchAtOnce(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, bob := p.as("eve"), p.as("bob")
	for i := 0; eve.status == http.StatusOK; i++ {
		if i > 500 {
			t.Fatal("500 pages in a moment, and no end")
		}
		eve.goTo("/requests")
	}
	eve.is(http.StatusTooManyRequests, "Too much at once")
	bob.goTo("/requests")
	bob.is(http.StatusOK)
	eve.send(http.MethodPost, "/ask/check", url.Values{"reason": {strings.Repeat("x", 80<<10)}})
	if eve.status == http.StatusOK {
		t.Error("a form of 80 KB was taken")
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
	eve.goTo2(older)
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
	bob.is(http.StatusOK, "None that you may know of")
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
