package abuse

import (
	"net/http"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Break-glass through the door: by whoever is not enrolled, in whatever guise, daily, for
// longer, without an incident, and reviewed by oneself or by those who are one's own.
func TestAB37_BreakGlassThroughTheDoor(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.Change(func(c *enginetest.Company) {
			c.Groups["oncall"] = access.GroupMembers{ID: "oncall", Members: []string{"bob", "eve", "robot"}}
		})
		take := engine.Breaking{Entitlement: "dir:root", Reason: "the house is on fire", Incident: "INC-7"}
		for _, who := range []string{"nora", "mia", "otto", "eve.2", "robot", "pilot", "sara"} {
			_, err := d.as(who).BreakGlass(t.Context(), take)
			wantStatus(t, who+" takes it", err, http.StatusForbidden)
		}
		for name, change := range map[string]func(*engine.Breaking){
			"another entitlement": func(b *engine.Breaking) { b.Entitlement = "git:deploy" },
			"no incident":         func(b *engine.Breaking) { b.Incident = "" },
			"for a day":           func(b *engine.Breaking) { b.Term = 24 * hour },
		} {
			b := take
			change(&b)
			_, err := d.as("bob").BreakGlass(t.Context(), b)
			wantStatus(t, name, err, http.StatusForbidden)
		}
		for _, body := range []string{`{"entitlement":"dir:root","reason":"x","incident":"INC-1","beneficiary":"nora"}`, `{"entitlement":"dir:root","reason":"x","incident":"INC-1","review_by":"2099-01-01T00:00:00Z"}`} {
			if a := d.send("POST", "/api/v1/break-glass", "bob", body); a.status != http.StatusUnprocessableEntity && a.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		m, err := d.as("bob").BreakGlass(t.Context(), take)
		if err != nil {
			t.Fatal(err)
		}
		d.Work()
		told := d.Notices()
		if last := told[len(told)-1]; last.At.Sub(m.At) > time.Minute || len(last.To) != 2 {
			t.Errorf("told: %+v", last)
		}
		// Oneself, a stranger and an accomplice do not review it.
		for who, status := range map[string]int{"bob": http.StatusForbidden, "eve": http.StatusNotFound, "robot": http.StatusNotFound, "anna": http.StatusForbidden} {
			_, err := d.as(who).ReviewEmergency(t.Context(), engine.EmergencyReview{Emergency: m.ID, Verdict: access.Justified, Text: "fine"})
			wantStatus(t, who+" reviews it", err, status)
		}
		// Nobody does: the next day the path is closed for bob, and the access long gone.
		d.Advance(25 * time.Hour)
		_, err = d.as("bob").BreakGlass(t.Context(), take)
		wantStatus(t, "the day after", err, http.StatusForbidden)
		if g := d.Grant(m.Grant); g.State != access.Ended {
			t.Errorf("the access is %s", g.State)
		}
		if n := d.countKind("emergency.refused"); n != 7+3+1 {
			t.Errorf("%d refusals left a trace", n)
		}
		d.CheckQuiet()
	})
}

// countKind counts the events of a kind.
func (d *door) countKind(kind string) (n int) {
	d.t.Helper()
	if err := d.DB.Read(d.t.Context(), func(tx *store.Tx) error {
		return tx.QueryRowContext(d.t.Context(), "select count(*) from event where kind = $1", kind).Scan(&n)
	}); err != nil {
		d.t.Fatal(err)
	}
	return n
}
