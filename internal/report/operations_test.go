package report_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// How the work stands, by a history of the engine's own on both databases.
func TestWork(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		work := func(systems ...string) report.Operations {
			t.Helper()
			o, err := report.Work(t.Context(), f.DB, systems, true, f.Now())
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		if o := work("dir", "git"); len(o.Systems) != 2 || o.Systems[0] != (store.Underway{System: "dir"}) || o.AllRemoving != 0 {
			t.Errorf("nothing yet: %+v", o)
		}
		f.Ask("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: hour})
		f.Work()
		seen := f.Now()
		f.Targets["dir"].Always(enginetest.Refuse, enginetest.None)
		f.Advance(2 * time.Hour)
		o := work("dir", "git")
		if len(o.Removing) != 1 || o.AllRemoving != 1 {
			t.Fatalf("%+v", o)
		}
		r := o.Removing[0]
		if r.Identity != "eve" || r.Grant == "" || r.Ended != access.EndExpired || !r.Late || r.Age != time.Hour || r.Work.Attempts == 0 || r.Leased {
			t.Errorf("%+v", r)
		}
		if u := o.Systems[0]; u.Removing != 1 || !u.OldestSince.Equal(seen.Add(time.Hour)) || !u.LastLook.Equal(seen) && u.LastLook.Before(seen) || o.Systems[1].Removing != 0 {
			t.Errorf("%+v", o.Systems)
		}
		if o := work("git"); len(o.Removing) != 0 {
			t.Errorf("of another system: %+v", o.Removing)
		}
		if i := slices.IndexFunc(o.Queue, func(q store.Queued) bool { return q.Kind == "notice" }); i < 0 || o.Queue[i].Waiting != len(f.Notices()) || o.Queue[i].Given != 0 {
			t.Errorf("%+v", o.Queue)
		}
		// Work that is due and that no lane takes.
		f.Clock.Pass(10 * time.Minute)
		if u := work("dir").Systems[0]; u.Due != 1 || u.OldestDue.IsZero() || u.Leased != 0 {
			t.Errorf("behind: %+v", u)
		}
		if _, err := f.Engine.Claim(t.Context(), "somebody", "dir", 10); err != nil {
			t.Fatal(err)
		}
		if o := work("dir"); o.Systems[0].Leased != 1 || o.Systems[0].Due != 0 || !o.Removing[0].Leased {
			t.Errorf("leased: %+v", o)
		}
	})
}
