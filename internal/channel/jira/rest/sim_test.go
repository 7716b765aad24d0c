package rest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/adf"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

// bench is the stand-in behind a real connection, and a client of each face of it.
type bench struct {
	*jirasim.Sim
	cloud, dc rest.Site

	mu  sync.Mutex
	now time.Time
}

func (b *bench) at() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now }

func (b *bench) pass(d time.Duration) { b.mu.Lock(); defer b.mu.Unlock(); b.now = b.now.Add(d) }

func setup(t *testing.T, as string, change ...func(*jirasim.Config)) *bench {
	t.Helper()
	b := &bench{now: noon}
	cfg := jirasim.Config{URL: "https://acme.example.net", Site: jirasim.Example(), Now: b.at}
	for _, c := range change {
		c(&cfg)
	}
	sim, err := jirasim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.Sim = sim
	b.cloud = b.client(t, rest.Cloud, sim.Cloud(), as)
	b.dc = b.client(t, rest.DataCenter, sim.DataCenter(), as)
	return b
}

// client speaks to a face of the stand-in; what it sends to Cloud is validated
// against the contract where that is present.
func (b *bench) client(t *testing.T, kind rest.Kind, face http.Handler, as string) rest.Site {
	t.Helper()
	server := httptest.NewServer(face)
	t.Cleanup(server.Close)
	var next http.RoundTripper = &http.Transport{}
	if list, err := contracts(); err != nil {
		t.Fatal(err)
	} else if list != nil && kind == rest.Cloud {
		next = validated{t, list, next}
	}
	cfg := rest.Config{Kind: kind, Base: server.URL, Transport: next, Token: func() string { return "token-" + as }, Now: b.at, Jitter: func() float64 { return 0 }}
	if kind == rest.Cloud {
		cfg.Email = as + "@example.com"
	}
	s, err := rest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bench) faces() map[string]rest.Site {
	return map[string]rest.Site{"cloud": b.cloud, "data center": b.dc}
}

