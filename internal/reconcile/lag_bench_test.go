package reconcile_test

import (
	"context"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

// lagMembers of each group hold it: 10,000 grants in all.
const lagMembers = 50

// BenchmarkLag is the revocation lag: from the end of each of 10,000 grants, 100 a
// second, until its access was seen gone at a healthy OpenLDAP that flushes to disk.
// Ledger and directory share the machine.
func BenchmarkLag(b *testing.B) {
	s := stormSlapd(b)
	for b.Loop() {
		target := stormLDAP(b, s, s.URL)
		f := stormOpen(b, store.SQLite, lagMembers, time.Now, func(now time.Time, n int) time.Time {
			return now.Add(5*time.Second + time.Duration(n)*10*time.Millisecond)
		})
		ctx, stop := context.WithCancel(b.Context())
		lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: "lag", Width: stormWidth, Pace: f.Engine.Pace, Backstop: time.Minute, Now: time.Now})
		over := make(chan struct{})
		go func() { defer close(over); lane.Run(ctx) }()
		for tick := time.NewTicker(time.Second); ; <-tick.C {
			if stormGone(b, f) == stormGroups*lagMembers {
				tick.Stop()
				break
			}
		}
		stop()
		<-over
		var lags []time.Duration
		if err := f.DB.Read(b.Context(), func(tx *store.Tx) error {
			rows, err := tx.QueryContext(b.Context(), `select min(e.at) - g.end_at from grants g join event e on e.assignment = g.assignment and e.kind = 'assignment.absent'
				group by g.id, g.end_at`) // the first time: it is looked at once more after a while
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var lag int64
				if err := rows.Scan(&lag); err != nil {
					return err
				}
				lags = append(lags, time.Duration(lag)*time.Microsecond)
			}
			return rows.Err()
		}); err != nil {
			b.Fatal(err)
		}
		percentiles(b, "", lags)
		f.Close()
		target.Close()
	}
	b.ReportMetric(0, "ns/op")
}
