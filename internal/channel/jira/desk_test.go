package jira_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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

// desk is a Jira, an engine, and the channel between them. Its background work
// is done when the test says so, from the jobs that were really asked for.
type desk struct {
	*enginetest.Fixture
	t    *testing.T
	dsn  string
	sim  *jirasim.Sim
	ch   *jira.Channel
	hook http.Handler // where the site's webhooks go
	rest rest.Site
	wire *wire // below rest
	door *gate // before the engine
	site config.JiraSite
	log  *page
	done map[string]int64 // kind -> the last job already worked
	jobs []*job           // that wait, of [desk.live]
}

const hookSecret = "a secret of the hook"

// setting is what a desk is opened with, where it is not as ever.
type setting struct {
	site    func(*desk, *config.JiraSite)
	sim     func(*jirasim.Config)
	company func(*enginetest.Company)
}

// dataCenter is a desk at a Jira Data Center, which knows people by their keys.
var dataCenter = setting{sim: func(c *jirasim.Config) { c.DataCenter = true }, company: func(c *enginetest.Company) {
	for id, key := range map[string]string{"eve": "paul", "mia": "olga", "sara": "sina", "owen": "agnes"} {
		who := c.People[id]
		who.Accounts = map[string]string{"dir": id, "git": id, "acme": key}
		c.People[id] = who
	}
}}

// accounts are those of the company's people at the example's Jira.
var accounts = map[string]string{"eve": jirasim.ExamplePerson, "mia": jirasim.ExampleOwner, "sara": jirasim.ExampleSecurity, "owen": jirasim.ExampleAgent}

