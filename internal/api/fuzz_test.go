package api_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// FuzzAsk: whatever is sent, it is never our fault, nothing is stored that was
// not said to be, and what was stored is asked by nobody else and ends.
func FuzzAsk(f *testing.F) {
	for _, body := range bodies {
		if len(body) < 4<<10 {
			f.Add([]byte(body))
		}
	}
	for _, body := range []string{good, `{"bundle":"onboarding","reason":"x","term":"PT8H"}`, `{"entitlements":["dir:root"],"beneficiary":"eve.2","reason":"x","term":"4h","start":"2026-03-03T12:00:00Z","fixed":true}`,
		`{"entitlements":["dir:lobby"],"reason":"x","term":"1s","reference":"a","ticket":"jira:ACC-1","answer_within":"1h"}`} {
		f.Add([]byte(body))
	}
	d := open(f, store.SQLite)
	f.Fuzz(func(t *testing.T, body []byte) {
		d.t = t
		d.Clock.Pass(time.Minute)
		before := d.stored()["request"]
		a := d.send(http.MethodPost, "/api/v1/requests", "eve", string(body))
		after := d.stored()["request"]
		switch {
		case a.status >= 500:
			t.Fatalf("%q: %d %s", body, a.status, a.body)
		case a.status/100 != 2:
			if after != before {
				t.Fatalf("%q: %d, and a request is stored", body, a.status)
			}
			return
		}
		var r access.Request
		if err := json.Unmarshal([]byte(a.body), &r); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if after > before+1 || r.Requester != "eve" || r.Term <= 0 || r.Term > access.LongestTerm || len(r.Items) == 0 || r.Reason == "" {
			t.Fatalf("%q became %+v", body, r)
		}
		if r.Open() { // a hundred may wait, no more
			if err := d.Engine.Cancel(t.Context(), d.As("eve"), r.ID, ""); err != nil {
				t.Fatal(err)
			}
		}
	})
}
