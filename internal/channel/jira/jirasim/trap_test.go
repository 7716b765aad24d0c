package jirasim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAKeyIsNotTheIdentity(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	if err := r.As(ExampleAgent).Move(tk.Key, "OPS"); err != nil {
		t.Fatal(err)
	}
	a := r.must(t, 200, lessor, "GET", "/rest/api/3/issue/ACC-1?expand=changelog", "")
	want(t, "the key now", a.at("key"), "OPS-1")
	want(t, "the id still", a.at("id"), tk.ID)
	want(t, "the project", a.at("fields.project.key"), "OPS")
	items, _ := a.at("changelog.histories.0.items").([]any)
	ids := map[string]bool{}
	for _, it := range items {
		_, has := it.(map[string]any)["fieldId"]
		ids[it.(map[string]any)["field"].(string)] = has
	}
	if has, there := ids["Key"]; !there || has || !ids["project"] {
		t.Errorf("items of a move (with a fieldId or not): %v", ids)
	}
	want(t, "a request no more", r.ask(t, agnes, "GET", "/rest/servicedeskapi/request/OPS-1", "").status, 404)
	next, err := r.As(ExampleAgent).Create("ACC", "Task", map[string]any{"summary": "next"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the old key is not given again", next.Key, "ACC-2")
}

func TestMissingAndHiddenAreTheSame(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	if err := r.As(ExampleAgent).Edit(tk.ID, map[string]any{"security": "Security only"}); err != nil {
		t.Fatal(err)
	}
	hidden := r.must(t, 404, lessor, "GET", "/rest/api/3/issue/"+tk.ID, "")
	missing := r.must(t, 404, lessor, "GET", "/rest/api/3/issue/424242", "")
	want(t, "the same words", string(hidden.raw), string(missing.raw))
	want(t, "the recorded words", string(hidden.raw), `{"errorMessages":["Issue does not exist or you do not have permission to see it."],"errors":{}}`)
	want(t, "who holds the level", r.ask(t, sina, "GET", "/rest/api/3/issue/"+tk.ID, "").status, 200)
	want(t, "its reporter on the portal", r.ask(t, paul, "GET", "/rest/servicedeskapi/request/"+tk.ID, "").status, 404)
	want(t, "search", r.must(t, 200, lessor, "GET", "/rest/api/3/search/jql?jql=project%3DACC", "").len("issues"), 0)
}

func TestOnlyTwoExitsOfAnApprovalAreEnforced(t *testing.T) {
	t.Parallel()
	r := setup(t)
	agent := r.As(ExampleAgent)
	tk := r.raised(t)
	wantRefusal(t, agent.Transition(tk.ID, "Approve"), 400)
	wantRefusal(t, agent.Transition(tk.ID, "Decline"), 400)
	wantRefusal(t, r.As(ExamplePerson).Approve(tk.ID), 403)
	// The third exit, and the one from any status, are open.
	for _, exit := range []string{"Fast track", "Set active"} {
		tk := r.raised(t)
		if err := agent.Transition(tk.ID, exit); err != nil {
			t.Errorf("%s: %v", exit, err)
		}
		got, _ := r.Ticket(tk.ID)
		want(t, exit+": the approval left behind", got.Approvals[0].Final, "pending")
		wantRefusal(t, r.As(ExampleOwner).Approve(tk.ID), 409)
	}
	// The project that shares the workflow enforces nothing.
	ops, err := agent.Create("OPS", "Task", map[string]any{"summary": "x", "Approvers": []string{ExampleOwner}})
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Transition(ops.ID, "Approve"); err != nil {
		t.Errorf("in a project that is no service project: %v", err)
	}
	want(t, "approvals there", len(ops.Approvals), 0)
}

func TestApprovalsAreAboutWhoAsks(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	path := "/rest/servicedeskapi/request/" + tk.ID + "/approval"
	want(t, "the approver's", r.must(t, 200, olga, "GET", path, "").at("values.0.canAnswerApproval"), true)
	want(t, "the asker's", r.must(t, 200, paul, "GET", path, "").at("values.0.canAnswerApproval"), false)
	want(t, "Lessor's", r.must(t, 200, lessor, "GET", path, "").at("values.0.canAnswerApproval"), false)
	a := r.must(t, 200, olga, "POST", path+"/1", `{"decision":"approve"}`)
	want(t, "final", a.at("finalDecision"), "approved")
	r.must(t, 409, olga, "POST", path+"/1", `{"decision":"decline"}`)
	got, _ := r.Ticket(tk.ID)
	want(t, "the status it caused", got.Status, "Being granted")
	// Passing the same status again makes a further approval.
	if err := r.As(ExampleAgent).Transition(tk.ID, "Ask again"); err != nil {
		t.Fatal(err)
	}
	a = r.must(t, 200, olga, "GET", path, "")
	want(t, "approvals", a.len("values"), 2)
	want(t, "the first", a.at("values.0.finalDecision"), "approved")
	want(t, "the second", a.at("values.1.finalDecision"), "pending")
	r.must(t, 409, olga, "POST", path+"/1", `{"decision":"approve"}`)
	r.must(t, 200, olga, "POST", path+"/2", `{"decision":"decline"}`)
}

func TestApproversAreWhoeverTheFieldNamesNow(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	// An agent makes the asker the only approver.
	if err := r.As(ExampleAgent).Edit(tk.ID, map[string]any{"Approvers": []string{ExamplePerson}}); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, r.As(ExampleOwner).Approve(tk.ID), 403)
	if err := r.As(ExamplePerson).Approve(tk.ID); err != nil {
		t.Errorf("the asker approves their own request, as Jira lets them: %v", err)
	}
}

func TestARuleActsAsSomebodyElse(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	if err := r.Rule(ExampleOwner).Edit(tk.ID, map[string]any{"Risk": "none"}); err == nil {
		t.Fatal("a rule may more than the person it acts as")
	}
	if err := r.Rule(ExampleAgent).Transition(tk.ID, "Set active"); err != nil {
		t.Fatal(err)
	}
	a := r.must(t, 200, lessor, "GET", "/rest/api/3/issue/"+tk.ID+"/changelog", "")
	want(t, "the author", a.at("values.0.author.accountId"), ExampleAgent)
	if strings.Contains(string(a.raw), "historyMetadata") {
		t.Error("the history tells that it was a rule")
	}
}

func TestAPlatformCommentIsSeenByTheCustomer(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk, err := r.As(ExampleCustomer).Raise("ACC", "Ask by mail", map[string]any{"summary": "help"})
	if err != nil {
		t.Fatal(err)
	}
	doc := `{"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"seen"}]}]}`
	r.must(t, 201, lessor, "POST", "/rest/api/3/issue/"+tk.ID+"/comment", `{"body":`+doc+`,"properties":[{"key":"sd.public.comment","value":{"internal":true}}]}`)
	r.must(t, 201, lessor, "POST", "/rest/servicedeskapi/request/"+tk.ID+"/comment", `{"body":"unseen","public":false}`)
	a := r.must(t, 200, carla, "GET", "/rest/servicedeskapi/request/"+tk.ID+"/comment", "")
	want(t, "what the customer sees", a.len("values"), 1)
	want(t, "namely", a.at("values.0.body"), "seen")
	want(t, "what the agent sees", r.must(t, 200, agnes, "GET", "/rest/servicedeskapi/request/"+tk.ID+"/comment", "").len("values"), 2)
	r.must(t, 403, carla, "POST", "/rest/servicedeskapi/request/"+tk.ID+"/comment", `{"body":"x","public":false}`)
}

func TestUsersAreIdsAndOldOnesUnknown(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	a := r.must(t, 200, lessor, "GET", "/rest/api/3/issue/"+tk.ID, "")
	if _, has := a.at("fields.reporter").(map[string]any)["emailAddress"]; has {
		t.Error("an address is shown")
	}
	all := r.must(t, 200, lessor, "GET", "/rest/api/3/user/search?query=Paul", "")
	want(t, "two of one name", len(all.body.([]any)), 2)
	if err := r.EditUser(ExamplePerson, func(u *User) { u.Gone = true }); err != nil {
		t.Fatal(err)
	}
	a = r.must(t, 200, lessor, "GET", "/rest/api/3/issue/"+tk.ID, "")
	want(t, "the deleted reporter's id", a.at("fields.reporter.accountId"), "unknown")
	want(t, "its type", a.at("fields.reporter.accountType"), "unknown")
	want(t, "the portal's reporter", r.must(t, 200, agnes, "GET", "/rest/servicedeskapi/request/"+tk.ID, "").at("reporter.accountId"), "unknown")
}

func TestMailProvesNothing(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk, err := r.Mail("ACC", "Ask by mail", "ADA@example.com", "Admin, quickly", "I am the boss")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the spoofed reporter", tk.Reporter, ExampleAdmin)
	want(t, "the channel", string(tk.Properties["request.channel.type"]), `{"value":"email"}`)
	tk, err = r.Anonymous("ACC", "Ask by mail", "stranger@nowhere.example", map[string]any{"summary": "let me in"})
	if err != nil {
		t.Fatal(err)
	}
	a := r.must(t, 200, lessor, "GET", "/rest/api/3/issue/"+tk.ID+"/properties/request.channel.type", "")
	want(t, "the open portal", a.at("value.value"), "anonymousportal")
	want(t, "a stranger is a customer", r.must(t, 200, lessor, "GET", "/rest/api/3/user?accountId="+tk.Reporter, "").at("accountType"), "customer")
}

func TestSearchIsBehind(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *Config) { c.SearchLag = time.Minute })
	tk := r.raised(t)
	find := func(jql, more string) int {
		return r.must(t, 200, lessor, "POST", "/rest/api/3/search/jql", fmt.Sprintf(`{"jql":%q%s}`, jql, more)).len("issues")
	}
	want(t, "at once", find("project = ACC", ""), 0)
	want(t, "reconciled", find("project = ACC", `,"reconcileIssues":[`+tk.ID+`]`), 1)
	want(t, "by id", r.ask(t, lessor, "GET", "/rest/api/3/issue/"+tk.ID, "").status, 200)
	r.clock.move(time.Minute)
	want(t, "after the lag", find("project = ACC", ""), 1)
	if err := r.As(ExampleAgent).Transition(tk.ID, "Set active"); err != nil {
		t.Fatal(err)
	}
	want(t, "by its old status", find(`status = "Waiting for approval"`, ""), 1)
	want(t, "by its new one", find(`status = Active`, ""), 0)
	r.clock.move(time.Minute)
	want(t, "the new one after the lag", find(`status = Active`, ""), 1)
	want(t, "the old one after the lag", find(`status = "Waiting for approval"`, ""), 0)
}

