package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// Somebody sees where they are signed in, ends one of them or all others, and
// nobody else's.
func TestOnesOwnBrowsers(t *testing.T) {
	t.Parallel()
	p := open(t)
	here, mia := p.as("eve"), p.as("mia")
	there := p.as("")
	there.send(http.MethodPost, "/sign-in", url.Values{"who": {"eve"}, "strength": {"mfa"}, "next": {"/access"}}, "User-Agent", firefox)
	odd := p.as("")
	odd.send(http.MethodPost, "/sign-in", url.Values{"who": {"eve"}, "next": {"/access"}}, "User-Agent", "<script>alert(1)</script> iPhone")
	p.Clock.Pass(10 * time.Minute)
	here.goTo("/access")
	if !strings.Contains(here.page, `href="/signed-in"`) {
		t.Error("no page leads there")
	}
	here.goTo("/signed-in")
	here.is(http.StatusOK, "3 browsers", "Firefox on Linux", "with mfa", "a browser on iPhone", "(this one)")
	if strings.Contains(here.page, "alert(1)") {
		t.Error("a browser's own words are on the page")
	}
	if n := strings.Count(here.page, `class="btn sm no"`); n != 2 {
		t.Errorf("%d can be ended", n)
	}
	mia.goTo("/signed-in")
	mia.is(http.StatusOK, "1 browser ")
	// Another's is not there.
	id := ""
	for _, m := range fields.FindAllStringSubmatch(here.page, -1) {
		if m[1] == "button" && attr(m[2], "name") == "end" && attr(m[2], "value") != "others" {
			id = attr(m[2], "value")
		}
	}
	mia.send(http.MethodPost, "/signed-in", url.Values{"end": {id}})
	mia.is(http.StatusNotFound)
	mia.send(http.MethodPost, "/signed-in", url.Values{"end": {""}})
	mia.is(http.StatusNotFound)
	there.goTo("/access")
	there.is(http.StatusOK, "My access")
	// A form of another origin is none.
	here.send(http.MethodPost, "/signed-in", url.Values{"end": {"others"}}, "Sec-Fetch-Site", "cross-site")
	here.is(http.StatusForbidden)
	// One, then the rest.
	here.send(http.MethodPost, "/signed-in", url.Values{"end": {id}})
	here.is(http.StatusOK, "That browser is signed out", "2 browsers")
	here.press("Sign out every other browser", nil)
	here.is(http.StatusOK, "Every other browser is signed out", "1 browser ")
	for _, gone := range []*person{there, odd} {
		gone.goTo("/access")
		if gone.page != "sign in here" {
			t.Errorf("still signed in: %.100q", gone.page)
		}
	}
	mia.goTo("/access")
	mia.is(http.StatusOK, "My access")
}
