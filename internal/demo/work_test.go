package demo

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// granted asks for something and has it approved, by the API, and waits until it was seen.
func granted(t *testing.T, by *tale, who, entitlement string, term access.Term, approvers ...string) string {
	t.Helper()
	r, err := by.as(who).Submit(t.Context(), engine.Ask{Entitlements: []string{entitlement}, Term: term, Reason: "the day's work"})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range approvers {
		if _, err := by.as(a).Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := by.as(who).Request(t.Context(), r.ID)
	if err != nil || len(s.Grants) != 1 {
		t.Fatalf("%d grants, %v", len(s.Grants), err)
	}
	id := s.Grants[0].Grant.ID
	if _, err := by.await(t.Context(), who, id, "seen", func(s api.Sight) bool { return !s.Grant.Seen.IsZero() }); err != nil {
		t.Fatal(err)
	}
	return id
}

// What those see who run it: an approver asks back, access nobody granted is found
// and removed from its page, a system goes away and a removal stays open, and the
// figures have all of it.
func work(t *testing.T, w *walk) {
	c := openCompany(t)
	by := &tale{base: c.base, dir: c.dir, target: c.target, server: c.server, people: map[string]*client.Client{}}
	b := openTab(t, c.base, w)

	// 1. Nothing has happened: every page says what will be there.
	b.be("Vera Dubois")
	b.goTo("/numbers")
	b.says(".lede", "No access has ended")
	b.seen("numbers-empty")
	b.goTo("/operations")
	b.says("#live", "Nothing is being removed")
	b.seen("operations-calm")

	// 2. Access comes and goes; an approver asks back before it does.
	for _, e := range []string{"crm-read", "ledger-read", "reports", "calendar", "tickets"} {
		granted(t, by, "leo", "workspace:"+e, second, "mia")
	}
	granted(t, by, "ann", payroll, 2*second, "mia", "nora")
	r, err := by.as("ann").Submit(t.Context(), engine.Ask{Entitlements: []string{"workspace:tax-portal"}, Term: 60 * 60 * second, Reason: "the yearly return"})
	if err != nil {
		t.Fatal(err)
	}
	b.be("Mia Okafor")
	b.goTo("/waiting/" + r.ID)
	b.fill("#words", "Which of the two offices?")
	b.press("Ask back")
	b.says("[role=status]", "Asked back")
	b.says(".card", "Which of the two offices?")
	b.seen("waiting-asked")
	b.be("Ann Petrova")
	b.goTo("/requests/" + r.ID)
	b.says(".tl", "Mia Okafor remarked")

	// 3. Somebody gives access behind its back: it is found, and removed from its page.
	if err := c.target.AddMembers("wiki", "leo@meridian.example"); err != nil {
		t.Fatal(err)
	}
	b.be("Olga Fuentes")
	testserver.Await(t, "the finding", tabPatience, func() error {
		if kinds := kindsOf(t, by); !slices.Contains(kinds, "unexpected_access") {
			return fmt.Errorf("found: %v", kinds)
		}
		return nil
	})
	b.goTo("/findings")
	b.press("Unexpected access")
	b.says("h1", "Unexpected access")
	b.says(".wash", "leo@meridian.example")
	b.seen("finding")
	b.press("Have it removed")
	b.says(".err", "Say why in a sentence")
	b.fill("#reason", "Nobody asked for it")
	b.press("Have it removed")
	b.says("[role=status]", "It is being removed")
	holds(t, c, "wiki", "leo@meridian.example", false)

	// 4. The system goes away; what is given back there cannot be removed, and is not forgotten.
	g := granted(t, by, "otto", "workspace:wiki", 60*60*second, "tess")
	c.unplug()
	if err := by.as("otto").Return(t.Context(), g, "done for today"); err != nil {
		t.Fatal(err)
	}
	b.be("Sam Whitfield")
	b.goTo("/operations")
	b.says("#live", "1 removal under way")
	b.says("#live", "1 is late") // told by events: nobody loads it again
	b.goTo("/operations")
	b.says("#live", "1 is late")
	b.seen("operations")
	b.goTo("/numbers")
	b.says(".lede", "1 removal still open")
	b.press("As a table")
	b.says("table", "Given back")
	b.press("Definition")
	b.says(".def", "counts at its age now")
	b.seen("numbers")
	b.press("Wiki, writing")
	b.says("h2", "Looks at the target")
}

// kindsOf are the kinds of findings that are open.
func kindsOf(t *testing.T, by *tale) (kinds []string) {
	t.Helper()
	list, err := by.as("sam").Findings(t.Context(), false, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		kinds = append(kinds, f.Kind)
	}
	return kinds
}
