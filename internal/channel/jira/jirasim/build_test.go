package jirasim

import (
	"strings"
	"testing"
	"time"
)

func TestNewTellsEveryProblem(t *testing.T) {
	t.Parallel()
	_, err := New(Config{URL: "acme", SearchLag: -1, Site: Site{
		Users:       []User{{AccountID: "a"}, {AccountID: "b", Name: "B", Token: "t"}, {AccountID: "c", Name: "C", Token: "t"}, {AccountID: "b", Name: "D"}},
		Global:      map[string][]string{"EDIT_ISSUES": {"x"}},
		Fields:      []Field{{Name: "Odd", Kind: "odd"}},
		Statuses:    []Status{{Name: "Open", Category: "later"}, {Name: "Open"}},
		Workflows:   []Workflow{{Name: "W", Start: "Nowhere", Transitions: []Transition{{Name: "Go", To: "Open", Fields: []string{"none"}, Resolution: "Gone"}}, Approvals: []ApprovalStep{{Status: "Open", Field: "none", Approve: "Go", Decline: "Stay"}}}},
		Permissions: []PermissionScheme{{Name: "P", Grants: map[string][]Holder{"FLY": nil, "EDIT_ISSUES": {{"moon", ""}}}}},
		Projects:    []Project{{Key: "x", Type: "circus", Workflow: "V", Permissions: "Q", Security: "S", Roles: map[string]Actors{"Clown": {}}}},
	}})
	if err == nil {
		t.Fatal("all of that is fine")
	}
	for _, says := range []string{
		`URL "acme"`, "Now is required", "SearchLag", `user "a": a display name`, "the same token", `user "b": account id`, `no global permission "EDIT_ISSUES"`, `no kind "odd"`,
		`no category "later"`, `status "Open": names`, `no status "Nowhere"`, `no field "none"`, `no resolution "Gone"`, `no transition "Stay"`, `no project permission "FLY"`,
		"no holder moon", "keys are two to ten", `no project type "circus"`, `no workflow "V"`, `no permission scheme "Q"`, `no security scheme "S"`, `no role "Clown"`,
	} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("nothing says %q", says)
		}
	}
}

func TestTheSameStartGivesTheSameSite(t *testing.T) {
	t.Parallel()
	tell := func() string {
		r := setup(t)
		if err := r.AddWebhook(Webhook{URL: "https://x.example", Secret: "s"}); err != nil {
			t.Fatal(err)
		}
		r.raised(t)
		var b strings.Builder
		for _, d := range r.Deliveries() {
			b.WriteString(d.ID + string(d.Body))
		}
		b.Write(r.must(t, 200, lessor, "GET", "/rest/api/3/field", "").raw)
		b.Write(r.must(t, 200, lessor, "GET", "/rest/api/3/group/bulk", "").raw)
		return b.String()
	}
	once := tell()
	for range 20 {
		if again := tell(); again != once {
			t.Fatalf("%d bytes, and %d others", len(once), len(again))
		}
	}
}

func TestSLAs(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	agent, path := r.As(ExampleAgent), "/rest/servicedeskapi/request/"+tk.ID+"/sla"
	r.clock.move(time.Hour)
	if err := agent.Transition(tk.ID, "Ask customer"); err != nil {
		t.Fatal(err)
	}
	r.clock.move(10 * time.Hour)
	a := r.must(t, 200, agnes, "GET", path, "")
	want(t, "paused", a.at("values.0.ongoingCycle.paused"), true)
	want(t, "the pause does not count", a.at("values.0.ongoingCycle.elapsedTime.millis"), "3600000")
	if err := agent.Transition(tk.ID, "Ask again"); err != nil {
		t.Fatal(err)
	}
	r.clock.move(4 * time.Hour)
	if err := r.As(ExampleOwner).Approve(tk.ID); err != nil {
		t.Fatal(err)
	}
	r.clock.move(time.Hour)
	a = r.must(t, 200, agnes, "GET", path, "")
	want(t, "elapsed", a.at("values.0.completedCycles.0.elapsedTime.millis"), "18000000")
	want(t, "breached", a.at("values.0.completedCycles.0.breached"), true)
	want(t, "running", a.at("values.0.ongoingCycle"), nil)
}

func TestChangesOfOneEditAreOneEntry(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	r.must(t, 204, lessor, "PUT", "/rest/api/3/issue/"+tk.ID, `{"fields":{"summary":"other","labels":["b","a"],"`+r.FieldID("Term")+`":{"id":"`+r.OptionID("Term", "1 day")+`"}}}`)
	r.must(t, 204, lessor, "PUT", "/rest/api/3/issue/"+tk.ID, `{"fields":{"labels":["a","b"]}}`)
	a := r.must(t, 200, lessor, "GET", "/rest/api/3/issue/"+tk.ID+"/changelog", "")
	want(t, "entries (setting the same is no change)", a.at("total"), "1")
	want(t, "items", a.len("values.0.items"), 3)
	got, _ := r.Ticket(tk.ID)
	for _, ch := range got.Changes {
		if ch.Field == "Term" && (ch.From != "8 hours" || ch.To != "1 day") || ch.Field == "labels" && ch.To != "a b" {
			t.Errorf("change %+v", ch)
		}
	}
	want(t, "bulk by field", r.must(t, 200, lessor, "POST", "/rest/api/3/changelog/bulkfetch", `{"issueIdsOrKeys":["`+tk.ID+`"],"fieldIds":["summary"]}`).len("issueChangeLogs.0.changeHistories"), 1)
}

func TestRequiredFieldsOfAScreenBindOnlyThroughTheScreen(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	if err := r.As(ExampleOwner).Approve(tk.ID); err != nil {
		t.Fatal(err)
	}
	path := "/rest/api/3/issue/" + tk.ID + "/transitions"
	exits := r.must(t, 200, lessor, "GET", path, "")
	id := ""
	for n := range exits.len("transitions") {
		if exits.at("transitions."+itoa(n)+".name") == "Reject with reason" {
			id, _ = exits.at("transitions." + itoa(n) + ".id").(string)
		}
	}
	a := r.must(t, 400, lessor, "POST", path, `{"transition":{"id":"`+id+`"}}`)
	want(t, "asked for", a.at("errors."+r.FieldID("Risk")), "Risk is required.")
	r.must(t, 400, lessor, "POST", path, `{"transition":{"id":"`+id+`"},"fields":{"summary":"not on it"}}`)
	r.must(t, 204, lessor, "POST", path, `{"transition":{"id":"`+id+`"},"fields":{"`+r.FieldID("Risk")+`":"high","resolution":{"name":"Declined"}}}`)
	got, _ := r.Ticket(tk.ID)
	want(t, "status", got.Status, "Refused")
}
