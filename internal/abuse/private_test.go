package abuse

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

// others is every operation on something that may be somebody else's; %s is its id.
var others = []struct{ name, method, path, body string }{
	{"show a request", "GET", "/requests/%s", ""},
	{"explain a request", "GET", "/requests/%s/explain", ""},
	{"explain its approval", "GET", "/requests/%s/explain?question=approve&voter=mia&stage=manager", ""},
	{"edit", "PUT", "/requests/%s?digest=DIGEST", `{"entitlements":["dir:wiki"],"reason":"mine now","term":"1h"}`},
	{"cancel", "POST", "/requests/%s/cancel", `{"note":"gone"}`},
	{"comment", "POST", "/requests/%s/comments", `{"note":"seen"}`},
	{"approve", "POST", "/requests/%s/votes", `{"request":"%[1]s","digest":"DIGEST","verdict":"approve"}`},
	{"deny", "POST", "/requests/%s/votes", `{"request":"%[1]s","digest":"DIGEST","verdict":"deny"}`},
	{"vote with an old digest", "POST", "/requests/%s/votes", `{"request":"%[1]s","digest":"sha256:00","verdict":"approve"}`},
	{"vote for too long", "POST", "/requests/%s/votes", `{"request":"%[1]s","digest":"DIGEST","verdict":"approve","term":"300d"}`},
	{"withdraw", "DELETE", "/requests/%s/votes/VOTE", ""},
	{"show a grant", "GET", "/grants/%s", ""},
	{"take its evidence", "GET", "/grants/%s/evidence", ""},
	{"return", "POST", "/grants/%s/return", `{"note":"bye"}`},
	{"revoke", "POST", "/grants/%s/revoke", `{"note":"bye"}`},
	{"extend", "POST", "/requests", `{"extends":"%[1]s","beneficiary":"eve","reason":"more","term":"1h"}`},
	{"extend as one's own", "POST", "/requests", `{"extends":"%[1]s","reason":"more","term":"1h"}`},
	{"extend under another name", "POST", "/requests", `{"extends":"%[1]s","entitlements":["dir:pay"],"beneficiary":"eve","reason":"more","term":"1h"}`},
	{"preview an extension", "POST", "/preview", `{"extends":"%[1]s","beneficiary":"eve","reason":"more","term":"1h"}`},
	{"confirm a ticket", "POST", "/tickets/confirm", `{"ticket":"%[1]s"}`},
	{"adopt what was found", "POST", "/findings/%s/adopt", `{"accounts":["stranger"],"reason":"mine"}`},
	{"remove what was found", "POST", "/findings/%s/remove", `{"all":true,"reason":"mine"}`},
	{"let be what was found", "POST", "/findings/%s/accept", `{"reason":"mine"}`},
	{"list below it", "GET", "/requests?cursor=%s", ""},
	{"grants below it", "GET", "/grants?cursor=%s", ""},
	{"grants of its holder", "GET", "/grants?identity=eve&cursor=%s", ""},
}

// lists are the operations that name nothing of others: TestAB67_ListsHoldOnesOwn,
// TestAB67_WhatOthersAnswerFor, TestAB67_StreamsOfOthers, and who may use them at all.
var lists = []string{"list-requests", "desk", "list-grants", "register", "list-findings", "list-entitlements", "list-tickets", "status", "reload", "submit", "preview", "audited",
	"list-credentials", "list-workloads", "list-handovers", "list-stand-ins", "list-registrations", "list-break-glass", "enrolled", "list-feeds",
	"workload-coverage", "register-workload", "break-glass", "delegate", "away", "events", "seal", "list-seals",
	"list-files", "list-halts", "accept-clock", "recovery", "approve-recovery"}

// Every operation of the contract is attacked, or is one of those lists: a new
// one fails here until somebody has thought of it.
func TestAB67_NoOperationIsForgotten(t *testing.T) {
	t.Parallel()
	raw, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var contract struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(raw, &contract); err != nil {
		t.Fatal(err)
	}
	for path, ops := range contract.Paths {
		for method, op := range ops {
			attacked := slices.ContainsFunc(others, func(o struct{ name, method, path, body string }) bool {
				there, _, _ := strings.Cut(o.path, "?")
				there = "/api/v1" + strings.NewReplacer("%s", "{id}", "VOTE", "{vote}").Replace(there)
				return o.method == strings.ToUpper(method) && there == path
			})
			for _, o := range charges {
				there := "/api/v1" + strings.NewReplacer("/feeds/%s", "/feeds/{feed}", "%s", "{id}").Replace(o.path)
				attacked = attacked || o.method == strings.ToUpper(method) && there == path
			}
			if !attacked && !slices.Contains(lists, op.OperationID) {
				t.Errorf("%s %s (%s) is not tried on what is somebody else's", strings.ToUpper(method), path, op.OperationID)
			}
		}
	}
}

