package enginetest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Every law the oracle holds others to is broken here once, and it must say so.
func TestOracleCanFail(t *testing.T) {
	t.Parallel()
	run := func(stmts ...string) func(*testing.T, *enginetest.Fixture) {
		return func(t *testing.T, f *enginetest.Fixture) {
			t.Helper()
			if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
				for _, s := range append([]string{"drop trigger grants_moves", "drop trigger assignment_moves"}, stmts...) {
					if _, err := tx.ExecContext(t.Context(), s); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name, law, says string
		breaks          func(*testing.T, *enginetest.Fixture)
	}{
		{"access nobody granted", "I1", "nobody ever granted", func(_ *testing.T, f *enginetest.Fixture) { f.Targets["dir"].Put("bob", "wiki") }},
		{"access after its end", "I1", "without a live grant", run("update grants set state='ended'", "update assignment set due_at=null")},
		{"lost at the target", "quiet", "not held at the target", func(_ *testing.T, f *enginetest.Fixture) { f.Targets["dir"].Take("eve", "wiki") }},
		{"a grant with nothing to end it", "I2", "never due", run("update assignment set due_at=null")},
		{"a grant that is remembered too late", "I2", "due only at", run("update assignment set due_at=due_at+100000000000")},
		{"an end beyond the term", "I3", "its request allows", run("update grants set end_at=end_at+7200000000")},
		{"an end beyond the entitlement", "I3", "its entitlement allows", run("update grants set end_at=end_at+900000000000")},
		{"a vote that is gone", "I4", "is not there", run("delete from approval")},
		{"a vote for another revision", "I4", "not for it", run("update approval set revision=2")},
		{"a vote by the beneficiary", "I4", "has a hand in eve", run("update approval set voter='eve', person='eve'")},
		{"a vote by somebody who left", "I4", "no active employee", run("update approval set voter='zoe', person='zoe'")},
		{"a vote for somebody else", "I4", "who is another", run("update approval set person='bob'")},
		{"a vote in the place of somebody who lent nothing", "I4", "which they were not", run(`update approval set behalf='{"of":"owen","how":"delegate","ref":"de-none"}'`)},
		{"a vote in the place of somebody with nothing to say", "I4", "nothing to say at the stage", run(`update approval set behalf='{"of":"owen","how":"delegate","ref":"de-none"}'`)},
		{"a vote in the place of the beneficiary", "I4", "who has a hand in it", run(`update approval set behalf='{"of":"eve","how":"deputy","ref":"ab-none"}'`)},
		{"taken, and nothing tells of it", "AB-37", "nothing tells of it", run(`update grants set hold=replace(hold, '"question":"hold"', '"question":"break-glass"')`)},
		{"a vote taken back before", "I4", "withdrawn before", run("update approval set withdrawn_at=at")},
		{"a row nobody told of", "I5", "its events end at", run("update assignment set state='adding'")},
		{"an event that is gone", "I5", "", run("delete from event where kind='grant.live'")},
		{"held, and never seen", "I6", "no look it rests on", run("update assignment set receipt='re-none'")},
		{"under way, and never due", "I7", "nothing is due", run("update assignment set state='removing', due_at=null")},
		{"half a lease", "I7", "half a lease", run("update assignment set holder='x'")},
		{"of what was never asked", "I11", "no event tells of", run("update grants set digest='sha256:00'")},
		{"for somebody else", "I11", "not what revision", run("update grants set identity='bob'")},
		{"granted against policy", "I12", "policy said no", run(`update grants set hold='{"allow":false}'`)},
		{"allowed by an error", "I12", "with 1 errors", run(`update grants set hold='{"allow":true,"rules":[{"id":"a","effect":"permit"}],"errors":["x"]}'`)},
		{"allowed by silence", "I12", "allowed by 0 rules", run(`update grants set hold='{"allow":true}'`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := enginetest.Open(t, store.SQLite)
			f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(2 * time.Hour)}, "mia")
			f.Work()
			f.CheckQuiet()
			c.breaks(t, f)
			problems, err := f.Oracle().Problems(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				if strings.HasPrefix(p.Error(), c.law+": ") && strings.Contains(p.Error(), c.says) {
					return
				}
			}
			t.Errorf("not noticed under %s; it said %v", c.law, problems)
		})
	}
}
