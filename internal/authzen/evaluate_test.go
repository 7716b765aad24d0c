package authzen_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// True is what is granted now and was seen held, and nothing less.
func TestEvaluationIsAuthorityAndReality(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		q := tuple("eve", "dir:wiki", "use")
		holding := `context.https://github.com/lessor-iam/lessor/holding`
		part := func(r reply, name string) any {
			h, _ := r.at("context").(m)[strings.TrimPrefix(holding, "context.")].(m)
			return h[name]
		}
		d.evaluated("nothing", "harness", q, "decision", false, "context.reason", "not_granted")
		g := d.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to do my work", Term: 12 * hour}, "mia")
		r := d.evaluated("granted, not seen", "harness", q, "decision", false, "context.reason", "grant_pending")
		if part(r, "state") != "not_seen" || part(r, "grant") != g.ID {
			t.Errorf("the holding is %s", r.raw)
		}
		d.Work()
		r = d.evaluated("seen", "harness", q, "decision", true, "context.reason", nil)
		if part(r, "state") != "held" || part(r, "seen_at") == nil || part(r, "end") == nil || part(r, "entitlement") != "dir:wiki" {
			t.Errorf("the holding is %s", r.raw)
		}
		// A removal was sent and not answered: what was seen before it says nothing.
		d.Targets["dir"].Always(enginetest.Lost, enginetest.Blind)
		if err := d.Engine.Return(t.Context(), d.As("eve"), g.ID, "done"); err != nil {
			t.Fatal(err)
		}
		d.Work()
		d.evaluated("given back", "harness", q, "decision", false, "context.reason", "not_granted")
		d.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to do my work", Term: 12 * hour}, "mia")
		if r = d.evaluated("wanted again, in doubt", "harness", q, "decision", false); r.text("context.reason") == "not_granted" {
			t.Errorf("in doubt: %s", r.raw)
		}
		d.Targets["dir"].Mend()
		d.Advance(10 * 60 * 1e9)
		d.evaluated("seen again", "harness", q, "decision", true)
		// Taken away behind our back: held until a look says otherwise, then not.
		d.Targets["dir"].Take("eve", "wiki")
		d.Targets["dir"].Always(enginetest.Lost, enginetest.None)
		d.Advance(2 * 3600 * 1e9)
		d.evaluated("seen gone", "harness", q, "decision", false)
		d.Targets["dir"].Mend()
		d.Advance(3600 * 1e9)
		d.evaluated("put back", "harness", q, "decision", true)
	})
}

// A look from before a call that may still land settles nothing: held is not
// reliable while such a call is under way (the loop's second rule).
func TestEvaluationIsNotReliableWhileACallMayLand(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		g := d.holds("eve", "dir:wiki", "mia")
		job := d.Job(g.Assignment)
		doubt := job
		doubt.Work.SuspectUntil = job.SeenAt.Add(1e9)
		if err := d.DB.Write(t.Context(), func(tx *store.Tx) error { return tx.SaveJob(t.Context(), job, doubt) }); err != nil {
			t.Fatal(err)
		}
		d.evaluated("suspect", "harness", tuple("eve", "dir:wiki", "use"), "decision", false, "context.reason", "seen_not_reliable")
		if r := d.call("harness", "POST", authzen.OfSubjects, m{"subject": m{"type": "user"}, "action": m{"name": "use"}, "resource": sub("entitlement", "dir:wiki")}); said(r) != "" {
			t.Errorf("a search finds it: %s", r.raw)
		}
		if err := d.DB.Write(t.Context(), func(tx *store.Tx) error { return tx.SaveJob(t.Context(), doubt, job) }); err != nil {
			t.Fatal(err)
		}
	})
}

