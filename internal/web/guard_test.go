package web_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/web"
)

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
	p.Ask("ada", engine.Ask{Entitlements: []string{"dir:reports"}}) // who has no manager: a finding
	f := p.Findings(true)[0]
	return []string{"/access", "/ask", "/ask/form?entitlement=dir:wiki", "/waiting", "/waiting/" + w.ID, "/requests", "/requests/" + g.Request, "/requests/" + g.Request + "?verify", "/nothing",
			"/grants/" + g.ID, "/entitlements?id=dir:wiki", "/people?id=eve", "/systems?id=dir", "/findings", "/findings/" + f.ID, "/operations", "/numbers", "/numbers?days=90",
			"/register", "/register?all=yes"},
		[]string{"/ask/form", "/ask/check", "/ask", "/grants/" + g.ID + "/return", "/waiting/" + w.ID, "/requests/" + w.ID + "/cancel", "/requests/" + w.ID + "/comment", "/findings/" + f.ID}
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
		eve.follow(at)
		eve.is(http.StatusOK)
		if c := eve.header.Get("Cache-Control"); c != "public, max-age=31536000, immutable" {
			t.Errorf("%s is kept: %q", at, c)
		}
		fixed += eve.size
		eve.goTo("/assets/0000000000000000/" + name)
		eve.is(http.StatusNotFound)
		eve.goTo("/access")
	}
	for _, who := range []*person{eve, p.as("sara")} {
		for _, at := range pages {
			who.keepsToItself(at, fixed)
		}
	}
}

// keepsToItself holds one page against what every page must be.
func (b *person) keepsToItself(at string, fixed int) {
	b.t.Helper()
	b.goTo(at)
	for k, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Content-Type": "text/html; charset=utf-8"} {
		if got := b.header.Get(k); got != want {
			b.t.Errorf("%s: %s is %q, want %q", at, k, got, want)
		}
	}
	csp := b.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			b.t.Errorf("%s: the policy %q lacks %q", at, csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") {
		b.t.Errorf("%s: the policy lets in what it should not: %q", at, csp)
	}
	if found := inline.FindString(b.page); found != "" {
		b.t.Errorf("%s has something inline: %q", at, found)
	}
	for _, m := range loads.FindAllStringSubmatch(b.page, -1) {
		if notHere.MatchString(m[1]) {
			b.t.Errorf("%s points elsewhere: %q", at, m[1])
		}
	}
	if all := fixed + b.size; all > 60<<10 {
		b.t.Errorf("%s weighs %d bytes with what it loads", at, all)
	}
}

// follow is goTo for a path that may be missing from the page.
func (b *person) follow(path string) {
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

// A link that says that something was done says nothing: only the deed does.
func TestALinkHasDoneNothing(t *testing.T) {
	t.Parallel()
	p := open(t)
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour, Reason: "notes"}, "mia")
	r := p.Ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 2 * hour, Reason: "figures"})
	p.Ask("ada", engine.Ask{Entitlements: []string{"dir:reports"}}) // who has no manager: a finding
	finding := "/findings/" + p.Findings(true)[0].ID
	says := func(who *person, at string) bool {
		who.goTo(at)
		who.is(http.StatusOK)
		return strings.Contains(who.page, `role="status"><b>Done</b>`)
	}
	mia, eve, anna := p.as("mia"), p.as("eve"), p.as("anna")
	for at, who := range map[string]*person{"/waiting?done=approve": mia, "/waiting?done=deny": mia, "/waiting/" + r.ID + "?done=ask": mia, "/access?done=returned": eve,
		"/requests/" + r.ID + "?done=cancelled": eve, "/requests/" + r.ID + "?done=remarked": eve, finding + "?done=adopt": anna, finding + "?done=remove": anna, finding + "?done=accept": anna} {
		if says(who, at) {
			t.Errorf("%s says that it is done", at)
		}
	}
	eve.send(http.MethodPost, "/requests/"+r.ID+"/comment", url.Values{"words": {"soon, please"}, "text": {"soon, please"}})
	if !strings.Contains(eve.page, `role="status"><b>Done</b>`) {
		t.Errorf("%s does not say what was done", eve.at)
	}
	for _, at := range []string{"/requests/" + r.ID + "?done=cancelled", "/requests/" + g.Request + "?done=remarked", "/access?done=returned"} {
		if says(eve, at) {
			t.Errorf("after a remark elsewhere %s says that it is done", at)
		}
	}
}