// raise makes a request for access as Paul.
func (b *bench) raise(t *testing.T) jirasim.Ticket {
	t.Helper()
	tk, err := b.As(jirasim.ExamplePerson).Raise("ACC", "Get access", map[string]any{
		"summary": "audit", "Entitlements": []any{"prod-db:read"}, "Term": "8 hours", "description": "for the audit", "Approvers": []any{jirasim.ExampleOwner}})
	if err != nil {
		t.Fatal(err)
	}
	return tk
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// The whole round of one ticket on both faces: read it, say something to each
// audience, mark it, move it, look.
func TestARoundWithTheStandIn(t *testing.T) {
	t.Parallel()
	for name := range (&bench{}).faces() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, "lessor")
			s, ctx := b.faces()[name], soon(t)
			tk := b.raise(t)
			me := must(s.Myself(ctx))(t)
			if me.ID == "" || !me.Known() || me.Name != "Lessor" {
				t.Errorf("myself: %+v", me)
			}
			i := must(s.Issue(ctx, tk.ID))(t)
			if found := must(s.Find(ctx, tk.Key))(t); found.ID != tk.ID || i.Key != tk.Key || i.Project.Key != "ACC" || i.Status.Name != "Waiting for approval" || i.Reporter.Name != "Paul Person" || i.Summary != "audit" {
				t.Errorf("the issue: %+v", i)
			}
			if text, _ := adf.Read(i.Fields["description"]); text != "for the audit" {
				t.Errorf("its text: %q", text)
			}
			// Comments for each audience; the marker makes a repeat safe.
			doc := new(adf.Doc).Paragraph(adf.Strong("Granted"), adf.Text(" prod-db:read {x} (marker abc12345)"))
			note := rest.NewComment{For: rest.Agents, Marker: "abc12345", Body: rest.Body{ADF: doc.ADF(), Wiki: doc.Wiki()}}
			_, there, err := s.Marked(ctx, tk.ID, "abc12345")
			if err != nil || there {
				t.Errorf("before: %t %v", there, err)
			}
			id := must(s.Comment(ctx, tk.ID, note))(t)
			seen, there, err := s.Marked(ctx, tk.ID, "abc12345")
			if err != nil || !there || seen.ID != id || seen.Author.ID != me.ID || seen.Public != nil && *seen.Public {
				t.Errorf("after: %+v %t %v", seen, there, err)
			}
			if text, _ := adf.Read(seen.Body); !strings.Contains(text, "prod-db:read") {
				t.Errorf("the comment reads %q", text)
			}
			note.For, note.Marker = rest.Customer, "marker"+"123"
			note.Body.Wiki = "for you, marker123"
			must(s.Comment(ctx, tk.ID, note))(t)
			now, _ := b.Ticket(tk.ID)
			if len(now.Comments) != 2 || now.Comments[0].Public || !now.Comments[1].Public {
				t.Errorf("comments as they are: %+v", now.Comments)
			}
			ok(t, "comment property", s.SetCommentProperty(ctx, id, "lessor", map[string]string{"marker": "abc12345"}))
			if raw := must(s.CommentProperty(ctx, id, "lessor"))(t); !strings.Contains(string(raw), "abc12345") {
				t.Errorf("comment property: %s", raw)
			}
			ok(t, "property", s.SetProperty(ctx, tk.ID, "lessor.request", map[string]string{"digest": "x"}))
			if raw := must(s.Property(ctx, tk.ID, "lessor.request"))(t); !json.Valid(raw) || !strings.Contains(string(raw), "digest") {
				t.Errorf("property: %s", raw)
			}
			if _, err := s.Property(ctx, tk.ID, "other"); !errors.Is(err, rest.ErrMissing) {
				t.Errorf("no such property: %v", err)
			}
			link := rest.RemoteLink{GlobalID: "lessor=R-1", Title: "R-1", Relation: "governed by", URL: "https://lessor.example/requests/R-1"}
			ok(t, "link", s.Link(ctx, tk.ID, link))
			ok(t, "link again", s.Link(ctx, tk.ID, link))
			ok(t, "labels", s.Label(ctx, tk.ID, []string{"lessor-pending", "x"}, nil))
			ok(t, "labels", s.Label(ctx, tk.ID, []string{"lessor-active"}, []string{"lessor-pending"}))
			ok(t, "secure", s.Secure(ctx, tk.ID, b.SecurityLevelID("Staff")))
			agent := must(s.User(ctx, account(t, b, name, jirasim.ExampleAgent)))(t)
			ok(t, "assign", s.Assign(ctx, tk.ID, agent.ID))
			i = must(s.Issue(ctx, tk.ID, "assignee", "labels", "security"))(t)
			now, _ = b.Ticket(tk.ID)
			if len(now.Links) != 1 || i.Assignee.ID != agent.ID || !reflect.DeepEqual(i.Labels, []string{"lessor-active", "x"}) && !reflect.DeepEqual(i.Labels, []string{"x", "lessor-active"}) || i.Security.Name != "Staff" {
				t.Errorf("afterwards: %+v, links %+v", i, now.Links)
			}
			ok(t, "unassign", s.Assign(ctx, tk.ID, ""))
			ok(t, "unsecure", s.Secure(ctx, tk.ID, ""))
			i = must(s.Issue(ctx, tk.ID, "assignee", "security"))(t)
			if i.Assignee.ID != "" || i.Security.ID != "" {
				t.Errorf("not taken off: %+v", i)
			}
			moves := must(s.Transitions(ctx, tk.ID))(t)
			n := slices.IndexFunc(moves, func(m rest.Transition) bool { return m.Name == "Set active" })
			if n < 0 {
				t.Fatalf("no way from any status: %+v", moves)
			}
			got, err := s.Transition(ctx, tk.ID, rest.Move{Transition: moves[n].ID, To: moves[n].To.ID})
			if err != nil || got.Name != "Active" {
				t.Errorf("moved to %+v: %v", got, err)
			}
			changes := must(s.Changes(ctx, tk.ID))(t)
			if len(changes) < 4 || !slices.ContainsFunc(changes, func(c rest.Change) bool {
				return slices.ContainsFunc(c.Items, func(i rest.ChangeItem) bool { return i.Name == "status" && i.ToShown == "Active" })
			}) {
				t.Errorf("history: %+v", changes)
			}
		})
	}
}

