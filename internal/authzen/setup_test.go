package authzen_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

const hour = access.Term(time.Hour)

// The scenario's resources are of a system of their own.
func TestMain(m *testing.M) {
	enginetest.Systems = append(enginetest.Systems, "record")
	os.Exit(m.Run())
}

// desk is the door over TLS before an engine whose clock is held by hand, with a
// token for each identity of the company, named like it, and more by need.
type desk struct {
	*enginetest.Fixture
	t    testing.TB
	url  string
	door http.Handler
	http *http.Client
	keys *api.Keys
	list []api.Key
	mu   sync.Mutex
	late time.Duration // how far the door's clock is ahead
	// stuffed is whether the database was filled by hand: then there is nothing to ask the oracle.
	stuffed bool
}

func open(t testing.TB, kind store.Dialect, change ...func(*authzen.Config)) *desk {
	t.Helper()
	d := &desk{Fixture: enginetest.Open(t, kind, func(o *enginetest.Options) { records(o.Company) }), t: t}
	t.Cleanup(func() {
		if !d.stuffed {
			d.Check()
		}
	})
	d.keys = api.NewKeys(func(string, time.Time) (bool, error) { return true, nil })
	for id := range d.Company.People {
		d.token(id, id, engine.ScopeEvaluate, engine.ScopeRequest)
	}
	d.token("harness", "anna", engine.ScopeEvaluate)
	c := authzen.Config{Engine: d.Engine, Directory: func() *access.Directory { return d.WorldAt(d.Now()).Directory }, Shelf: d.DB,
		Visitor: func(r *http.Request) (access.Actor, error) {
			return d.keys.Visitor(r.Header.Get("Authorization"), d.Now())
		},
		Spend: func(string) bool { return true }, SpendEvaluation: func(string) bool { return true }, Key: bytes.Repeat([]byte("k"), 32), Rand: rand.Reader, Now: func() time.Time { return d.Now().Add(d.ahead(0)) },
		Ticket: func(u string) string {
			if key, ok := strings.CutPrefix(u, "https://acme.example/browse/"); ok {
				return "jira:" + key
			}
			return ""
		}}
	for _, do := range change {
		do(&c)
	}
	h, err := authzen.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	d.url, d.door, d.http = s.URL, h, s.Client()
	return d
}

// ahead puts the door's clock ahead of the engine's by so much more.
func (d *desk) ahead(by time.Duration) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.late += by
	return d.late
}

// each runs a test on both databases.
func each(t *testing.T, do func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) { do(t, open(t, kind)) })
}

func (d *desk) token(name, identity string, scopes ...string) {
	d.list = append(d.list, api.Key{Name: name, Identity: identity, Scopes: scopes, Strength: "mfa", Expires: enginetest.Noon.AddDate(2, 0, 0), SHA256: sha256.Sum256([]byte("token of " + name))})
	d.keys.Set(d.list)
}

// records adds what the scenario requires: alice, bob, and what may be done to two records.
func records(c *enginetest.Company) {
	c.People["alice"] = access.Identity{ID: "alice", Kind: access.Person, Name: "alice", Manager: "mia", Accounts: map[string]string{"dir": "alice", "git": "alice", "record": "alice"}}
	bob := c.People["bob"]
	bob.Accounts = map[string]string{"dir": "bob", "git": "bob", "record": "bob"}
	c.People["bob"] = bob
	for _, name := range []string{"record-1.read", "record-1.write", "record-1.delete", "record-1.delete.soft", "record-2.read", "record-2.write"} {
		id := "record:" + name
		c.Entitlements[id] = access.Entitlement{ID: id, System: "record", Object: name, Name: name, Class: "open", Owners: []string{"owen"}, MaxTerm: 24 * hour, Powers: []string{"read"}}
	}
}

// reply is one answer, read.
type reply struct {
	status int
	head   http.Header
	raw    string
	body   map[string]any
}

// call sends JSON by a token; "" sends none, and a body of nil no body at all.
func (d *desk) call(token, method, path string, body any, head ...string) reply {
	d.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			d.t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+strings.TrimPrefix(path, d.url), in)
	if err != nil {
		d.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer token of "+token)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	res, err := d.http.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	out := reply{status: res.StatusCode, head: res.Header, raw: string(raw)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &out.body); err != nil {
			d.t.Fatalf("%s %s answers %q: %v", method, path, raw, err)
		}
	}
	return out
}

// at reads a member by its path, as "task.status".
func (r reply) at(path string) any {
	var v any = r.body
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func (r reply) text(path string) string { s, _ := r.at(path).(string); return s }

// is fails the test unless the answer has this status and these members.
func (d *desk) is(what string, r reply, status int, members ...any) {
	d.t.Helper()
	if r.status != status {
		d.t.Fatalf("%s: %d %s; want %d", what, r.status, r.raw, status)
	}
	for i := 0; i+1 < len(members); i += 2 {
		if got := r.at(members[i].(string)); got != members[i+1] {
			d.t.Errorf("%s: %v is %v, want %v\n%s", what, members[i], got, members[i+1], r.raw)
		}
	}
}

type m = map[string]any

func sub(kind, id string) m { return m{"type": kind, "id": id} }

// tuple is an evaluation of one entitlement.
func tuple(who, entitlement, action string) m {
	return m{"subject": sub("user", who), "resource": sub("entitlement", entitlement), "action": m{"name": action}}
}

// with is the same with more members.
func with(q m, more m) m {
	out := m{}
	for _, from := range []m{q, more} {
		for k, v := range from {
			out[k] = v
		}
	}
	return out
}

// holds has somebody hold something as fully as can be: granted, and seen.
func (d *desk) holds(who string, entitlement string, approvers ...string) access.Grant {
	d.t.Helper()
	g := d.Granted(who, engine.Ask{Entitlements: []string{entitlement}, Reason: "to do my work", Term: 12 * hour}, approvers...)
	d.Work()
	return d.Grant(g.ID)
}

// denial is a requestable denial of this caller's.
func (d *desk) denial(token string, q m) reply {
	d.t.Helper()
	r := d.call(token, "POST", authzen.Evaluation, q)
	d.is("a denial", r, http.StatusOK, "decision", false, "context.reason", "approval_required")
	if r.text("context.evaluation_id") == "" || r.text("context.access_request.expires_at") == "" {
		d.t.Fatalf("the denial cannot be answered: %s", r.raw)
	}
	return r
}

// submission answers a denial.
func submission(q m, denied reply) m {
	return with(q, m{"context": m{"business_justification": "to do my work"},
		"denial": m{"evaluation_id": denied.text("context.evaluation_id"), "expires_at": denied.text("context.access_request.expires_at"), "reason": denied.text("context.reason")}})
}

// asked is a task that waits for somebody: eve's for dir:wiki.
func (d *desk) asked(token, who, entitlement string) reply {
	d.t.Helper()
	q := tuple(who, entitlement, "use")
	r := d.call(token, "POST", authzen.Requests, submission(q, d.denial(token, q)))
	d.is("a submission", r, http.StatusAccepted, "task.status", "pending")
	return r
}

// requestOf is the one request that came of a task.
func (d *desk) requestOf(task string) access.Request {
	d.t.Helper()
	t, err := d.DB.Task(context.WithoutCancel(d.t.Context()), task)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.Request(t.Request)
}