// What the caller may not see is answered as what is not, by every question.
func TestEvaluationVisibility(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		g := d.holds("eve", "dir:wiki", "mia")
		q := tuple("eve", "dir:wiki", "use")
		told := 0
		for id := range d.Company.People {
			d.token("as "+id, id, engine.ScopeEvaluate)
			r := d.call("as "+id, "POST", authzen.Evaluation, q)
			_, err := d.Engine.Show(t.Context(), d.As(id), g.Request) // what every other door shows them
			want := err == nil
			if want {
				told++
			}
			if r.at("decision") != want {
				t.Errorf("%s is told %s, want %v", id, r.raw, want)
			}
			if !want {
				nobody := d.call("as "+id, "POST", authzen.Evaluation, tuple("noone", "dir:wiki", "use"))
				if r.raw != nobody.raw {
					t.Errorf("%s is told %s of eve and %s of nobody", id, r.raw, nobody.raw)
				}
			}
			for path, body := range map[string]m{
				authzen.OfSubjects:  {"subject": m{"type": "user"}, "action": m{"name": "use"}, "resource": sub("entitlement", "dir:wiki")},
				authzen.OfResources: {"subject": sub("user", "eve"), "action": m{"name": "use"}, "resource": m{"type": "entitlement"}},
				authzen.OfActions:   {"subject": sub("user", "eve"), "resource": sub("entitlement", "dir:wiki")},
			} {
				if found := said(d.call("as "+id, "POST", path, body)); (found != "") != want {
					t.Errorf("%s finds %q by %s, want %v", id, found, path, want)
				}
			}
		}
		if told < 5 || told > len(d.Company.People)-5 {
			t.Errorf("%d of %d may see it: this says little", told, len(d.Company.People))
		}
		d.token("no scope", "anna", engine.ScopeView, engine.ScopeRequest, engine.ScopeAudit)
		for _, path := range []string{authzen.Evaluation, authzen.Evaluations, authzen.OfSubjects, authzen.OfResources, authzen.OfActions} {
			d.is("a token for another purpose", d.call("no scope", "POST", path, q), http.StatusForbidden)
			if r := d.call("", "POST", path, q); r.status != http.StatusUnauthorized || r.head.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("nobody: %d", r.status)
			}
		}
	})
}

// A program that enforces for a system sees what a rule lets it see, and no more:
// the rule is the one of docs/authzen.md.
func TestEvaluationByAGateway(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "authzen.md"))
		if err != nil {
			t.Fatal(err)
		}
		_, rule, _ := strings.Cut(string(doc), `@id("view-gateway")`)
		rule, _, ok := strings.Cut(rule, "```")
		if !ok {
			t.Fatal("the page has no rule for a gateway")
		}
		d.Change(func(c *enginetest.Company) {
			c.People["gateway"] = access.Identity{ID: "gateway", Kind: access.Workload, Name: "gateway", Owner: "otto"}
		})
		d.token("gateway", "gateway", engine.ScopeEvaluate)
		d.holds("eve", "dir:wiki", "mia")
		d.holds("eve", "git:deploy", "otto", "sara")
		d.evaluated("without a rule", "gateway", tuple("eve", "dir:wiki", "use"), "decision", false, "context.reason", "not_granted")
		d.Change(func(c *enginetest.Company) { c.Rules["gateway.cedar"] = `@id("view-gateway")` + rule })
		d.evaluated("with it", "gateway", tuple("eve", "dir:wiki", "use"), "decision", true)
		d.evaluated("of another system", "gateway", tuple("eve", "git:deploy", "use"), "decision", false, "context.reason", "not_granted")
	})
}

// A subject is an identity of the directory under its own type; a resource is an
// entitlement by its id, or a system's object.
func TestEvaluationNames(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.holds("eve", "dir:wiki", "mia")
		d.holds("robot", "dir:wiki", "owen")
		for what, c := range map[string]struct {
			subject, resource m
			action            string
			want              bool
		}{
			"user":                   {sub("user", "eve"), sub("entitlement", "dir:wiki"), "use", true},
			"person":                 {sub("person", "eve"), sub("entitlement", "dir:wiki"), "hold", true},
			"workload":               {sub("workload", "robot"), sub("entitlement", "dir:wiki"), "use", true},
			"service":                {sub("service", "robot"), sub("entitlement", "dir:wiki"), "use", true},
			"by system and object":   {sub("user", "eve"), sub("dir", "wiki"), "use", true},
			"a person as a workload": {sub("workload", "eve"), sub("entitlement", "dir:wiki"), "use", false},
			"a workload as a person": {sub("user", "robot"), sub("entitlement", "dir:wiki"), "use", false},
			"a second identity":      {sub("user", "eve.2"), sub("entitlement", "dir:wiki"), "use", false},
			"her agent":              {sub("agent", "pilot"), sub("entitlement", "dir:wiki"), "use", false},
			"another system":         {sub("user", "eve"), sub("git", "wiki"), "use", false},
			"another action":         {sub("user", "eve"), sub("dir", "wiki"), "read", false},
			"an action on an id":     {sub("user", "eve"), sub("entitlement", "dir:wiki"), "read", false},
			"an account's name":      {sub("account", "eve"), sub("entitlement", "dir:wiki"), "use", false},
		} {
			d.evaluated(what, "harness", m{"subject": c.subject, "resource": c.resource, "action": m{"name": c.action}}, "decision", c.want)
		}
	})
}