// What is somebody else's is answered, byte for byte, like what is not there.
func TestAB67_SomebodyElses(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		pending := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}, Reason: "a secret reason"}))
		live := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour}, "mia")
		early := d.granted("eve", engine.Ask{Entitlements: []string{"dir:reports"}}, "mia")
		d.Work()
		if err := d.as("eve").Return(t.Context(), early.ID, ""); err != nil {
			t.Fatal(err)
		}
		d.Work()
		story, err := d.as("eve").Request(t.Context(), pending.ID)
		if err != nil {
			t.Fatal(err)
		}
		d.Targets["dir"].Put("stranger", "wiki")
		d.read()
		found := d.about("unexpected_access", "dir:wiki").ID
		const ticket = "jira:acme:10041"
		if _, err := d.Engine.KeepTicket(t.Context(), access.Ticket{ID: ticket, Key: "ACC-41", State: access.Unconfirmed, Claim: "eve"}, "came by mail"); err != nil {
			t.Fatal(err)
		}
		real := strings.NewReplacer("DIGEST", pending.Digest, "VOTE", story.Approvals[0].ID)
		for _, who := range []string{"bob", "nora", "xena"} {
			for _, op := range others {
				for _, id := range []string{pending.ID, live.Request, live.ID, early.ID, live.Assignment, story.Approvals[0].ID, ticket, found} {
					d.Clock.Pass(100 * time.Millisecond)
					unknown := id[:len(id)-8] + strings.ToLower(rand.Text())[:8]
					d.unstored(op.name, func() {
						at := func(id string) answer {
							a := d.send(op.method, "/api/v1"+real.Replace(fillIn(op.path, id)), who, real.Replace(fillIn(op.body, id)))
							a.body = strings.ReplaceAll(a.body, id, "ID")
							return a
						}
						theirs, none := at(id), at(unknown)
						if theirs.status != none.status || theirs.body != none.body || theirs.kind != none.kind {
							t.Errorf("%s, %s by %s:\n  somebody else's: %d %s\n  unknown:         %d %s", op.name, id[:2], who, theirs.status, theirs.body, none.status, none.body)
						}
						if strings.Contains(theirs.body, "secret reason") || (strings.Contains(theirs.body, "dir:wiki") && !strings.Contains(op.body, "dir:wiki")) {
							t.Errorf("%s by %s tells of it: %s", op.name, who, theirs.body)
						}
						wrongKind := op.method == "POST" && op.path == "/requests" || op.path == "/preview"
						if want := map[bool]int{true: http.StatusBadRequest, false: http.StatusNotFound}[wrongKind]; !strings.Contains(op.path, "cursor=") && theirs.status != want {
							t.Errorf("%s, %s by %s: %d, want %d", op.name, id[:2], who, theirs.status, want)
						}
					})
				}
			}
		}
		if !d.Targets["dir"].Holds("stranger", "wiki") || d.about("unexpected_access", "dir:wiki").ID != found {
			t.Error("the finding was settled")
		}
		d.Targets["dir"].Take("stranger", "wiki")
		if pending = d.Request(pending.ID); pending.State != access.Pending || d.votesFor(pending.ID) != 1 || d.Grant(live.ID).State != access.Live {
			t.Errorf("request %s, grant %s", pending.State, d.Grant(live.ID).State)
		}
		d.CheckQuiet()
	})
}

func fillIn(text, id string) string {
	return strings.NewReplacer("%s", id, "%[1]s", id).Replace(text)
}

// Lists hold one's own and nothing else, for whoever asks, however they ask.
func TestAB67_ListsHoldOnesOwn(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}, Reason: "of eve"})
		d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "of eve"}, "mia")
		d.ask("robot", engine.Ask{Entitlements: []string{"dir:lobby"}, Reason: "of eve"})
		mine := d.ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "of bob"})
		d.Work()
		for _, who := range []string{"bob", "nora", "xena"} {
			for _, path := range []string{"/requests", "/requests?mine=true", "/requests?state=pending", "/requests?state=approved&limit=500", "/desk", "/grants", "/grants?identity=eve", "/grants?identity=eve.2", "/grants?identity=robot",
				"/grants?identity=eve&open=true", "/findings", "/findings?closed=true"} {
				a := d.send("GET", "/api/v1"+path, who, "")
				if a.status != http.StatusOK || strings.Contains(a.body, "of eve") || strings.Contains(a.body, `"identity":"eve"`) || strings.Contains(a.body, "robot") {
					t.Errorf("%s of %s: %d %s", path, who, a.status, a.body)
				}
				if holds := strings.Contains(a.body, mine.ID); holds != (who == "bob" && strings.HasPrefix(path, "/requests") && !strings.Contains(path, "approved")) {
					t.Errorf("%s of %s: its own request is there: %t", path, who, holds)
				}
			}
		}
		// Whoever answers for it sees it.
		for who, path := range map[string]string{"mia": "/desk", "owen": "/requests", "anna": "/requests", "sara": "/requests", "eve": "/grants?identity=robot"} {
			if a := d.send("GET", "/api/v1"+path, who, ""); !strings.Contains(a.body, "of eve") && !strings.Contains(a.body, "robot") {
				t.Errorf("%s of %s does not show what they answer for: %s", path, who, a.body)
			}
		}
	})
}

