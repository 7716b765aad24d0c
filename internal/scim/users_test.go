package scim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/engine"
)

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// Made, read, found, replaced, changed and deleted, as RFC 7644 §3.3 to §3.6 have it.
func TestUsers(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		// 1. §3.3: made, with what only Lessor says left out of what was sent.
		g := d.must(201, "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen","externalId":"Bjensen","id":"mine",
			"name":{"formatted":"Ms. Barbara J Jensen III","familyName":"Jensen","givenName":"Barbara"},"groups":[{"value":"security"}],"password":"t1meMa$heen","meta":{"version":"x"},
			"favouriteColour":"green","phoneNumbers":[{"value":"555"}]}`)
		id := g.body["id"].(string)
		place := "https://lessor.example.org/scim/v2/idp/Users/" + id
		if id == "mine" || g.head.Get("Location") != place || at(g.body, "meta", "location") != place || at(g.body, "meta", "resourceType") != "User" ||
			g.body["externalId"] != "Bjensen" || g.body["active"] != true || g.body["groups"] != nil || g.head.Get("ETag") == "" || g.head.Get("ETag") != at(g.body, "meta", "version") {
			t.Errorf("%s %v", g.text, g.head)
		}
		for _, no := range []string{"t1meMa", "favouriteColour", "555"} {
			if strings.Contains(g.text, no) {
				t.Errorf("kept: %s", no)
			}
		}
		if i := d.is("bjensen"); i.Name != "Ms. Barbara J Jensen III" || i.Inactive {
			t.Errorf("%+v", i)
		}
		// 2. A second of that name, in other letters: §3.3.1.
		if g := d.must(409, "POST", "/Users", `{"userName":"BJENSEN"}`); g.body["scimType"] != "uniqueness" || g.body["status"] != "409" || at(g.body, "schemas", 0) != "urn:ietf:params:scim:api:messages:2.0:Error" {
			t.Errorf("%s", g.text)
		}
		// 3. §3.4: read and found.
		tag := d.must(200, "GET", "/Users/"+id, "").head.Get("ETag")
		d.must(304, "GET", "/Users/"+id, "", "If-None-Match", tag)
		for filter, want := range map[string]int{`userName eq "bjensen"`: 1, `USERNAME Eq "BJensen"`: 1, `externalId eq "Bjensen"`: 1, `externalId eq "bjensen"`: 0,
			`id eq "` + id + `"`: 1, `userName eq "nobody"`: 0, `userName eq "bjensen" and active eq true`: 1, `userName eq "bjensen" and active eq "False"`: 0,
			`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bjensen"`: 1, `name.familyName eq "jensen" and userName eq "bjensen"`: 1} {
			g := d.must(200, "GET", "/Users?filter="+query(filter), "")
			if g.body["totalResults"] != float64(want) || len(g.body["Resources"].([]any)) != want {
				t.Errorf("%s: %s", filter, g.text)
			}
		}
		for _, bad := range []string{`userName co "b"`, `userName eq "a" or userName eq "b"`, `not (userName eq "a")`, `userName`, `userName eq`, `userName eq b`, `title eq "x"`, `active eq true`, `userName pr`,
			`emails[type eq "work"]`, `(userName eq "a")`, `userName eq "a" and`, `userName eq {"a":1}`, `userName eq "` + strings.Repeat("a", 2000) + `"`} {
			if g := d.must(400, "GET", "/Users?filter="+query(bad), ""); g.body["scimType"] != "invalidFilter" {
				t.Errorf("%s: %s", bad, g.text)
			}
		}
		// 4. §3.4.2.5, §3.9: what is asked for.
		g = d.must(200, "GET", "/Users/"+id+"?attributes=userName,name.familyName", "")
		if g.body["externalId"] != nil || g.body["meta"] != nil || g.body["id"] != id || g.body["userName"] != "bjensen" {
			t.Errorf("%s", g.text)
		}
		if g = d.must(200, "GET", "/Users/"+id+"?excludedAttributes=name", ""); g.body["name"] != nil || g.body["externalId"] == nil {
			t.Errorf("%s", g.text)
		}
		// 5. §3.5.1: replaced whole; what is not named is none.
		g = d.must(200, "PUT", "/Users/"+id, `{"userName":"bjensen","displayName":"Barbara","emails":[{"value":"b@home.example","type":"home"},{"value":"b@example.com","type":"work"}],
			"`+enterprise+`":{"employeeNumber":701984,"department":"Tours","manager":{"value":""}}}`)
		if i := d.is("bjensen"); g.body["externalId"] != nil || g.body["name"] != nil || i.Name != "Barbara" || i.Mail != "b@example.com" || i.Department != "Tours" ||
			at(g.body, enterprise, "employeeNumber") != "701984" || at(g.body, enterprise, "manager") != nil || at(g.body, "schemas", 1) != enterprise {
			t.Errorf("%s %+v", g.text, i)
		}
		d.must(412, "PUT", "/Users/"+id, `{"userName":"bjensen"}`, "If-Match", tag)
		d.must(412, "PATCH", "/Users/"+id, `{"Operations":[{"op":"add","path":"title","value":"x"}]}`, "If-Match", tag)
		d.must(412, "DELETE", "/Users/"+id, "", "If-Match", tag)
		if g := d.must(400, "PUT", "/Users/"+id, `{"displayName":"x"}`); g.body["scimType"] != "invalidValue" || !strings.Contains(g.text, "userName") {
			t.Errorf("%s", g.text)
		}
		// 6. §3.6: deleted; everything ends, and the name is free for another, who is nobody yet.
		d.must(204, "DELETE", "/Users/"+id, "")
		for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
			body := ""
			switch method {
			case "PUT":
				body = `{"userName":"bjensen"}`
			case "PATCH":
				body = `{"Operations":[{"op":"replace","path":"active","value":true}]}`
			}
			d.must(404, method, "/Users/"+id, body)
		}
		if !d.is("bjensen").Inactive {
			t.Error("she is still there")
		}
		again := d.add("bjensen")
		r, err := d.Engine.FeedRecord(t.Context(), speaker(), "idp", again)
		if err != nil || r.Identity != "" || r.Held != "identity_recycled" || again == id || !d.is("bjensen").Inactive {
			t.Errorf("%+v, %v", r, err)
		}
		if g := d.must(200, "GET", "/Users?filter="+query(`userName eq "bjensen"`), ""); at(g.body, "Resources", 0, "id") != again || g.body["totalResults"] != 1.0 {
			t.Errorf("%s", g.text)
		}
	})
}