// Evaluations: three semantics, each item's own mistake, and what is wrong with the whole.
func TestEvaluationsSemantics(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.holds("eve", "dir:wiki", "mia")
		yes, no, bad := obj(`"resource":{"type":"entitlement","id":"dir:wiki"}`), obj(`"resource":{"type":"entitlement","id":"dir:root"}`), `{"resource":7}`
		head := `"subject":{"type":"user","id":"eve"},"action":{"name":"use"}`
		for _, c := range []struct{ semantic, items, want string }{
			{"", yes + "," + no + "," + yes, "true,false,true"},
			{"execute_all", no + "," + bad + "," + yes, "false,false,true"},
			{"deny_on_first_deny", yes + "," + no + "," + yes, "true,false"},
			{"deny_on_first_deny", yes + "," + bad + "," + yes, "true,false"},
			{"deny_on_first_deny", yes + "," + yes, "true,true"},
			{"permit_on_first_permit", no + "," + yes + "," + no, "false,true"},
			{"permit_on_first_permit", bad + "," + yes + "," + no, "false,true"},
			{"permit_on_first_permit", no + "," + no, "false,false"},
			{"any_of_them", yes, "400"},
			{"", "7", "false"},
		} {
			options := ""
			if c.semantic != "" {
				options = fmt.Sprintf(`,"options":{"evaluations_semantic":%q,"another_option":"x"}`, c.semantic)
			}
			if got := said(d.call("harness", "POST", authzen.Evaluations, "{"+head+options+`,"evaluations":[`+c.items+"]}")); got != c.want {
				t.Errorf("%s [%s]: %s, want %s", c.semantic, c.items, got, c.want)
			}
		}
		r := d.call("harness", "POST", authzen.Evaluations, "{"+head+`,"evaluations":[{}]}`)
		list, _ := r.body["evaluations"].([]any)
		if e, _ := list[0].(m)["context"].(m)["error"].(m); e["status"] != 400.0 || e["message"] == "" {
			t.Errorf("what is wrong with an item is not said: %s", r.raw)
		}
		for what, body := range map[string]string{
			"no list":             "{" + head + `,"evaluations":{}}`,
			"options no object":   "{" + head + `,"options":7,"evaluations":[` + yes + `]}`,
			"a semantic no text":  "{" + head + `,"options":{"evaluations_semantic":7},"evaluations":[` + yes + `]}`,
			"a subject no object": `{"subject":7,"action":{"name":"use"},"evaluations":[` + yes + `]}`,
			"too many":            "{" + head + `,"evaluations":[` + strings.Repeat("{},", 200) + `{}]}`,
			"a name twice":        `{"subject":{"type":"user","id":"eve"},"subject":{"type":"user","id":"bob"},"action":{"name":"use"},"resource":{"type":"entitlement","id":"dir:wiki"}}`,
			"no JSON object":      `[]`,
			"bad UTF-8":           "{\"subject\":\"\xff\"}",
			"properties a list":   `{"subject":{"type":"user","id":"eve","properties":[]},"action":{"name":"use"},"resource":{"type":"entitlement","id":"dir:wiki"}}`,
			"context a text":      "{" + head + `,"resource":{"type":"entitlement","id":"dir:wiki"},"context":"x"}`,
			"longer than may be":  "{" + head + `,"x":"` + strings.Repeat("x", 300<<10) + `"}`,
		} {
			if r := d.call("harness", "POST", authzen.Evaluations, body); r.status != 400 || r.raw == "" || !strings.HasPrefix(r.head.Get("Content-Type"), "text/plain") {
				t.Errorf("%s: %d %s", what, r.status, r.raw)
			}
		}
	})
}

