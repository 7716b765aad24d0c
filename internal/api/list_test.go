package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

var nextPage = regexp.MustCompile(`^<(/api/v1/[a-z]+\?\S*cursor=([A-Za-z0-9_-]+)\S*)>; rel="next"$`)

// cursorOf reads where an answer says that the list goes on.
func cursorOf(t *testing.T, a answer) string {
	t.Helper()
	to := nextPage.FindStringSubmatch(a.header.Get("Link"))
	if to == nil {
		t.Fatalf("no next page in %q: %d %.200s", a.header.Get("Link"), a.status, a.body)
	}
	return to[2]
}

// A list is read page by page as the answers say, each row once, whatever is
// added meanwhile; a client reads it whole.
func TestListsGoOnWhereTheySay(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		d := open(t, kind)
		var want []string
		for i := range 7 {
			r := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: fmt.Sprint("work ", i)})
			want = append([]string{r.ID}, want...)
		}
		var got []string
		for path := "/api/v1/requests?limit=3&state=pending"; path != ""; {
			a := d.send(http.MethodGet, path, "mia", "")
			var list []access.Request
			if err := json.Unmarshal([]byte(a.body), &list); a.status != http.StatusOK || err != nil || len(list) > 3 {
				t.Fatalf("%s: %d %.200s", path, a.status, a.body)
			}
			for _, r := range list {
				got = append(got, r.ID)
			}
			if path = ""; a.header.Get("Link") != "" {
				path = "/api/v1/requests?limit=3&state=pending&cursor=" + cursorOf(t, a)
			}
			d.Ask("bob", engine.Ask{Entitlements: []string{"dir:reports"}}) // newer ones move nothing
		}
		if !slices.Equal(got, want) {
			t.Errorf("read %v, want %v", got, want)
		}
		c := client.New(d.serve(), "token of mia")
		n := 0
		for r, err := range c.DeskList(engine.Only{Entitlement: "dir:wiki"}).All(t.Context()) {
			if err != nil || r.ID != want[n] {
				t.Fatalf("the %dth is %s, %v; want %s", n, r.ID, err, want[n])
			}
			n++
		}
		list, next, err := c.RequestList(engine.Only{Identity: "eve"}).First(t.Context(), client.Page{Limit: 5})
		if err != nil || n != 7 || len(list) != 5 || next == "" {
			t.Errorf("%d on the desk; the first %d, %q, %v", n, len(list), next, err)
		}
	})
}

// A cursor is good for its list, its filters and its reader, as it was given.
func TestCursorsAreNotBent(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	for range 3 {
		d.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	}
	good := cursorOf(t, d.send(http.MethodGet, "/api/v1/requests?limit=1", "eve", ""))
	if a := d.send(http.MethodGet, "/api/v1/requests?limit=2&cursor="+good, "eve", ""); a.status != http.StatusOK || strings.Count(a.body, `"revision"`) < 2 {
		t.Fatalf("as it was given: %d %.200s", a.status, a.body)
	}
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	bent := slices.Clone(raw)
	bent[len(bent)-1]--
	before := d.stored()
	for name, c := range map[string]struct{ who, path string }{
		"another reader":  {"bob", "/api/v1/requests?cursor=" + good},
		"another list":    {"eve", "/api/v1/grants?cursor=" + good},
		"another filter":  {"eve", "/api/v1/requests?state=denied&cursor=" + good},
		"another place":   {"eve", "/api/v1/requests?cursor=" + base64.RawURLEncoding.EncodeToString(bent)},
		"no proof":        {"eve", "/api/v1/requests?cursor=" + base64.RawURLEncoding.EncodeToString(raw[16:])},
		"only the proof":  {"eve", "/api/v1/requests?cursor=" + base64.RawURLEncoding.EncodeToString(raw[:16])},
		"an id":           {"eve", "/api/v1/requests?cursor=" + string(raw[16:])},
		"no base64":       {"eve", "/api/v1/requests?cursor=~~~~"},
		"padded":          {"eve", "/api/v1/requests?cursor=" + good + "=="},
		"with more to it": {"eve", "/api/v1/requests?cursor=" + good + "AAAA"},
	} {
		d.refused(name, d.send(http.MethodGet, c.path, c.who, ""), before)
	}
}

