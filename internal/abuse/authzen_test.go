package abuse

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// The AuthZEN door of the running server, by tokens made for programs.

// enforcers are programs that ask in the name of their tokens' identities.
var enforcers = []string{engine.ScopeEvaluate, engine.ScopeRequest}

// newEnforced runs a site with a token "NAME'" for programs of each person's.
func newEnforced(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	for _, who := range []string{"ann", "bob", "mia", "olga", "sam"} {
		s.token(who+"-program", who, enforcers...)
	}
	s.run()
	return s
}

// zen sends JSON as somebody's program, and reads what comes back.
func (s *site) zen(who, method, path string, body any) (status int, raw string, read map[string]any) {
	s.t.Helper()
	token, err := os.ReadFile(filepath.Join(s.dir, "tokens", who+"-program"))
	if err != nil {
		s.t.Fatal(err)
	}
	if at := strings.Index(path, "/access/v1/"); at > 0 {
		path = path[at:] // it says https, as whoever stands in front of it does
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(mustJSON(s.t, body)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = json.Unmarshal(all, &read) // what is no JSON has no members
	return res.StatusCode, string(all), read
}

// member reads a member by its path.
func member(read map[string]any, path string) string {
	var v any = read
	for name := range strings.SplitSeq(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	text, _ := v.(string)
	return text
}

// holding is the question whether somebody holds something.
func holding(who, entitlement string) map[string]any {
	return map[string]any{"subject": map[string]any{"type": "user", "id": who}, "resource": map[string]any{"type": "entitlement", "id": entitlement}, "action": map[string]any{"name": "use"}}
}

// asks has somebody's program ask for what was denied, with more in the submission.
func (s *site) asks(who, entitlement string, more map[string]any) (status int, raw string, read map[string]any) {
	s.t.Helper()
	q := holding(who, entitlement)
	_, denied, answer := s.zen(who, "POST", "/access/v1/evaluation", q)
	if member(answer, "context.access_request.expires_at") == "" {
		s.t.Fatalf("%s cannot ask for %s: %s", who, entitlement, denied)
	}
	q["context"] = map[string]any{"business_justification": "to do my work"}
	q["denial"] = map[string]any{"evaluation_id": member(answer, "context.evaluation_id"), "expires_at": member(answer, "context.access_request.expires_at")}
	for k, v := range more {
		q[k] = v
	}
	return s.zen(who, "POST", "/access/v1/requests", q)
}

// pendingOf is the one request that waits of somebody's.
func (s *site) pendingOf(who string) access.Request {
	s.t.Helper()
	list, err := s.as(who).Requests(s.t.Context(), access.Pending, true, clientPage(10))
	if err != nil || len(list) != 1 {
		s.t.Fatalf("%d requests of %s wait: %v", len(list), who, err)
	}
	return list[0]
}

// An approval is used after its grant has ended, by somebody else, and for
// something else.
func TestAB29_ApprovalUsedAgain(t *testing.T) {
	t.Parallel()
	s := newEnforced(t)
	// 1. A whole story: denied, asked, approved, held.
	code, raw, task := s.asks("ann", "work:wiki", nil)
	if code != http.StatusAccepted {
		t.Fatalf("ann asks: %d %s", code, raw)
	}
	at := member(task, "task.status_endpoint")
	r := s.pendingOf("ann")
	if r, err := s.as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil || r.State != access.Approved {
		t.Fatalf("mia approves: %s, %v", r.State, err)
	}
	_, raw, task = s.zen("ann", "GET", at, nil)
	result, _ := task["result"].(map[string]any)
	if result == nil {
		t.Fatalf("no approval: %s", raw)
	}
	by := func(who, entitlement string) (string, map[string]any) {
		q := holding(who, entitlement)
		q["context"] = map[string]any{"approval": result["approval"]}
		_, raw, read := s.zen(who, "POST", "/access/v1/evaluation", q)
		return raw, read
	}
	s.soon("ann is let through", func() bool { _, read := by("ann", "work:wiki"); return read["decision"] == true })
	// A restart changes nothing of what was handed out.
	_, _, denied := s.zen("bob", "POST", "/access/v1/evaluation", holding("bob", "work:portal"))
	s.halt()
	s.run()
	late := holding("bob", "work:portal")
	late["context"] = map[string]any{"business_justification": "to do my work"}
	late["denial"] = map[string]any{"evaluation_id": member(denied, "context.evaluation_id"), "expires_at": member(denied, "context.access_request.expires_at")}
	if code, raw, _ := s.zen("bob", "POST", "/access/v1/requests", late); code != http.StatusAccepted {
		t.Errorf("a denial from before the restart: %d %s", code, raw)
	}
	if raw, read := by("ann", "work:wiki"); read["decision"] != true {
		t.Errorf("an approval from before the restart: %s", raw)
	}
	// 2. By somebody else, and for something else, it is nothing.
	for _, c := range []struct{ who, entitlement, reason string }{
		{"bob", "work:wiki", "approval_unverifiable"}, {"olga", "work:wiki", "approval_unverifiable"}, {"ann", "work:portal", "out_of_scope"},
	} {
		if raw, read := by(c.who, c.entitlement); read["decision"] != false || member(read, "context.reason") != c.reason {
			t.Errorf("%s for %s: %s", c.who, c.entitlement, raw)
		}
	}
	// 3. Once the grant has ended it is over, however often it is shown.
	grants, err := s.as("ann").Requests(t.Context(), access.Approved, true, clientPage(10))
	if err != nil || len(grants) != 1 {
		t.Fatalf("%d approved, %v", len(grants), err)
	}
	if err := s.as("ann").Return(t.Context(), grants[0].Items[0].Grant, "done"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if raw, read := by("ann", "work:wiki"); read["decision"] != false || member(read, "context.reason") != "approval_expired" {
			t.Errorf("after it was given back: %s", raw)
		}
	}
	s.soon("ann is gone there", func() bool { return !s.holds("ann", "wiki") })
	if list, err := s.as("ann").Requests(t.Context(), "", true, clientPage(10)); err != nil || len(list) != 1 {
		t.Errorf("%d requests came of showing it, %v", len(list), err)
	}
}

// An emergency is told to whoever approves, and skips nobody.
func TestAB37_EmergencyByAProgram(t *testing.T) {
	t.Parallel()
	s := newEnforced(t)
	code, raw, task := s.asks("ann", "work:portal", map[string]any{"requested_access": map[string]any{"emergency": true}, "client": map[string]any{"id": "break-glass"}})
	if code != http.StatusAccepted || member(task, "task.status") != "pending" {
		t.Fatalf("an emergency: %d %s", code, raw)
	}
	r := s.pendingOf("ann")
	var stages []string
	for _, st := range r.Items[0].Decision.Stages {
		stages = append(stages, st.Name)
	}
	if got := strings.Join(stages, ","); got != "owner,security" || !strings.Contains(r.Reason, "emergency") {
		t.Errorf("it waits for %s, because %q", got, r.Reason)
	}
	for _, who := range []string{"ann", "bob", "mia"} {
		if _, err := s.as(who).Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err == nil {
			t.Errorf("%s approves it", who)
		}
	}
	if _, raw, read := s.zen("ann", "POST", "/access/v1/evaluation", holding("ann", "work:portal")); read["decision"] != false {
		t.Errorf("she is let through: %s", raw)
	}
}

// A program has the server call an address: as a callback, as the page it says the
// ask is about, as a form or a schema.
func TestAB59_ProgramsNameAddresses(t *testing.T) {
	t.Parallel()
	s := newEnforced(t)
	var called atomic.Int32
	trap := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called.Add(1) }))
	defer trap.Close()
	for _, address := range []string{trap.URL, "https://169.254.169.254/latest/meta-data", "https://[::ffff:127.0.0.1]/", "https://0x7f.1/", "https://127.0.0.1.nip.io/", "http://localhost/",
		"gopher://127.0.0.1:25/", "unix:///run/docker.sock", "file:///etc/passwd", "//169.254.169.254", ""} {
		code, raw, read := s.asks("ann", "work:wiki", map[string]any{"callback": map[string]any{"endpoint": address, "state": "x", "events": []string{"approved"}}})
		if code != http.StatusBadRequest || !strings.HasSuffix(member(read, "type"), "callbacks_not_offered") {
			t.Errorf("callback %q: %d %s", address, code, raw)
		}
	}
	if list, err := s.as("ann").Requests(t.Context(), "", true, clientPage(10)); err != nil || len(list) != 0 {
		t.Errorf("%d requests came of refused submissions, %v", len(list), err)
	}
	// What is only said is kept as said, and never called.
	code, raw, _ := s.asks("ann", "work:wiki", map[string]any{"client": map[string]any{"source": map[string]any{"external_url": trap.URL + "/browse/ACC-41", "jwks_uri": trap.URL}},
		"denial_url": trap.URL, "form_url": trap.URL, "request_schema_url": trap.URL})
	if code != http.StatusAccepted {
		t.Fatalf("ann asks: %d %s", code, raw)
	}
	r := s.pendingOf("ann")
	if r.Ticket != "" {
		t.Errorf("an address of no site we know became the ticket %q", r.Ticket)
	}
	if r, err := s.as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil || r.State != access.Approved {
		t.Fatalf("mia approves: %s, %v", r.State, err)
	}
	s.soon("ann is seen there", func() bool {
		_, _, read := s.zen("ann", "POST", "/access/v1/evaluation", holding("ann", "work:wiki"))
		return read["decision"] == true
	})
	if n := called.Load(); n != 0 {
		t.Errorf("the address was called %d times", n)
	}
}

