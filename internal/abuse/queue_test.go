package abuse

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

const hookSecret = "a secret of the hook"

// queue is a site whose tickets are in a Jira, with the server before it: what is
// done in Jira reaches it over HTTP and by nothing else.
type queue struct {
	*site
	sim  *jirasim.Sim
	base string // where the Jira is
}

// newQueue runs a server with a Jira. ann asks, mia is her manager and works at
// the desk, olga owns the wiki.
func newQueue(t *testing.T) *queue {
	t.Helper()
	q := &queue{site: newSite(t)}
	handler := http.Handler(nil)
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(there.Close)
	var err error
	if q.sim, err = jirasim.New(jirasim.Config{URL: there.URL, Site: jirasim.Example(), Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	handler, q.base = q.sim, there.URL
	for who, account := range map[string]string{"ann": jirasim.ExamplePerson, "mia": jirasim.ExampleOwner, "olga": jirasim.ExampleAgent} {
		was := map[string]string{"ann": "{work: ann, play: ann}", "mia": "{work: mia}", "olga": "{work: olga}"}[who]
		q.edit("directory.yaml", was, strings.TrimSuffix(was, "}")+`, acme: "`+account+`"}`)
	}
	q.must(q.sim.EditUser(jirasim.ExampleOwner, func(u *jirasim.User) { u.Groups = append(u.Groups, "desk") }))
	_, kind := q.sim.RequestTypeID("ACC", "Get access")
	ent, term := q.sim.FieldID("Entitlements"), q.sim.FieldID("Term")
	for name, text := range map[string]string{"jira.token": "token-lessor", "jira.hook": hookSecret, "jira.yaml": fmt.Sprintf(`sites:
  - id: acme
    url: %s
    kind: cloud
    user: lessor@example.com
    token_ref: file:jira.token
    webhook_secret_ref: file:jira.hook
    poll: 5s
    owner: olga
    projects:
      - key: ACC
        service_desk: true
        request_types:
          - id: "%s"
            entitlements: {field: %s, options: {"%s": "work:wiki", "%s": "work:lobby"}}
            term: {field: %s, options: {"%s": 8h, "%s": 1d}}
            reason: description
        votes: {approvals: true}
`, there.URL, kind, ent, q.sim.OptionID(ent, "wiki:editors"), q.sim.OptionID(ent, "prod-db:read"), term, q.sim.OptionID(term, "8 hours"), q.sim.OptionID(term, "1 day"))} {
		q.must(os.WriteFile(filepath.Join(q.dir, name), []byte(text), 0o600))
	}
	q.run()
	return q
}

func (q *queue) must(err error) {
	q.t.Helper()
	if err != nil {
		q.t.Fatal(err)
	}
}

// raise opens a ticket as ann would in the portal of the desk.
func (q *queue) raise(description string) jirasim.Ticket {
	q.t.Helper()
	i, err := q.sim.As(jirasim.ExamplePerson).Raise("ACC", "Get access", map[string]any{"summary": "access", "description": description,
		"Entitlements": []any{"wiki:editors"}, "Term": "8 hours", "Approvers": []any{jirasim.ExampleOwner}})
	q.must(err)
	return i
}

// post delivers a webhook to the running server, and gives the status.
func (q *queue) post(body string, signatures ...string) int {
	q.t.Helper()
	r, err := http.NewRequestWithContext(q.t.Context(), http.MethodPost, q.url+"/hooks/jira/acme", strings.NewReader(body))
	q.must(err)
	for _, s := range signatures {
		r.Header.Add("X-Hub-Signature", s)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		q.t.Error(err)
		return 0
	}
	q.must(a.Body.Close())
	return a.StatusCode
}

// hook is the body of a webhook about an issue.
func hook(event, issue string) string {
	return `{"webhookEvent":"` + event + `","issue":{"id":"` + issue + `"}}`
}

func signed(body string) string { return jirasim.Sign(hookSecret, []byte(body)) }

// story is a ticket as the server keeps it, and the request it is by now; nothing
// while the server will not say, as it lets nobody ask without end.
func (q *queue) story(i jirasim.Ticket) (t access.Ticket, r access.Request) {
	q.t.Helper()
	list, _ := q.as("sam").Tickets(q.t.Context(), "", 100)
	for _, s := range list {
		if s.Ticket.ID == "jira:acme:"+i.ID {
			t = s.Ticket
			if len(s.Came) > 0 {
				r = s.Came[len(s.Came)-1].Request
			}
		}
	}
	return t, r
}

// pending waits until the ticket is a request of that revision, and gives it.
func (q *queue) pending(i jirasim.Ticket, revision int) (r access.Request) {
	q.t.Helper()
	q.soon(fmt.Sprintf("%s is a request of revision %d", i.Key, revision), func() bool {
		_, r = q.story(i)
		return r.State == access.Pending && r.Revision == revision
	})
	return r
}

// says waits until a comment of Lessor's on the ticket says it.
func (q *queue) says(i jirasim.Ticket, text string) {
	q.t.Helper()
	q.soon("the ticket says "+text, func() bool {
		now, _ := q.sim.Ticket(i.ID)
		return slices.ContainsFunc(now.Comments, func(c jirasim.Note) bool { return c.Author == jirasim.ExampleBot && strings.Contains(c.Text, text) })
	})
}

// nothing fails if anything was granted or is held.
func (q *queue) nothing() {
	q.t.Helper()
	if list, err := q.as("ann").Grants(q.t.Context(), "", false, clientPage(100)); err != nil || len(list) != 0 || q.holds("ann", "wiki") || q.holds("ann", "lobby") {
		q.t.Errorf("%d grants, %v", len(list), err)
	}
}

// nudges counts what webhooks were noted, of a server that does not run.
func (q *queue) nudges() (n int) {
	q.t.Helper()
	db := q.inspect()
	defer db.Close()
	q.must(db.Read(context.WithoutCancel(q.t.Context()), func(tx *store.Tx) error {
		return tx.QueryRowContext(context.WithoutCancel(q.t.Context()), `select count(*) from nudge where digest not like 'poll/%'`).Scan(&n)
	}))
	return n
}

// Over HTTP to the running server: what the site did not sign is refused and nothing of it stored.
func TestAB01_NotSignedAtTheServer(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	body := hook("jira:issue_updated", "10000")
	good := signed(body)
	for name, signatures := range map[string][]string{"none": nil, "sha1": {"sha1=" + good[7:47]}, "another key": {jirasim.Sign("another", []byte(body))},
		"another body": {signed(body + " ")}, "two": {good, good}, "no secret": {jirasim.Sign("", []byte(body))}} {
		if code := q.post(body, signatures...); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, code)
		}
	}
	if n := strings.Count(q.log.all(), "webhook refused"); n < 1 || n > 2 { // once a minute, and a minute may pass
		t.Errorf("the log says so %d times", n)
	}
	q.halt()
	if n := q.nudges(); n != 0 {
		t.Errorf("%d were noted", n)
	}
}

