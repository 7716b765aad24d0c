package crash

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// leaves is how much the leaver of these tests holds: more than one transaction ends.
const leaves = 620

// leavePlan is what the process that dies in a leaving is told.
type leavePlan struct {
	File, Seam string
	Nth        int
}

const leavePlanKey = "LESSOR_CRASH_LEAVE"

// leaver opens a company in which there is enough to hold.
func leaver(t *testing.T, file string, seam func(string)) *enginetest.Fixture {
	t.Helper()
	return enginetest.Open(t, store.SQLite, func(o *enginetest.Options) {
		for n := range leaves {
			id := fmt.Sprintf("dir:e%d", n)
			o.Company.Entitlements[id] = access.Entitlement{ID: id, System: "dir", Object: id[4:], Name: id[4:], Class: "open", Owners: []string{"owen"},
				MaxTerm: access.Term(12 * time.Hour), Powers: []string{"read"}}
		}
		o.DSN, o.Key, o.Now, o.Seam = "sqlite:"+file, "crash", time.Now, seam
	})
}

// TestLeaveDies is the process that dies; it is run by TestLeaveCrashes alone.
func TestLeaveDies(t *testing.T) {
	var p leavePlan
	if err := json.Unmarshal([]byte(os.Getenv(leavePlanKey)), &p); err != nil {
		t.Skip("is run by TestLeaveCrashes")
	}
	came := 0
	f := leaver(t, p.File, func(step string) {
		if step != p.Seam {
			return
		}
		if came++; came == p.Nth {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	if _, err := f.Engine.Leave(t.Context(), f.As("sara"), "eve", "the contract is over"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Engine.LeaveOn(t.Context(), "eve"); err != nil {
		t.Fatal(err)
	}
	t.Fatalf("came to %q %d times, and did not die", p.Seam, came)
}

// Kill −9 between, before and after the transactions of a leaving: what was said
// stands, and the job that its first transaction inserted does the rest, once.
func TestLeaveCrashes(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "fresh.db")
	f := leaver(t, fresh, nil)
	for n := 0; n < leaves; n += 20 {
		a := engine.Ask{Term: access.Term(8 * time.Hour)}
		for i := range 20 {
			a.Entitlements = append(a.Entitlements, fmt.Sprintf("dir:e%d", n+i))
		}
		f.Ask("eve", a)
	}
	f.Close()
	for _, p := range []leavePlan{{Seam: "leave before commit", Nth: 1}, {Seam: "leave after commit", Nth: 1}, {Seam: "leave on before commit", Nth: 1}, {Seam: "leave on after commit", Nth: 1}} {
		t.Run(p.Seam, func(t *testing.T) {
			t.Parallel()
			p.File = filepath.Join(testserver.Memory(t), "lessor.db")
			if err := copyFile(fresh, p.File); err != nil {
				t.Fatal(err)
			}
			p.die(t)
			p.judge(t)
		})
	}
}

func (p leavePlan) die(t *testing.T) {
	t.Helper()
	if out, died := dies(t, "TestLeaveDies", leavePlanKey, p); !died {
		t.Fatalf("it was to die by SIGKILL:\n%s", out)
	}
}

func (p leavePlan) judge(t *testing.T) {
	t.Helper()
	f := leaver(t, p.File, nil)
	f.Change(func(*enginetest.Company) {}) // what the database adds is in force, as after every start
	ended := func() (n int) {
		for _, g := range f.Grants() {
			if g.Ended == access.EndLeaver {
				n++
			}
		}
		return n
	}
	jobs := f.Jobs(engine.LeaveJob{}.Kind())
	if p.Seam == "leave before commit" {
		if ended() != 0 || len(jobs) != 0 {
			t.Errorf("nothing was said, and %d grants have ended, %d jobs", ended(), len(jobs))
		}
		return
	}
	if n := ended(); n != 500 && p.Seam != "leave on after commit" {
		t.Errorf("%d grants have ended in the first transaction", n)
	}
	if len(jobs) == 0 {
		t.Fatal("nobody goes on with it")
	}
	for _, args := range jobs { // as the worker does, each of them
		var job engine.LeaveJob
		if err := json.Unmarshal(args, &job); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.LeaveOn(t.Context(), job.Person); err != nil {
			t.Fatal(err)
		}
	}
	l, err := f.Engine.Leaving(t.Context(), f.As("sara"), "eve")
	if err != nil || ended() != leaves || len(l.Grants) != 0 || len(l.Decisions) == 0 {
		t.Errorf("%d grants have ended, %d are open, %d decisions: %v", ended(), len(l.Grants), len(l.Decisions), err)
	}
	f.Check()
}
