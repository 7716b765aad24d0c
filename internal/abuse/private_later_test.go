package abuse

import (
	"crypto/rand"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// charges is every operation on what people answer for, besides requests and grants; the
// kind says whose id it takes.
var charges = []struct{ kind, method, path, body string }{
	{"credential", "GET", "/credentials/%s", ""},
	{"credential", "POST", "/credentials/%s/rotate", `{"reason":"mine"}`},
	{"credential", "POST", "/credentials/%s/retire", `{"reason":"mine"}`},
	{"credential", "POST", "/credentials/%s/compromised", `{"reason":"mine"}`},
	{"workload", "GET", "/workloads/%s", ""},
	{"workload", "POST", "/workloads/%s/review", `{"reason":"mine"}`},
	{"workload", "POST", "/workloads/%s/contract", `{"contract":{"purpose":"mine"},"reason":"mine"}`},
	{"workload", "POST", "/workloads/%s/retire", `{"reason":"mine"}`},
	{"registration", "POST", "/registrations/%s/accept", ""},
	{"registration", "POST", "/registrations/%s/decline", `{"reason":"mine"}`},
	{"handover", "GET", "/handovers/%s", ""},
	{"handover", "POST", "/handovers/%s/offer", `{"to":"bob","note":"mine"}`},
	{"handover", "POST", "/handovers/%s/accept", `{"note":"mine"}`},
	{"handover", "POST", "/handovers/%s/decline", `{"note":"mine"}`},
	{"handover", "POST", "/handovers/%s/retire", `{"note":"mine"}`},
	{"person", "GET", "/leavers/%s", ""},
	{"person", "POST", "/leavers/%s", `{"reason":"mine"}`},
	{"person", "POST", "/leavers/%s/back", `{"reason":"mine"}`},
	{"delegation", "POST", "/delegations/%s/end", `{"why":"mine"}`},
	{"absence", "POST", "/absences/%s/end", `{"why":"mine"}`},
	{"emergency", "POST", "/break-glass/%s/review", `{"verdict":"justified","text":"mine"}`},
	{"seal", "POST", "/break-glass/seals/%s/unseal", `{"reason":"mine"}`},
	{"seal", "POST", "/break-glass/seals/%s/settle", `{"incident":"INC-1","text":"mine"}`},
	{"feed", "GET", "/feeds/%s/held", ""},
	{"feed", "POST", "/feeds/%s/read", ""},
	{"feed", "GET", "/feeds/%s/preview", ""},
	{"feed", "POST", "/feeds/%s/confirm", `{"count":1,"reason":"mine"}`},
	{"feed", "POST", "/feeds/%s/decide", `{"key":"7","is":"eve","reason":"mine"}`},
	{"transmitter", "POST", "/signals/%s/held", `{"heed":true,"reason":"mine"}`},
}

// What others answer for is answered, byte for byte, like what is not there: to whoever
// does not answer for it, an operation tells nothing and does nothing.
func TestAB67_WhatOthersAnswerFor(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		staff(d)
		d.Change(func(c *enginetest.Company) {
			c.Groups["oncall"] = access.GroupMembers{ID: "oncall", Members: []string{"eve"}}
			c.Plans = []access.CredentialPlan{{ID: "robot-git", System: "git", Account: "robot", Kind: enginetest.Token, Store: "safe", Ref: "x", Every: access.Term(1e15)}}
		})
		ids := d.answeredFor(t)
		before := d.stored()
		for _, who := range []string{"bob", "nora", "xena"} {
			for _, op := range charges {
				id := ids[op.kind]
				if id == "" {
					t.Fatalf("there is no %s", op.kind)
				}
				d.Clock.Pass(100 * time.Millisecond)
				unknown := id[:max(0, len(id)-8)] + strings.ToLower(rand.Text())[:8]
				at := func(id string) answer {
					a := d.send(op.method, "/api/v1"+fillIn(op.path, id), who, op.body)
					a.body = strings.ReplaceAll(a.body, id, "ID")
					return a
				}
				theirs, none := at(id), at(unknown)
				if theirs.status != none.status || theirs.body != none.body || theirs.kind != none.kind {
					t.Errorf("%s %s by %s:\n  somebody else's: %d %s\n  unknown:         %d %s", op.method, op.path, who, theirs.status, theirs.body, none.status, none.body)
				}
				if theirs.status != http.StatusNotFound && theirs.status != http.StatusForbidden {
					t.Errorf("%s %s by %s: %d %s", op.method, op.path, who, theirs.status, theirs.body)
				}
			}
		}
		if after := d.stored(); !maps.Equal(before, after) {
			t.Errorf("something came of it: %v, before %v", after, before)
		}
		// Lists of it hold one's own.
		for _, who := range []string{"bob", "nora", "xena"} {
			for _, path := range []string{"/credentials", "/workloads", "/handovers", "/stand-ins", "/registrations", "/break-glass", "/break-glass/enrolled", "/break-glass/seals", "/feeds", "/workload-coverage"} {
				a := d.send("GET", "/api/v1"+path, who, "")
				for kind, id := range ids {
					if strings.Contains(a.body, id) {
						t.Errorf("%s of %s holds the %s %s: %d %s", path, who, kind, id, a.status, a.body)
					}
				}
			}
		}
	})
}

// answeredFor makes one of each that is eve's, or that only security may touch.
func (d *door) answeredFor(t *testing.T) map[string]string {
	t.Helper()
	ids := map[string]string{"credential": "robot-git", "workload": "robot", "person": "mia.2", "feed": "hr", "transmitter": "idp-of-ours"}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := d.Engine.PlanRotations(t.Context())
	ok(err)
	_, err = d.Engine.ObservedAccounts(t.Context(), "dir", d.Now(), []engine.AccountSeen{{Name: "svc-pay", ID: "1"}})
	ok(err)
	r, err := d.as("sara").RegisterWorkload(t.Context(), engine.NewWorkload{ID: "payer", Name: "Payer", Owner: "eve", Accounts: map[string]string{"dir": "svc-pay"}, Contract: botContract(), Reason: "found"})
	ok(err)
	ids["registration"] = r.ID
	a, err := d.as("eve").Away(t.Context(), engine.BeingAway{Until: d.Now().Add(24 * time.Hour)})
	ok(err)
	ids["absence"] = a.ID
	ids["delegation"] = d.lend("ada", "owen").ID
	m, err := d.as("eve").BreakGlass(t.Context(), engine.Breaking{Entitlement: "dir:root", Reason: "the house is on fire", Incident: "INC-7"})
	ok(err)
	d.Work()
	ids["emergency"] = m.ID
	s, err := d.as("sara").Seal(t.Context(), engine.Sealing{System: "dir", Account: "firebox", Opens: []string{"dir:pay"}, Custodians: []string{"anna", "ada"}, Place: "in the safe"})
	ok(err)
	ids["seal"] = s.ID
	_, err = d.as("sara").Leave(t.Context(), "sven", "has left")
	ok(err)
	_, err = d.as("sara").Leave(t.Context(), "otto", "has left")
	ok(err)
	d.Work()
	list, err := d.as("sara").Handovers(t.Context(), true, false, "", 10)
	ok(err)
	if len(list) == 0 {
		t.Fatal("nothing is handed over")
	}
	ids["handover"] = list[0].ID
	return ids
}
