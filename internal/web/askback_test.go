package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/report"
)

// An approver asks back before answering, whoever asked answers, and how long the
// approver had it open is known from the first time it was laid open.
func TestAskingBackAndDwelling(t *testing.T) {
	t.Parallel()
	p := open(t)
	eve, mia, bob := p.as("eve"), p.as("mia"), p.as("bob")
	r := eve.asks("dir:wiki", "2h", "notes")
	// What the desk lays open by itself, and what another site leads to, nobody has opened.
	mia.goTo("/waiting")
	mia.is(http.StatusOK, "Approve for 2 hours")
	for _, from := range []string{"cross-site", "same-site"} {
		mia.send(http.MethodGet, "/waiting/"+r.ID, nil, "Sec-Fetch-Site", from)
		mia.is(http.StatusOK, "Approve for 2 hours")
	}
	p.Clock.Pass(time.Hour / 4)
	mia.send(http.MethodGet, "/waiting/"+r.ID, nil, "Sec-Fetch-Site", "same-origin")
	p.Clock.Pass(90 * time.Second)
	mia.goTo("/waiting/" + r.ID) // again: the first time counts
	mia.press("Ask back", nil)
	mia.is(http.StatusUnprocessableEntity, "Write what you want to know")
	mia.press("Ask back", url.Values{"words": {"which <b>notes</b>?"}})
	mia.is(http.StatusOK, "Asked back. It waits on", "Said so far", "mia : “which <b>notes</b>?”", "Approve for 2 hours")
	if s := p.Request(r.ID).State; s != access.Pending {
		t.Errorf("it is %s", s)
	}
	eve.goTo("/requests/" + r.ID)
	eve.is(http.StatusOK, "mia remarked", "which <b>notes</b>?")
	eve.press("Add the remark", url.Values{"text": {"of the board"}})
	mia.goTo("/waiting/" + r.ID)
	mia.is(http.StatusOK, "eve : “of the board”")
	// Nobody asks back about what they may not know of.
	bob.send(http.MethodPost, "/waiting/"+r.ID, url.Values{"verdict": {"ask"}, "words": {"?"}})
	bob.is(http.StatusNotFound, "Not found")
	// Who may look and not answer has not laid it open to answer it.
	anna := p.as("anna")
	anna.goTo("/waiting/" + r.ID)
	p.Clock.Pass(30 * time.Second)
	mia.press("Approve", nil)
	n, err := report.Count(t.Context(), p.DB, p.WorldAt(p.Now()).Directory, p.Now().Add(-time.Hour), p.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Approvers) != 1 || n.Approvers[0].Person != "mia" || n.Approvers[0].Known != 1 || n.Approvers[0].Dwell != 2*time.Minute {
		t.Errorf("%+v", n.Approvers)
	}
	sara := p.as("sara")
	sara.goTo("/numbers")
	sara.is(http.StatusOK, "2 min", "known of 1")
	if strings.Contains(sara.page, "<b>notes") {
		t.Error("words are taken for markup")
	}
	p.Check()
}
