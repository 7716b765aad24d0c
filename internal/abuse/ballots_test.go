package abuse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Votes are cast one by one: the contract has no verb for many.
func TestAB39_NoBallotForMany(t *testing.T) {
	t.Parallel()
	raw, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var contract struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			RequestBody struct {
				Content map[string]struct {
					Schema struct {
						Ref  string `json:"$ref"`
						Type any    `json:"type"`
					} `json:"schema"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]struct {
				Type       any                       `json:"type"`
				Required   []string                  `json:"required"`
				Properties map[string]map[string]any `json:"properties"`
				Additional any                       `json:"additionalProperties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &contract); err != nil {
		t.Fatal(err)
	}
	votes := 0
	for path, ops := range contract.Paths {
		for method, op := range ops {
			for kind, c := range op.RequestBody.Content {
				s := contract.Components.Schemas[strings.TrimPrefix(c.Schema.Ref, "#/components/schemas/")]
				if kind != "application/json" || s.Type != "object" || s.Additional != false {
					t.Errorf("%s %s takes %s of type %v, open to %v: want one JSON object without other fields", method, path, kind, s.Type, s.Additional)
				}
				if op.OperationID != "vote" {
					continue
				}
				votes++
				if !strings.Contains(path, "/requests/{id}/") || !slices.Contains(s.Required, "digest") || !slices.Contains(s.Required, "verdict") {
					t.Errorf("%s %s: a ballot is for one request, one digest, one verdict; required is %v", method, path, s.Required)
				}
				for name, p := range s.Properties {
					if name == "digest" && p["type"] != "string" {
						t.Errorf("a ballot's %s is %v, want one string", name, p["type"])
					}
				}
			}
			for _, word := range []string{"bulk", "batch", "all", "many"} {
				if slices.Contains(strings.FieldsFunc(path+" "+op.OperationID, func(r rune) bool { return strings.ContainsRune("/-{} ", r) }), word) {
					t.Errorf("%s %s (%s) is a verb for many", method, path, op.OperationID)
				}
			}
		}
	}
	if votes != 1 {
		t.Errorf("%d operations take a ballot, want 1", votes)
	}

	d := open(t, store.SQLite)
	one := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	two := d.ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}})
	d.unstored("many at once", func() {
		for _, body := range []string{
			fmt.Sprintf(`[{"request":%q,"digest":%q,"verdict":"approve"},{"request":%q,"digest":%q,"verdict":"approve"}]`, one.ID, one.Digest, two.ID, two.Digest),
			fmt.Sprintf(`{"request":[%q,%q],"digest":%q,"verdict":"approve"}`, one.ID, two.ID, one.Digest),
			fmt.Sprintf(`{"request":%q,"digest":%q,"verdict":"approve"}{"request":%q,"digest":%q,"verdict":"approve"}`, one.ID, one.Digest, two.ID, two.Digest),
			fmt.Sprintf(`{"request":%q,"digest":%q,"verdict":"approve"}`, two.ID, two.Digest), // another request than the path's
			`{"request":"*","digest":"*","verdict":"approve"}`,
		} {
			if a := d.send("POST", "/api/v1/requests/"+one.ID+"/votes", "mia", body); a.status < 400 || a.status >= 500 {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		for _, id := range []string{"*", "all", "%2A", one.ID + "," + two.ID} {
			a := d.send("POST", "/api/v1/requests/"+id+"/votes", "mia", fmt.Sprintf(`{"request":%q,"digest":%q,"verdict":"approve"}`, id, one.Digest))
			if a.status < 400 || a.status >= 500 {
				t.Errorf("id %s: %d %s", id, a.status, a.body)
			}
		}
	})
	// What is known of each vote: who, on what, and when exactly.
	d.Clock.Pass(1500 * time.Millisecond)
	d.approve("mia", one)
	story, err := d.as("mia").Request(t.Context(), one.ID)
	if err != nil || len(story.Approvals) != 1 {
		t.Fatalf("%d votes: %v", len(story.Approvals), err)
	}
	if v := story.Approvals[0]; !v.At.Equal(d.Now()) || v.Digest != one.Digest || !v.At.After(story.Request.At) {
		t.Errorf("the vote was cast %s on %s; want %s on %s", v.At, v.Digest, d.Now(), one.Digest)
	}
}

// Tokens are good for what they are for, while they last, in the header alone.
func TestAB40_TokenForAnotherPurpose(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.key("asks", "mia", engine.ScopeRequest, engine.ScopeView)
		d.key("votes", "mia", engine.ScopeApprove)
		d.key("looks", "sara", engine.ScopeView)
		d.key("none", "mia")
		d.key("odd", "mia", "Approve", "approve ", "*", "approve,view")
		d.addKey(api.Key{Name: "expired", Identity: "mia", Scopes: everything, Strength: "mfa", Expires: d.Now()})
		d.key("left", "zoe", everything...)
		d.key("ghost", "nobody", everything...)
		r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Reason: "to sit there"})
		ctx := t.Context()
		d.unstored("tokens for another purpose", func() {
			for _, name := range []string{"asks", "none", "odd", "looks"} {
				_, err := d.vote(name, r)
				wantStatus(t, name+" votes", err, http.StatusForbidden)
			}
			for _, name := range []string{"votes", "none", "odd", "looks"} {
				_, err := d.as(name).Submit(ctx, filled(engine.Ask{Entitlements: []string{"dir:wiki"}}))
				wantStatus(t, name+" asks", err, http.StatusForbidden)
			}
			for _, name := range []string{"votes", "none", "odd"} {
				_, err := d.as(name).Request(ctx, r.ID)
				wantStatus(t, name+" looks", err, http.StatusForbidden)
			}
			for _, name := range []string{"asks", "votes", "looks", "none"} {
				wantStatus(t, name+" revokes", d.as(name).Revoke(ctx, g.ID, "because"), http.StatusForbidden)
			}
			for _, name := range []string{"expired", "left", "ghost", "unknown", ""} {
				_, err := d.vote(name, r)
				wantStatus(t, name+" votes", err, http.StatusUnauthorized)
				_, err = d.as(name).Requests(ctx, "", false, client.Page{})
				wantStatus(t, name+" looks", err, http.StatusUnauthorized)
			}
			good := secretOf("mia")
			for _, c := range [][]string{
				{"/api/v1/requests?token=" + good}, {"/api/v1/requests?access_token=" + good}, {"/api/v1/requests?Authorization=Bearer+" + good},
				{"/api/v1/requests", "Cookie", "token=" + good}, {"/api/v1/requests", "X-Api-Key", good}, {"/api/v1/requests", "Authorization", good},
				{"/api/v1/requests", "Authorization", "Basic " + good}, {"/api/v1/requests", "Authorization", "bearer" + good}, {"/api/v1/requests", "Authorization", "Bearer  " + good},
				{"/api/v1/requests", "Authorization", "Bearer " + good + "x"}, {"/api/v1/requests", "Authorization", "Bearer " + good[:len(good)-1]},
				{"/api/v1/requests", "Authorization", "Bearer " + strings.ToUpper(good)}, {"/api/v1/requests", "Authorization", "Bearer "}, {"/api/v1/requests", "Authorization", "Bearer null"},
			} {
				if a := d.send("GET", c[0], "", "", c[1:]...); a.status != http.StatusUnauthorized {
					t.Errorf("%v: %d, want 401", c, a.status)
				}
			}
			if a := d.send("GET", "/api/v1/requests?token="+good, "mia", ""); a.status < 400 || a.status >= 500 {
				t.Errorf("a token in the URL beside a good one: %d", a.status)
			}
		})
		// A token dies with its identity and its time, between one call and the next.
		d.Change(func(c *enginetest.Company) { change(c, "mia", func(i *access.Identity) { i.Inactive = true }) })
		for _, name := range []string{"mia", "mia.2", "asks"} {
			_, err := d.vote(name, r)
			wantStatus(t, name+" after leaving", err, http.StatusUnauthorized)
		}
		d.Clock.Pass(400 * 24 * time.Hour)
		_, err := d.as("eve").Requests(ctx, "", false, client.Page{})
		wantStatus(t, "after its time", err, http.StatusUnauthorized)
		if strings.Contains(d.log.all(), secretOf("mia")) {
			t.Error("a token is in the log")
		}
	})
}
