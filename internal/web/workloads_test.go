package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// A workload is registered by a form, accepted by whoever is proposed, looked at, reviewed
// and retired, each by whom it concerns; to nobody else is it there.
func TestWorkloadPages(t *testing.T) {
	t.Parallel()
	p := open(t)
	owen, eve, mia, bob := p.as("owen"), p.as("eve"), p.as("mia"), p.as("bob")
	// 1. Who answers for none is not led there, and is told what this is.
	if bob.goTo("/access"); strings.Contains(bob.page, `href="/workloads"`) {
		t.Error("workloads are in the wrong navigation")
	}
	if eve.goTo("/access"); !strings.Contains(eve.page, `href="/workloads"`) || !strings.Contains(eve.page, `href="/credentials"`) {
		t.Error("no page leads there")
	}
	bob.goTo("/workloads")
	bob.is(http.StatusOK, "You answer for none")
	eve.goTo("/workloads")
	eve.is(http.StatusOK, "robot", "pilot", "has no contract", "not known")
	bob.goTo("/nothing")
	missing := bob.page
	for _, at := range []string{"/workload?id=robot", "/workload?id=mia", "/workload", "/workloads/estate", "/workloads/register?finding=fi-none"} {
		if bob.goTo(at); bob.status != http.StatusNotFound || bob.page != missing {
			t.Errorf("%s is shown, or known of, to whom it is not for", at)
		}
	}
	// 2. Registered by the owner of the system, for another: everything wrong is said at once, and what was typed stays.
	if _, err := p.Engine.ObservedAccounts(t.Context(), "dir", p.Now(), []engine.AccountSeen{{Name: "svc-wiki", ID: "1", By: "owen"}}); err != nil {
		t.Fatal(err)
	}
	found := ""
	for _, f := range p.Findings(true) {
		if f.Kind == access.WorkloadUnregistered {
			found = f.ID
		}
	}
	owen.goTo("/findings/" + found)
	if !strings.Contains(owen.page, "/workloads/register?finding="+found) {
		t.Error("the finding does not lead to the form")
	}
	owen.goTo("/workloads/register?finding=" + found)
	owen.is(http.StatusOK, "Its account dir svc-wiki")
	owen.press("Register it", url.Values{"id": {"Bad id"}, "name": {"Wiki reader"}, "owner": {"eve"}})
	owen.is(http.StatusUnprocessableEntity, "Not registered", "Id \"Bad id\" must be", "does not say purpose")
	if !strings.Contains(owen.page, `value="Wiki reader"`) {
		t.Error("what was typed is gone")
	}
	owen.press("Register it", url.Values{"rotate_every": {"soon"}, "retires": {"tomorrow"}})
	owen.is(http.StatusUnprocessableEntity, "soon", "tomorrow")
	owen.press("Register it", url.Values{"id": {"wiki-bot"}, "deputy": {"mia"}, "purpose": {"Reads the wiki"}, "environment": {"test"}, "consumers": {"wiki-reader, other"}, "system": {"dir"},
		"rotate_every": {"90d"}, "review_every": {"180d"}, "retires": {""}, "retires_when": {"the wiki is gone"}, "reason": {"it was found"}})
	owen.is(http.StatusOK, "My workloads", "counts once its owner has accepted it")
	// 3. Its owner is led to it, declines only with a reason, and accepts.
	eve.goTo("/waiting")
	eve.is(http.StatusOK, "1 workload", "accept or decline")
	eve.goTo("/workloads")
	eve.is(http.StatusOK, "Will you answer for wiki-bot?", "owen proposes it: it was found", "wiki-reader, other", "every 90 days", "when the wiki is gone", "svc-wiki at dir")
	reg := registrationOf(eve.page)
	bob.send(http.MethodPost, reg, url.Values{"how": {"accept"}})
	bob.is(http.StatusNotFound)
	eve.press("Decline", nil)
	eve.is(http.StatusUnprocessableEntity, "Nothing was done")
	eve.press("Answer for it", nil)
	eve.is(http.StatusOK, "You answer for it from now on", "Wiki reader", "Reads the wiki", "what is at dir")
	// 4. Its deputy sees it among theirs, with what it holds and what was found, and reviews it.
	p.Granted("wiki-bot", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "owen")
	mia.goTo("/workloads")
	mia.is(http.StatusOK, "wiki-bot", "deputy")
	mia.goTo("/workload?id=wiki-bot")
	mia.is(http.StatusOK, "eve answers for it", "1 grant", "wiki", "Its contract is still right", "Retire it", "Nothing is planned")
	mia.press("Its contract is still right", url.Values{"note": {"looked at it"}})
	mia.is(http.StatusOK, "Reviewed: its contract is still right")
	// The owner of the system sees it, and has nothing to do with it.
	owen.goTo("/workload?id=wiki-bot")
	owen.is(http.StatusOK, "eve answers for it")
	if strings.Contains(owen.words(), "Answer for it") {
		t.Error("a form is shown to whom it is refused")
	}
	owen.send(http.MethodPost, "/workload", url.Values{"id": {"wiki-bot"}, "how": {"review"}})
	owen.is(http.StatusForbidden)
	bob.send(http.MethodPost, "/workload", url.Values{"id": {"wiki-bot"}, "how": {"retire"}, "sure": {"yes"}, "note": {"x"}})
	bob.is(http.StatusNotFound)
	// 5. Retired once whoever does it is sure, and says why.
	eve.goTo("/workload?id=wiki-bot")
	eve.press("Retire it", url.Values{"note": {""}})
	eve.is(http.StatusOK, "Retire wiki-bot?", "1 grant : ended")
	eve.press("Yes, retire it", nil)
	eve.is(http.StatusUnprocessableEntity, "Nothing was done", "Retire wiki-bot?")
	eve.press("Yes, retire it", url.Values{"note": {"the wiki is gone"}})
	eve.is(http.StatusOK, "Retired.", "It is not active any more")
	eve.send(http.MethodPost, "/workload", url.Values{"id": {"wiki-bot"}, "how": {"retire"}, "sure": {"yes"}, "note": {"x"}})
	eve.is(http.StatusGone)
	eve.goTo("/workload?id=robot&done=retire") // another's page says nothing of it
	if strings.Contains(eve.words(), "Retired.") {
		t.Error("a page says what was done to another")
	}
	p.Work()
	p.CheckQuiet()
}