// open makes a desk on that database. eve asks, mia is her manager, owen owns the wiki.
func open(t *testing.T, d store.Dialect, change ...setting) *desk {
	t.Helper()
	k := &desk{t: t, done: map[string]int64{}, wire: &wire{}, log: &page{}, dsn: enginetest.DSN(t, d)}
	k.Fixture = enginetest.Open(t, d, func(o *enginetest.Options) {
		o.DSN = k.dsn
		o.Carries = func(channel string) bool { return channel == jira.Name }
		for id, account := range accounts {
			who := o.Company.People[id]
			who.Accounts = map[string]string{"dir": id, "git": id, "acme": account}
			o.Company.People[id] = who
		}
		root := o.Company.Entitlements["dir:root"]
		root.MaxTerm, root.MaxTotal = access.Term(8*time.Hour), 0 // the shortest term of the example's tickets
		o.Company.Entitlements["dir:root"] = root
		for _, c := range change {
			if c.company != nil {
				c.company(o.Company)
			}
		}
	})
	k.Engine.Log = k.log.logger()
	handler := http.Handler(nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	sim := jirasim.Config{URL: server.URL, Site: jirasim.Example(), Now: k.Now, Send: k.deliver}
	for _, c := range change {
		if c.sim != nil {
			c.sim(&sim)
		}
	}
	var err error
	if k.sim, err = jirasim.New(sim); err != nil {
		t.Fatal(err)
	}
	handler = k.sim
	if err := k.sim.AddWebhook(jirasim.Webhook{Name: "Lessor", URL: "https://lessor.example/hooks/jira/acme", Secret: hookSecret, JQL: "project = ACC"}); err != nil {
		t.Fatal(err)
	}
	line := rest.Config{Kind: rest.Cloud, Base: server.URL, Email: "lessor@example.com", Token: func() string { return "token-lessor" },
		Now: k.Now, Jitter: func() float64 { return 0.5 }, Transport: k.wire}
	if sim.DataCenter {
		line.Kind, line.Email = rest.DataCenter, ""
	}
	if k.rest, err = rest.New(line); err != nil {
		t.Fatal(err)
	}
	k.site = k.mapping(server.URL)
	if sim.DataCenter {
		k.site.Kind = config.JiraDataCenter
	}
	for _, c := range change {
		if c.site != nil {
			c.site(k, &k.site)
		}
	}
	k.door = &gate{Door: k.Engine}
	k.ch = k.channel(k.rest)
	k.hook = k.ch.Receiver()
	k.wire.set(nil, nil) // what was asked to set it up is not counted
	return k
}

// channel is a channel of this desk's, as another process would have it.
func (k *desk) channel(r rest.Site) *jira.Channel {
	k.t.Helper()
	ch, err := jira.New(jira.Config{Site: k.site, Rest: r, Door: k.door, Directory: func() *access.Directory { return k.WorldAt(k.Now()).Directory },
		Bundle: k.bundle, Secret: func() secret.Value { return secret.New(hookSecret) }, Now: k.Now, Log: k.log.logger()})
	if err != nil {
		k.t.Fatal(err)
	}
	return ch
}

// deliver carries a webhook to the receiver.
func (k *desk) deliver(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	k.hook.ServeHTTP(w, r)
	return w.Result(), nil
}

// mapping reads the example's "Get access" as people would set it up.
func (k *desk) mapping(url string) config.JiraSite {
	_, kind := k.sim.RequestTypeID("ACC", "Get access")
	ent, term := k.sim.FieldID("Entitlements"), k.sim.FieldID("Term")
	return config.JiraSite{ID: "acme", URL: url, Kind: config.JiraCloud, User: "lessor@example.com", Poll: time.Minute, Owner: "ada", Portal: "https://lessor.example",
		Projects: []config.JiraProject{{Key: "ACC", Desk: true, WhenMoved: config.JiraPutBack,
			RequestTypes: []config.JiraRequestType{{ID: kind,
				Entitlements: config.JiraOptions{Field: ent, Options: map[string]config.JiraChoice{
					k.sim.OptionID(ent, "wiki:editors"): {Entitlement: "dir:wiki"}, k.sim.OptionID(ent, "prod-db:read"): {Entitlement: "dir:reports"},
					k.sim.OptionID(ent, "prod-db:admin"): {Entitlement: "dir:root"}}},
				Beneficiary: k.sim.FieldID("For whom"),
				Term: config.JiraTerm{Field: term, Options: map[string]access.Term{
					k.sim.OptionID(term, "8 hours"): access.Term(8 * time.Hour), k.sim.OptionID(term, "1 day"): access.Term(24 * time.Hour)}},
				Start: k.sim.FieldID("Start"), Reason: "summary"}},
			Milestones: config.JiraMilestones{Waiting: k.status("Waiting for approval"), Granting: k.status("Being granted"), Active: k.status("Active"), Removed: k.status("Removed"), Refused: k.status("Refused")},
			Votes:      config.JiraVotes{Approvals: true}}}}
}

// status is the id of a status, found as an administrator would.
func (k *desk) status(name string) string {
	k.t.Helper()
	types, err := k.rest.Statuses(k.t.Context(), "ACC")
	if err != nil {
		k.t.Fatal(err)
	}
	for _, of := range types {
		for _, s := range of.Statuses {
			if s.Name == name {
				return s.ID
			}
		}
	}
	k.t.Fatalf("no status %q", name)
	return ""
}

func (k *desk) bundle(ctx context.Context, grant string) ([]byte, error) {
	if _, err := k.Engine.Sequence(ctx); err != nil {
		return nil, err
	}
	return report.Bundle(ctx, k.DB, grant)
}

// raise opens a ticket as somebody would in the portal.
func (k *desk) raise(account, entitlement, term string, more ...map[string]any) jirasim.Ticket {
	k.t.Helper()
	fields := map[string]any{"summary": "month end figures", "Entitlements": []any{entitlement}, "Term": term,
		"Approvers": []any{jirasim.ExampleOwner, jirasim.ExampleSecurity}}
	for _, m := range more {
		for name, v := range m {
			fields[name] = v
		}
	}
	t, err := k.sim.As(account).Raise("ACC", "Get access", fields)
	if err != nil {
		k.t.Fatal(err)
	}
	return t
}

// must fails the test where somebody could not do what they were to do.
func (k *desk) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// work polls the site and does all background work that was asked for, until there is none.
func (k *desk) work() {
	k.t.Helper()
	k.Clock.Pass(time.Second)
	if err := k.ch.Poll(k.t.Context()); err != nil {
		k.t.Fatalf("poll: %v", err)
	}
	k.catchUp()
}

// catchUp works the jobs that wait: readings first, then what the lanes do, then tellings.
func (k *desk) catchUp() {
	k.t.Helper()
	for rounds := 0; ; rounds++ {
		if rounds > 50 {
			k.t.Fatal("the channel and the engine keep each other busy")
		}
		busy := k.readings()
		k.Work()
		if !k.tellings() && !busy {
			return
		}
	}
}

func (k *desk) readings() (busy bool) {
	k.t.Helper()
	for _, args := range k.fresh(engine.ReadTicket{}.Kind()) {
		var j engine.ReadTicket
		k.parse(args, &j)
		if err := k.ch.Read(k.t.Context(), j.Ticket, j.At); err != nil {
			k.t.Fatalf("read %s: %v", j.Ticket, err)
		}
		busy = true
	}
	return busy
}

func (k *desk) tellings() (busy bool) {
	k.t.Helper()
	for _, args := range k.fresh(engine.TellTicket{}.Kind()) {
		var j engine.TellTicket
		k.parse(args, &j)
		if err := k.ch.Tell(k.t.Context(), j.Ticket); err != nil {
			k.t.Fatalf("tell %s: %v", j.Ticket, err)
		}
		busy = true
	}
	return busy
}

// fresh lists what the jobs of a kind were asked with that were not listed yet.
func (k *desk) fresh(kind string) (list [][]byte) {
	k.t.Helper()
	args := "args"
	if k.DB.Dialect == store.SQLite {
		args = "json(args)" // stored in SQLite's own binary form
	}
	k.must(k.DB.Read(k.t.Context(), func(tx *store.Tx) error {
		rows, err := tx.QueryContext(k.t.Context(), "select id, "+args+" from river_job where kind = $1 and id > $2 order by id", kind, k.done[kind])
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var args []byte
			var id int64
			if err := rows.Scan(&id, &args); err != nil {
				return err
			}
			k.done[kind], list = id, append(list, args)
		}
		return rows.Err()
	}))
	return list
}

