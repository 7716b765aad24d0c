package inventory_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
)

func reader(f *enginetest.Fixture) *inventory.Reader {
	return inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: f.Targets["dir"], Now: f.Now,
		Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
}

func read(t *testing.T, r *inventory.Reader) engine.Drift {
	t.Helper()
	d, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// finding is the open finding of a kind, or none.
func finding(f *enginetest.Fixture, kind string) (found access.Finding) {
	for _, one := range f.Findings(true) {
		if one.Kind == kind {
			found = one
		}
	}
	return found
}

// What nobody granted is found, named with who it is, renewed when it changes and
// closed when it is gone; nothing is removed by the reading itself.
func TestWhatNobodyGrantedIsFound(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		r := reader(f)
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(8 * time.Hour), Reason: "work"}, "mia")
		f.Work()
		if drift := read(t, r); drift != (engine.Drift{}) {
			t.Fatalf("drift where there is none: %+v", drift)
		}
		f.Targets["dir"].Put("bob", "wiki")
		f.Targets["dir"].Put("stranger", "wiki")
		if drift := read(t, r); drift.Unexpected != 2 {
			t.Fatalf("drift is %+v", drift)
		}
		one := finding(f, "unexpected_access")
		if one.Subject != "dir:wiki" || one.Owner != "owen" || !strings.Contains(one.Text, "bob (bob), stranger (nobody we know)") {
			t.Fatalf("finding is %+v", one)
		}
		if read(t, r); finding(f, "unexpected_access").ID != one.ID {
			t.Error("the same reading again is another finding")
		}
		f.Targets["dir"].Take("stranger", "wiki")
		if read(t, r); finding(f, "unexpected_access").ID == one.ID {
			t.Error("what changed is not told")
		}
		if !f.Targets["dir"].Holds("bob", "wiki") {
			t.Error("a reading removed something")
		}
		f.Targets["dir"].Take("bob", "wiki")
		if read(t, r); finding(f, "unexpected_access").ID != "" {
			t.Error("the finding is still open")
		}
		f.Check()
	})
}

// AB-56: access added again behind our back after its removal was seen is found
// by the next reading, however far off the next look was, and removed.
func TestAB56AddedAgainOutOfBand(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		r := reader(f)
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour), Reason: "work"}, "mia")
		f.Work()
		f.Advance(3 * time.Hour)
		if f.Job(g.Assignment).State != access.Absent {
			t.Fatal("not removed in its time")
		}
		f.Targets["dir"].Put("eve", "wiki")
		if drift := read(t, r); drift.Again != 1 || drift.Unexpected != 0 {
			t.Fatalf("drift is %+v", drift)
		}
		f.Work()
		if f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("still there")
		}
		// Taken away behind our back while it is granted: given again.
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour), Reason: "work"}, "mia")
		f.Work()
		f.Targets["dir"].Take("eve", "wiki")
		if drift := read(t, r); drift.Missing != 1 {
			t.Fatalf("drift is %+v", drift)
		}
		f.Work()
		if !f.Targets["dir"].Holds("eve", "wiki") {
			t.Error("not given again")
		}
		f.CheckQuiet()
	})
}

// AB-61: an empty reading is not believed; it pages the owner of the system and
// changes nothing. A second one in a row is a reason to look, not to act.
func TestAB61AnEmptyReadingTripsTheBrake(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	r := reader(f)
	g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(8 * time.Hour), Reason: "work"}, "mia")
	f.Work()
	for i := range 30 {
		f.Targets["dir"].Put(fmt.Sprintf("old%02d", i), "reports")
	}
	read(t, r)
	open := finding(f, "unexpected_access")
	for i := range 30 {
		f.Targets["dir"].Take(fmt.Sprintf("old%02d", i), "reports")
	}
	if drift := read(t, r); !drift.Braked || drift.Missing+drift.Unexpected+drift.Again != 0 {
		t.Fatalf("drift is %+v", drift)
	}
	if finding(f, "inventory_shrunk").Owner == "" || finding(f, "unexpected_access").ID != open.ID {
		t.Error("nobody is told, or something was concluded")
	}
	if drift := read(t, r); drift.Braked {
		t.Fatalf("two readings that agree are still not believed: %+v", drift)
	}
	if finding(f, "inventory_shrunk").ID != "" || finding(f, "unexpected_access").ID != "" {
		t.Error("findings of what is over are open")
	}
	if f.Job(g.Assignment).State != access.Held {
		t.Error("a reading ended something")
	}
	f.Check()
}
