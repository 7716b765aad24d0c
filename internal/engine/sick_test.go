package engine_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// lobbyists opens a fixture with so many people, each of whom holds dir:lobby for an hour.
func lobbyists(t *testing.T, d store.Dialect, many int, change ...func(*enginetest.Options)) (*enginetest.Fixture, []access.Grant) {
	t.Helper()
	f := enginetest.Open(t, d, append(change, func(o *enginetest.Options) {
		for i := range many {
			id := fmt.Sprintf("p%04d", i)
			o.Company.People[id] = access.Identity{ID: id, Kind: access.Person, Name: id, Manager: "mia", Accounts: map[string]string{"dir": id}}
		}
	})...)
	var grants []access.Grant
	for i := range many {
		grants = append(grants, f.Granted(fmt.Sprintf("p%04d", i), engine.Ask{Entitlements: []string{"dir:lobby"}, Term: hour}))
	}
	f.Work()
	if n := len(f.Targets["dir"].Held()); n != many {
		t.Fatalf("%d of %d are held", n, many)
	}
	return f, grants
}

// jobs reads all there is at dir.
func jobs(t *testing.T, f *enginetest.Fixture) (all map[string]store.Job) {
	t.Helper()
	all = map[string]store.Job{}
	if err := f.DB.Read(t.Context(), func(tx *store.Tx) error {
		list, err := tx.AssignmentsOf(t.Context(), "dir")
		for _, j := range list {
			all[j.ID] = j
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// While a system answers no look, what is sent there and what is written does not grow with
// what waits; what waits says so, and all of it goes when the system is back.
func TestASickSystemIsSpared(t *testing.T) {
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		for _, many := range []int{10, 60} {
			commits := 0
			f, grants := lobbyists(t, d, many, func(o *enginetest.Options) {
				o.Seam = func(step string) {
					if step == "settle after commit" {
						commits++
					}
				}
			})
			dir := f.Targets["dir"]
			dir.Always(enginetest.Unreachable, enginetest.Blind)
			f.Advance(time.Hour + 2*time.Minute)
			// 1. Each grant has ended in time, and each removal has been found late.
			for _, g := range grants {
				if g = f.Grant(g.ID); g.State != access.Ended || g.EndedAt.Sub(g.End) > 0 {
					t.Fatalf("%d: a grant that ends at %s is %s since %s", many, g.End, g.State, g.EndedAt)
				}
			}
			if n := len(f.Findings(true)); n != many {
				t.Errorf("%d: %d are found late", many, n)
			}
			notices := len(f.Notices())
			if notices > 2+many/50 {
				t.Errorf("%d: %d notices were made of it", many, notices)
			}
			// 2. In a minute a few are tried, and nothing else is written.
			before, calls := jobs(t, f), len(dir.Log())
			commits = 0
			f.Advance(time.Minute)
			changed := 0
			for id, j := range jobs(t, f) {
				if j.State != access.Removing || j.Work.Trouble == "" || j.Work.Since.IsZero() {
					t.Fatalf("%d: it waits, and says %+v", many, j.Work)
				}
				if !reflect.DeepEqual(j, before[id]) {
					changed++
				}
			}
			if n := len(dir.Log()) - calls; n > 20 || n < 19 {
				t.Errorf("%d: %d changes were sent in a minute", many, n)
			}
			if changed > 20 || commits > 20 {
				t.Errorf("%d: %d assignments were written in a minute, in %d settlings", many, changed, commits)
			}
			// 3. It grows louder, once for all of them.
			f.Advance(5 * time.Minute)
			last := f.Notices()
			if len(last) != notices+1 {
				t.Fatalf("%d: after five minutes %d more notices", many, len(last)-notices)
			}
			if n := last[notices]; n.Loud != 1 || n.To[0] != "owen" || n.To[1] != "security" || !strings.Contains(n.Text, fmt.Sprintf("%d there are to be removed", many)) {
				t.Errorf("%d: told is %+v", many, n)
			}
			// 4. Back.
			dir.Mend()
			f.Advance(access.ProbeEvery)
			if n := len(dir.Held()); n != 0 || len(f.Findings(true)) != 0 {
				t.Errorf("%d: three seconds after it came back %d are held, and found are %+v", many, n, f.Findings(true))
			}
			f.Advance(2 * time.Minute)
			f.CheckQuiet()
		}
	})
}

// Two replicas try no more of what waits at a sick system than one does, and what either
// has seen is so for both.
func TestReplicasKnowTogetherThatASystemIsSick(t *testing.T) {
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f, _ := lobbyists(t, d, 10)
		dir, other := f.Targets["dir"], f.Lane("dir", "another")
		dir.Always(enginetest.Unreachable, enginetest.Blind)
		f.Advance(time.Hour + time.Minute)
		calls := len(dir.Log())
		for range 60 {
			if _, err := other.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.Advance(time.Second)
		}
		if n := len(dir.Log()) - calls; n > 20 {
			t.Errorf("two replicas sent %d changes in a minute", n)
		}
		dir.Mend()
		f.Clock.Pass(access.ProbeEvery)
		for n, err := other.Once(t.Context()); n > 0 || err != nil; n, err = other.Once(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if left := dir.Held(); len(left) != 0 {
			t.Errorf("still held: %v", left)
		}
		f.Advance(2 * time.Minute)
		f.CheckQuiet()
	})
}

// What is asked for while a system is sick, and what was only to be looked at, comes into
// its own when it is back; what ended meanwhile is never added.
func TestWhatComesWhileASystemIsSick(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		dir := f.Targets["dir"]
		held := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 8 * hour}, "mia")
		f.Work()
		dir.Always(enginetest.Unreachable, enginetest.Blind)
		f.Advance(90 * time.Minute) // looks that are due from time to time are not answered
		brief := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
		f.Advance(2*time.Hour + 10*time.Minute)
		long := f.Granted("nora", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 8 * hour}, "mia")
		f.Advance(10 * time.Minute)
		dir.Mend()
		f.Advance(access.ProbeEvery)
		if !dir.Holds("nora", "reports") || !dir.Holds("eve", "wiki") || dir.Holds("bob", "wiki") {
			t.Errorf("held is %v", dir.Held())
		}
		if g := f.Grant(long.ID); g.Seen.IsZero() {
			t.Error("what was asked for meanwhile was not seen")
		}
		if g := f.Grant(brief.ID); g.State != access.Ended || !g.Seen.IsZero() {
			t.Errorf("what ended meanwhile is %+v", g)
		}
		if j := f.Job(held.Assignment); j.State != access.Held {
			t.Errorf("what was held is %s", j.State)
		}
		f.Advance(10 * time.Hour)
		f.CheckQuiet()
	})
}

// Where only additions wait a sick system is tried more and more rarely; what is to be
// removed there is tried at once for all that, and then again as often as any removal.
func TestARemovalDoesNotWaitAsAdditionsDo(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		dir := f.Targets["dir"]
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
		f.Work()
		dir.Always(enginetest.Unreachable, enginetest.Blind)
		f.Granted("nora", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 8 * hour}, "mia")
		f.Advance(time.Hour - 10*time.Minute)
		calls := len(dir.Log())
		f.Advance(9 * time.Minute)
		if n := len(dir.Log()) - calls; n > 3 {
			t.Errorf("for one addition a sick system was sent %d changes in nine minutes", n)
		}
		f.Advance(time.Minute - time.Millisecond)
		dir.Mend()
		f.Advance(time.Millisecond)
		if dir.Holds("eve", "wiki") || !dir.Holds("nora", "reports") {
			t.Errorf("at its end held is %v", dir.Held())
		}
		f.Advance(2 * time.Minute)
		f.CheckQuiet()
	})
}
