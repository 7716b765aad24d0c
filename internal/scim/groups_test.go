package scim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/enginetest"
)

// members lists who is in a group by the door, sorted.
func (d *desk) members(group string) (keys []string) {
	d.t.Helper()
	list, _ := d.must(200, "GET", "/Groups/"+group, "").body["members"].([]any)
	for _, one := range list {
		keys = append(keys, at(one, "value").(string))
	}
	slices.Sort(keys)
	return keys
}

// Who is in a group changes as providers say it, one by one or all at once.
func TestGroupHabits(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.Change(func(c *enginetest.Company) { c.Feeds[0].Shrink = 100 }) // it goes to and fro more than is believed of three
		a, b, c := d.add("a1"), d.add("b1"), d.add("c1")
		all := []string{a, b, c}
		slices.Sort(all)
		g := d.must(201, "POST", "/Groups", `{"displayName":"Everybody","externalId":"g-1","members":[{"value":"`+a+`","display":"A"}]}`)
		id := g.body["id"].(string)
		if at(g.body, "members", 0, "value") != a || at(g.body, "meta", "resourceType") != "Group" || !slices.Equal(d.is("a1").Groups, []string{"staff"}) {
			t.Errorf("%s %v", g.text, d.is("a1").Groups)
		}
		for _, filter := range []string{`displayName eq "EVERYBODY"`, `externalId eq "g-1"`, `id eq "` + id + `"`} {
			if g := d.must(200, "GET", "/Groups?excludedAttributes=members&filter="+query(filter), ""); at(g.body, "Resources", 0, "id") != id || at(g.body, "Resources", 0, "members") != nil {
				t.Errorf("%s: %s", filter, g.text)
			}
		}
		if g := d.must(200, "GET", "/Users/"+a, ""); at(g.body, "groups", 0, "value") != id {
			t.Errorf("%s", g.text)
		}
		d.must(409, "POST", "/Groups", `{"displayName":"everybody"}`)
		for _, x := range []struct {
			what, ops string
			want      []string
		}{
			{"Entra adds one", `{"op":"Add","path":"members","value":[{"value":"` + b + `"}]}`, []string{a, b}},
			{"… again", `{"op":"Add","path":"members","value":[{"value":"` + b + `"}]}`, []string{a, b}},
			{"Entra removes one by its path", `{"op":"Remove","path":"members[value eq \"` + a + `\"]"}`, []string{b}},
			{"Entra removes by a list", `{"op":"Remove","path":"members","value":[{"value":"` + b + `"}]}`, nil},
			{"Okta replaces", `{"op":"replace","path":"members","value":[{"value":"` + a + `"},{"value":"` + c + `"}]}`, []string{a, c}},
			{"Okta renames, without a path", `{"op":"replace","value":{"id":"` + id + `","displayName":"Everybody"}}`, []string{a, c}},
			{"one goes and one comes", `{"op":"remove","path":"members[value eq \"` + a + `\"]"},{"op":"add","path":"members","value":{"value":"` + b + `"}}`, []string{b, c}},
			{"one comes and goes", `{"op":"add","path":"members","value":[{"value":"` + a + `"}]},{"op":"remove","path":"members","value":[{"value":"` + a + `"}]}`, []string{b, c}},
			{"§3.5.2.2 all go, and one comes", `{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"` + a + `"}]}`, []string{a}},
			{"without a path", `{"op":"add","value":{"members":[{"value":"` + b + `"}]}}`, []string{a, b}},
			{"somebody who is not in it", `{"op":"remove","path":"members[value eq \"` + c + `\"]"}`, []string{a, b}},
			{"nobody", `{"op":"replace","path":"members","value":[]}`, nil},
		} {
			d.patch(204, "/Groups/"+id, x.ops)
			slices.Sort(x.want)
			if got := d.members(id); !slices.Equal(got, x.want) {
				t.Errorf("%s: %v, not %v", x.what, got, x.want)
			}
			for n, key := range []string{a, b, c} {
				in := slices.Contains(d.is(fmt.Sprintf("%c1", 'a'+n)).Groups, "staff")
				if in != slices.Contains(x.want, key) {
					t.Errorf("%s: %c1 is in staff: %v", x.what, 'a'+n, in)
				}
			}
		}
		for ops, kind := range map[string]string{
			`{"op":"add","path":"members","value":[{"value":"nobody"}]}`:                "invalidValue",
			`{"op":"add","path":"members","value":[{"value":"` + id + `"}]}`:            "invalidValue",
			`{"op":"add","path":"members","value":[{"value":"x","type":"Group"}]}`:      "invalidValue",
			`{"op":"add","path":"members","value":[{}]}`:                                "invalidValue",
			`{"op":"add","path":"members[value eq \"x\"]","value":[{}]}`:                "invalidPath",
			`{"op":"remove","path":"members[display eq \"x\"]"}`:                        "invalidFilter",
			`{"op":"remove","path":"members[value eq \"x\" and display eq \"y\"]"}`:     "invalidFilter",
			`{"op":"add","path":"members.display","value":"x"}`:                         "mutability",
			`{"op":"remove","path":"displayName"}`:                                      "invalidValue",
			`{"op":"add","path":"members","value":[{"value":"` + a + `"},{"value":1}]}`: "invalidValue",
		} {
			if g := d.patch(400, "/Groups/"+id, ops); g.body["scimType"] != kind || d.members(id) != nil {
				t.Errorf("%s: %s", ops, g.text)
			}
		}
		// Whole, renamed, and gone: it fills nothing any more.
		d.must(200, "PUT", "/Groups/"+id, `{"displayName":"Everybody","members":[{"value":"`+a+`"},{"value":"`+b+`"},{"value":"`+c+`"}]}`)
		if !slices.Equal(d.members(id), all) {
			t.Errorf("%v", d.members(id))
		}
		d.patch(204, "/Groups/"+id, `{"op":"replace","path":"displayName","value":"Some"}`)
		if len(d.is("a1").Groups) != 0 {
			t.Error("a group of another name fills it still")
		}
		d.patch(204, "/Groups/"+id, `{"op":"replace","path":"displayName","value":"Everybody"}`)
		d.must(204, "DELETE", "/Users/"+c, "")
		if got := d.members(id); len(got) != 2 || slices.Contains(got, c) {
			t.Errorf("%v", got)
		}
		d.must(204, "DELETE", "/Groups/"+id, "")
		if d.must(404, "GET", "/Groups/"+id, ""); len(d.is("a1").Groups) != 0 || d.must(200, "GET", "/Users/"+a, "").body["groups"] != nil {
			t.Error("a group that is gone fills it still")
		}
	})
}

