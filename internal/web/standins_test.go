package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Somebody lends their answers, is away, and ends both, without script; what is refused
// says why, and keeps what was typed.
func TestStandInPages(t *testing.T) {
	t.Parallel()
	p := open(t)
	mia, otto, bob := p.as("mia"), p.as("otto"), p.as("bob")
	mia.goTo("/stand-ins")
	mia.is(http.StatusOK, "You have delegated nothing", "At most 30d")
	mia.press("Delegate", url.Values{"to": {"mia.2"}, "term": {"14d"}, "reason": {"on holiday"}})
	mia.is(http.StatusUnprocessableEntity, "Nothing was done", "on holiday", "same person")
	mia.press("Delegate", url.Values{"to": {"otto"}, "term": {"soon"}, "reason": {"on holiday"}})
	mia.is(http.StatusUnprocessableEntity, "How long: write a time")
	mia.press("Delegate", url.Values{"to": {"otto"}, "scope": {"dir"}, "term": {"14d"}, "reason": {"on holiday"}})
	mia.is(http.StatusOK, "They may answer in your place", "in force", "on holiday")
	otto.goTo("/stand-ins")
	otto.is(http.StatusOK, "on holiday", "End it")
	bob.goTo("/stand-ins")
	bob.is(http.StatusOK, "nobody has delegated anything to you")
	otto.press("End it", nil)
	otto.is(http.StatusOK, "That delegation has ended", "ended early")
	mia.goTo("/stand-ins")
	mia.press("Say so", url.Values{"away-term": {"3d"}, "away-reason": {"ill"}})
	mia.is(http.StatusOK, "your own vote you keep", "ill", "Back already")
	mia.press("Say so", url.Values{"away-term": {"3d"}})
	mia.is(http.StatusUnprocessableEntity, "away from")
	mia.press("Back already", nil)
	mia.is(http.StatusOK, "the absence is over")
	p.Check()
}

// Somebody enrolled takes access; it is loud where it concerns somebody, and somebody
// else reviews it. Whoever is not enrolled is shown no way in.
func TestBreakGlassPages(t *testing.T) {
	t.Parallel()
	p := open(t, func(c *enginetest.Company) {
		c.Groups["oncall"] = access.GroupMembers{ID: "oncall", Members: []string{"bob"}}
	})
	bob, otto, sara, eve := p.as("bob"), p.as("otto"), p.as("sara"), p.as("eve")
	eve.goTo("/break-glass")
	eve.is(http.StatusOK, "You are not enrolled", "None that you may know of")
	if strings.Contains(eve.page, "Take it without approval") {
		t.Error("eve is shown a way in")
	}
	eve.send(http.MethodPost, "/break-glass", url.Values{"entitlement": {"dir:root"}, "reason": {"x"}, "incident": {"INC-1"}})
	eve.is(http.StatusUnprocessableEntity, "Nothing was taken")
	bob.goTo("/break-glass")
	bob.is(http.StatusOK, "Take it without approval", "at most 1h", "INC-[0-9]+")
	bob.press("Take it without approval", url.Values{"entitlement": {"dir:root"}, "reason": {"the primary is down"}})
	bob.is(http.StatusUnprocessableEntity, "Nothing was taken", "the primary is down")
	bob.press("Take it without approval", url.Values{"entitlement": {"dir:root"}, "reason": {"the primary is down"}, "incident": {"INC-7"}})
	bob.is(http.StatusOK, "It is granted, for a short while", "bob took root without approval", "Its review is due")
	if strings.Contains(bob.page, "It was justified") {
		t.Error("bob is to review himself")
	}
	sara.goTo("/operations")
	sara.is(http.StatusOK, "bob took root without approval", "INC-7")
	grant := p.Grants()[0].ID
	sara.goTo("/grants/" + grant)
	sara.is(http.StatusOK, "bob took root without approval")
	sara.goTo("/people?id=bob")
	sara.is(http.StatusOK, "bob took root without approval")
	otto.goTo("/break-glass")
	otto.press("It was justified", nil)
	otto.is(http.StatusUnprocessableEntity, "Nothing was kept")
	otto.press("It was not: end it", url.Values{"text": {"nothing was down"}})
	otto.is(http.StatusOK, "otto found it unjustified", "nothing was down")
	if g := p.Grant(grant); g.State != access.Ended {
		t.Errorf("the grant is %s", g.State)
	}
	p.Work()
	p.Check()
}
