package authzen_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/store"
)

// The scenario by which a policy decision point is certified for the
// Authorization API 1.0, in our own words: certification/
// authorization-api-1_0-scenario.md of github.com/openid/authzen at the commit
// that discovery names. Each case bears the number of its section.
//
// Its fixture is a catalog like any other. Decisions come from what is granted
// and seen; of the properties a caller sends, only those of the action select
// anything (rules 7 and 8), and no property of a subject or a resource is believed:
// rules 5 and 6 hold because alice was not granted that record, and bob was.

const (
	alice     = `"subject":{"type":"user","id":"alice"}`
	bob       = `"subject":{"type":"user","id":"bob"}`
	admin     = `"subject":{"type":"user","id":"bob","properties":{"role":"admin"}}`
	anybody   = `"subject":{"type":"user"}`
	read      = `"action":{"name":"read"}`
	write     = `"action":{"name":"write"}`
	one       = `"resource":{"type":"record","id":"record-1"}`
	two       = `"resource":{"type":"record","id":"record-2"}`
	active    = `"resource":{"type":"record","id":"record-1","properties":{"status":"active"}}`
	stored    = `"resource":{"type":"record","id":"record-2","properties":{"status":"archived"}}`
	anyRecord = `"resource":{"type":"record"}`
	when      = `"context":{"time":"2025-06-27T18:03-07:00","ip":"192.168.1.1"}`
)

func obj(members ...string) string { return "{" + strings.Join(members, ",") + "}" }

func boxed(items ...string) string { return `"evaluations":[` + strings.Join(items, ",") + "]" }

// fixture has alice and bob hold what the scenario requires (1.1 to 1.5).
func fixture(t testing.TB) *desk {
	t.Helper()
	d := open(t, store.SQLite)
	for _, e := range []string{"record-1.read", "record-1.write", "record-1.delete.soft"} {
		d.holds("alice", "record:"+e)
	}
	for _, e := range []string{"record-1.read", "record-2.write"} {
		d.holds("bob", "record:"+e)
	}
	return d
}