// account is how a face names somebody.
func account(t *testing.T, b *bench, face, id string) string {
	t.Helper()
	if face == "cloud" {
		return id
	}
	for _, u := range jirasim.Example().Users {
		if u.AccountID != id {
			continue
		}
		if u.Key != "" {
			return u.Key
		}
		return u.Login
	}
	t.Fatalf("no user %s", id)
	return ""
}

func TestTheDeskOfTheStandIn(t *testing.T) {
	t.Parallel()
	for name := range (&bench{}).faces() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, "lessor")
			s, ctx := b.faces()[name], soon(t)
			tk := b.raise(t)
			desks := must(s.Desks(ctx))(t)
			if len(desks) != 1 || desks[0].ProjectKey != "ACC" {
				t.Fatalf("desks: %+v", desks)
			}
			types := must(s.RequestTypes(ctx, desks[0].ID))(t)
			n := slices.IndexFunc(types, func(r rest.RequestType) bool { return r.Name == "Get access" })
			if n < 0 {
				t.Fatalf("request types: %+v", types)
			}
			form := must(s.RequestFields(ctx, desks[0].ID, types[n].ID))(t)
			option := b.OptionID("Entitlements", "prod-db:read")
			if !slices.ContainsFunc(form, func(f rest.RequestField) bool {
				return f.ID == b.FieldID("Entitlements") && f.Required && slices.Contains(f.Options, rest.Option{ID: option, Value: "prod-db:read"})
			}) {
				t.Errorf("the form: %+v", form)
			}
			r := must(s.Request(ctx, tk.ID))(t)
			if r.Type != types[n].ID || r.ServiceDesk != desks[0].ID || r.Key != tk.Key || r.Created.IsZero() || len(r.Values) == 0 {
				t.Errorf("request: %+v", r)
			}
			list := must(s.Approvals(ctx, tk.ID))(t)
			if len(list) != 1 || list[0].Decision != "pending" || len(list[0].Approvers) != 1 || list[0].Mine || !list[0].Completed.IsZero() {
				t.Errorf("approvals: %+v", list)
			}
			ok(t, "approve", b.As(jirasim.ExampleOwner).Approve(tk.ID))
			list = must(s.Approvals(ctx, tk.ID))(t)
			if list[0].Decision != "approved" || list[0].Approvers[0].Decision != "approved" || list[0].Approvers[0].User.ID != account(t, b, name, jirasim.ExampleOwner) || list[0].Completed.IsZero() {
				t.Errorf("approved: %+v", list)
			}
			if clocks := must(s.SLA(ctx, tk.ID))(t); len(clocks) != 1 || clocks[0].Name != "Time to decision" || len(clocks[0].Done)+bool2int(clocks[0].Running != nil) != 1 {
				t.Errorf("SLA: %+v", clocks)
			}
			queues := must(s.Queues(ctx, desks[0].ID))(t)
			if len(queues) != 2 || queues[0].Issues != 1 {
				t.Errorf("queues: %+v", queues)
			}
			if in := must(s.Queued(ctx, desks[0].ID, queues[0].ID))(t); !reflect.DeepEqual(in, []string{tk.ID}) {
				t.Errorf("in the queue: %q", in)
			}
			_ = must(s.Participants(ctx, tk.ID))(t)
			if orgs := must(s.Organizations(ctx, desks[0].ID))(t); len(orgs) != 1 || orgs[0].Name != "Contractors Ltd" {
				t.Errorf("organizations: %+v", orgs)
			}
			other := must(b.As(jirasim.ExampleAgent).Create("OPS", "Task", map[string]any{"summary": "no request"}))(t)
			if _, err := s.Approvals(ctx, other.ID); !errors.Is(err, rest.ErrMissing) {
				t.Errorf("approvals of what is no request: %v", err)
			}
			id, err := s.Comment(ctx, other.ID, rest.NewComment{For: rest.Everyone, Marker: "abc12345", Body: rest.Body{ADF: new(adf.Doc).Paragraph(adf.Text("hello")).ADF(), Wiki: "hello"}})
			ok(t, "comment on what is no request", err)
			if c, there, err := s.Marked(ctx, other.ID, "abc12345"); err != nil || !there || c.ID != id || c.Mark != "abc12345" {
				t.Errorf("its marker: %+v %t %v", c, there, err)
			}
		})
	}
}

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestSetupOfTheStandIn(t *testing.T) {
	t.Parallel()
	b := setup(t, "ada") // an administrator
	for name, s := range b.faces() {
		ctx := soon(t)
		if v := must(s.Server(ctx))(t); v.Base == "" || v.Time.IsZero() || (v.Deployment == "Cloud") != (name == "cloud") {
			t.Errorf("%s: server %+v", name, v)
		}
		if all := must(s.Projects(ctx))(t); len(all) != 2 || all[0].Key != "ACC" || all[0].Kind != "service_desk" || all[1].Kind != "software" {
			t.Errorf("%s: projects %+v", name, all)
		}
		if all := must(s.Fields(ctx))(t); !slices.ContainsFunc(all, func(f rest.Field) bool {
			return f.ID == b.FieldID("Entitlements") && f.Custom && strings.Contains(f.Schema, "multiselect")
		}) {
			t.Errorf("%s: fields %+v", name, all)
		}
		types := must(s.Statuses(ctx, "ACC"))(t)
		if len(types) == 0 || len(types[0].Statuses) != 6 {
			t.Errorf("%s: statuses %+v", name, types)
		}
		options := must(s.Options(ctx, "ACC", types[0].Type.ID))(t)
		if !slices.ContainsFunc(options, func(f rest.CreateField) bool {
			return slices.Contains(f.Options, rest.Option{ID: b.OptionID("Term", "1 day"), Value: "1 day"})
		}) {
			t.Errorf("%s: options %+v", name, options)
		}
		levels := must(s.SecurityLevels(ctx, "ACC"))(t)
		if len(levels) != 1 || levels[0].Name != "Staff" { // the other is not hers to see
			t.Errorf("%s: levels %+v", name, levels)
		}
		if name == "cloud" {
			if who := must(s.LevelMembers(ctx, b.SecurityLevelID("Security only")))(t); len(who) != 1 || who[0].Kind != "group" {
				t.Errorf("%s: who is in a level: %+v", name, who)
			}
		}
		roles := must(s.Roles(ctx, "ACC"))(t)
		n := slices.IndexFunc(roles, func(r rest.Role) bool { return r.Name == "Service Desk Team" })
		if n < 0 {
			t.Fatalf("%s: roles %+v", name, roles)
		}
		members := must(s.Members(ctx, "ACC", roles[n].ID))(t)
		if len(members) != 2 || !slices.ContainsFunc(members, func(m rest.Member) bool { return m.Group }) || !slices.ContainsFunc(members, func(m rest.Member) bool { return !m.Group && m.Name == "Agnes Agent" }) {
			t.Errorf("%s: members %+v", name, members)
		}
		if all := must(s.PermissionScheme(ctx, "ACC"))(t); !slices.ContainsFunc(all, func(p rest.Permitted) bool { return p.Permission == "BROWSE_PROJECTS" && p.Holder.Kind == "group" }) {
			t.Errorf("%s: permissions %+v", name, all)
		}
		have := must(s.Permissions(ctx, "ACC", "ADMINISTER", "BROWSE_PROJECTS", "EDIT_ISSUES"))(t)
		if !have["ADMINISTER"] || !have["BROWSE_PROJECTS"] {
			t.Errorf("%s: permissions %+v", name, have)
		}
	}
	types := must(b.cloud.RequestTypes(soon(t), must(b.cloud.Desks(soon(t)))(t)[0].ID))(t)
	made, err := b.cloud.AddRequestType(soon(t), must(b.cloud.Desks(soon(t)))(t)[0].ID, rest.NewRequestType{IssueType: types[0].IssueType, Name: "Give back", Description: "d", Help: "h"})
	if err != nil || made.Name != "Give back" || made.ID == "" {
		t.Errorf("a new request type: %+v %v", made, err)
	}
	if _, err := b.cloud.Webhooks(soon(t)); !errors.Is(err, rest.ErrDenied) {
		t.Errorf("webhooks for no app: %v", err)
	}
}