// Page by page, nobody twice and nobody left out: §3.4.2.4.
func TestUsersInPages(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for n := range 7 {
			d.add(fmt.Sprintf("p%d", n))
		}
		d.must(204, "DELETE", "/Users/"+d.add("gone"), "")
		d.must(201, "POST", "/Groups", `{"displayName":"Others"}`)
		seen := map[string]bool{}
		for start := 1; start <= 7; start += 3 {
			g := d.must(200, "GET", fmt.Sprintf("/Users?startIndex=%d&count=3", start), "")
			list := g.body["Resources"].([]any)
			if g.body["totalResults"] != 7.0 || g.body["startIndex"] != float64(start) || g.body["itemsPerPage"] != float64(len(list)) {
				t.Errorf("%s", g.text)
			}
			for _, one := range list {
				seen[at(one, "userName").(string)] = true
			}
		}
		if len(seen) != 7 {
			t.Errorf("%v", seen)
		}
		for ask, want := range map[string]int{"count=0": 0, "count=-5": 0, "startIndex=-3": 7, "startIndex=8": 0, "count=100000": 7} {
			if g := d.must(200, "GET", "/Users?"+ask, ""); len(g.body["Resources"].([]any)) != want || g.body["totalResults"] != 7.0 {
				t.Errorf("%s: %s", ask, g.text)
			}
		}
		d.must(400, "GET", "/Users?count=many", "")
	})
}

