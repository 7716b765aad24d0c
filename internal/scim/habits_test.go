package scim_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// What providers send, each to the same user, and what must be of it afterwards. Where
// want has a scimType the change is refused and nothing is changed.
func TestPatchHabits(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		for n, c := range []struct{ what, ops, at, want string }{
			// Entra.
			{"op in capitals", `{"op":"Replace","path":"displayName","value":"New"}`, "displayName", `"New"`},
			{"Add in capitals", `{"op":"Add","path":"title","value":"Boss"}`, "title", `"Boss"`},
			{"False as text", `{"op":"Replace","path":"active","value":"False"}`, "active", `false`},
			{"True as text", `{"op":"Replace","path":"active","value":"False"},{"op":"Replace","path":"active","value":"True"}`, "active", `true`},
			{"dotted keys without a path", `{"op":"Replace","value":{"displayName":"New","name.givenName":"Nan","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"Sales","active":"True"}}`,
				"*", `{"displayName":"New","name":{"familyName":"Archer","givenName":"Nan"},"active":true,"` + enterprise + `":{"department":"Sales"}}`},
			{"a path with conditions as a key", `{"op":"Add","value":{"emails[type eq \"work\"].value":"new@example.com"}}`, "emails", `[{"type":"work","value":"new@example.com","primary":true},{"type":"home","value":"h@example.com"}]`},
			{"the address for work", `{"op":"Replace","path":"emails[type eq \"work\"].value","value":"new@example.com"}`, "emails", `[{"type":"work","value":"new@example.com","primary":true},{"type":"home","value":"h@example.com"}]`},
			{"an address that was not there", `{"op":"Add","path":"emails[type eq \"other\"].value","value":"o@example.com"}`, "emails", `[{"type":"work","value":"w@example.com","primary":true},{"type":"home","value":"h@example.com"},{"type":"other","value":"o@example.com"}]`},
			{"primary as a condition", `{"op":"Replace","path":"emails[primary eq true].value","value":"p@example.com"}`, "emails", `[{"type":"work","value":"p@example.com","primary":true},{"type":"home","value":"h@example.com"}]`},
			{"what is not kept", `{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"555"},{"op":"Add","path":"addresses[type eq \"work\"].locality","value":"Lyon"},{"op":"Replace","path":"displayName","value":"New"}`, "displayName", `"New"`},
			{"a schema of its own", `{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:Custom:2.0:User:badge","value":"7"},{"op":"Replace","path":"displayName","value":"New"}`, "displayName", `"New"`},
			{"a leader as an object", `{"op":"Add","path":"` + enterprise + `:manager","value":{"value":"abc"}}`, enterprise + "/manager/value", `"abc"`},
			{"a leader as text", `{"op":"Add","path":"` + enterprise + `:manager","value":"abc"}`, enterprise + "/manager/value", `"abc"`},
			{"a leader by a part", `{"op":"Replace","path":"` + enterprise + `:manager.value","value":"abc"}`, enterprise + "/manager/value", `"abc"`},
			{"no leader any more", `{"op":"Add","path":"` + enterprise + `:manager","value":"abc"},{"op":"Remove","path":"` + enterprise + `:manager"}`, enterprise, `null`},
			{"a leader that is empty", `{"op":"Add","path":"` + enterprise + `:manager","value":""}`, enterprise, `null`},
			{"a number for text", `{"op":"Add","path":"` + enterprise + `:employeeNumber","value":42}`, enterprise + "/employeeNumber", `"42"`},
			{"the extension as a whole", `{"op":"Add","value":{"` + enterprise + `":{"department":"Sales","costCenter":"1"}}}`, enterprise, `{"department":"Sales","costCenter":"1"}`},
			{"the extension by its path", `{"op":"replace","path":"` + enterprise + `","value":{"department":"Sales"}}`, enterprise, `{"department":"Sales"}`},
			// Okta.
			{"active without a path", `{"op":"replace","value":{"active":false}}`, "active", `false`},
			{"id and schemas along with it", `{"op":"replace","value":{"id":"x","schemas":[],"meta":{},"groups":[],"active":false}}`, "active", `false`},
			// RFC 7644 §3.5.2.
			{"§3.5.2.1 an address more", `{"op":"add","value":{"emails":[{"value":"babs@example.com","type":"home"}],"nickName":"Babs"}}`, "emails", `[{"type":"work","value":"w@example.com","primary":true},{"type":"home","value":"h@example.com"},{"value":"babs@example.com","type":"home"}]`},
			{"§3.5.2.1 the same once more", `{"op":"add","path":"emails","value":[{"value":"h@example.com","type":"home"}]}`, "emails", `[{"type":"work","value":"w@example.com","primary":true},{"type":"home","value":"h@example.com"}]`},
			{"§3.5.2.1 another primary one", `{"op":"add","path":"emails","value":{"value":"b@example.com","primary":true}}`, "emails", `[{"type":"work","value":"w@example.com","primary":false},{"type":"home","value":"h@example.com"},{"value":"b@example.com","primary":true}]`},
			{"§3.5.2.2 conditions and a part", `{"op":"remove","path":"emails[type eq \"work\" and value eq \"w@example.com\"]"}`, "emails", `[{"type":"home","value":"h@example.com"}]`},
			{"§3.5.2.2 a value that is no more", `{"op":"remove","path":"emails"}`, "emails", `null`},
			{"§3.5.2.2 by values", `{"op":"remove","path":"emails","value":[{"value":"h@example.com"}]}`, "emails", `[{"type":"work","value":"w@example.com","primary":true}]`},
			{"§3.5.2.2 a simple one", `{"op":"add","path":"title","value":"x"},{"op":"remove","path":"title"}`, "title", `null`},
			{"§3.5.2.3 all addresses", `{"op":"replace","path":"emails","value":[{"value":"b@example.com","type":"work"}]}`, "emails", `[{"value":"b@example.com","type":"work"}]`},
			{"§3.5.2.3 parts that are named", `{"op":"replace","path":"name","value":{"givenName":"Nan"}}`, "name", `{"familyName":"Archer","givenName":"Nan"}`},
			{"§3.5.2.3 one address whole", `{"op":"replace","path":"emails[type eq \"home\"]","value":{"type":"home","value":"n@example.com"}}`, "emails", `[{"type":"work","value":"w@example.com","primary":true},{"type":"home","value":"n@example.com"}]`},
			{"names in other letters", `{"op":"replace","path":"DISPLAYNAME","value":"New"}`, "displayName", `"New"`},
			{"the core by its schema", `{"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:displayName","value":"New"}`, "displayName", `"New"`},
			{"no value", `{"op":"replace","path":"displayName","value":null}`, "displayName", `null`},
			// Refused.
			{"no such change", `{"op":"move","path":"title","value":"x"}`, "", "invalidSyntax"},
			{"no change", ``, "", "invalidSyntax"},
			{"no such attribute", `{"op":"add","path":"favouriteColour","value":"x"}`, "", "invalidPath"},
			{"no such attribute, and one before it", `{"op":"replace","path":"displayName","value":"New"},{"op":"add","path":"favouriteColour","value":"x"}`, "", "invalidPath"},
			{"no such part", `{"op":"add","path":"name.colour","value":"x"}`, "", "invalidPath"},
			{"a part of what has none", `{"op":"add","path":"title.value","value":"x"}`, "", "invalidPath"},
			{"conditions on one value", `{"op":"add","path":"name[a eq \"b\"]","value":{}}`, "", "invalidPath"},
			{"half a path", `{"op":"add","path":"emails[type eq \"work\"","value":"x"}`, "", "invalidPath"},
			{"a comparison that is none", `{"op":"remove","path":"emails[type co \"work\"]"}`, "", "invalidPath"},
			{"a path that is no text", `{"op":"remove","path":7}`, "", "invalidPath"},
			{"remove without a path", `{"op":"remove"}`, "", "noTarget"},
			{"nothing without a path", `{"op":"replace","value":"x"}`, "", "invalidValue"},
			{"a truth that is none", `{"op":"replace","path":"active","value":"perhaps"}`, "", "invalidValue"},
			{"a name that is needed", `{"op":"remove","path":"userName"}`, "", "invalidValue"},
			{"the id", `{"op":"replace","path":"id","value":"x"}`, "", "mutability"},
			{"groups of a user", `{"op":"add","path":"groups","value":[{"value":"security"}]}`, "", "mutability"},
		} {
			id := d.add(fmt.Sprintf("u%d", n), `"displayName":"Old"`, `"name":{"familyName":"Archer","givenName":"Ann"}`,
				`"emails":[{"type":"work","value":"w@example.com","primary":true},{"type":"home","value":"h@example.com"}]`)
			before := d.must(200, "GET", "/Users/"+id, "")
			g := d.call("PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+c.ops+`]}`)
			if c.at == "" {
				if kind, _ := g.body["scimType"].(string); g.status != 400 || kind != c.want || g.body["detail"] == "" {
					t.Errorf("%s: %s", c.what, g.text)
				}
				if after := d.must(200, "GET", "/Users/"+id, ""); after.text != before.text {
					t.Errorf("%s: %s, was %s", c.what, after.text, before.text)
				}
				continue
			}
			if g.status != 200 {
				t.Errorf("%s: %s", c.what, g.text)
				continue
			}
			var want any
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(c.what, err)
			}
			stored := d.must(200, "GET", "/Users/"+id, "").body
			parts := map[string]any{}
			if c.at == "*" {
				parts = want.(map[string]any)
			} else {
				parts[c.at] = want
			}
			for name, want := range parts {
				var has any = stored
				steps := strings.Split(name, "/")
				for _, step := range steps {
					has = at(has, step)
				}
				if !reflect.DeepEqual(has, want) {
					t.Errorf("%s: %s is %v, not %v", c.what, name, has, want)
				}
			}
		}
	})
}