var hrefs = regexp.MustCompile(`href="([^"]*)"`)

func registrationOf(page string) string {
	for _, f := range forms.FindAllStringSubmatch(page, -1) {
		if at := attr(f[1], "action"); strings.HasPrefix(at, "/registrations/") {
			return at
		}
	}
	return ""
}

// The whole estate, with figures, is for security and auditors; owners of systems see
// what has accounts there; it is searched, narrowed to what lacks, and paged.
func TestEstatePage(t *testing.T) {
	t.Parallel()
	const bots = 250
	p := open(t, func(c *enginetest.Company) {
		for n := range bots {
			id := fmt.Sprintf("bot-%03d", n)
			k := access.Contract{Purpose: "Counts ships", Environment: "test", Systems: []string{"dir"}, RotateEvery: 90 * 24 * hour, ReviewEvery: 90 * 24 * hour, Reviewed: enginetest.Noon, RetiresWhen: "no ships"}
			if n == 7 {
				k.RotateEvery = 0
			}
			c.People[id] = access.Identity{ID: id, Kind: access.Workload, Name: "Ship counter " + id, Owner: "eve", Accounts: map[string]string{"dir": id}, Contract: &k}
		}
	})
	anna, owen, eve := p.as("anna"), p.as("owen"), p.as("eve")
	anna.goTo("/workloads")
	anna.is(http.StatusOK, "The estate")
	anna.goTo("/workloads/estate")
	anna.is(http.StatusOK, "252 workloads and agents", "goal 100 %", "Purpose", "99 %", "250 2", "Rotation", "98 %", "249 3", "bot-000", "More of them")
	if strings.Contains(anna.words(), "100 % 250") || anna.size > 36<<10 {
		t.Errorf("250 of 252 is 100 %%, or the page is large: %d bytes", anna.size)
	}
	for _, at := range []string{"&after=bot-099", "after=bot-199"} {
		next := ""
		for _, href := range hrefs.FindAllStringSubmatch(anna.page, -1) {
			if strings.Contains(href[1], "after=") {
				next = strings.ReplaceAll(href[1], "&amp;", "&")
			}
		}
		if !strings.HasSuffix(next, at) {
			t.Fatalf("%s leads on to %q", anna.at, next)
		}
		anna.goTo(next)
	}
	anna.is(http.StatusOK, "bot-200", "bot-249", "robot")
	if strings.Contains(anna.words(), "More of them") || strings.Contains(anna.words(), "goal 100 %") {
		t.Error("the last page goes on, or counts again")
	}
	anna.goTo("/workloads/estate?lacks=rotation")
	anna.is(http.StatusOK, "bot-007", "does not say: rotation", "robot", "pilot")
	if strings.Contains(anna.words(), "bot-008") {
		t.Error("it lacks nothing")
	}
	anna.goTo("/workloads/estate?q=SHIPS+bot-12")
	anna.is(http.StatusOK, "bot-120", "bot-129")
	if strings.Contains(anna.words(), "bot-130") || strings.Contains(anna.words(), "pilot") {
		t.Error("it has not all the words")
	}
	anna.goTo("/workloads/estate?q=nothing+such&lacks=everything")
	anna.is(http.StatusOK, "None is like that")
	owen.goTo("/workloads/estate")
	owen.is(http.StatusOK, "you may know of", "bot-000")
	if strings.Contains(owen.words(), "goal 100 %") {
		t.Error("figures of all are shown to an owner of systems")
	}
	if eve.goTo("/workloads/estate"); eve.status != http.StatusNotFound {
		t.Error("the estate is shown to whom it is not for")
	}
	eve.goTo("/workloads")
	eve.is(http.StatusOK, "bot-099", "More of them")
}
