package engine_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// BenchmarkObserved compares a whole reading with as many assignments, of which one
// in a hundred differs: half of these are held and were not read, half were read and
// granted by nobody. All are found and nothing else is. scan/s is reading the same
// rows alone, in the same run; MB is what the comparison allocated.
func BenchmarkObserved(b *testing.B) {
	for _, dialect := range []store.Dialect{store.SQLite, store.Postgres} {
		for _, size := range []int{520_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s memberships=%d", dialect, size), func(b *testing.B) { observe(b, dialect, size) })
		}
	}
}

func observe(b *testing.B, dialect store.Dialect, size int) {
	f := enginetest.Open(b, dialect)
	const groups = 10_000
	err := f.Engine.DB.Write(b.Context(), func(tx *store.Tx) error {
		_, err := tx.ExecContext(b.Context(), fmt.Sprintf(`insert into assignment
			(id, system, account, object, identity, entitlement, state, receipt, holder, fence, attempts, told, confirm, trouble)
			with recursive n(i) as (select 0 union all select i + 1 from n where i < %d)
			select 'as-' || i, 'dir', 'p' || (i / 10), 'g' || (i %% %d), 'p' || (i / 10), 'dir:g' || (i %% %d), 'absent', '', '', 0, 0, 0, false, '' from n`, size-1, groups, groups))
		if err == nil {
			_, err = tx.ExecContext(b.Context(), `update assignment set state = 'held', seen_at = $1`, f.Now().Add(-time.Hour).UnixMicro())
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	r := engine.Reading{System: "dir", At: f.Now()}
	for g := range groups {
		r.Objects = append(r.Objects, fmt.Sprintf("g%d", g))
	}
	for i := range size {
		h := engine.Held{Account: fmt.Sprintf("p%d", i/10), Object: fmt.Sprintf("g%d", i%groups)}
		if i%200 == 7 {
			h.Account += "-other" // the granted one is missing, and one that nobody granted is there
		}
		r.Holdings = append(r.Holdings, h)
	}
	var ours, scan time.Duration
	var before, after runtime.MemStats
	for b.Loop() {
		began := time.Now()
		n := 0
		err := f.Engine.DB.Read(b.Context(), func(tx *store.Tx) (err error) {
			n, err = tx.Standings(b.Context(), "dir", nil, func(store.Standing) {})
			return err
		})
		if err != nil || n != size {
			b.Fatal(n, err)
		}
		scan += time.Since(began)
		runtime.ReadMemStats(&before)
		began = time.Now()
		drift, err := f.Engine.Observed(b.Context(), r)
		ours += time.Since(began)
		runtime.ReadMemStats(&after)
		if err != nil || drift.Missing != size/200 || drift.Unexpected != size/200 || drift.Again != 0 || drift.Braked {
			b.Fatalf("%+v, %v", drift, err)
		}
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/ours")
	b.ReportMetric(scan.Seconds()/float64(b.N), "s/scan")
	b.ReportMetric(scan.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/(1<<20), "MB/ours")
	b.ReportMetric(0, "ns/op")
}
