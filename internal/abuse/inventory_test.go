package abuse

import (
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// The whole server, before a real SCIM service: who is let in behind its back goes
// again by rule, and an account made anew under somebody's name inherits nothing.
func TestAB56_TheServerRemovesWhatNobodyGranted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.edit("lessor.yaml", "listen:", "inventory: 1s\nlisten:")
	s.edit("policy/rules.cedar", `@id("ask-open")`, `@id("out") @remedy("remove")
permit (principal, action == Action::"remedy", resource in System::"work");

@id("ask-open")`)
	if err := s.target.AddMembers("lobby", "mia"); err != nil { // there before anybody looked
		t.Fatal(err)
	}
	s.run()
	s.soon("both systems were read", func() bool {
		all := s.log.all()
		return strings.Contains(all, `"msg":"inventory","system":"work"`) && strings.Contains(all, `"msg":"inventory","system":"play"`)
	})
	// 1. Let in behind its back.
	if err := s.target.AddMembers("wiki", "bob"); err != nil {
		t.Fatal(err)
	}
	s.soon("bob is out again", func() bool { return !s.holds("bob", "wiki") })
	if !s.holds("mia", "lobby") {
		t.Error("what was there before the first reading is gone")
	}
	// 2. Another under an old name.
	g := s.granted("ann", engine.Ask{Entitlements: []string{"work:wiki"}, Term: hour}, "mia")
	s.soon("ann has it", func() bool { return s.state("ann", g.ID) == access.Held })
	read := strings.Count(s.log.all(), `"msg":"accounts","system":"work"`)
	s.soon("her account was read", func() bool { return strings.Count(s.log.all(), `"msg":"accounts","system":"work"`) > read+1 })
	if err := s.target.DeleteUser("ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.target.AddUser("ann"); err != nil {
		t.Fatal(err)
	}
	if err := s.target.AddMembers("wiki", "ann"); err != nil {
		t.Fatal(err)
	}
	s.soon("the other ann has nothing", func() bool {
		sight, err := s.as("ann").Grant(t.Context(), g.ID)
		return err == nil && sight.Grant.Ended == access.EndEligibilityLost && sight.Assignment.State == access.Absent && !s.holds("ann", "wiki")
	})
	// 3. Nothing is given to it until somebody else has vouched for it; then it is.
	ask := engine.Ask{Entitlements: []string{"work:lobby"}, Term: hour, Reason: "to come in", AnswerWithin: access.Term(time.Hour)}
	if r, err := s.as("ann").Submit(t.Context(), ask); err != nil || r.State != access.Denied || !strings.Contains(r.Items[0].Why, "was made anew") {
		t.Errorf("%+v, %v", r, err)
	}
	list, err := s.as("sam").Findings(t.Context(), false, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.Kind == "account_made_anew" {
			if err := s.as("sam").Accept(t.Context(), engine.Remedy{Finding: f.ID, Reason: "seen with her at the desk"}); err != nil {
				t.Error(err)
			}
		}
	}
	s.granted("ann", ask)
	s.soon("ann is in", func() bool { return s.holds("ann", "lobby") })
	// 4. Out with what was there before, so that the oracle finds nothing ungranted.
	for _, f := range list {
		if f.Kind == "unexpected_access" && f.Subject == "work:lobby" {
			if got, err := s.as("olga").Remove(t.Context(), engine.Remedy{Finding: f.ID, All: true, Reason: "nobody needs it"}); err != nil || got.Removing != 1 {
				t.Errorf("%+v, %v", got, err)
			}
		}
	}
	s.soon("mia is out", func() bool { return !s.holds("mia", "lobby") })
	// 5. The log gives the tables still.
	if code, out, errs := s.lessor("", "verify", "--store"); code != 0 || !strings.Contains(out, "is intact") {
		t.Errorf("verify: %d %s %s", code, out, errs)
	}
}
