package jirasim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// inbox receives what the site sends and answers as told.
type inbox struct {
	mu      sync.Mutex
	answers []int // the next answers; 200 when there are none left
	bodies  []string
	headers []http.Header
}

func (in *inbox) send(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.bodies, in.headers = append(in.bodies, string(body)), append(in.headers, r.Header)
	status := 200
	if len(in.answers) > 0 {
		status, in.answers = in.answers[0], in.answers[1:]
	}
	if status == 0 {
		return nil, fmt.Errorf("nobody answers")
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func (in *inbox) count() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.bodies)
}

func hooked(t *testing.T, w Webhook) (*room, *inbox) {
	t.Helper()
	in := &inbox{}
	r := setup(t, func(c *Config) { c.Send = in.send })
	if w.URL == "" {
		w.URL = "https://lessor.example/hook"
	}
	if err := r.AddWebhook(w); err != nil {
		t.Fatal(err)
	}
	return r, in
}

func (r *room) deliver(t *testing.T) []Delivery {
	t.Helper()
	out, err := r.Deliver(context.Background(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	want(t, "first", Sign("It's a Secret to Everybody", []byte("Hello World!")), "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")
	want(t, "second", Sign("my-super-secret", []byte(`{"field1":1,"field2":"one"}`)), "sha256=e8cbe6198cf83d3793b420b7c1b87b4946f566ab85b4326db21b4912a4917593")
}

func TestDeliveriesAreSignedOverTheBody(t *testing.T) {
	t.Parallel()
	r, in := hooked(t, Webhook{Secret: "s3cret"})
	r.raised(t)
	r.deliver(t)
	want(t, "deliveries", len(in.bodies), 1)
	want(t, "signature", in.headers[0].Get("X-Hub-Signature"), Sign("s3cret", []byte(in.bodies[0])))
	if in.headers[0].Get("X-Atlassian-Webhook-Identifier") == "" || in.headers[0].Get("X-Atlassian-Webhook-Retry") != "" {
		t.Errorf("headers %v", in.headers[0])
	}
}

func TestDeliveriesAreRetriedOnlyWhereJiraRetries(t *testing.T) {
	t.Parallel()
	for status, again := range map[int]bool{0: true, 408: true, 409: true, 425: true, 429: true, 500: true, 503: true, 200: false, 202: false, 400: false, 401: false, 404: false, 410: false} {
		r, in := hooked(t, Webhook{Secret: "s"})
		in.answers = []int{status}
		r.raised(t)
		r.deliver(t)
		want(t, fmt.Sprintf("at once after %d", status), len(r.deliver(t)), 0)
		r.clock.move(10 * time.Minute)
		if got := len(r.deliver(t)) == 1; got != again {
			t.Errorf("after %d: again %v, want %v", status, got, again)
		} else if again {
			want(t, "the retry's number", in.headers[1].Get("X-Atlassian-Webhook-Retry"), "1")
			want(t, "the same identifier", in.headers[1].Get("X-Atlassian-Webhook-Identifier"), in.headers[0].Get("X-Atlassian-Webhook-Identifier"))
			want(t, "the same body", in.bodies[1], in.bodies[0])
		}
	}
	r, in := hooked(t, Webhook{})
	in.answers = slices.Repeat([]int{503}, 100)
	r.raised(t)
	for range 20 {
		r.deliver(t)
		r.clock.move(10 * time.Minute)
	}
	want(t, "tries before it is given up", len(in.bodies), 1+maxAttempts)
}

func TestThePostIsBad(t *testing.T) {
	t.Parallel()
	r, in := hooked(t, Webhook{Secret: "right"})
	edit := func(n int) {
		if err := r.As(ExampleAgent).Edit("ACC-1", map[string]any{"summary": fmt.Sprint("edit ", n)}); err != nil {
			t.Fatal(err)
		}
	}
	r.raised(t)
	r.DropDeliveries()

	r.SetPost(Post{Lose: func(Delivery) bool { return true }})
	edit(1)
	want(t, "lost", len(r.Deliveries()), 0)

	r.SetPost(Post{Copies: func(Delivery) int { return 50 }})
	edit(2)
	want(t, "copies", len(r.deliver(t)), 50)
	want(t, "the same body", in.bodies[0], in.bodies[49])

	r.SetPost(Post{Late: func(Delivery) time.Duration { return 20 * time.Minute }})
	edit(3)
	want(t, "not due", len(r.deliver(t)), 0)
	r.clock.move(20 * time.Minute)
	late := r.deliver(t)
	want(t, "late", len(late), 1)

	r.SetPost(Post{Secret: func(Delivery) string { return "wrong" }})
	edit(4)
	r.deliver(t)
	last := len(in.bodies) - 1
	want(t, "another key", in.headers[last].Get("X-Hub-Signature"), Sign("wrong", []byte(in.bodies[last])))
	r.SetPost(Post{Secret: func(Delivery) string { return "" }})
	edit(5)
	r.deliver(t)
	want(t, "unsigned", in.headers[last+1].Get("X-Hub-Signature"), "")

	r.SetPost(Post{Shuffled: true})
	for n := range 20 {
		edit(100 + n)
	}
	in.bodies = nil
	r.deliver(t)
	want(t, "shuffled", len(in.bodies), 20)
	if slices.IsSortedFunc(in.bodies, strings.Compare) {
		t.Error("twenty shuffled deliveries came in order")
	}

	r.SetPost(Post{})
	r.clock.move(7 * 24 * time.Hour)
	r.Replay(late[0])
	r.deliver(t)
	want(t, "replayed", in.bodies[20], string(late[0].Body))
	want(t, "its signature still fits", in.headers[len(in.headers)-1].Get("X-Hub-Signature"), Sign("right", late[0].Body))
}

func TestOnlyWantedEventsAreTold(t *testing.T) {
	t.Parallel()
	r, in := hooked(t, Webhook{Events: []string{"comment_created"}, JQL: "project = ACC and labels = watched"})
	tk := r.raised(t)
	other, err := r.As(ExampleCustomer).Raise("ACC", "Ask by mail", map[string]any{"summary": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.As(ExampleAgent).Edit(tk.ID, map[string]any{"labels": []string{"watched"}}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{tk.ID, other.ID} {
		if err := r.As(ExampleAgent).Comment(id, "hello", true); err != nil {
			t.Fatal(err)
		}
	}
	r.deliver(t)
	want(t, "deliveries", len(in.bodies), 1)
}

func TestNoEventTellsOfAnApproval(t *testing.T) {
	t.Parallel()
	site := Example()
	site.Workflows[0].Approvals[0].Need = 2
	in := &inbox{}
	r := setup(t, func(c *Config) { c.Site, c.Send = site, in.send })
	if err := r.AddWebhook(Webhook{URL: "https://x.example"}); err != nil {
		t.Fatal(err)
	}
	tk, err := r.As(ExamplePerson).Raise("ACC", "Get access", map[string]any{"summary": "x", "Entitlements": []string{"prod-db:read"}, "Term": "1 day", "Approvers": []string{ExampleOwner, ExampleSecurity}})
	if err != nil {
		t.Fatal(err)
	}
	r.DropDeliveries()
	if err := r.As(ExampleOwner).Approve(tk.ID); err != nil {
		t.Fatal(err)
	}
	want(t, "told of the first of two approvals", len(r.Deliveries()), 0)
	if err := r.As(ExampleSecurity).Approve(tk.ID); err != nil {
		t.Fatal(err)
	}
	r.deliver(t)
	want(t, "told of the transition", len(in.bodies), 1)
	if !strings.Contains(in.bodies[0], `"issue_event_type_name":"issue_generic"`) || !strings.Contains(in.bodies[0], `"fieldId":"status"`) {
		t.Errorf("not a transition: %s", in.bodies[0])
	}
}

func TestAutomationIsUnsignedAndSaysLittle(t *testing.T) {
	t.Parallel()
	r, in := hooked(t, Webhook{Secret: "s"})
	tk := r.raised(t)
	r.DropDeliveries()
	if err := r.Automation("https://lessor.example/hook", tk.Key); err != nil {
		t.Fatal(err)
	}
	in.answers = []int{503}
	r.deliver(t)
	var body map[string]any
	if err := json.Unmarshal([]byte(in.bodies[0]), &body); err != nil {
		t.Fatal(err)
	}
	want(t, "the id is a number", body["id"], float64(atoi(tk.ID)))
	for _, key := range []string{"webhookEvent", "user", "timestamp"} {
		if _, there := body[key]; there {
			t.Errorf("it says %s", key)
		}
	}
	want(t, "signature", in.headers[0].Get("X-Hub-Signature"), "")
	r.clock.move(time.Hour)
	want(t, "tried again", len(r.deliver(t)), 0)
}

// TestShapesAreThoseOfGenuineDeliveries compares keys with genuine bodies.
func TestShapesAreThoseOfGenuineDeliveries(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(contractFolder(t), "webhook-samples")
	sample := func(name string) map[string]any {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var v map[string]any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	cloud, data := shapes(t, Webhook{}), shapes(t, Webhook{DataCenter: true})
	poor := shapes(t, Webhook{DataCenter: true, NoIssue: true, NoItems: true})
	empty := shapes(t, Webhook{NoItems: true})
	for _, c := range []struct {
		file string
		ours map[string]any
	}{
		{"jenkins-cloud-comment_created.json", cloud["comment_created"]}, {"mattermost-cloud-comment_created.json", cloud["comment_created"]},
		{"mattermost-cloud-issue_created-many-fields.json", cloud["issue_created"]}, {"mattermost-cloud-issue_created-security-level.json", cloud["issue_created"]},
		{"mattermost-cloud-issue_deleted.json", cloud["issue_deleted"]}, {"mobitel-server-comment_deleted.json", cloud["comment_deleted"]},
		{"mattermost-cloud-issue_updated-empty-changelog.json", empty["issue_assigned"]},
		{"crystalvjohnston-dc-issue_updated-status.json", data["issue_generic"]}, {"mattermost-server-issue_updated-resolved.json", data["issue_generic"]},
		{"jenkins-server-issue_updated-status.json", data["issue_generic"]}, {"jenkins-server-issue_updated-with-comment.json", data["issue_commented"]},
		{"skyhook-comment_created-no-issue-no-user.json", poor["comment_created"]},
	} {
		for _, diff := range differ("", sample(c.file), c.ours) {
			t.Errorf("%s: %s", c.file, diff)
		}
	}
	cloudItem := cloud["issue_created"]["changelog"].(map[string]any)["items"].([]any)[0].(map[string]any)
	dataItem := data["issue_generic"]["changelog"].(map[string]any)["items"].([]any)[0].(map[string]any)
	if cloudItem["fieldId"] == nil || dataItem["fieldId"] != nil {
		t.Errorf("field ids: cloud %v, data center %v", cloudItem, dataItem)
	}
}

// shapes are our bodies for one story, by event type or event.
func shapes(t *testing.T, w Webhook) map[string]map[string]any {
	t.Helper()
	r, in := hooked(t, w)
	tk := r.raised(t)
	agent := r.As(ExampleAgent)
	for _, err := range []error{
		agent.Assign(tk.ID, ExampleAgent), agent.Edit(tk.ID, map[string]any{"security": "Staff"}), agent.Comment(tk.ID, "hello", true),
		agent.Transition(tk.ID, "Set active"), agent.Transition(tk.ID, "Remove"), agent.Edit(tk.ID, map[string]any{"security": nil}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	note, _ := r.Ticket(tk.ID)
	r.must(t, 204, ada, "DELETE", "/rest/api/3/issue/"+tk.ID+"/comment/"+note.Comments[0].ID, "")
	r.must(t, 204, ada, "DELETE", "/rest/api/3/issue/"+tk.ID, "")
	r.deliver(t)
	out := map[string]map[string]any{}
	for _, b := range in.bodies {
		var v map[string]any
		if err := json.Unmarshal([]byte(b), &v); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(v["webhookEvent"].(string), "jira:")
		if typ, has := v["issue_event_type_name"].(string); has {
			name = typ
		}
		out[name] = v
	}
	return out
}

// older are keys that genuine bodies of some age have and today's have not, or
// the other way round, and what a site may leave out, by where they are.
func older(where, key string) bool {
	switch {
	case strings.HasPrefix(key, "customfield_"):
		return true
	case where == ".issue.fields":
		return slices.Contains([]string{"statuscategorychangedate", "security", "aggregatetimespent", "description", "duedate", "comment", "worklog"}, key)
	case strings.HasSuffix(where, ".timetracking") || strings.HasSuffix(where, "rogress"):
		return true // who logs time has more of it
	case strings.HasSuffix(where, ".project"):
		return key == "projectTypeKey" || key == "simplified"
	case strings.HasSuffix(where, ".issuetype"):
		return key == "avatarId"
	case where == "":
		return key == "issue_event_type_name"
	case where == ".comment":
		return key == "jsdPublic"
	case strings.HasSuffix(where, "ser") || strings.HasSuffix(where, "uthor") || slices.Contains([]string{".issue.fields.assignee", ".issue.fields.creator", ".issue.fields.reporter"}, where):
		return slices.Contains([]string{"name", "key", "emailAddress", "accountType", "accountId"}, key)
	}
	return false
}

// differ compares keys down to the values of system fields. Fields a sample's
// site does not show may be missing from it, not from ours.
func differ(where string, theirs, ours any) (out []string) {
	a, isA := theirs.(map[string]any)
	b, isB := ours.(map[string]any)
	if !isA || !isB {
		if isA != isB && theirs != nil && ours != nil {
			out = append(out, fmt.Sprintf("%s: %T, genuine %T", where, ours, theirs))
		}
		return out
	}
	for key := range a {
		if _, has := b[key]; !has && !older(where, key) {
			out = append(out, where+"."+key+" is missing")
		}
	}
	for key := range b {
		if _, has := a[key]; !has && !older(where, key) && where != ".issue.fields" {
			out = append(out, where+"."+key+" is in no genuine body")
		}
		if key != "avatarUrls" && !strings.HasPrefix(key, "customfield_") {
			out = append(out, differ(where+"."+key, a[key], b[key])...)
		}
	}
	return out
}