// The traps of the contract, as the stand-in sets them.
func TestTrapsOfTheStandIn(t *testing.T) {
	t.Parallel()
	b := setup(t, "lessor", func(c *jirasim.Config) { c.SearchLag = 30 * time.Second })
	for name, s := range b.faces() {
		ctx := soon(t)
		since := b.at()
		tk := b.raise(t)
		// An empty search proves nothing: it lags.
		found := func() bool {
			for page := (rest.Page{}); ; {
				ids, next, err := s.Updated(ctx, rest.Query{Since: since, Projects: []string{"ACC", "OPS"}}, page)
				if err != nil {
					t.Fatalf("%s: search: %v", name, err)
				}
				if slices.Contains(ids, tk.ID) {
					return true
				}
				if next.Last() {
					return false
				}
				page = next
			}
		}
		if found() {
			t.Errorf("%s: found at once: is there no lag?", name)
		}
		b.pass(time.Minute)
		if !found() {
			t.Errorf("%s: not found after a minute", name)
		}
		// A moved issue keeps its id; the old key leads to it.
		ok(t, "move", b.As(jirasim.ExampleAgent).Move(tk.Key, "OPS"))
		if i := must(s.Find(ctx, tk.Key))(t); i.ID != tk.ID || i.Key == tk.Key || i.Project.Key != "OPS" {
			t.Errorf("%s: moved: %+v", name, i)
		}
		// Deleted and hidden look alike.
		ok(t, "delete", b.As(jirasim.ExampleAdmin).Delete(tk.ID))
		if _, err := s.Issue(ctx, tk.ID); !errors.Is(err, rest.ErrMissing) {
			t.Errorf("%s: deleted: %v", name, err)
		}
		hidden := b.raise(t)
		ok(t, "hide", b.As(jirasim.ExampleAgent).Edit(hidden.ID, map[string]any{"security": map[string]any{"id": b.SecurityLevelID("Security only")}}))
		if _, err := s.Issue(ctx, hidden.ID); !errors.Is(err, rest.ErrMissing) {
			t.Errorf("%s: hidden: %v", name, err)
		}
		if u, err := s.User(ctx, account(t, b, name, jirasim.ExampleGone)); err == nil && u.Known() {
			t.Errorf("%s: a deleted user is known: %+v", name, u)
		}
	}
}