func TestScenario(t *testing.T) {
	t.Parallel()
	d := fixture(t)
	for _, c := range []struct {
		section, path, body string
		want                string // "true", "false", a list of them, results that must be there, or a status
	}{
		{"2.2.1", authzen.Evaluation, obj(alice, read, one), "true"},
		{"2.2.2", authzen.Evaluation, obj(bob, write, one), "false"},
		{"2.2.3", authzen.Evaluation, obj(alice, read, one, when), "true"},
		{"2.2.4", authzen.Evaluation, obj(alice, write, stored), "false"},
		{"2.2.5", authzen.Evaluation, obj(admin, write, stored), "true"},
		{"2.2.6", authzen.Evaluation, obj(alice, `"action":{"name":"delete","properties":{"soft":true}}`, one), "true"},
		{"2.2.7", authzen.Evaluation, obj(alice, `"action":{"name":"delete","properties":{"soft":false}}`, one), "false"},
		{"2.2.8", authzen.Evaluation, obj(`"subject":{"type":"user","id":"alice","properties":{"department":"Sales","role":"manager"}}`,
			`"action":{"name":"read","properties":{"method":"GET"}}`, `"resource":{"type":"record","id":"record-1","properties":{"status":"active","owner":"bob"}}`), "true"},
		{"2.2.9", authzen.Evaluation, obj(alice, read, one, `"foo":"bar","futureField":{"nested":true}`), "true"},

		{"2.4.1 subject", authzen.Evaluation, obj(read, one), "400"},
		{"2.4.1 action", authzen.Evaluation, obj(alice, one), "400"},
		{"2.4.1 resource", authzen.Evaluation, obj(alice, read), "400"},
		{"2.4.2 subject.type", authzen.Evaluation, obj(`"subject":{"id":"alice"}`, read, one), "400"},
		{"2.4.2 subject.id", authzen.Evaluation, obj(anybody, read, one), "400"},
		{"2.4.2 action.name", authzen.Evaluation, obj(alice, `"action":{}`, one), "400"},
		{"2.4.2 resource.type", authzen.Evaluation, obj(alice, read, `"resource":{"id":"record-1"}`), "400"},
		{"2.4.2 resource.id", authzen.Evaluation, obj(alice, read, anyRecord), "400"},
		{"2.4.4", authzen.Evaluation, `{"subject":`, "400"},
		{"2.4.5", authzen.Evaluation, "", "400"},
		{"2.4.6 subject", authzen.Evaluation, obj(`"subject":"alice"`, read, one), "400"},
		{"2.4.6 action.name", authzen.Evaluation, obj(alice, `"action":{"name":123}`, one), "400"},

		{"3.2.1", authzen.Evaluations, obj(alice, read, boxed(obj(one), obj(two))), "true,false"},
		{"3.2.2", authzen.Evaluations, obj(bob, one, boxed(obj(read), obj(write))), "true,false"},
		{"3.2.3", authzen.Evaluations, obj(alice, write, boxed(obj(active), obj(stored))), "true,false"},
		{"3.2.4", authzen.Evaluations, obj(write, stored, boxed(obj(alice), obj(admin))), "false,true"},
		{"3.2.5", authzen.Evaluations, obj(boxed(obj(alice, read, one), obj(bob, write, one))), "true,false"},
		{"3.2.6", authzen.Evaluations, obj(alice, read, when, boxed(obj(one), obj(two, `"context":{"source":"batch-override"}`))), "true,false"},
		{"3.2.7", authzen.Evaluations, obj(alice, write, active, boxed(`{}`, obj(stored))), "true,false"},
		{"3.4.1", authzen.Evaluations, obj(alice, read, `"options":{"evaluations_semantic":"execute_all"}`, boxed(obj(one), `{}`)), "true,false"},
		{"3.4.2", authzen.Evaluations, obj(alice, read, one), "true"},
		{"3.4.3", authzen.Evaluations, obj(alice, read, one, `"evaluations":[]`), "true"},

		{"4.2.1", authzen.OfSubjects, obj(anybody, read, one), "user/alice user/bob"},
		{"4.2.2", authzen.OfSubjects, obj(anybody, read, one, when), "user/alice user/bob"},
		{"4.2.3", authzen.OfSubjects, obj(alice, read, one), "user/alice user/bob"},
		{"4.2.4", authzen.OfSubjects, obj(anybody, write, stored), "user/bob"},
		{"4.3.1", authzen.OfResources, obj(alice, read, anyRecord), "record/record-1"},
		{"4.3.2", authzen.OfResources, obj(alice, read, anyRecord, when), "record/record-1"},
		{"4.3.3", authzen.OfResources, obj(alice, read, two), "record/record-1"},
		{"4.3.4", authzen.OfResources, obj(admin, write, anyRecord), "record/record-2"},
		{"4.4.1", authzen.OfActions, obj(alice, one), "read write"},
		{"4.4.2", authzen.OfActions, obj(alice, one, when), "read write"},
		{"4.4.3", authzen.OfActions, obj(admin, stored), "write"},
		{"4.5.1", authzen.OfSubjects, obj(anybody, read, one, `"page":{"limit":1}`), "user/alice"},
		{"4.6.1 action", authzen.OfActions, obj(`"subject":{"type":"user","id":"nonexistent-user"}`, one), "none"},
		{"4.6.1 resource", authzen.OfResources, obj(`"subject":{"type":"user","id":"nonexistent-user"}`, read, anyRecord), "none"},
		{"4.6.1 subject", authzen.OfSubjects, obj(anybody, read, `"resource":{"type":"record","id":"nonexistent"}`), "none"},
		{"4.6.2 subject", authzen.OfSubjects, obj(`"subject":{"type":"spaceship"}`, read, one), "none"},
		{"4.6.2 resource", authzen.OfResources, obj(alice, read, `"resource":{"type":"spaceship"}`), "none"},
		{"4.6.2 action", authzen.OfActions, obj(alice, `"resource":{"type":"spaceship","id":"1"}`), "none"},
		{"4.7.1 subject search", authzen.OfSubjects, obj(anybody, one), "400"},
		{"4.7.1 resource search", authzen.OfResources, obj(read, anyRecord), "400"},
		{"4.7.1 action search", authzen.OfActions, obj(alice), "400"},
		{"4.7.2 subject search", authzen.OfSubjects, obj(anybody, read, anyRecord), "400"},
		{"4.7.2 resource search", authzen.OfResources, obj(anybody, read, anyRecord), "400"},
		{"4.7.2 action search", authzen.OfActions, obj(anybody, one), "400"},
	} {
		t.Run(c.section, func(t *testing.T) {
			r := d.call("harness", "POST", c.path, c.body)
			got := said(r)
			if strings.HasPrefix(c.path, "/access/v1/search") && r.status == 200 {
				missing := slices.DeleteFunc(strings.Fields(c.want), func(w string) bool { return w == "none" || slices.Contains(strings.Fields(got), w) })
				if len(missing) > 0 || (c.want == "none" && got != "") {
					t.Errorf("%s\nresults %q, want %q", c.body, got, c.want)
				}
				return
			}
			if got != c.want {
				t.Errorf("%s\nanswers %s (%d %s), want %s", c.body, got, r.status, r.raw, c.want)
			}
			if r.status == 200 && r.head.Get("Content-Type") != "application/json" {
				t.Errorf("2.3, 5: Content-Type is %s", r.head.Get("Content-Type"))
			}
		})
	}
}

