package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/lessor-iam/lessor/internal/engine"
)

// A leaver's workload is offered to the manager, who sees it among what is to be handed
// over, and takes it over; nobody else is shown it, nor what a leaving would end.
func TestHandoverPages(t *testing.T) {
	t.Parallel()
	p := open(t)
	p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
	sara, mia, bob := p.as("sara"), p.as("mia"), p.as("bob")
	mia.goTo("/handovers")
	mia.is(http.StatusOK, "Nothing to decide")
	sara.goTo("/leavers?who=eve")
	sara.is(http.StatusOK, "If eve left now", "1 would end", "wiki Held by eve", "the workload robot", "would be to decide")
	bob.goTo("/leavers?who=eve")
	bob.is(http.StatusNotFound)
	if _, err := p.Engine.Leave(t.Context(), p.As("sara"), "eve", "the contract is over"); err != nil {
		t.Fatal(err)
	}
	list, err := p.Engine.Handovers(t.Context(), p.As("sara"), true, false, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	at := ""
	for _, h := range list {
		if h.Subject == "identity robot" {
			at = "/handovers/" + h.ID
		}
	}
	sara.goTo("/leavers?who=eve")
	sara.is(http.StatusOK, "eve has left")
	bob.goTo(at)
	bob.is(http.StatusNotFound)
	mia.goTo("/handovers")
	mia.is(http.StatusOK, "the workload robot", "offered to mia", "the manager of eve")
	mia.goTo(at)
	mia.is(http.StatusOK, "Take it over", "Retire it")
	mia.press("Decline", nil)
	mia.is(http.StatusUnprocessableEntity, "Nothing was done")
	mia.press("Take it over", url.Values{"note": {"it is ours"}})
	mia.is(http.StatusOK, "You answer for it from now on", "taken over by mia")
	bob.goTo("/handovers?all=yes")
	bob.is(http.StatusNotFound)
	sara.goTo("/handovers?all=yes")
	sara.is(http.StatusOK, "taken over by mia")
}