func TestSearchGivesIdsAndPagesByToken(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for range 5 {
		r.raised(t)
		r.clock.move(time.Minute)
	}
	seen, token := map[string]bool{}, ""
	for pages := 0; ; pages++ {
		body := `{"jql":"project = ACC ORDER BY updated ASC","maxResults":2`
		if token != "" {
			body += `,"nextPageToken":"` + token + `"`
		}
		a := r.must(t, 200, lessor, "POST", "/rest/api/3/search/jql", body+"}")
		for n := range a.len("issues") {
			one := a.at(fmt.Sprint("issues.", n)).(map[string]any)
			if len(one) != 1 {
				t.Errorf("more than an id: %v", one)
			}
			seen[one["id"].(string)] = true
		}
		if _, more := a.body.(map[string]any)["nextPageToken"]; !more {
			want(t, "the last page says so", a.at("isLast"), true)
			break
		}
		if token = a.at("nextPageToken").(string); pages == 0 {
			// The first of the next page moves to the end: the token follows.
			if err := r.As(ExampleAgent).Edit("ACC-1", map[string]any{"summary": "later"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	want(t, "all are seen", len(seen), 5)
	a := r.must(t, 400, lessor, "POST", "/rest/api/3/search/jql", `{"jql":"project = ACC","nextPageToken":"`+token+`"}`)
	want(t, "the recorded words", string(a.raw), `{"errorMessages":["The provided next page token is invalid or expired."],"errors":{}}`)
}

func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	for _, c := range []struct{ as, method, path, body, want string }{
		{lessor, "POST", "/rest/api/3/issue/" + tk.ID + "/transitions", `{}`, `{"errorMessages":["Missing 'transition' identifier"],"errors":{}}`},
		{lessor, "POST", "/rest/api/3/issue", `{"fields":{"project":{"key":"ACC"},"summary":"x"}}`, `{"errorMessages":[],"errors":{"issuetype":"Specify an issue type"}}`},
		{"", "GET", "/rest/api/3/search?jql=x", "", `{"errorMessages":["The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration guideline is available at https://developer.atlassian.com/changelog/#CHANGE-2046"],"errors":{}}`},
		{"", "GET", "/rest/api/3/issue/PUB-1/no-such-thing", "", `{"detail":"No endpoint GET /rest/api/3/issue/PUB-1/no-such-thing.","instance":"/rest/api/3/issue/PUB-1/no-such-thing","status":404,"title":"Not Found","type":"about:blank"}`},
	} {
		a := r.ask(t, c.as, c.method, c.path, c.body)
		want(t, c.method+" "+c.path, string(a.raw), c.want)
	}
	want(t, "unknown paths are problems", r.ask(t, "", "GET", "/rest/api/3/nothing", "").header.Get("Content-Type"), "application/problem+json;charset=UTF-8")
	want(t, "the desk's errors", r.ask(t, lessor, "GET", "/rest/servicedeskapi/request/ACC-9", "").at("errorMessage") != nil, true)
}

func TestExperimentalOperationsAskForOptIn(t *testing.T) {
	t.Parallel()
	r := setup(t)
	req := r.request(lessor, "GET", "/rest/servicedeskapi/requesttype", "")
	req.Header.Del("X-ExperimentalApi")
	want(t, "without", r.send(t, r.ServeHTTP, req).status, 412)
	want(t, "with", r.ask(t, lessor, "GET", "/rest/servicedeskapi/requesttype", "").status, 200)
}

func TestFieldNamesFollowTheLanguage(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *Config) {
		c.Site.Localised = map[string]string{"status": "Status (Zustand)", "assignee": "Bearbeiter"}
	})
	tk := r.raised(t)
	if err := r.As(ExampleAgent).Assign(tk.ID, ExampleAgent); err != nil {
		t.Fatal(err)
	}
	if err := r.As(ExampleAgent).Transition(tk.ID, "Set active"); err != nil {
		t.Fatal(err)
	}
	a := r.must(t, 200, lessor, "GET", "/rest/api/3/issue/"+tk.ID+"/changelog", "")
	want(t, "name", a.at("values.0.items.0.field"), "Bearbeiter")
	want(t, "id", a.at("values.0.items.0.fieldId"), "assignee")
	want(t, "from nobody", a.at("values.0.items.0.from"), nil)
	want(t, "status", a.at("values.1.items.0.fieldId"), "status")
}

func TestDeletionLeavesNothingToRead(t *testing.T) {
	t.Parallel()
	r := setup(t)
	one, two := r.raised(t), r.raised(t)
	if err := r.As(ExampleAdmin).Delete(one.ID); err != nil {
		t.Fatal(err)
	}
	r.must(t, 404, lessor, "GET", "/rest/api/3/issue/"+one.ID, "")
	if err := r.DeleteProject("ACC"); err != nil {
		t.Fatal(err)
	}
	r.must(t, 404, lessor, "GET", "/rest/api/3/issue/"+two.ID, "")
	r.must(t, 404, lessor, "GET", "/rest/api/3/project/ACC", "")
	r.must(t, 200, lessor, "GET", "/rest/api/3/search/jql?jql=created%3E-1d", "")
}
