package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
)

// jiraKey is where a script keeps its stand-in.
type jiraKey struct{}

type standIn struct{ *jirasim.Sim }

// jira starts and uses a stand-in for Jira whose form asks for what a first
// configuration has. "jira start" sets URL; "jira raise VAR ACCOUNT ENTITLEMENT
// SUMMARY" and "jira typed VAR ADDRESS ENTITLEMENT SUMMARY" (from the open portal,
// where anybody types any address) set VAR to the issue's id; "jira move ID
// TRANSITION" and "jira hook URL SECRET" do what they say.
func jira(ts *testscript.TestScript, _ bool, args []string) {
	sim := ts.Value(jiraKey{}).(*standIn)
	switch {
	case args[0] == "start":
		sim.Sim = startJira(ts)
		return
	case sim.Sim == nil:
		ts.Fatalf("jira start comes first")
	}
	form := func(entitlement, summary string) map[string]any {
		return map[string]any{"summary": summary, "Entitlements": []any{entitlement}, "Term": "8 hours"}
	}
	switch args[0] {
	case "raise":
		t, err := sim.As(people[args[2]]).Raise("ACC", "Get access", form(args[3], args[4]))
		ts.Check(err)
		ts.Setenv(args[1], t.ID)
	case "typed":
		t, err := sim.Anonymous("ACC", "Get access", args[2], form(args[3], args[4]))
		ts.Check(err)
		ts.Setenv(args[1], t.ID)
	case "move":
		ts.Check(sim.As(jirasim.ExampleAgent).Transition(args[1], args[2]))
	case "hook":
		ts.Check(sim.AddWebhook(jirasim.Webhook{Name: "lessor", URL: args[1], Secret: args[2]}))
	default:
		ts.Fatalf("jira %s?", args[0])
	}
}

var people = map[string]string{"ann": jirasim.ExamplePerson, "mia": jirasim.ExampleOwner, "olga": jirasim.ExampleSecurity}

func startJira(ts *testscript.TestScript) *jirasim.Sim {
	site := jirasim.Example()
	site.Fields[0].Options = []jirasim.Option{{Value: "ldap:wiki"}, {Value: "ldap:payroll"}}
	handler := http.Handler(nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	sim, err := jirasim.New(jirasim.Config{URL: server.URL, Site: site, Now: time.Now, Send: http.DefaultClient.Do})
	ts.Check(err)
	handler = sim
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sim.Run(ctx) // ends with the script
	}()
	ts.Defer(func() { stop(); <-done; server.Close() })
	ts.Setenv("URL", server.URL)
	return sim
}

// until runs a command again until its output matches: until PATTERN lessor list requests.
func until(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if err := ts.Exec(args[1], args[2:]...); err == nil && re.MatchString(ts.ReadFile("stdout")) {
			return
		}
		<-time.After(50 * time.Millisecond)
	}
	ts.Fatalf("never said: %s", args[0])
}
