package abuse

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// A whole day, each verb of it in the log: asked by token, by ticket and in the portal,
// answered, seen, given back, reloaded; by right and with wrong and misplaced secrets.
// No line has any of them. Every other site of this room is held to the same at its end,
// and what credentials are worth where they are made anew, in the room of the server.
func TestNoSecretInTheLogOfADay(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.halt()
	corp, evil := testserver.NewIssuer(t), testserver.NewIssuer(t)
	q.signsIn(corp, evil)
	q.run()
	// 1. By token.
	g := q.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})
	q.soon("ann is seen there", func() bool { return q.state("ann", g.ID) == access.Held })
	q.granted("bob", engine.Ask{Entitlements: []string{"work:wiki"}, Reason: "to read"}, "mia")
	q.must(q.as("adam").Reload(t.Context()))
	if code, out, errs := q.lessor("sam", "status"); code != 0 {
		t.Errorf("%d %s %s", code, out, errs)
	}
	// 2. By tokens that are none, and where none belongs.
	for n, ask := range []func(r *http.Request, secret string){
		func(r *http.Request, secret string) { r.Header.Set("Authorization", "Bearer "+secret) },
		func(r *http.Request, secret string) { r.SetBasicAuth("ann", secret) },
		func(r *http.Request, secret string) { r.URL.RawQuery = url.Values{"access_token": {secret}}.Encode() },
		func(r *http.Request, secret string) { r.AddCookie(&http.Cookie{Name: "lessor-session", Value: secret}) },
		func(r *http.Request, secret string) { r.Header.Set("X-Hub-Signature", "sha256="+secret) },
	} {
		secret := fmt.Sprintf("lsr_misplaced-%d-5f1c9e77aa", n)
		q.hide(secret)
		for _, at := range []string{"/api/v1/requests", "/access", "/hooks/jira/acme", "/sign-in/back/corp", "/nothing"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				r, err := http.NewRequestWithContext(t.Context(), method, q.url+at, strings.NewReader("{}"))
				q.must(err)
				ask(r, secret)
				a, err := http.DefaultTransport.RoundTrip(r)
				q.must(err)
				q.must(a.Body.Close())
			}
		}
	}
	// 3. By ticket, in whose text somebody wrote what belongs nowhere, and by webhooks.
	q.hide("AKIAIOSFODNN7EXAMPLE", "Tr0ub4dor&3-planted")
	i := q.raise("I need it. password=Tr0ub4dor&3-planted and AKIAIOSFODNN7EXAMPLE")
	body := hook("jira:issue_created", i.ID)
	if got := q.post(body, signed(body)); got/100 != 2 {
		t.Errorf("webhook: %d", got)
	}
	q.post(body, jirasim.Sign(hookSecret+"?", []byte(body)))
	r := q.pending(i, 1)
	if _, err := q.as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil {
		t.Fatal(err)
	}
	// 4. In the portal, and by a provider whose answer is another's.
	v := q.visitor()
	v.send(http.MethodGet, "/sign-in/go/corp", nil, "")
	if !v.in() {
		t.Errorf("not signed in: %d at %s", v.status, v.at)
	}
	link := v.send(http.MethodGet, "/sign-in/go/evil", nil, "/sign-in/back/")
	v.send(http.MethodGet, strings.Replace(link, "/back/evil", "/back/corp", 1), nil, "")
	v.send(http.MethodPost, "/sign-out", nil, "", "Sec-Fetch-Site", "same-origin")
	// 5. A target that says what it was asked with, as its error.
	q.echoes.Store(true)
	if err := q.as("ann").Return(t.Context(), g.ID, ""); err != nil {
		t.Fatal(err)
	}
	q.soon("the target has refused", func() bool { return strings.Contains(q.log.all(), "I cannot do that") })
	q.echoes.Store(false)
	q.soon("ann is seen gone", func() bool { return q.state("ann", g.ID) == access.Absent })
	if !strings.Contains(q.log.all(), `"level":"DEBUG"`) {
		t.Error("the log has not every verb")
	}
}