// One signed delivery fifty times at once, and again later: one note, one request.
func TestAB02_OneDeliveryAtTheServer(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	i := q.raise("month end figures")
	body := hook("jira:issue_created", i.ID)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if code := q.post(body, signed(body)); code != http.StatusNoContent {
				t.Errorf("answered %d", code)
			}
		})
	}
	all.Wait()
	r := q.pending(i, 1)
	if code := q.post(body, signed(body)); code != http.StatusNoContent {
		t.Errorf("again: %d", code)
	}
	q.says(i, "This request waits for approval by: manager.")
	list, err := q.as("ann").Requests(t.Context(), "", true, clientPage(100))
	if err != nil || len(list) != 1 || list[0].ID != r.ID {
		t.Errorf("%d requests, %v", len(list), err)
	}
	q.nothing()
	q.halt()
	if n := q.nudges(); n != 1 {
		t.Errorf("%d were noted", n)
	}
}

// The approver changes what the ticket asks and approves it, in Jira and over the API.
func TestAB23_EditedThenApprovedAtTheServer(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	i := q.raise("month end figures")
	q.pending(i, 1)
	q.must(q.sim.As(jirasim.ExampleOwner).Edit(i.ID, map[string]any{"Term": "1 day"}))
	// Only she could have approved it: nobody is left who can.
	var r access.Request
	q.soon("it is refused", func() bool {
		_, r = q.story(i)
		return r.Revision == 2 && r.State == access.Denied && slices.Equal(r.Makers, []string{"mia"})
	})
	if _, err := q.as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err == nil {
		t.Error("her vote was taken")
	}
	q.says(i, "This request was refused.")
	q.nothing()
}