// said is an answer in a word: decisions, results, or the status of an error.
func said(r reply) string {
	if r.status != http.StatusOK {
		return fmt.Sprint(r.status)
	}
	if list, ok := r.body["evaluations"].([]any); ok {
		var all []string
		for _, v := range list {
			item, _ := v.(m)
			if c, there := item["context"]; there {
				if _, isObject := c.(m); !isObject {
					return "a context that is no object"
				}
			}
			all = append(all, fmt.Sprint(item["decision"]))
		}
		if _, both := r.body["decision"]; both {
			return "decision and evaluations"
		}
		return strings.Join(all, ",")
	}
	if list, ok := r.body["results"].([]any); ok {
		var all []string
		for _, v := range list {
			switch e := v.(m); {
			case e["name"] != nil:
				all = append(all, fmt.Sprint(e["name"]))
			default:
				all = append(all, fmt.Sprint(e["type"], "/", e["id"]))
			}
		}
		return strings.Join(all, " ")
	}
	return fmt.Sprint(r.body["decision"])
}

// 2.3 The decision is a boolean, and the context an object.
func TestScenarioResponseFormat(t *testing.T) {
	t.Parallel()
	d := fixture(t)
	for _, body := range []string{obj(alice, read, one), obj(bob, write, one)} {
		r := d.call("harness", "POST", authzen.Evaluation, body)
		if _, ok := r.at("decision").(bool); !ok {
			t.Errorf("2.3.1: decision is %v", r.at("decision"))
		}
		if c, there := r.body["context"]; there {
			if _, ok := c.(m); !ok {
				t.Errorf("2.3.2: context is %v", c)
			}
		}
	}
}

// 2.4.3 What is not application/json is 400, whatever it holds.
func TestScenarioContentType(t *testing.T) {
	t.Parallel()
	d := fixture(t)
	for _, path := range []string{authzen.Evaluation, authzen.Evaluations, authzen.OfSubjects, authzen.OfResources, authzen.OfActions} {
		for _, kind := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonx", ""} {
			if r := d.call("harness", "POST", path, obj(alice, read, one), "Content-Type", kind); r.status != http.StatusBadRequest {
				t.Errorf("%s as %q: %d", path, kind, r.status)
			}
		}
	}
	d.is("with a charset", d.call("harness", "POST", authzen.Evaluation, obj(alice, read, one), "Content-Type", "application/json; charset=utf-8"), 200, "decision", true)
}

// 2.5, 5.4 A request's identifier comes back, on every answer; without one nothing fails.
func TestScenarioRequestID(t *testing.T) {
	t.Parallel()
	d := fixture(t)
	for _, path := range []string{authzen.Evaluation, authzen.Evaluations, authzen.OfSubjects, authzen.OfResources, authzen.OfActions, authzen.Requests} {
		for _, token := range []string{"harness", ""} {
			for _, body := range []string{obj(alice, read, one), "{"} {
				if r := d.call(token, "POST", path, body, "X-Request-ID", "bfe9eb29 ü"); r.head.Get("X-Request-ID") != "bfe9eb29 ü" {
					t.Errorf("%s by %q answers %d with X-Request-ID %q", path, token, r.status, r.head.Get("X-Request-ID"))
				}
			}
		}
	}
	d.is("without", d.call("harness", "POST", authzen.Evaluation, obj(alice, read, one)), 200, "decision", true)
}

// 2.6 The same question has the same answer.
func TestScenarioIdempotency(t *testing.T) {
	t.Parallel()
	d := fixture(t)
	for range 5 {
		d.is("again", d.call("harness", "POST", authzen.Evaluation, obj(alice, read, one)), 200, "decision", true)
		d.is("again", d.call("harness", "POST", authzen.Evaluation, obj(bob, write, one)), 200, "decision", false)
	}
}

