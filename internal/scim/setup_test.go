package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/scim"
	"github.com/lessor-iam/lessor/internal/store"
)

// desk is the door on loopback before an engine, with two feeds by SCIM.
type desk struct {
	*enginetest.Fixture
	t   *testing.T
	url string
	key string // the token that is sent
}

// idp is a feed that makes identities; whoever the files have under the same user name it is.
func idp() access.Feed {
	return access.Feed{ID: "idp", Kind: "scim", Key: "id", Identity: "user", Gives: access.FeedGives, Shrink: 10, Groups: map[string]string{"staff": "Everybody"},
		Columns: map[string]string{"externalid": "externalId", "number": "employeeNumber", "account:dir": "nickName"},
		Match:   []access.Match{{Attribute: "user", Equals: "id"}}}
}

func open(t *testing.T, kind store.Dialect) *desk {
	t.Helper()
	d := &desk{Fixture: enginetest.Open(t, kind), t: t, key: "token of idp"}
	t.Cleanup(func() { d.Check() })
	other := idp()
	other.ID = "other"
	d.Change(func(c *enginetest.Company) {
		c.Groups["staff"] = access.GroupMembers{ID: "staff"}
		c.Feeds = []access.Feed{idp(), other}
	})
	h, err := scim.New(scim.Config{Engine: d.Engine, Base: "https://lessor.example.org", Log: slog.New(slog.DiscardHandler),
		Feed: func(id string) (access.Feed, bool) {
			for _, f := range d.Company.Feeds {
				if f.ID == id {
					return f, true
				}
			}
			return access.Feed{}, false
		},
		Visitor: func(feed, header string) (string, bool) { return "t", header == "Bearer token of "+feed },
		Spend:   func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	d.url = server.URL + scim.Below + "idp"
	return d
}

func each(t *testing.T, do func(t *testing.T, d *desk)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) { do(t, open(t, kind)) })
}

// got is an answer.
type got struct {
	status int
	head   http.Header
	body   map[string]any
	text   string
}

// call asks, with headers in pairs.
func (d *desk) call(method, at, body string, heads ...string) got {
	d.t.Helper()
	if !strings.HasPrefix(at, "http") {
		at = d.url + at
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, at, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.key)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	for n := 0; n+1 < len(heads); n += 2 {
		r.Header.Set(heads[n], heads[n+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	g := got{status: answer.StatusCode, head: answer.Header, text: string(text)}
	if len(text) > 0 {
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&g.body); err != nil || answer.Header.Get("Content-Type") != "application/scim+json" {
			d.t.Fatalf("%s %s: %d %s: %q, %v", method, at, answer.StatusCode, answer.Header.Get("Content-Type"), text, err)
		}
	}
	return g
}

// must asks, and fails the test if the answer is another.
func (d *desk) must(status int, method, at, body string, heads ...string) got {
	d.t.Helper()
	g := d.call(method, at, body, heads...)
	if g.status != status {
		d.t.Fatalf("%s %s %s: %d, not %d: %s", method, at, body, g.status, status, g.text)
	}
	return g
}

// add makes a user and returns the id.
func (d *desk) add(user string, more ...string) string {
	d.t.Helper()
	g := d.must(201, "POST", "/Users", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q%s}`, user, strings.Join(append([]string{""}, more...), ",")))
	return g.body["id"].(string)
}

// patch changes by operations.
func (d *desk) patch(status int, at, operations string) got {
	d.t.Helper()
	return d.must(status, "PATCH", at, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+operations+`]}`)
}

func (d *desk) is(id string) access.Identity {
	i, _ := d.WorldAt(d.Now()).Directory.Identity(id)
	return i
}

// at is what is at a path of names and numbers in an answer.
func at(v any, names ...any) any {
	for _, n := range names {
		switch n := n.(type) {
		case string:
			in, _ := v.(map[string]any)
			v = in[n]
		case int:
			list, _ := v.([]any)
			if n >= len(list) {
				return nil
			}
			v = list[n]
		}
	}
	return v
}

func query(text string) string { return url.QueryEscape(text) }

// speaker is who the door has speak for the feed.
func speaker() access.Actor {
	return access.Actor{Identity: "feed:idp", Channel: scim.Channel, Scopes: []string{"feed:idp"}}
}

// SweepMoved does what the jobs ask for that moved identities inserted.
func (d *desk) SweepMoved() {
	d.t.Helper()
	for _, args := range d.Jobs(engine.SweepJob{}.Kind()) {
		var job engine.SweepJob
		if err := json.Unmarshal(args, &job); err != nil {
			d.t.Fatal(err)
		}
		if _, err := d.Engine.SweepOf(d.t.Context(), job.Identities); err != nil {
			d.t.Fatal(err)
		}
	}
}

type finding = access.Finding
