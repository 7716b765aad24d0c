package report_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// BenchmarkCount counts the figures of 30 days in a store with 10,000 grants, a
// third of which ended in them, on SQLite.
func BenchmarkCount(b *testing.B) {
	const grants = 10_000
	f := enginetest.Open(b, store.SQLite)
	now := enginetest.Noon.Add(400 * 24 * time.Hour)
	err := f.DB.Write(b.Context(), func(tx *store.Tx) error {
		for i := range grants {
			at := now.Add(-time.Duration(grants-i) * 90 * 24 * time.Hour / grants)
			r := access.Request{ID: fmt.Sprintf("rq-%08d", i), Revision: 1, Digest: "x", State: access.Submitted, Requester: "eve", Beneficiary: "eve", Reason: "bulk", Term: hour, AnswerBy: at, Channel: "test", At: at,
				Items: []access.Item{{Entitlement: "dir:wiki", Term: hour}}}
			a := store.Job{Assignment: access.Assignment{ID: fmt.Sprintf("as-%08d", i), System: "dir", Account: fmt.Sprintf("a%08d", i), Object: "wiki", Identity: "eve", Entitlement: "dir:wiki", State: access.Absent}}
			g := access.Grant{ID: fmt.Sprintf("gr-%08d", i), Request: r.ID, Revision: 1, Digest: "x", Identity: "eve", Entitlement: "dir:wiki", Assignment: a.ID, State: access.Scheduled, Start: at, End: at.Add(time.Hour), ChainStart: at, Owner: "owen", At: at}
			vote := access.Approval{ID: fmt.Sprintf("vo-%08d", i), Request: r.ID, Revision: 1, Digest: "x", Entitlement: "dir:wiki", Stage: "manager", Voter: "mia", Person: "mia", Verdict: access.Approve, Channel: "test", At: at}
			look := access.Receipt{ID: fmt.Sprintf("re-%08d", i), Assignment: a.ID, At: at.Add(time.Hour + time.Second)}
			live, ended := g, g
			live.State, live.Seen = access.Live, at
			ended.State, ended.Seen, ended.EndedAt, ended.Ended = access.Ended, at, at.Add(time.Hour), access.EndExpired
			for _, do := range []func() error{
				func() error { return tx.AddRequest(b.Context(), r) }, func() error { return tx.AddAssignment(b.Context(), a) }, func() error { return tx.AddGrant(b.Context(), g) },
				func() error { return tx.SaveGrant(b.Context(), access.Scheduled, live) }, func() error { return tx.SaveGrant(b.Context(), access.Live, ended) },
				func() error { return tx.AddApproval(b.Context(), vote) }, func() error { return tx.AddReceipt(b.Context(), look) },
			} {
				if err := do(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	dir := f.WorldAt(f.Now()).Directory
	for b.Loop() {
		n, err := report.Count(b.Context(), f.DB, dir, now.Add(-30*24*time.Hour), now)
		if err != nil || len(n.Lag.Rows) == 0 {
			b.Fatal(err, n.Lag.Rows)
		}
	}
}