// 4.5 Pages follow one another by token until it is empty.
func TestScenarioPagination(t *testing.T) {
	t.Parallel()
	d := fixture(t)
	first := obj(anybody, read, one, `"page":{"limit":1}`)
	var all []string
	for body := first; ; {
		r := d.call("harness", "POST", authzen.OfSubjects, body)
		d.is("a page", r, 200)
		all = append(all, strings.Fields(said(r))...)
		token, ok := r.at("page.next_token").(string)
		if !ok {
			t.Fatalf("4.5.3: next_token is no string: %s", r.raw)
		}
		if n, ok := r.at("page.count").(float64); !ok || int(n) != len(strings.Fields(said(r))) {
			t.Errorf("count is %v of %s", r.at("page.count"), r.raw)
		}
		if token == "" || len(all) > 5 {
			break
		}
		body = obj(anybody, read, one, fmt.Sprintf(`"page":{"token":%q}`, token))
	}
	if got := strings.Join(all, " "); got != "user/alice user/bob" {
		t.Errorf("the pages together are %q", got)
	}
	token := d.call("harness", "POST", authzen.OfSubjects, first).text("page.next_token")
	for what, body := range map[string]string{
		"another resource": obj(anybody, read, two, fmt.Sprintf(`"page":{"token":%q}`, token)),
		"another context":  obj(anybody, read, one, `"context":{"a":1}`, fmt.Sprintf(`"page":{"token":%q}`, token)),
		"another limit":    obj(anybody, read, one, fmt.Sprintf(`"page":{"token":%q,"limit":2}`, token)),
		"a made-up token":  obj(anybody, read, one, `"page":{"token":"page_AAAA"}`),
		"no number":        obj(anybody, read, one, `"page":{"limit":"1"}`),
		"below zero":       obj(anybody, read, one, `"page":{"limit":-1}`),
	} {
		if r := d.call("harness", "POST", authzen.OfSubjects, body); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", what, r.status, r.raw)
		}
	}
	if r := d.call("anna", "POST", authzen.OfSubjects, obj(anybody, read, one, fmt.Sprintf(`"page":{"token":%q}`, token))); r.status != 200 {
		t.Errorf("the same identity with another token: %d", r.status)
	}
	if r := d.call("sara", "POST", authzen.OfSubjects, obj(anybody, read, one, fmt.Sprintf(`"page":{"token":%q}`, token))); r.status != http.StatusBadRequest {
		t.Errorf("somebody else with the token: %d", r.status)
	}
}

// 6 Discovery, which says too which text of the draft this is.
func TestScenarioDiscovery(t *testing.T) {
	t.Parallel()
	d := fixture(t)
	r := d.call("", "GET", authzen.Discovery, nil)
	d.is("6.2", r, 200, "policy_decision_point", d.url, "access_evaluation_endpoint", d.url+authzen.Evaluation)
	if r.head.Get("Content-Type") != "application/json" {
		t.Errorf("6.2: Content-Type is %q", r.head.Get("Content-Type"))
	}
	for name, path := range map[string]string{"access_evaluations_endpoint": authzen.Evaluations, "search_subject_endpoint": authzen.OfSubjects,
		"search_resource_endpoint": authzen.OfResources, "search_action_endpoint": authzen.OfActions, "access_request_endpoint": authzen.Requests} {
		if got := r.text(name); got != d.url+path || !strings.HasPrefix(got, "https://") {
			t.Errorf("6.4, 6.5: %s is %q", name, got)
		}
	}
	caps, ok := r.at("capabilities").([]any)
	if !ok || !slices.Contains(caps, any("urn:openid:authzen:capability:access-request")) {
		t.Errorf("6.5: capabilities are %v", r.at("capabilities"))
	}
	p, _ := r.body["https://github.com/lessor-iam/lessor/access-request-profile"].(m)
	if p["commit"] != authzen.Commit || len(authzen.Commit) != 40 || p["callbacks_offered"] != false {
		t.Errorf("the draft is %v", p)
	}
	if _, signs := r.body["jwks_uri"]; signs {
		t.Error("there is a jwks_uri, and nothing is signed")
	}
	d.is("6.1", d.call("", "POST", authzen.Discovery, "{}"), http.StatusMethodNotAllowed)
}