// A leader is known by the id here, wherever they come from first; access ends with who leaves.
func TestLeadersAndLeavers(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		boss := d.add("boss")
		id := d.add("ann", `"`+enterprise+`":{"manager":{"value":"`+boss+`","displayName":"The boss"}}`, `"nickName":"ann"`)
		if i := d.is("ann"); i.Manager != "boss" || i.Accounts["dir"] != "ann" {
			t.Errorf("%+v", i)
		}
		if g := d.must(200, "GET", "/Users/"+id, ""); !strings.HasSuffix(fmt.Sprint(at(g.body, enterprise, "manager", "$ref")), "/Users/"+boss) {
			t.Errorf("%s", g.text)
		}
		g := d.Granted("ann", engine.Ask{Entitlements: []string{"dir:wiki"}}, "boss")
		d.Work()
		if d.patch(200, "/Users/"+id, `{"op":"Replace","path":"active","value":"False"}`); !d.is("ann").Inactive {
			t.Error("she is still there")
		}
		d.SweepMoved()
		if d.Work(); d.Grant(g.ID).Ended != "leaver" || d.Targets["dir"].Holds("ann", "wiki") {
			t.Errorf("%+v", d.Grant(g.ID))
		}
		// A month later the provider deletes whom it had deactivated.
		d.must(204, "DELETE", "/Users/"+id, "")
		if !d.is("ann").Inactive {
			t.Error("she is back")
		}
	})
}

// What cannot be taken is refused in SCIM's words, and changes nothing.
func TestRefusals(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		id := d.add("ann")
		for _, bad := range []struct {
			method, at, body, kind string
			status                 int
		}{
			{"POST", "/Users", `{"userName":`, "invalidSyntax", 400},
			{"POST", "/Users", `[]`, "invalidSyntax", 400},
			{"POST", "/Users", `{"userName":"x"} {}`, "invalidSyntax", 400},
			{"POST", "/Users", `{}`, "invalidValue", 400},
			{"POST", "/Users", `{"userName":{}}`, "invalidValue", 400},
			{"POST", "/Users", `{"userName":"x","active":"maybe"}`, "invalidValue", 400},
			{"POST", "/Users", `{"userName":"x\u0000"}`, "invalidValue", 400},
			{"POST", "/Users", `{"userName":"` + strings.Repeat("x", 400) + `"}`, "invalidValue", 400},
			{"POST", "/Users", `{"userName":"` + strings.Repeat("x", 1<<20) + `"}`, "tooMany", 413},
			{"POST", "/Users", `{"userName":"x","urn:ietf:params:scim:schemas:extension:lessor:2.0:User":{"end":"soon"}}`, "invalidValue", 400},
			{"POST", "/Users/" + id, `{"userName":"x"}`, "", 405},
			{"DELETE", "/Users", "", "", 405},
			{"POST", "/Bulk", `{}`, "", 501},
			{"GET", "/Users/nobody", "", "", 404},
			{"GET", "/Groups/" + id, "", "", 404},
			{"GET", "/Elsewhere", "", "", 404},
			{"GET", "/Schemas?filter=a", "", "", 403},
		} {
			g := d.must(bad.status, bad.method, bad.at, bad.body)
			if kind, _ := g.body["scimType"].(string); kind != bad.kind || g.body["status"] != fmt.Sprint(bad.status) || g.body["detail"] == "" {
				t.Errorf("%s %s %.60s: %s", bad.method, bad.at, bad.body, g.text)
			}
		}
		d.must(415, "POST", "/Users", `{"userName":"x"}`, "Content-Type", "text/plain")
		if g := d.must(200, "GET", "/Users?count=0", ""); g.body["totalResults"] != 1.0 {
			t.Errorf("%s", g.text)
		}
	})
}

// Without the feed's own token nothing is told: not even whether there is such a feed.
func TestStrangersLookAlike(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		id := d.add("ann")
		root := strings.TrimSuffix(d.url, "idp")
		want := ""
		for _, x := range []struct{ key, at string }{{"wrong", d.url + "/Users/" + id}, {"token of other", d.url + "/Users/" + id}, {"token of idp", root + "other/Users/" + id},
			{"token of none", root + "none/Users"}, {"", d.url + "/Users"}, {"wrong", d.url + "/ServiceProviderConfig"}, {"wrong", root}} {
			d.key = x.key
			g := d.must(401, "GET", x.at, "")
			if want == "" {
				want = g.text
			}
			if g.text != want || g.head.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%v: %s, not %s", x, g.text, want)
			}
		}
		d.key = "token of other"
		d.must(404, "GET", root+"other/Users/"+id, "")
		d.must(404, "DELETE", root+"other/Users/"+id, "")
	})
}