func (k *desk) parse(raw []byte, v any) {
	k.t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		k.t.Fatal(err)
	}
}

// ticket is a ticket as Lessor keeps it.
func (k *desk) ticket(i jirasim.Ticket) access.Ticket {
	k.t.Helper()
	t, err := k.Engine.Ticket(k.t.Context(), "jira:acme:"+i.ID)
	if err != nil {
		k.t.Fatal(err)
	}
	return t
}

// there is a ticket as it is in Jira.
func (k *desk) there(i jirasim.Ticket) jirasim.Ticket {
	k.t.Helper()
	t, ok := k.sim.Ticket(i.ID)
	if !ok {
		k.t.Fatalf("no issue %s", i.ID)
	}
	return t
}

// mustSay fails unless the text was said once, to that audience.
func (k *desk) mustSay(i jirasim.Ticket, text string, public bool) {
	k.t.Helper()
	var all []string
	times := 0
	for _, n := range k.there(i).Comments {
		all = append(all, n.Text)
		if strings.Contains(n.Text, text) && n.Public == public {
			times += strings.Count(n.Text, text)
		}
	}
	if times != 1 {
		k.t.Errorf("%q was said %d times (public: %t) in:\n%s", text, times, public, strings.Join(all, "\n--\n"))
	}
}

// TestTheLifeOfATicket goes from a ticket to its last comment.
func TestTheLifeOfATicket(t *testing.T) {
	t.Parallel()
	for kind, with := range map[string]setting{"cloud": {}, "data center": dataCenter} {
		t.Run(kind, func(t *testing.T) {
			enginetest.Each(t, func(t *testing.T, d store.Dialect) { lifeOfATicket(t, open(t, d, with)) })
		})
	}
}

func lifeOfATicket(t *testing.T, k *desk) {
	i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
	k.work()

	kept := k.ticket(i)
	if kept.State != access.Linked || kept.Identity != "eve" {
		t.Fatalf("ticket is %+v", kept)
	}
	r := k.Request(kept.Request())
	if r.State != access.Pending || r.Beneficiary != "eve" || r.Ticket != kept.ID || r.Reason != "month end figures" {
		t.Fatalf("request is %+v", r)
	}
	k.mustSay(i, "This request waits for approval by: manager.", true)
	k.mustSay(i, "ask-standard", false)
	if got := k.there(i); !slices.Contains(labels(got), "lessor-next-approver") {
		t.Errorf("labels %v", labels(got))
	}

	if err := k.sim.As(jirasim.ExampleOwner).Approve(i.ID); err != nil {
		t.Fatal(err)
	}
	k.work()
	if r = k.Request(r.ID); r.State != access.Approved {
		t.Fatalf("request is %s: %+v; answers %+v", r.State, r.Items, k.ticket(i).Answers)
	}
	if !k.Targets["dir"].Holds("eve", "wiki") {
		t.Error("nothing was provisioned")
	}
	k.mustSay(i, "The access is active: seen at", true)
	k.mustSay(i, "mia said approve to dir:wiki as manager", false)
	if got := k.there(i).Status; got != "Active" {
		t.Errorf("status is %q", got)
	}

	k.Advance(9 * time.Hour)
	k.work()
	if k.Targets["dir"].Holds("eve", "wiki") {
		t.Error("still held")
	}
	k.mustSay(i, "The access has ended and was seen removed at", true)
	k.mustSay(i, "evidence", false)
	if got := k.there(i); got.Status != "Removed" || len(got.Links) != 1 {
		t.Errorf("status is %q, links %v", got.Status, got.Links)
	}
	k.CheckQuiet()
}

func labels(t jirasim.Ticket) (list []string) {
	many, _ := t.Fields["labels"].([]any)
	for _, l := range many {
		if s, ok := l.(string); ok {
			list = append(list, s)
		}
	}
	return list
}
