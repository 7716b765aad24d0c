package jirasim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestQueries(t *testing.T) {
	t.Parallel()
	r := setup(t)
	agent := r.As(ExampleAgent)
	first := r.raised(t) // ACC-1 at 09:30
	r.clock.move(time.Hour)
	second, err := agent.Create("OPS", "Task", map[string]any{"summary": "Patch the servers", "labels": []string{"risk-low"}, "priority": "High", "assignee": ExampleAgent})
	if err != nil {
		t.Fatal(err)
	}
	r.clock.move(time.Hour)
	if err := agent.Transition(first.ID, "Set active"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ jql, want string }{
		{"project = ACC", "ACC-1"}, {"project in (ACC, OPS) order by created", "ACC-1 OPS-1"}, {"project in (ACC, OPS) order by key desc", "OPS-1 ACC-1"},
		{"project != OPS", "ACC-1"}, {"project not in (ACC)", "OPS-1"}, {`project = "Access"`, "ACC-1"}, {"status = Active", "ACC-1"}, {"status = 10002", "ACC-1"},
		{`updated >= "2026-03-02 11:30"`, "ACC-1"}, {`updated >= "2026/03/02 10:00" and updated < "2026/03/02 11:00"`, "OPS-1"}, {"created >= -90m", "OPS-1"},
		{"created >= startOfDay() and project = ACC", "ACC-1"}, {"updated > now()", ""}, {"labels = risk-low", "OPS-1"}, {"labels is EMPTY", "ACC-1"},
		{"labels != risk-low", ""}, {"labels in (risk-low, other)", "OPS-1"}, {"issuetype = Task", "OPS-1"}, {`type = "Service Request"`, "ACC-1"},
		{"key = ACC-1", "ACC-1"}, {"key in (ACC-1, OPS-1) and project = OPS", "OPS-1"}, {"id = " + second.ID, "OPS-1"}, {"issuekey != OPS-1", "ACC-1"},
		{"assignee = currentUser()", ""}, {"assignee is not empty", "OPS-1"}, {"assignee in membersOf(desk)", "OPS-1"}, {"reporter = " + ExamplePerson, "ACC-1"},
		{"resolution = Unresolved and project = ACC", "ACC-1"}, {"priority = High", "OPS-1"}, {"summary ~ servers", "OPS-1"}, {"text ~ audit", "ACC-1"},
		{`"Request Type" = "Get access"`, "ACC-1"}, {"Entitlements = prod-db:read", "ACC-1"}, {"cf[" + strings.TrimPrefix(r.FieldID("Entitlements"), "customfield_") + "] = prod-db:read", "ACC-1"},
		{"statusCategory = 'In Progress'", "ACC-1"}, {"NOT (project = ACC OR labels = nothing)", "OPS-1"}, {"project = ACC AND NOT status = Active", ""},
		{"project = ACC OR project = OPS AND labels = nothing", "ACC-1"}, {"(project = ACC OR project = OPS) AND labels = risk-low", "OPS-1"},
	} {
		a := r.ask(t, lessor, "POST", "/rest/api/3/search/jql", fmt.Sprintf(`{"jql":%q,"fields":["key"]}`, c.jql))
		got := []string{}
		for n := range a.len("issues") {
			got = append(got, fmt.Sprint(a.at(fmt.Sprintf("issues.%d.key", n))))
		}
		if a.status != 200 || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %d %v, want %s: %s", c.jql, a.status, got, c.want, a.raw)
		}
	}
}

func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	r := setup(t)
	for jql, says := range map[string]string{
		"order by updated":                       "Unbounded JQL queries are not allowed here.",
		"":                                       "Unbounded JQL queries are not allowed here.",
		"nonsense = 1":                           "Field 'nonsense' does not exist or you do not have permission to view it.",
		"project = NOPE":                         "The value 'NOPE' does not exist for the field 'project'.",
		"status = Nowhere":                       "The value 'Nowhere' does not exist for the field 'status'.",
		"key = ACC-99":                           "An issue with key 'ACC-99' does not exist for field 'key'.",
		"project":                                "Expecting operator but got end of the query.",
		"project ACC":                            "Expecting operator but got 'ACC'.",
		"project = ":                             "Expecting either a value, list or function but got end of the query.",
		"project in ACC":                         "Expecting either '('",
		"project = ACC labels = x":               "Expecting either 'AND' or 'OR' but got 'labels'.",
		"project = \"ACC":                        "has not been completed",
		"updated >= \"2026-03-02 11:30:10\"":     "Date value '2026-03-02 11:30:10' for field 'updated' is invalid.",
		"updated >= yesterday":                   "Date value 'yesterday'",
		"assignee = nobodyKnows()":               "Unable to find JQL function 'nobodyKnows()'.",
		"labels > x":                             "The operator '>' is not supported by the 'labels' field.",
		strings.Repeat("(", 100) + "x = 1":       "nested too deeply",
		"project = ACC order by a,b,c,d,e,f,g,h": "at most 7 fields",
	} {
		a := r.ask(t, lessor, "POST", "/rest/api/3/search/jql", fmt.Sprintf(`{"jql":%q}`, jql))
		if got, _ := a.at("errorMessages.0").(string); a.status != 400 || !strings.Contains(got, says) {
			t.Errorf("%s: %d %s, want %s", jql, a.status, a.raw, says)
		}
	}
}

// TestQueriesAreInTheCallersTimeZone is a trap for pollers: the same words mean
// another moment to another user, and none means seconds.
func TestQueriesAreInTheCallersTimeZone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.raised(t) // 09:30 UTC, 20:30 in Sydney
	jql := `{"jql":"created >= \"2026-03-02 15:00\""}`
	want(t, "in UTC", r.must(t, 200, lessor, "POST", "/rest/api/3/search/jql", jql).len("issues"), 0)
	if err := r.EditUser(ExampleBot, func(u *User) { u.Zone = "Australia/Sydney" }); err != nil {
		t.Fatal(err)
	}
	if _, err := time.LoadLocation("Australia/Sydney"); err != nil {
		t.Skip("skipped: this machine knows no time zones")
	}
	want(t, "in Sydney", r.must(t, 200, lessor, "POST", "/rest/api/3/search/jql", jql).len("issues"), 1)
}

func FuzzJQL(f *testing.F) {
	for _, s := range []string{"project = ACC", `a in (b, "c d") and not x is empty or y ~ 'z' order by k desc, l`, "((((", "x = f(a, b)", "\\\"", "a<=>b"} {
		f.Add(s)
	}
	r, err := New(Config{URL: "https://x.example", Site: Example(), Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	c := &call{s: r, who: r.user(ExampleAdmin), v: 3, now: r.now()}
	f.Fuzz(func(_ *testing.T, text string) {
		if q, err := parseJQL(text); err == nil && q.where != nil {
			_, _ = c.compile(q.where)
		}
	})
}