// Approved, and edited before it begins: a new revision, and the vote is void.
func TestAB06_EditedAtTheServer(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.edit("policy/rules.cedar", `@needs("manager")`, `@needs("manager, owner")`)
	q.must(q.as("adam").Reload(t.Context()))
	i := q.raise("month end figures")
	r := q.pending(i, 1)
	q.must(q.sim.As(jirasim.ExampleOwner).Approve(i.ID))
	q.says(i, "mia said approve to work:wiki as manager")
	q.must(q.sim.EditUser(jirasim.ExamplePerson, func(u *jirasim.User) { u.Groups = append(u.Groups, "desk") }))
	q.must(q.sim.As(jirasim.ExamplePerson).Edit(i.ID, map[string]any{"Term": "1 day"}))
	now := q.pending(i, 2)
	q.says(i, "The vote of mia no longer counts.")
	if _, err := q.as("olga").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err == nil {
		t.Error("a vote for the old revision was taken")
	}
	if voted, err := q.as("olga").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: now.Digest, Verdict: access.Approve}); err != nil || voted.State != access.Pending {
		t.Errorf("with one of two votes it is %s, %v", voted.State, err)
	}
	q.nothing()
}

// status is the id of a status, as an administrator finds it.
func (q *queue) status(name string) string {
	q.t.Helper()
	line, err := rest.New(rest.Config{Kind: rest.Cloud, Base: q.base, Email: "lessor@example.com", Token: func() string { return "token-lessor" }})
	q.must(err)
	types, err := line.Statuses(q.t.Context(), "ACC")
	q.must(err)
	for _, of := range types {
		for _, s := range of.Statuses {
			if s.Name == name {
				return s.ID
			}
		}
	}
	q.t.Fatalf("no status %q", name)
	return ""
}

// Moved past the approval by hand: nothing is granted, and a finding says so.
func TestAB08_MovedAtTheServer(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	q.edit("jira.yaml", "        votes: {approvals: true}\n", "        votes: {approvals: true}\n        closed: [\""+q.status("Active")+"\"]\n")
	q.must(q.as("adam").Reload(t.Context()))
	i := q.raise("month end figures")
	q.pending(i, 1)
	q.must(q.sim.As(jirasim.ExampleAgent).Transition(i.ID, "Set active"))
	q.found("workflow_only_approval")
	q.pending(i, 1)
	q.nothing()
}

// Granted, and then the ticket is deleted: it is held until its end, its evidence
// is whole, and a finding says so.
func TestAB10_DeletedAtTheServer(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	i := q.raise("month end figures")
	q.pending(i, 1)
	q.must(q.sim.As(jirasim.ExampleOwner).Approve(i.ID))
	var grant string
	q.soon("it is held", func() bool {
		_, r := q.story(i)
		if r.State != access.Approved {
			return false
		}
		grant = r.Items[0].Grant
		sight, err := q.as("ann").Grant(t.Context(), grant)
		return err == nil && sight.Assignment.State == access.Held
	})
	q.must(q.sim.As(jirasim.ExampleAdmin).Delete(i.ID))
	body := hook("jira:issue_deleted", i.ID)
	if code := q.post(body, signed(body)); code != http.StatusNoContent {
		t.Errorf("answered %d", code)
	}
	q.found("ticket_missing")
	q.soon("its grant lives and its evidence is whole", func() bool {
		sight, err := q.as("ann").Grant(t.Context(), grant)
		proof, none := q.as("sam").Evidence(t.Context(), grant)
		return err == nil && sight.Grant.State == access.Live && q.holds("ann", "wiki") && none == nil && bytes.Contains(proof, []byte(i.ID))
	})
}

// found waits until a finding of that kind is open.
func (q *queue) found(kind string) {
	q.t.Helper()
	q.soon(kind+" is found", func() bool {
		list, err := q.as("sam").Findings(q.t.Context(), false, 100)
		return err == nil && slices.ContainsFunc(list, func(f access.Finding) bool { return f.Kind == kind })
	})
}

// A secret in a ticket is in no file of the server's, and who wrote it is told.
func TestAB13_SecretAtTheServer(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	const key = "AKIAQYLPMN5HHHFPZAM2"
	i := q.raise("the old key was " + key + ", thanks")
	q.pending(i, 1)
	q.says(i, "This ticket holds what looks like a secret")
	q.halt()
	q.must(filepath.WalkDir(q.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(key)) {
			t.Errorf("it is in %s", filepath.Base(path))
		}
		return err
	}))
	if strings.Contains(q.log.all(), key) {
		t.Error("it is in the log")
	}
}
