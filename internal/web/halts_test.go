package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// While nothing is granted every page says so, why in plain words, and what goes on;
// what was seen only to those who can do something about it.
func TestHaltOnEveryPage(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, sara := p.as("eve"), p.as("sara")
	none := func(who *person, at string) {
		t.Helper()
		who.goTo(at)
		if strings.Contains(who.page, "Nothing is granted now") {
			t.Errorf("%s says that nothing is granted", at)
		}
	}
	none(eve, "/access")
	if _, err := p.Engine.Halt(t.Context(), access.HaltWitness, "fewer than 2 of 3 witnesses <b>signed</b>"); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/access", "/ask", "/requests", "/signed-in", "/stand-ins"} {
		eve.goTo(at)
		eve.is(http.StatusOK, "Nothing is granted now", "Those outside who watch over the log have not answered.", "ends by itself once they do", "What ends access goes on")
		if strings.Contains(eve.page, "fewer than") {
			t.Errorf("%s tells eve what was seen", at)
		}
	}
	eve.goTo("/nothing-here")
	eve.is(http.StatusNotFound, "Nothing is granted now")
	sara.goTo("/access")
	sara.is(http.StatusOK, "Nothing is granted now", "fewer than 2 of 3 witnesses <b>signed</b>")
	if strings.Contains(sara.page, "<b>signed") {
		t.Error("the text is taken for HTML")
	}
	if err := p.Engine.Resume(t.Context(), access.HaltWitness, "they did"); err != nil {
		t.Fatal(err)
	}
	none(sara, "/access")
	// What is settled in the portal is led to.
	if err := p.Engine.Forked(t.Context(), "witness one", "it signed another log"); err != nil {
		t.Fatal(err)
	}
	sara.goTo("/access")
	sara.is(http.StatusOK, "The log takes in nothing.", "What was found")
	id := attr(sara.page[strings.Index(sara.page, `href="/findings/fi-`):], "href")
	sara.goTo(id)
	sara.is(http.StatusOK, "it signed another log")
}
