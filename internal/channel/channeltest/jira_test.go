package channeltest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/store"
)

// accounts are those of the company's people at the example's Jira.
var accounts = map[string]string{"eve": jirasim.ExamplePerson, "mia": jirasim.ExampleOwner}

// jiraDoor is a queue in which people raise, answer and delete tickets. What a
// ticket has no word for, a remark to Lessor and giving back, is said through the
// API: a conversation may change doors.
type jiraDoor struct {
	apiDoor
	f       *enginetest.Fixture
	sim     *jirasim.Sim
	ch      *jira.Channel
	tickets map[string]string // request -> ticket
	done    map[string]int64  // kind of job -> the last one worked
}

func openJira(t *testing.T, kind store.Dialect) (*enginetest.Fixture, door) {
	f := enginetest.Open(t, kind, func(o *enginetest.Options) {
		o.Carries = func(channel string) bool { return channel == jira.Name }
		for id, account := range accounts {
			who := o.Company.People[id]
			who.Accounts = map[string]string{"dir": id, "git": id, "acme": account}
			o.Company.People[id] = who
		}
	})
	handler := http.Handler(nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	d := &jiraDoor{apiDoor: serveAPI(t, f), f: f, tickets: map[string]string{}, done: map[string]int64{}}
	var err error
	if d.sim, err = jirasim.New(jirasim.Config{URL: server.URL, Site: jirasim.Example(), Now: f.Now}); err != nil {
		t.Fatal(err)
	}
	handler = d.sim
	line, err := rest.New(rest.Config{Kind: rest.Cloud, Base: server.URL, Email: "lessor@example.com", Token: func() string { return "token-lessor" }, Now: f.Now, Jitter: func() float64 { return 0.5 }})
	if err != nil {
		t.Fatal(err)
	}
	_, form := d.sim.RequestTypeID("ACC", "Get access")
	ent, term := d.sim.FieldID("Entitlements"), d.sim.FieldID("Term")
	site := config.JiraSite{ID: "acme", URL: server.URL, Kind: config.JiraCloud, User: "lessor@example.com", Poll: time.Minute, Owner: "ada", Portal: "https://lessor.example",
		Projects: []config.JiraProject{{Key: "ACC", Desk: true, Votes: config.JiraVotes{Approvals: true}, RequestTypes: []config.JiraRequestType{{ID: form, Reason: "summary",
			Entitlements: config.JiraOptions{Field: ent, Options: map[string]config.JiraChoice{d.sim.OptionID(ent, "wiki:editors"): {Entitlement: wiki}}},
			Term:         config.JiraTerm{Field: term, Options: map[string]access.Term{d.sim.OptionID(term, "8 hours"): access.Term(8 * time.Hour)}}}}}}}
	d.ch, err = jira.New(jira.Config{Site: site, Rest: line, Door: f.Engine, Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory },
		Bundle: func(ctx context.Context, grant string) ([]byte, error) { return report.Bundle(ctx, f.DB, grant) },
		Secret: func() secret.Value { return secret.Value{} }, Now: f.Now})
	if err != nil {
		t.Fatal(err)
	}
	return f, d
}

// live lets the channel read and tell until there is nothing more.
func (d *jiraDoor) live() {
	d.t.Helper()
	d.f.Clock.Pass(time.Second)
	if err := d.ch.Poll(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	for busy, rounds := true, 0; busy; rounds++ {
		if rounds > 50 {
			d.t.Fatal("the channel and the engine keep each other busy")
		}
		busy = false
		for _, kind := range []string{engine.ReadTicket{}.Kind(), engine.TellTicket{}.Kind()} {
			list := d.f.Jobs(kind)
			for _, args := range list[d.done[kind]:] {
				busy = true
				if err := d.job(kind, args); err != nil {
					d.t.Fatalf("%s %s: %v", kind, args, err)
				}
			}
			d.done[kind] = int64(len(list))
		}
	}
}

func (d *jiraDoor) job(kind string, args []byte) error {
	var j engine.ReadTicket
	if err := json.Unmarshal(args, &j); err != nil {
		return err
	}
	if kind == (engine.ReadTicket{}).Kind() {
		return d.ch.Read(d.t.Context(), j.Ticket, j.At)
	}
	return d.ch.Tell(d.t.Context(), j.Ticket)
}

func (d *jiraDoor) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *jiraDoor) check(string, string, string, string) {} // a form of a queue knows nothing of policy

func (d *jiraDoor) ask(who, entitlement, term, reason string) string {
	option, terms := map[string]string{wiki: "wiki:editors"}, map[string]string{"8h": "8 hours"}
	i, err := d.sim.As(accounts[who]).Raise("ACC", "Get access", map[string]any{"summary": reason, "Entitlements": []any{option[entitlement]}, "Term": terms[term], "Approvers": []any{accounts["mia"]}})
	d.must(err)
	d.live()
	t, err := d.f.Engine.Ticket(d.t.Context(), "jira:acme:"+i.ID)
	d.must(err)
	if t.Request() == "" {
		d.t.Fatalf("the ticket is no request: %+v", t)
	}
	d.tickets[t.Request()] = i.ID
	return t.Request()
}

// cancel is done by whoever works the queue: a customer cannot change a ticket.
func (d *jiraDoor) cancel(_, request, _ string) {
	d.must(d.sim.As(jirasim.ExampleAgent).Edit(d.tickets[request], map[string]any{"Entitlements": []any{}}))
	d.live()
}

func (d *jiraDoor) vote(who, request string, verdict access.Verdict, _ string) {
	answer := d.sim.As(accounts[who]).Approve
	if verdict == access.Deny {
		answer = d.sim.As(accounts[who]).Decline
	}
	d.must(answer(d.tickets[request]))
	d.live()
}