// A group that the settings do not name fills nothing, whatever it is called.
func TestGroupsThatAreNotNamed(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		a := d.add("a1")
		for _, name := range []string{"security", "staff", "auditors", "Everybody else"} {
			d.must(201, "POST", "/Groups", `{"displayName":"`+name+`","members":[{"value":"`+a+`"}]}`)
		}
		if groups := d.WorldAt(d.Now()).Directory.GroupsOf("a1"); len(groups) != 0 {
			t.Errorf("a1 is in %v", groups)
		}
	})
}

// So many leave at once that none of them is believed to; one alone is.
func TestTheBrake(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		var ids []string
		for n := range 12 {
			ids = append(ids, d.add(fmt.Sprintf("p%d", n)))
		}
		for n, id := range ids[:8] {
			if n%2 == 0 {
				d.must(204, "DELETE", "/Users/"+id, "")
			} else if g := d.patch(200, "/Users/"+id, `{"op":"replace","value":{"active":false}}`); g.body["active"] != false {
				t.Errorf("%s", g.text)
			}
		}
		left := 0
		for n := range 12 {
			if d.is(fmt.Sprintf("p%d", n)).Inactive {
				left++
			}
		}
		if left != 2 || !d.is("p0").Inactive || !d.is("p1").Inactive {
			t.Errorf("%d have left", left)
		}
		if list := d.Findings(true); !slices.ContainsFunc(list, func(f finding) bool { return f.Kind == "feed_shrunk" }) {
			t.Errorf("%+v", list)
		}
		// What is said stands, even where it is not believed.
		d.must(404, "GET", "/Users/"+ids[4], "")
		if d.patch(200, "/Users/"+ids[5], `{"op":"replace","path":"active","value":true}`); d.is("p5").Inactive {
			t.Error("p5 has left")
		}
	})
}

// What a server is and has.
func TestDiscovery(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		g := d.must(200, "GET", "/ServiceProviderConfig", "")
		if at(g.body, "patch", "supported") != true || at(g.body, "bulk", "supported") != false || at(g.body, "filter", "maxResults") != 200.0 || at(g.body, "authenticationSchemes", 0, "type") != "oauthbearertoken" {
			t.Errorf("%s", g.text)
		}
		for _, x := range []struct {
			at   string
			want int
		}{{"/Schemas", 4}, {"/ResourceTypes", 2}} {
			g := d.must(200, "GET", x.at, "")
			list := g.body["Resources"].([]any)
			if len(list) != x.want || g.body["totalResults"] != float64(x.want) {
				t.Errorf("%s", g.text)
			}
			for _, one := range list {
				if got := d.must(200, "GET", x.at+"/"+at(one, "id").(string), ""); got.body["id"] != at(one, "id") || !strings.HasSuffix(at(one, "meta", "location").(string), x.at+"/"+at(one, "id").(string)) {
					t.Errorf("%s", got.text)
				}
			}
			d.must(404, "GET", x.at+"/none", "")
		}
		d.must(404, "GET", "/ServiceProviderConfig/none", "")
	})
}
