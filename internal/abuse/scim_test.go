package abuse

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/scim"
)

// provider has the door's company told of by SCIM, and returns the way to say something by the feed's token.
func (d *door) provider(t *testing.T) func(want int, method, at, body string) map[string]any {
	t.Helper()
	d.Change(func(c *enginetest.Company) {
		c.Groups["staff"] = access.GroupMembers{ID: "staff"}
		c.Feeds = []access.Feed{{ID: "idp", Kind: "scim", Key: "id", Identity: "user", Gives: access.FeedGives, Shrink: 10, Columns: map[string]string{"account:dir": "nickName"},
			Match: []access.Match{{Attribute: "user", Equals: "id"}}, Groups: map[string]string{"staff": "Everybody"}}}
	})
	h, err := scim.New(scim.Config{Engine: d.Engine, Log: slog.New(slog.DiscardHandler),
		Feed:    func(id string) (access.Feed, bool) { return d.Company.Feeds[0], id == "idp" },
		Visitor: func(feed, header string) (string, bool) { return "t", feed == "idp" && header == "Bearer idp" },
		Spend:   func(string) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return func(want int, method, at, body string) map[string]any {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+scim.Below+"idp"+at, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer idp")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != want {
			t.Fatalf("%s %s %s: %d, not %d: %s, %v", method, at, body, answer.StatusCode, want, text, err)
		}
		got := map[string]any{}
		if len(text) > 0 {
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
		}
		return got
	}
}

// A provider deactivates most of the company one call after another, by each of the ways it has: the first
// few are believed, and nobody else loses anything.
func TestAB61_AProviderThatDeactivatesEverybody(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		say := d.provider(t)
		users := []string{}
		for n := range 10 {
			users = append(users, fmt.Sprintf("p%d", n))
		}
		users = append(users, "eve")
		keys := make([]string, len(users))
		for n, user := range users {
			keys[n] = say(201, "POST", "/Users", fmt.Sprintf(`{"userName":%q}`, user))["id"].(string)
		}
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
		d.Work()
		for n := range users {
			switch n % 3 {
			case 0:
				say(200, "PATCH", "/Users/"+keys[n], `{"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
			case 1:
				say(200, "PUT", "/Users/"+keys[n], fmt.Sprintf(`{"userName":%q,"active":false}`, users[n]))
			default:
				say(204, "DELETE", "/Users/"+keys[n], "")
			}
		}
		left := slices.DeleteFunc(slices.Clone(users), func(id string) bool { return !d.is(id).Inactive })
		if d.Work(); len(left) != 2 || d.Grant(g.ID).State != access.Live || !d.Targets["dir"].Holds("eve", "wiki") {
			t.Errorf("%v have left, and the grant of eve is %s", left, d.Grant(g.ID).State)
		}
	})
}

// Whoever has the feed's token makes nobody security, takes nobody's name, address or account, and reads
// nothing but what the feed said.
func TestAB61_APoisonedPatch(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		say := d.provider(t)
		sara := say(201, "POST", "/Users", `{"userName":"sara","emails":[{"value":"sara@example.com"}]}`)["id"].(string)
		bea := say(201, "POST", "/Users", `{"userName":"bea"}`)["id"].(string)
		// 1. Groups that are not named fill nothing; nor does a claim of one's own.
		for _, name := range []string{"security", "auditors"} {
			say(201, "POST", "/Groups", fmt.Sprintf(`{"displayName":%q,"members":[{"value":%q}]}`, name, bea))
		}
		say(400, "PATCH", "/Users/"+bea, `{"Operations":[{"op":"add","path":"groups","value":[{"value":"security"}]}]}`)
		say(200, "PATCH", "/Users/"+bea, `{"Operations":[{"op":"add","value":{"groups":[{"value":"security"}],"roles":["security"],"entitlements":["dir:root"]}}]}`)
		if groups := d.WorldAt(d.Now()).Directory.GroupsOf("bea"); len(groups) != 0 {
			t.Errorf("bea is in %v", groups)
		}
		// 2. The name is hers, and so is the account.
		say(409, "PATCH", "/Users/"+bea, `{"Operations":[{"op":"replace","path":"userName","value":"SARA"}]}`)
		say(200, "PATCH", "/Users/"+bea, `{"Operations":[{"op":"replace","value":{"nickName":"sara","emails":[{"value":"sara@example.com"}],"externalId":"sara"}}]}`)
		if who, ok := d.WorldAt(d.Now()).Directory.ByAccount("dir", "sara"); !ok || who != "sara" || d.is("bea").Accounts["dir"] == "sara" {
			t.Errorf("the account of sara is %q's", who)
		}
		// 3. She goes and her name comes back: that is nobody, and takes nothing along.
		say(204, "DELETE", "/Users/"+sara, "")
		again := say(201, "POST", "/Users", `{"userName":"sara","nickName":"sara"}`)["id"].(string)
		r, err := d.Engine.FeedRecord(t.Context(), access.Actor{Scopes: []string{"feed:idp"}}, "idp", again)
		if err != nil || r.Identity != "" || r.Held != access.IdentityRecycled || !d.is("sara").Inactive {
			t.Errorf("%+v, %v", r, err)
		}
		// 4. A path that leads elsewhere leads nowhere.
		for _, at := range []string{"/Users/%2e%2e%2fGroups", "/Users/..%2f..%2fother", "/Users/'%20or%201=1", "/Users/mia"} {
			say(404, "GET", at, "")
		}
	})
}

// The provider deactivates an approver between the vote and the grant: the vote counts no more.
func TestAB26_AnApproverIsDeactivatedBySCIM(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		say := d.provider(t)
		mia := say(201, "POST", "/Users", `{"userName":"mia"}`)["id"].(string)
		for _, user := range []string{"otto", "eve"} {
			say(201, "POST", "/Users", fmt.Sprintf(`{"userName":%q}`, user))
		}
		r := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}}))
		say(200, "PATCH", "/Users/"+mia, `{"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
		r = d.approve("otto", r)
		if r.State != access.Pending || r.Items[0].Grant != "" {
			t.Fatalf("request is %s on a vote of somebody who was deactivated: %+v", r.State, r.Items[0])
		}
		if d.Work(); len(d.Held("dir")) != 0 {
			t.Errorf("held: %v", d.Held("dir"))
		}
	})
}

// A provider takes department, manager and group from most of the company one call after another, and at
// last the group's name: the first few are believed, the others are answered that they are not, and stay.
func TestAB61_AProviderThatEmptiesEverybody(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		say := d.provider(t)
		const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
		boss := say(201, "POST", "/Users", `{"userName":"boss"}`)["id"].(string)
		var keys, members []string
		for n := range 10 {
			keys = append(keys, say(201, "POST", "/Users", fmt.Sprintf(`{"userName":"p%d",%q:{"department":"sales","manager":{"value":%q}}}`, n, enterprise, boss))["id"].(string))
			members = append(members, fmt.Sprintf(`{"value":%q}`, keys[n]))
		}
		all := say(201, "POST", "/Groups", `{"displayName":"Everybody","members":[`+strings.Join(members, ",")+`]}`)["id"].(string)
		for n, key := range keys {
			want := 200
			if n >= 2 {
				want = 429
			}
			switch n % 3 {
			case 0:
				say(want, "PATCH", "/Users/"+key, fmt.Sprintf(`{"Operations":[{"op":"Remove","path":"%s:department"}]}`, enterprise))
			case 1:
				say(want, "PATCH", "/Users/"+key, fmt.Sprintf(`{"Operations":[{"op":"remove","path":"%s:manager"}]}`, enterprise))
			default:
				say(want, "PUT", "/Users/"+key, fmt.Sprintf(`{"userName":"p%d"}`, n))
			}
		}
		say(429, "PATCH", "/Groups/"+all, `{"Operations":[{"op":"remove","path":"members"}]}`)
		say(429, "PATCH", "/Groups/"+all, `{"Operations":[{"op":"replace","path":"displayName","value":"Nobody"}]}`)
		say(429, "DELETE", "/Groups/"+all, "")
		for n := 2; n < 10; n++ {
			if i := d.is(fmt.Sprintf("p%d", n)); i.Department != "sales" || i.Manager != "boss" {
				t.Errorf("%+v", i)
			}
		}
		if in := d.WorldAt(d.Now()).Directory.MembersOf("staff"); len(in) != 10 {
			t.Errorf("staff is %v", in)
		}
	})
}