// The same key with the same content does it once and is answered alike; with
// other content, or in somebody else's hand, it is another matter.
func TestKeysDoOnce(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		d := open(t, kind)
		r := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
		key := []string{"Idempotency-Key", "k-1"}
		vote := fmt.Sprintf(`{"digest":%q,"verdict":"approve"}`, r.Digest)
		path := "/api/v1/requests/" + r.ID
		// 1. A vote, twice: one vote, one answer.
		first := d.send(http.MethodPost, path+"/votes", "mia", vote, key...)
		before := d.stored()
		again := d.send(http.MethodPost, path+"/votes", "mia", vote, key...)
		if first.status != http.StatusOK || again.status != first.status || again.body != first.body {
			t.Errorf("first %d %.300s\nagain %d %.300s", first.status, first.body, again.status, again.body)
		}
		// 2. The same key for anything else is refused.
		for name, a := range map[string]answer{
			"another vote": d.send(http.MethodPost, path+"/votes", "mia", strings.Replace(vote, "approve", "deny", 1), key...),
			"another verb": d.send(http.MethodPost, path+"/comments", "mia", `{"note":"well"}`, key...),
			"too long":     d.send(http.MethodPost, path+"/comments", "mia", `{"note":"well"}`, "Idempotency-Key", strings.Repeat("k", 201)),
		} {
			d.refused(name, a, before)
		}
		// 3. A remark, thrice, is one remark; without the key it is another.
		note := func(header ...string) int {
			a := d.send(http.MethodPost, path+"/comments", "mia", `{"note":"well"}`, header...)
			if a.status != http.StatusNoContent {
				t.Errorf("%d %.200s", a.status, a.body)
			}
			return d.stored()["event"]
		}
		one := note("Idempotency-Key", "k-2")
		if two, three := note("Idempotency-Key", "k-2"), note(); two != one || three != one+1 {
			t.Errorf("events %d, %d, %d", one, two, three)
		}
		// 4. Somebody else's key of that name is theirs.
		if a := d.send(http.MethodPost, path+"/comments", "eve", `{"note":"mine"}`, key...); a.status != http.StatusNoContent {
			t.Errorf("eve: %d %.200s", a.status, a.body)
		}
		// 5. What was refused was not done, and may be tried again.
		grant := d.Grants()[0].ID
		if a := d.send(http.MethodPost, "/api/v1/grants/"+grant+"/revoke", "sara", `{"note":""}`, "Idempotency-Key", "k-3"); a.status != http.StatusBadRequest {
			t.Errorf("%d %.200s", a.status, a.body)
		}
		for range 2 {
			if a := d.send(http.MethodPost, "/api/v1/grants/"+grant+"/revoke", "sara", `{"note":"enough"}`, "Idempotency-Key", "k-4"); a.status != http.StatusNoContent {
				t.Errorf("%d %.200s", a.status, a.body)
			}
		}
		// 6. After a day it is forgotten, and what it says is decided anew.
		d.Clock.Pass(engine.KeysKept + time.Second)
		if a := d.send(http.MethodPost, path+"/comments", "mia", `{"note":"later"}`, key...); a.status != http.StatusNoContent {
			t.Errorf("a day later: %d %.200s", a.status, a.body)
		}
	})
}

// A vote that does not count leaves its trace once, and is refused alike again.
func TestARefusedVoteIsRefusedOnce(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	vote := fmt.Sprintf(`{"digest":%q,"verdict":"approve"}`, r.Digest)
	first := d.send(http.MethodPost, "/api/v1/requests/"+r.ID+"/votes", "eve", vote, "Idempotency-Key", "k")
	before := d.stored()
	again := d.send(http.MethodPost, "/api/v1/requests/"+r.ID+"/votes", "eve", vote, "Idempotency-Key", "k")
	d.refused("again", again, before)
	if first.status != http.StatusForbidden || first.status != again.status || first.body != again.body {
		t.Errorf("first %d %s\nagain %d %s", first.status, first.body, again.status, again.body)
	}
}

// Every refusal has a type that a program can tell apart.
func TestRefusalsHaveTypes(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	for want, a := range map[string]answer{
		"no-token":   d.send(http.MethodGet, "/api/v1/requests", "", ""),
		"not-found":  d.send(http.MethodGet, "/api/v1/requests/rq-none", "eve", ""),
		"invalid":    d.send(http.MethodPost, "/api/v1/requests", "eve", `{}`),
		"denied":     d.send(http.MethodGet, "/api/v1/register", "eve", ""),
		"conflict":   d.send(http.MethodPost, "/api/v1/requests/"+r.ID+"/votes", "mia", `{"digest":"sha256:00","verdict":"approve"}`),
		"wrong-kind": d.send(http.MethodPost, "/api/v1/requests", "eve", `{}`, "Content-Type", "text/plain"),
		"too-long":   d.send(http.MethodPost, "/api/v1/requests", "eve", `{"reason":"`+strings.Repeat("x", 300<<10)+`"}`),
	} {
		if !strings.Contains(a.body, `"type":"urn:lessor:problem:`+want+`"`) {
			t.Errorf("%s: %d %.300s", want, a.status, a.body)
		}
	}
}