// A search finds what an evaluation allows, page by page, each once.
func TestSearchAgreesWithEvaluation(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		people := []string{"alice", "bob", "eve", "nora"}
		things := []string{"dir:lobby", "dir:reports", "dir:wiki"}
		for i, who := range people {
			for _, e := range things[:3-i%2] {
				approvers := []string{"mia"}
				if e == "dir:lobby" {
					approvers = nil
				}
				d.holds(who, e, approvers...)
			}
		}
		if err := d.Engine.Return(t.Context(), d.As("eve"), d.grantOf("eve", "dir:wiki").ID, ""); err != nil {
			t.Fatal(err)
		}
		d.Work()
		pages := func(path string, body m, limit int) (all []string) {
			for token := ""; ; {
				body["page"] = m{"limit": limit, "token": token}
				r := d.call("harness", "POST", path, body)
				d.is("a page", r, 200)
				if got := strings.Fields(said(r)); len(got) > limit {
					t.Errorf("%d on a page of %d", len(got), limit)
				} else {
					all = append(all, got...)
				}
				if token = r.text("page.next_token"); token == "" {
					return all
				}
			}
		}
		allowed := func(who, e string) bool {
			return d.call("harness", "POST", authzen.Evaluation, tuple(who, e, "use")).at("decision") == true
		}
		for _, limit := range []int{1, 2, 100} {
			for _, e := range things {
				var want []string
				for _, who := range people {
					if allowed(who, e) {
						want = append(want, "user/"+who)
					}
				}
				if got := pages(authzen.OfSubjects, m{"subject": m{"type": "user"}, "action": m{"name": "use"}, "resource": sub("entitlement", e)}, limit); !slices.Equal(got, want) {
					t.Errorf("who holds %s, %d a page: %v, want %v", e, limit, got, want)
				}
			}
			for _, who := range people {
				var want, short []string
				for _, e := range things {
					if allowed(who, e) {
						want, short = append(want, "entitlement/"+e), append(short, strings.Replace(e, ":", "/", 1))
					}
				}
				if got := pages(authzen.OfResources, m{"subject": sub("user", who), "action": m{"name": "use"}, "resource": m{"type": "entitlement"}}, limit); !slices.Equal(got, want) {
					t.Errorf("what %s holds, %d a page: %v, want %v", who, limit, got, want)
				}
				if got := pages(authzen.OfResources, m{"subject": sub("user", who), "action": m{"name": "use"}, "resource": m{"type": "dir"}}, limit); !slices.Equal(got, short) {
					t.Errorf("what %s holds at dir, %d a page: %v, want %v", who, limit, got, short)
				}
				if got := pages(authzen.OfActions, m{"subject": sub("user", who), "resource": sub("entitlement", "dir:wiki")}, limit); (len(got) == 2) != allowed(who, "dir:wiki") {
					t.Errorf("what %s may do with the wiki: %v", who, got)
				}
			}
		}
	})
}

// What the caller may not know of makes no page read on and on: it ends, and
// says where it goes on.
func TestASearchReadsOnlySoFar(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	d.stuffed = true
	ctx, now := t.Context(), d.Now()
	if err := d.DB.Write(ctx, func(tx *store.Tx) error {
		for i, what := range []string{"record-1.read", "record-1.write"} {
			n := fmt.Sprint(i)
			r := access.Request{ID: "rq-" + n, Revision: 1, Digest: "sha256:x", State: access.Submitted, Requester: []string{"alice", "eve"}[i], Beneficiary: "alice", Reason: "work", Term: 12 * hour, AnswerBy: now.Add(time.Hour),
				Channel: "api", At: now, Items: []access.Item{{Entitlement: "record:" + what, Outcome: access.Granted, Term: 12 * hour, Grant: "gr-" + n}}}
			a := store.Job{Assignment: access.Assignment{ID: "as-" + n, System: "record", Account: "alice", Object: what, Identity: "alice", Entitlement: "record:" + what, State: access.Absent}}
			held := a
			held.State, held.SeenAt, held.Receipt = access.Held, now, "re-x"
			if err := errors.Join(tx.AddRequest(ctx, r), tx.AddAssignment(ctx, a), tx.SaveJob(ctx, a, held)); err != nil {
				return err
			}
			for j := range []int{5100, 1}[i] { // more than one page looks at, all alice's own business; and one that eve asked for
				g := access.Grant{ID: fmt.Sprintf("gr-%s-%05d", n, j), Request: r.ID, Revision: 1, Digest: "sha256:x", Identity: "alice", Entitlement: "record:" + what, Assignment: a.ID, State: access.Scheduled, Start: now, End: now.Add(12 * time.Hour),
					ChainStart: now, Owner: "owen", At: now}
				live := g
				live.State = access.Live
				if err := errors.Join(tx.AddGrant(ctx, g), tx.SaveGrant(ctx, access.Scheduled, live)); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for path, c := range map[string]struct {
		body m
		want string
	}{
		authzen.OfResources: {m{"subject": sub("user", "alice"), "action": m{"name": "write"}, "resource": m{"type": "record"}}, "record/record-1"},
		authzen.OfActions:   {m{"subject": sub("user", "alice"), "resource": sub("record", "record-1")}, "write"},
	} {
		first := d.call("eve", "POST", path, c.body)
		d.is(path, first, 200)
		token := first.text("page.next_token")
		if said(first) != "" || token == "" {
			t.Errorf("%s: one page reads everything: %s", path, first.raw)
			continue
		}
		next := d.call("eve", "POST", path, with(c.body, m{"page": m{"token": token}}))
		if d.is(path, next, 200); strings.TrimSpace(said(next)) != c.want || next.text("page.next_token") != "" {
			t.Errorf("%s goes on with %s, want %s", path, next.raw, c.want)
		}
	}
}

func (d *desk) grantOf(who, entitlement string) access.Grant {
	d.t.Helper()
	for _, g := range d.Grants() {
		if g.Identity == who && g.Entitlement == entitlement && g.State != access.Ended {
			return g
		}
	}
	d.t.Fatalf("%s has no grant of %s", who, entitlement)
	return access.Grant{}
}