// Faults before and after the deed: what the client says is what may be believed.
func TestFaultsOfTheStandIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		fault  jirasim.Fault
		want   error
		landed bool
	}{
		{"429", jirasim.Limit429(30 * time.Second), rest.ErrLimited, false},
		{"503", jirasim.Fault{Status: 503}, rest.ErrUnanswered, false},
		{"cut before", jirasim.Fault{Cut: true}, rest.ErrUnanswered, false},
		{"cut after", jirasim.Fault{Cut: true, After: true}, rest.ErrUnanswered, true},
		{"500 after", jirasim.Fault{Status: 500, After: true}, rest.ErrUnanswered, true},
	} {
		b := setup(t, "lessor")
		tk, ctx := b.raise(t), soon(t)
		c.fault.Path = "/rest/servicedeskapi/request/*/comment"
		mend := b.Break(c.fault)
		note := rest.NewComment{For: rest.Agents, Marker: "abc12345", Body: rest.Body{Wiki: "granted abc12345"}}
		if _, err := b.cloud.Comment(ctx, tk.ID, note); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		mend()
		b.pass(time.Minute)
		_, there, err := b.cloud.Marked(ctx, tk.ID, "abc12345")
		if err != nil || there != c.landed {
			t.Errorf("%s: there %t, %v", c.name, there, err)
		}
		if !there {
			must(b.cloud.Comment(ctx, tk.ID, note))(t)
		}
		if now, _ := b.Ticket(tk.ID); len(now.Comments) != 1 {
			t.Errorf("%s: %d comments", c.name, len(now.Comments))
		}
	}
}
