package demo

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// openCompany opens the demo's company, ended with the test; more writes what else its
// folder has.
func openCompany(t *testing.T, more ...func(dir string) error) *company {
	t.Helper()
	c, err := open(t.Context(), Options{Stdout: io.Discard, Log: slog.New(slog.DiscardHandler), more: func(dir string) (err error) {
		for _, write := range more {
			err = errors.Join(err, write(dir))
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// be signs somebody in, whoever was there before.
func (b *tab) be(name string) {
	b.t.Helper()
	b.goTo("/access")
	b.script("a page", `document.querySelector("main h1")`)
	if strings.Contains(b.text(), "Who do you want to be?") {
		b.press(name)
	} else {
		b.press("Sign out")
		b.says("h1", "Who do you want to be?")
		b.press(name)
	}
	b.says(".who b", name)
}

// holds waits until the target itself says whether somebody is in a group.
func holds(t *testing.T, c *company, group, account string, want bool) {
	t.Helper()
	testserver.Await(t, "the target's own list of "+group, tabPatience, func() error {
		if slices.Contains(c.target.Members(group), account) != want {
			return fmt.Errorf("%s in %s: %v, want %v", account, group, !want, want)
		}
		return nil
	})
}

// Every story of the portal in a browser: each page on the way is held against what
// every page must be, and together they open every page there is.
func TestInTheBrowser(t *testing.T) {
	w := newWalk(t)
	played := 0
	stories := []struct {
		name string
		play func(*testing.T, *walk)
	}{{"asking", asking}, {"the work", work}, {"security", security}}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			s.play(t, w)
			played++
		})
	}
	if played == len(stories) { // else somebody wants to see but one of them
		w.complete(t)
	}
}

// A new user asks, is refused, asks rightly; others answer; access comes and
// goes, each seen; and the story verifies where it is read.
func asking(t *testing.T, w *walk) {
	c := openCompany(t)
	b := openTab(t, c.base, w)
	payroll, ann := "payroll-admin", "ann@meridian.example"

	// 1. Nobody is signed in; every page leads to the door, and back to where one was going.
	b.goTo("/ask?q=payroll")
	b.says("h1", "Who do you want to be?")
	b.seen("sign-in")
	b.press("Ann Petrova")
	b.says("h1", "Ask for access")
	b.says(".cat", "Payroll, administration")

	// 2. A new user holds nothing, and is told where to begin.
	b.goTo("/access")
	b.says("h3", "Nothing is granted to you")
	b.seen("my-access-empty")
	b.press("Ask for access")
	b.says("#found [role=status]", "24 found")
	b.seen("ask")
	b.fill("#q", "payr")
	b.says("#found [role=status]", "1 found") // by script, without a button
	b.press("Choose")
	b.says("h1", "Payroll, administration")
	b.seen("ask-form")

	// 3. Too long is refused before anything is sent, and what was typed stays.
	b.fill("#reason", "Month-end run of the salaries")
	b.click("#t-other")
	b.fill("input[name=other]", "30 days")
	b.press("Check")
	b.says(".err", "30 days")
	b.script("the reason stays", `document.querySelector("#reason").value === "Month-end run of the salaries"`)
	b.fill("input[name=other]", "30d")
	b.press("Check")
	b.says("h1", "This would be refused")
	b.says(".steps", "longer than the entitlement allows")
	b.seen("ask-refused")
	b.press("Change it")
	b.script("the reason stays", `document.querySelector("#reason").value === "Month-end run of the salaries"`)

	// 4. Asked rightly: who will be asked is said before it is sent.
	b.click("input[name=term][value='4h']")
	b.press("Check")
	b.says("h1", "Check before you send")
	b.says(".steps", "Mia Okafor, as the manager will be asked")
	b.says(".steps", "and Nora Lindqvist, as an owner of it")
	b.seen("ask-check")
	b.press("Send the request")
	b.says("#lede", "Waits for an answer")
	b.says(".side", "Mia Okafor")
	story := b.path("/requests/")

	// 5. Nobody decides for themselves.
	id := strings.TrimPrefix(story, "/requests/")
	b.goTo("/waiting/" + id)
	b.says(".card", "Nothing here waits for you")
	b.be("Leo Marchetti")
	b.goTo(story)
	b.says("h1", "Not found") // a colleague may not even know of it
	b.goTo("/waiting")
	b.says("h2", "An empty desk")
	b.seen("waiting-empty")

	// 6. Her manager and the owner answer; a no needs words.
	b.be("Mia Okafor")
	b.goTo("/waiting")
	b.says("#rq", "Payroll, administration")
	b.says(".basis", "You may decide this")
	b.seen("waiting")
	b.goTo("/waiting/" + id) // on a phone the queue and the one laid open are two pages
	b.says("#rq", "Payroll, administration")
	b.seen("waiting-one")
	b.press("Deny")
	b.says(".err", "Say why in a sentence")
	b.press("Approve for 4 hours")
	b.says("[role=status]", "Your approval is counted")
	holds(t, c, payroll, ann, false)
	b.be("Nora Lindqvist")
	b.goTo("/waiting")
	b.press("Approve for 4 hours")
	b.says("[role=status]", "Your approval is counted")

	// 7. Access comes, and is called so once it was seen.
	b.be("Ann Petrova")
	b.goTo(story)
	b.says("#lede", "Granted and seen")
	holds(t, c, payroll, ann, true)
	b.says(".tl", "Seen")
	b.press("Verify now")
	b.says(".tl-h", "All verified just now")
	b.press("Mia Okafor approved")
	b.says(".e-d", "verified")
	b.seen("request")
	b.goTo("/access")
	b.says(".hold", "Seen")
	b.says(".hold", "3 h 59 min left")
	b.seen("my-access")

	// 8. It goes, and is called gone once it was seen so.
	b.press("Give back")
	b.says("[role=status]", "Given back")
	b.says(".ended", "Seen gone") // the page looks again by itself
	holds(t, c, payroll, ann, false)
	b.goTo(story)
	b.says("#lede", "Ended, and seen gone")
	b.press("Verify now")
	b.says(".tl-h", "All verified just now")
	b.goTo("/requests")
	b.says(".reqs", "Payroll, administration")
	b.seen("requests")

	// 9. Each thing has a page of its own; who audits sees all of it.
	b.be("Vera Dubois")
	b.goTo("/register?all=yes")
	b.says("table", "Ann Petrova")
	b.seen("register")
	b.press("gr …")
	b.says("h2", "Looks at the target")
	b.seen("grant")
	b.press("Payroll, administration")
	b.says("h2", "Who holds it")
	b.seen("entitlement")
	b.goTo("/people?id=ann")
	b.says("h1", "Ann Petrova")
	b.seen("person")
	b.goTo("/systems?id=workspace")
	b.says("h1", "Company workspace")
	b.seen("system")
	b.goTo("/findings")
	b.says("h1", "Findings")
	b.seen("findings")

	// 10. A program has an owner, who says again that its contract is right; who audits sees all of them.
	b.goTo("/workloads/estate")
	b.says("h1", "The estate")
	b.says(".cover", "Purpose")
	b.seen("estate")
	b.be("Otto Brandt")
	b.goTo("/workloads")
	b.says(".reqs", "Deployment robot")
	b.seen("workloads")
	b.press("Deployment robot")
	b.says("h1", "Deployment robot")
	b.seen("workload")
	b.press("Its contract is still right")
	b.says("[role=status]", "Reviewed")
	b.press("Retire it")
	b.says("h2", "Retire deploy-bot?")
	b.seen("workload-retire")
	b.goTo("/workloads/register")
	b.says("h1", "Register a workload")
	b.seen("workload-register")
	b.goTo("/credentials")
	b.says("h1", "Credentials")
	b.seen("credentials-empty")

	// Somebody lends their answers; somebody enrolled breaks the glass, and it is loud.
	b.be("Tess Havel")
	b.goTo("/stand-ins")
	b.says("h1", "My stand-ins")
	b.fill("#to", "otto")
	b.fill("#term", "14d")
	b.fill("#reason", "On holiday")
	b.press("Delegate")
	b.says("[role=status]", "They may answer in your place")
	b.seen("stand-ins")
	b.goTo("/break-glass")
	b.says("h1", "Break glass")
	b.fill("#incident", "INC-4711")
	b.fill("#reason", "The primary does not start")
	b.press("Take it without approval")
	b.says("[role=status]", "The owner and security were told")
	b.says(".note", "Tess Havel took Database administration without approval")
	b.seen("break-glass")
	b.goTo("/signed-in")
	b.says("h1", "Where you are signed in")
	b.seen("signed-in")

	// While nothing is granted, every page says so.
	name := filepath.Join(c.dir, "lessor.yaml")
	text, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, append([]byte("keep_free: 1024GiB\n"), text...), 0o600)
	}
	if err = errors.Join(err, c.server.Reload(t.Context())); err != nil {
		t.Fatal(err)
	}
	testserver.Await(t, "a halt for want of room", tabPatience, func() error {
		if b.goTo("/access"); !strings.Contains(b.text(), "Nothing is granted now") {
			return errors.New("no halt is shown")
		}
		return nil
	})
	b.seen("halted")
}

// path is where the tab is, once that is below something.
func (b *tab) path(below string) string {
	b.t.Helper()
	b.script("a page below "+below, fmt.Sprintf(`location.pathname.startsWith(%q)`, below))
	at, _, _ := strings.Cut(strings.TrimPrefix(b.location(), b.base), "?")
	return at
}
