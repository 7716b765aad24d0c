package jirasim

import (
	"net/http"
	"strings"
	"testing"
)

// dc asks Data Center's face.
func (r *room) dc(t *testing.T, as, method, path, body string) answer {
	t.Helper()
	req := r.request("", method, path, body)
	req.Header.Set("Authorization", "Bearer token-"+as)
	if strings.HasPrefix(path, "/rest/api/3/") {
		r = &room{Sim: r.Sim, clock: r.clock} // Cloud's contract does not bind this face
	}
	return r.send(t, r.DataCenter().(http.HandlerFunc), req)
}

func TestDataCenterIsAnotherFaceOfTheSameState(t *testing.T) {
	t.Parallel()
	r := setup(t)
	a := r.dc(t, lessor, "POST", "/rest/api/2/issue", `{"fields":{"project":{"key":"ACC"},"issuetype":{"name":"Task"},"summary":"x","description":"h2. *why*","assignee":{"name":"agnes"},"reporter":{"name":"paul"}}}`)
	want(t, "created", a.status, 201)
	key, _ := a.at("key").(string)
	a = r.dc(t, lessor, "GET", "/rest/api/2/issue/"+key, "")
	want(t, "wiki text", a.at("fields.description"), "h2. *why*")
	want(t, "users by name", a.at("fields.assignee.name"), "agnes")
	want(t, "and key", a.at("fields.reporter.key"), "paul")
	want(t, "no account id", a.at("fields.assignee.accountId"), nil)
	want(t, "Cloud sees the same", r.must(t, 200, lessor, "GET", "/rest/api/3/issue/"+key, "").at("fields.assignee.accountId"), ExampleAgent)

	a = r.dc(t, lessor, "POST", "/rest/api/2/issue/"+key+"/comment", `{"body":"plain *text*"}`)
	want(t, "comment", a.at("body"), "plain *text*")
	want(t, "no ADF", r.dc(t, lessor, "POST", "/rest/api/2/issue/"+key+"/comment", `{"body":{"type":"doc","version":1,"content":[]}}`).status, 400)
	want(t, "assign", r.dc(t, lessor, "PUT", "/rest/api/2/issue/"+key+"/assignee", `{"name":"lessor"}`).status, 204)

	a = r.dc(t, lessor, "GET", "/rest/api/2/search?jql=project%3DACC&startAt=0&maxResults=1&fields=summary", "")
	want(t, "search has a total", a.at("total"), "1")
	want(t, "and fields", a.at("issues.0.fields.summary"), "x")
	want(t, "search by POST", r.dc(t, lessor, "POST", "/rest/api/2/search", `{"jql":"project = ACC","startAt":5}`).len("issues"), 0)

	want(t, "by login", r.dc(t, lessor, "GET", "/rest/api/2/user?username=olga", "").at("emailAddress"), "olga@example.com")
	want(t, "myself", r.dc(t, lessor, "GET", "/rest/api/2/myself", "").at("name"), "lessor")
	want(t, "server", r.dc(t, lessor, "GET", "/rest/api/2/serverInfo", "").at("deploymentType"), "Server")
	want(t, "no third version", r.dc(t, lessor, "GET", "/rest/api/3/myself", "").status, 404)
	want(t, "no search by token", r.dc(t, lessor, "GET", "/rest/api/2/search/jql?jql=x", "").status, 404)
	want(t, "projects", len(r.dc(t, lessor, "GET", "/rest/api/2/project", "").body.([]any)), 2)

	tk := r.raised(t)
	a = r.dc(t, olga, "GET", "/rest/servicedeskapi/request/"+tk.ID+"/approval", "")
	want(t, "approvers by name", a.at("values.0.approvers.0.approver.name"), "olga")
	want(t, "answered", r.dc(t, olga, "POST", "/rest/servicedeskapi/request/"+tk.ID+"/approval/"+a.at("values.0.id").(string), `{"decision":"approve"}`).status, 200)
	want(t, "participants by name", r.dc(t, agnes, "POST", "/rest/servicedeskapi/request/"+tk.ID+"/participant", `{"usernames":["carla"]}`).at("values.0.name"), "carla")
}

func TestDataCenterAsTheFirstFace(t *testing.T) {
	t.Parallel()
	r := setup(t, func(c *Config) { c.DataCenter = true })
	req := r.request("", "GET", "/rest/api/2/myself", "")
	req.SetBasicAuth("paul", "token-paul")
	want(t, "basic by login", r.send(t, r.ServeHTTP, req).at("name"), "paul")
	want(t, "Cloud is there too", r.send(t, r.Cloud().(http.HandlerFunc), r.request(paul, "GET", "/rest/api/3/myself", "")).at("accountId"), ExamplePerson)
	a := r.dc(t, ada, "POST", "/rest/webhooks/1.0/webhook", `{"name":"Lessor","url":"https://lessor.example/hook","events":["jira:issue_updated"],"secret":"s3cret","filters":{"issue-related-events-section":"project = ACC"}}`)
	want(t, "an administrator's webhook", a.status, 201)
	if string(a.raw) == "" || a.at("secret") != nil {
		t.Errorf("the secret is shown: %s", a.raw)
	}
	want(t, "listed", len(r.dc(t, ada, "GET", "/rest/webhooks/1.0/webhook", "").body.([]any)), 1)
	tk := r.raised(t)
	if err := r.As(ExampleAgent).Transition(tk.ID, "Set active"); err != nil {
		t.Fatal(err)
	}
	all := r.Deliveries()
	want(t, "queued", len(all), 1)
	want(t, "signed", all[0].Secret, "s3cret")
	want(t, "deleted", r.dc(t, ada, "DELETE", "/rest/webhooks/1.0/webhook/1", "").status, 204)
}
