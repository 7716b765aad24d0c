package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
)

// The figures: to security and auditors alone, of everything, late and open too.
func TestNumbers(t *testing.T) {
	t.Parallel()
	p := open(t)
	anna, bob := p.as("anna"), p.as("bob")
	if bob.goTo("/access"); strings.Contains(bob.page, "/numbers") {
		t.Error("figures are in the wrong navigation")
	}
	bob.goTo("/nothing")
	missing := bob.page
	if bob.goTo("/numbers"); bob.status != http.StatusNotFound || bob.page != missing {
		t.Error("figures are shown, or known of, to whom they are not for")
	}
	// Nothing yet: each says so, and nothing is divided by it.
	anna.goTo("/numbers")
	anna.is(http.StatusOK, "The last 30 days", "No access has ended", "Nothing has ended, so nothing had to be removed", "Nobody has answered a request", "Nothing privileged was granted", "Not known.", "none due", "Nobody took access without approval. None waits for its review.")
	// One that ends and is seen gone at once, and one whose target does not answer.
	p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour, Reason: "notes"}, "mia")
	p.Advance(2 * time.Hour)
	g := p.Granted("bob", engine.Ask{Entitlements: []string{"git:deploy"}, Term: hour, Reason: "ship it"}, "otto", "sara")
	p.Advance(time.Minute)
	p.Targets["git"].Always(enginetest.Unreachable, enginetest.Blind)
	p.Advance(3 * time.Hour)
	if _, err := p.Engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	anna.goTo("/numbers?days=7")
	anna.is(http.StatusOK, "The last 7 days", "1 removal still open", "Still open: 1", "deploy", "bob at git", "2 h 1 min", "As a table", "Due: its own end", "not known", "mia", "otto", "sara",
		"Late removal", "100.00 %", "1 still open")
	for _, d := range report.Definitions {
		if !strings.Contains(anna.words(), d.Text) {
			t.Errorf("the definition of %s is not a click away", d.Name)
		}
	}
	if !strings.Contains(anna.page, `href="/grants/`+g.ID+`"`) {
		t.Error("the open one leads nowhere")
	}
	anna.goTo("/numbers?days=365")
	anna.is(http.StatusOK, "The last 30 days")
}

// AB-14: whatever a target, a person or a file calls itself, the figures show it as text.
func TestAB14_FiguresAreInert(t *testing.T) {
	t.Parallel()
	const evil = `<img src=x onerror=alert(1)>"'`
	p := open(t, func(c *enginetest.Company) {
		for _, id := range []string{"eve", "mia"} {
			i := c.People[id]
			i.Name = evil + id
			c.People[id] = i
		}
		e := c.Entitlements["dir:wiki"]
		e.Name, e.Class = evil+"wiki", evil+"class"
		c.Entitlements["dir:wiki"] = e
	})
	p.Targets["dir"].Always(enginetest.Unreachable, enginetest.Blind)
	r := p.Ask("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: hour})
	p.Advance(4 * time.Hour)
	if r.State != access.Approved {
		t.Fatal(r.State)
	}
	anna := p.as("anna")
	anna.goTo("/numbers")
	anna.is(http.StatusOK, evil+"eve")
	inert := func() {
		t.Helper()
		if strings.Contains(anna.page, "<img") {
			t.Errorf("%s: a text is taken for markup", anna.at)
		}
	}
	inert()
	// Nor does what a finding says, or what stands in the way of a removal.
	if err := p.Engine.Find(t.Context(), "inventory_unread", "dir", "owen", evil, time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/operations", "/findings", "/findings/" + p.Findings(true)[0].ID} {
		anna.goTo(at)
		anna.is(http.StatusOK, evil)
		inert()
	}
}

// A page of figures stays small, however much there is to count.
func TestNumbersStaySmall(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *enginetest.Company) {
		for i := range 60 {
			e := c.Entitlements["dir:wiki"]
			e.ID, e.Object, e.Name, e.Class = fmt.Sprintf("dir:extra%02d", i), fmt.Sprintf("extra%02d", i), fmt.Sprintf("Extra %02d", i), "open"
			c.Entitlements[e.ID] = e
		}
	})
	for i := range 60 {
		p.Ask("eve", engine.Ask{Entitlements: []string{fmt.Sprintf("dir:extra%02d", i)}, Reason: "much to do"})
	}
	p.Advance(2 * time.Hour)
	anna := p.as("anna")
	anna.goTo("/numbers")
	anna.is(http.StatusOK, "60 ends")
	if anna.size > 60<<10-24<<10 {
		t.Errorf("the page is %d bytes as sent, and what every page loads weighs 22 KB", anna.size)
	}
}