// Nothing tells who there is: neither status nor words.
func TestAB68_WhoThereIs(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
		for _, path := range []string{"/grants?identity=%s", "/grants?identity=%s&open=true"} {
			known, unknown := d.send("GET", "/api/v1"+fmt.Sprintf(path, "eve"), "bob", ""), d.send("GET", "/api/v1"+fmt.Sprintf(path, "nobody"), "bob", "")
			if known.status != unknown.status || strings.ReplaceAll(known.body, "eve", "nobody") != unknown.body {
				t.Errorf("%s: known %d %s, unknown %d %s", path, known.status, known.body, unknown.status, unknown.body)
			}
		}
		// Tokens: unknown, spent, of somebody who left, of nobody, and none at all are one answer.
		d.addKey(keyOf("expired", "mia", d.Now()))
		d.key("left", "zoe", everything...)
		d.key("ghost", "nobody", everything...)
		want := d.send("GET", "/api/v1/requests", "", "")
		for _, name := range []string{"expired", "left", "ghost", "unknown", "x"} {
			if a := d.send("GET", "/api/v1/requests", name, ""); a.status != want.status || a.body != want.body || !sameHeaders(a.header, want.header) {
				t.Errorf("%s: %d %s %v, want as without a token: %d %s %v", name, a.status, a.body, a.header, want.status, want.body, want.header)
			}
		}
		// Before the token is known nothing else is: not whether a path leads to anything.
		for _, path := range []string{"/requests/rq-none", "/grants/gr-none", "/requests?no_such=1", "/grants/gr-none/evidence"} {
			if a := d.send("GET", "/api/v1"+path, "unknown", ""); a.status != want.status || a.body != want.body {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	})
}

func sameHeaders(a, b http.Header) bool {
	names := func(h http.Header) []string {
		keep := maps.Clone(h)
		delete(keep, "Date")
		return slices.Sorted(maps.Keys(keep))
	}
	return slices.Equal(names(a), names(b))
}

// No token is given back or kept: not in an answer, a log, an event, a row.
func TestAB68_TokensAreNowhere(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Reason: "x"})
		d.uncounted("eve", r)
		d.approve("mia", r)
		secret := secretOf("eve")
		var said strings.Builder
		for _, who := range []string{"eve", "unknown", ""} {
			for _, op := range others {
				a := d.send(op.method, "/api/v1"+fillIn(op.path, g.ID), who, fillIn(op.body, g.ID))
				fmt.Fprintln(&said, a.body, a.header)
			}
			for _, odd := range [][]string{{"/api/v1/requests?token=" + secret}, {"/api/v1/requests/" + secret}, {"/api/v1/requests", "Authorization", "Basic " + secret}, {"/api/v1/requests", "Authorization", secret}} {
				a := d.send("GET", odd[0], who, "", odd[1:]...)
				if odd[0] != "/api/v1/requests/"+secret { // the id of what is not found is said again
					fmt.Fprintln(&said, a.body, a.header)
				}
			}
		}
		d.Work()
		bundle, err := d.as("eve").Evidence(t.Context(), g.ID)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(bundle)
		for _, ev := range d.Events(r.ID, g.ID, g.Assignment) {
			said.Write(ev.Body)
		}
		logged := strings.ReplaceAll(d.log.all(), "/requests/"+secret, "") // whoever writes a token into a path has published it
		for where, text := range map[string]string{"an answer or the log of events": said.String(), "the server's log": logged} {
			for _, s := range []string{secret, secretOf("mia"), "lessor_secret_of_unknown"} {
				if strings.Contains(text, s) {
					t.Errorf("%s holds %s", where, s)
				}
			}
		}
		d.log.eachIsOne(t)
	})
}

// A cursor opens nothing: whatever somebody makes of it, the list is of one's own.
func TestAB68_CursorsOpenNothing(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}, Reason: "of eve"})
		for _, before := range []string{"", "~", "zzzz", "rq-", "rq-~", "' or 1=1 --", "%", "\x7f", "0", strings.Repeat("z", 64)} {
			list, err := d.as("bob").Requests(t.Context(), "", false, client.Page{Cursor: before, Limit: 500})
			if err != nil && status(err)/100 != 4 {
				t.Errorf("%q: %v", before, err)
			}
			if len(list) != 0 {
				raw, _ := json.Marshal(list)
				t.Errorf("%q shows %s", before, raw)
			}
		}
	})
}