// Somebody has the handle of somebody else's task, and asks about others.
func TestAB67_HandlesOfOthers(t *testing.T) {
	t.Parallel()
	s := newEnforced(t)
	code, raw, task := s.asks("ann", "work:wiki", nil)
	if code != http.StatusAccepted {
		t.Fatalf("ann asks: %d %s", code, raw)
	}
	at := member(task, "task.status_endpoint")
	cut := strings.LastIndex(at, "/") + 1
	nowhere := at[:cut] + "arq_" + strings.Repeat("A", len(at)-cut-4)
	for _, who := range []string{"bob", "mia", "olga", "sam"} {
		for _, c := range []struct{ method, below string }{{"GET", ""}, {"POST", "/cancel"}, {"DELETE", "/cancel"}} {
			code, raw, _ := s.zen(who, c.method, at+c.below, nil)
			none, rawNone, _ := s.zen(who, c.method, nowhere+c.below, nil)
			if code != http.StatusNotFound || code != none || raw != rawNone {
				t.Errorf("%s %s %s: %d %s; of one that is not there: %d %s", who, c.method, c.below, code, raw, none, rawNone)
			}
		}
	}
	if r := s.pendingOf("ann"); r.State != access.Pending {
		t.Errorf("it is %s", r.State)
	}
	// Who holds what is told to whom it is told everywhere, and to nobody else.
	g := s.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}})
	s.soon("ann is seen there", func() bool { return s.state("ann", g.ID) == access.Held })
	search := map[string]any{"subject": map[string]any{"type": "user"}, "resource": map[string]any{"type": "entitlement", "id": "work:lobby"}, "action": map[string]any{"name": "use"}}
	for who, sees := range map[string]bool{"ann": true, "olga": true, "sam": true, "bob": false} {
		_, raw, read := s.zen(who, "POST", "/access/v1/evaluation", holding("ann", "work:lobby"))
		_, found, _ := s.zen(who, "POST", "/access/v1/search/subject", search)
		if (read["decision"] == true) != sees || strings.Contains(found, "ann") != sees {
			t.Errorf("%s is told %s and %s", who, raw, found)
		}
	}
}
