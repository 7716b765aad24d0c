package abuse

import (
	"net/http"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// A seal that hides an account of one's own, that one keeps oneself, or whose use one
// settles oneself; a worth that somebody writes into it; and a use that nobody settles.
func TestAB38_SealsThroughTheDoor(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		s := engine.Sealing{System: "dir", Account: "glass", Opens: []string{"dir:root"}, Custodians: []string{"ada", "sven"}, Place: "the safe"}
		for who, status := range map[string]int{"eve": http.StatusForbidden, "owen": http.StatusForbidden, "otto": http.StatusForbidden, "anna": http.StatusForbidden,
			"robot": http.StatusForbidden, "sven": http.StatusForbidden} { // sven is of security, and would keep it
			_, err := d.as(who).Seal(t.Context(), s)
			wantStatus(t, who+" seals", err, status)
		}
		hide := s
		hide.Account = "eve"
		_, err := d.as("sara").Seal(t.Context(), hide)
		wantStatus(t, "an account somebody has", err, http.StatusBadRequest)
		if a := d.send("POST", "/api/v1/break-glass/seals", "sara", `{"system":"dir","account":"glass","opens":["dir:root"],"custodians":["ada","sven"],"place":"x","password":"hunter2"}`); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
			t.Errorf("with its worth: %d %s", a.status, a.body)
		}
		is, err := d.as("sara").Seal(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		// Used: at once nothing of it is expected any more, and no custodian settles it.
		d.Clock.Pass(time.Minute)
		if err := d.Engine.ObservedUses(t.Context(), "dir", d.Now(), []engine.UseSeen{{Account: "glass", Program: "psql", From: "10.0.0.9", Person: true}}); err != nil {
			t.Fatal(err)
		}
		drift, err := d.Engine.Observed(t.Context(), engine.Reading{System: "dir", At: d.Now(), Objects: []string{"root"}, Holdings: []engine.Held{{Account: "glass", Object: "root"}}})
		if err != nil || drift.Unexpected != 1 {
			t.Errorf("drift is %+v, %v", drift, err)
		}
		use := engine.SealUse{Seal: is.ID, Incident: "INC-1", Text: "it was an emergency"}
		for who, status := range map[string]int{"sven": http.StatusForbidden, "ada": http.StatusForbidden, "eve": http.StatusNotFound, "anna": http.StatusForbidden} {
			_, err := d.as(who).SettleSeal(t.Context(), use)
			wantStatus(t, who+" settles", err, status)
		}
		use.Incident = ""
		_, err = d.as("sara").SettleSeal(t.Context(), use)
		wantStatus(t, "no incident", err, http.StatusBadRequest)
		// A custodian who breaks it besides, and security who retires it, settle nothing.
		if _, err := d.as("sara").Unseal(t.Context(), engine.Unsealing{Seal: is.ID, Retire: true, Reason: "never mind"}); err != nil {
			t.Fatal(err)
		}
		open := 0
		for _, f := range d.Findings(true) {
			if f.Kind == access.SealUsed && f.Subject == is.ID {
				open++
			}
		}
		if open != 1 {
			t.Errorf("%d findings of its use are open", open)
		}
		use.Incident = "INC-1"
		if _, err := d.as("sara").SettleSeal(t.Context(), use); err != nil {
			t.Fatal(err)
		}
		d.Check()
	})
}
