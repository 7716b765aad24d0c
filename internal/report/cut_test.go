package report_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// What is open is counted behind however many that are newer, and what was not read
// is said, though some of what was read lies outside of the window.
func TestWhatIsNotReadIsSaid(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		const most = 5000 // findings
		l := hand(t, kind)
		day := 24 * time.Hour
		finding := func(n int, opened, closed time.Time) {
			f := access.Finding{ID: fmt.Sprintf("fi-%06d", n), Kind: "drift", Subject: fmt.Sprint(n), Owner: "owen", OpenedAt: opened, DueAt: opened.Add(day)}
			l.write(func(ctx context.Context, tx *store.Tx) error {
				if err := tx.AddFinding(ctx, f); err != nil || closed.IsZero() {
					return err
				}
				f.ClosedAt, f.Resolution = closed, "it is so no longer"
				return tx.CloseFinding(ctx, f)
			})
		}
		count := func() (drift report.Drift, cut bool) {
			t.Helper()
			n, err := report.Count(t.Context(), l.DB, l.WorldAt(l.Now()).Directory, l.now.Add(-7*day), l.now)
			if err != nil {
				t.Fatal(err)
			}
			if len(n.Drift) > 0 {
				drift = n.Drift[0]
			}
			return drift, slices.ContainsFunc(n.Cut, func(s string) bool { return strings.HasPrefix(s, "findings") })
		}
		// 1. An old one that is open, and as many newer ones as are read, closed before the window.
		finding(0, l.now.Add(-30*day), time.Time{})
		finding(1, l.now.Add(-20*day), l.now.Add(-19*day))
		l.write(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf(`with recursive n(i) as (select 2 union all select i + 1 from n where i < %d)
				insert into finding (id, kind, subject, owner, body, opened_at, due_at, closed_at, resolution)
				select 'fi-' || substr(cast(1000000 + i as text), 2), kind, cast(i as text), owner, body, opened_at, due_at, closed_at, resolution from n, finding where id = 'fi-000001'`, most))
			return err
		})
		if d, cut := count(); d.Open != 1 || d.Opened != 0 || d.Oldest != 30*day || cut {
			t.Errorf("an old open one: %+v, cut %v", d, cut)
		}
		// 2. More in the window than are read, and one of those that are is not of it.
		l.write(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.ExecContext(ctx, fmt.Sprintf(`update finding set opened_at = %d where id >= 'fi-000001' and id < 'fi-%06d'`, l.now.Add(-time.Hour).UnixMicro(), most))
			return err
		})
		finding(most+1, l.now.Add(-30*day), l.now.Add(-30*day))
		if _, cut := count(); !cut {
			t.Error("one in the window was not read, and nothing says so")
		}
	})
}
