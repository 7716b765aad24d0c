package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// apart keeps wiki and reports apart from now on.
func apart(mode string, exceptions ...access.Exception) func(*enginetest.Company) {
	return func(c *enginetest.Company) {
		c.Duties = []access.Duty{{ID: "write-or-read", Apart: []string{"dir:wiki", "dir:reports"}, Mode: mode, Exceptions: exceptions}}
	}
}

// In one request, refuse lets neither through and drop the first; beside what is
// held, neither mode lets the second.
func TestDutyModes(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, c := range []struct {
			mode          string
			first, second access.Outcome
			state         access.RequestState
		}{
			{access.DutyRefuse, access.ItemDenied, access.ItemDenied, access.Denied},
			{access.DutyDrop, access.Undecided, access.ItemDenied, access.Pending},
		} {
			f.Change(apart(c.mode))
			r := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki", "dir:reports"}})
			if r.State != c.state || r.Items[0].Outcome != c.first || r.Items[1].Outcome != c.second {
				t.Errorf("%s: %s %+v", c.mode, r.State, r.Items)
			}
		}
		f.Approve("mia", f.Ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}}))
		for _, mode := range []string{access.DutyRefuse, access.DutyDrop} {
			f.Change(apart(mode))
			r := f.Ask("bob", engine.Ask{Entitlements: []string{"dir:reports"}})
			if r.State != access.Denied || !slices.Equal(r.Items[0].Decision.Clashes, []string{"dir:wiki"}) {
				t.Errorf("%s, beside what is held: %s %+v", mode, r.State, r.Items)
			}
		}
		f.Work()
		f.CheckQuiet()
	})
}

// An exception lets two be together for one person and no longer than it lasts;
// without one, what is together is a finding until it no longer is.
func TestDutyException(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		until := f.Now().Add(3 * time.Hour)
		exception := access.Exception{Identity: "eve", Owner: "owen", Reason: "year end", End: until}
		findings := func(want ...string) {
			t.Helper()
			n, err := f.Engine.DutiesTogether(t.Context())
			if err != nil || n != len(want) {
				t.Fatalf("%d pairs together, %v; want %d", n, err, len(want))
			}
			found, err := f.Engine.Findings(t.Context(), f.As("sara"), false, 100)
			if err != nil {
				t.Fatal(err)
			}
			var open []string
			for _, x := range found {
				if x.Kind == "duties_together" {
					open = append(open, x.Subject)
				}
			}
			if !slices.Equal(open, want) {
				t.Errorf("open findings %v, want %v", open, want)
			}
		}
		f.Change(apart(access.DutyRefuse, exception))
		f.Approve("mia", f.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour}))
		// 1. Longer than the exception, or for somebody else: no.
		if r := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 4 * hour}); r.State != access.Denied {
			t.Errorf("past the end of the exception: %s %+v", r.State, r.Items)
		}
		f.Approve("mia", f.Ask("bob", engine.Ask{Entitlements: []string{"dir:wiki"}}))
		if r := f.Ask("bob", engine.Ask{Entitlements: []string{"dir:reports"}}); r.State != access.Denied {
			t.Errorf("for somebody else: %s %+v", r.State, r.Items)
		}
		// 2. Within it: yes, and the decision says by whose word.
		r := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 2 * hour})
		if by := r.Items[0].Decision.Exceptions; r.State != access.Pending || len(by) != 1 || by[0].Owner != "owen" || by[0].Duty != "write-or-read" {
			t.Fatalf("%s by %+v", r.State, by)
		}
		if r = f.Approve("mia", r); r.State != access.Approved {
			t.Fatalf("%s %+v", r.State, r.Items)
		}
		f.Work()
		findings()
		// 3. The exception is taken back while both are held.
		f.Change(apart(access.DutyRefuse))
		findings("eve: dir:reports with dir:wiki")
		findings("eve: dir:reports with dir:wiki")
		// 4. Both end.
		f.Advance(2 * time.Hour)
		f.Work()
		findings()
		f.CheckQuiet()
	})
}
