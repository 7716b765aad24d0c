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

// What is planned and what was found is shown to whom it concerns, with its rotations;
// something is done once somebody is sure and says why, and by nobody else.
func TestCredentialPages(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *enginetest.Company) {
		for id, account := range map[string]string{"robot-key": "robot", "robot-old": "robot", "pilot-key": "pilot"} {
			c.Plans = append(c.Plans, access.CredentialPlan{ID: id, System: "git", Account: account, Kind: "access token", Store: "main", Ref: "team/" + id, Every: 30 * 24 * hour})
		}
	})
	if _, err := p.Engine.ObservedCredentials(t.Context(), "git", p.Now(), []engine.CredentialSeen{{ID: "t-1", Kind: "deploy key", Account: "robot", Name: "laptop", Used: p.Now().Add(-time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	eve, bob, anna, owen := p.as("eve"), p.as("bob"), p.as("anna"), p.as("owen")
	// 1. Listed, to whom they concern.
	eve.goTo("/credentials")
	eve.is(http.StatusOK, "4 credentials", "robot-key", "robot-old", "pilot-key", "planned, not made yet", "laptop", "found, in no plan", "1 h ago", "never, or not known")
	eve.goTo("/credentials?system=dir")
	eve.is(http.StatusOK, "0 credentials", "None that you answer for")
	anna.goTo("/credentials?from=2")
	anna.is(http.StatusOK, "4 credentials", "robot-old", "laptop")
	if strings.Contains(anna.words(), "robot-key") {
		t.Error("the second page has what the first had")
	}
	bob.goTo("/credentials")
	bob.is(http.StatusOK, "0 credentials")
	bob.goTo("/nothing")
	missing := bob.page
	for _, at := range []string{"/credential?id=robot-key", "/credential?id=robot-kex", "/credential"} {
		if bob.goTo(at); bob.status != http.StatusNotFound || bob.page != missing {
			t.Errorf("%s is shown, or known of, to whom it is not for", at)
		}
	}
	bob.send(http.MethodPost, "/credential", url.Values{"id": {"robot-key"}, "how": {"compromised"}, "sure": {"yes"}, "reason": {"x"}})
	bob.is(http.StatusNotFound)
	// 2. An auditor looks, and has no form.
	anna.goTo("/credential?id=robot-key")
	anna.is(http.StatusOK, "Access token at git, which lets in robot", "main:team/robot-key", "never made anew")
	if strings.Contains(anna.words(), "Have something done") {
		t.Error("a form is shown to whom it is refused")
	}
	anna.send(http.MethodPost, "/credential", url.Values{"id": {"robot-key"}, "how": {"rotate"}, "sure": {"yes"}, "reason": {"x"}})
	anna.is(http.StatusForbidden)
	// 3. Made anew, once its owner is sure and says why.
	eve.goTo("/credential?id=robot-key")
	eve.press("Make it anew", nil)
	eve.is(http.StatusOK, "Make it anew now?", "delivered to its store")
	eve.press("Yes, make it anew", nil)
	eve.is(http.StatusUnprocessableEntity, "Nothing was done", "Make it anew now?")
	eve.press("Yes, make it anew", url.Values{"reason": {"somebody has left"}})
	eve.is(http.StatusOK, "It is made anew", "About to begin", "Generation 1", "eve asked for it: somebody has left", "Now: about to begin")
	eve.send(http.MethodPost, "/credential", url.Values{"id": {"robot-key"}, "how": {"rotate"}, "sure": {"yes"}, "reason": {"again"}})
	eve.is(http.StatusUnprocessableEntity, "being made anew already")
	eve.send(http.MethodPost, "/credential", url.Values{"id": {"robot-key"}, "how": {"sell"}, "sure": {"yes"}})
	eve.is(http.StatusBadRequest)
	// 4. Retired, and called compromised by the owner of its system.
	eve.goTo("/credential?id=robot-old")
	eve.press("Retire it", url.Values{"reason": {"nobody reads it"}})
	eve.is(http.StatusOK, "Retire it?", "used up")
	eve.press("Yes, retire it", nil)
	eve.is(http.StatusOK, "It is being killed", "eve retired it: nobody reads it")
	owen.goTo("/credential?id=robot-key")
	owen.press("It is compromised", url.Values{"reason": {"it was in a build log"}})
	owen.is(http.StatusOK, "Kill it at once?", "have none until a new one")
	owen.press("Yes, kill it now", nil)
	owen.is(http.StatusOK, "have been told", "Generation 2", "owen said that it was compromised: it was in a build log", "Another one took over")
	// 5. The workload's own page has them, and they go with it.
	eve.goTo("/workload?id=robot")
	eve.is(http.StatusOK, "2 plans, 1 seen", "robot-key", "laptop")
	eve.press("Retire it", nil)
	eve.is(http.StatusOK, "2 planned credentials : killed")
	eve.press("Yes, retire it", url.Values{"note": {"it is no more"}})
	eve.goTo("/credential?id=robot-key")
	eve.is(http.StatusOK, "eve retired it: robot is retired: it is no more")
	p.Work()
	p.Check()
}
