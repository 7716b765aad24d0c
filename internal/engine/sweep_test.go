package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// sweep sweeps, and lets the lanes do what follows.
func sweep(t *testing.T, f *enginetest.Fixture) engine.Swept {
	t.Helper()
	swept, err := f.Engine.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.Work()
	return swept
}

// wiki grants eve the wiki for three days, and lets her hold it.
func wiki(f *enginetest.Fixture) access.Grant {
	f.Change(func(c *enginetest.Company) {
		ent := c.Entitlements["dir:wiki"]
		ent.MaxTerm = 72 * hour
		c.Entitlements["dir:wiki"] = ent
	})
	g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 72 * hour}, "mia")
	f.Work()
	return g
}

// lose takes eve's entitlement or eve herself out of the files.
var lose = map[string]func(*enginetest.Company){
	"entitlement dir:wiki": func(c *enginetest.Company) { delete(c.Entitlements, "dir:wiki"); delete(c.Bundles, "onboarding") },
	"identity eve":         func(c *enginetest.Company) { delete(c.People, "eve"); delete(c.People, "eve.2") },
}

// What the files no longer have keeps its access for a day, in which somebody
// learns of it: then it ends, whether or not anybody did anything.
func TestWhatTheFilesNoLongerHaveEndsAfterADay(t *testing.T) {
	t.Parallel()
	for what, gone := range lose {
		t.Run(what, func(t *testing.T) {
			each(t, func(t *testing.T, f *enginetest.Fixture) {
				g := wiki(f)
				f.Change(gone)
				// 1. Found, told, and left as it is.
				if swept := sweep(t, f); swept.Ended != 0 || !slices.Equal(swept.Bereft, []string{what}) || !f.Targets["dir"].Holds("eve", "wiki") {
					t.Fatalf("swept %+v, held %v", swept, f.Targets["dir"].Holds("eve", "wiki"))
				}
				found := f.Findings(true)
				if len(found) != 1 || found[0].Kind != "definition_gone" || found[0].Subject != what || found[0].Owner != "security" {
					t.Fatalf("findings %+v", found)
				}
				if !slices.ContainsFunc(f.Notices(), func(n engine.Notice) bool { return n.Subject == "definition_gone: "+what }) {
					t.Error("nobody was told")
				}
				// 2. Nothing more comes of sweeping again, and the day is not begun anew.
				f.Advance(24*time.Hour - time.Second)
				if swept := sweep(t, f); swept.Ended != 0 || len(f.Findings(true)) != 1 {
					t.Fatalf("swept %+v, findings %+v", swept, f.Findings(true))
				}
				// 3. Its time is over.
				f.Advance(time.Second)
				if swept := sweep(t, f); swept.Ended != 1 || f.Targets["dir"].Holds("eve", "wiki") {
					t.Fatalf("swept %+v, held %v", swept, f.Targets["dir"].Holds("eve", "wiki"))
				}
				if g = f.Grant(g.ID); g.State != access.Ended || f.Job(g.Assignment).State != access.Absent {
					t.Errorf("grant %s, assignment %s", g.State, f.Job(g.Assignment).State)
				}
				if left := f.Findings(true); len(left) != 0 {
					t.Errorf("still open: %+v", left)
				}
			})
		})
	}
}

// Put back in time, nothing has happened.
func TestWhatIsPutBackGoesOn(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		ent := f.Company.Entitlements["dir:wiki"]
		g := wiki(f)
		f.Change(lose["entitlement dir:wiki"])
		sweep(t, f)
		f.Advance(time.Hour)
		f.Change(func(c *enginetest.Company) { c.Entitlements["dir:wiki"] = ent })
		if swept := sweep(t, f); swept.Ended != 0 || len(swept.Bereft) != 0 || len(f.Findings(true)) != 0 {
			t.Errorf("swept %+v, findings %+v", swept, f.Findings(true))
		}
		f.Advance(48 * time.Hour)
		if sweep(t, f); f.Grant(g.ID).State != access.Live || !f.Targets["dir"].Holds("eve", "wiki") {
			t.Errorf("grant %s", f.Grant(g.ID).State)
		}
	})
}

// What is without its definition is taken away at once by security, and by its own end.
func TestWhatTheFilesNoLongerHaveIsTakenAway(t *testing.T) {
	t.Parallel()
	for what, gone := range lose {
		t.Run(what, func(t *testing.T) {
			each(t, func(t *testing.T, f *enginetest.Fixture) {
				g := wiki(f)
				f.Change(gone)
				sweep(t, f)
				if err := f.Engine.Revoke(t.Context(), f.As("sara"), g.ID, "it is to go"); err != nil {
					t.Fatal(err)
				}
				if f.Work(); f.Targets["dir"].Holds("eve", "wiki") {
					t.Error("held after it was revoked")
				}
				if sweep(t, f); len(f.Findings(true)) != 0 {
					t.Errorf("still open: %+v", f.Findings(true))
				}
			})
		})
	}
	t.Run("by its end", func(t *testing.T) {
		each(t, func(t *testing.T, f *enginetest.Fixture) {
			f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
			f.Work()
			f.Change(lose["entitlement dir:wiki"])
			sweep(t, f)
			if f.Advance(time.Hour); f.Targets["dir"].Holds("eve", "wiki") {
				t.Error("held after its end")
			}
		})
	})
}

// A change of the files is refused for what it takes away, and not for what was
// away before: the way out of the one must not be barred by the other.
func TestBereftIsWhatTheChangeTakes(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki", "dir:reports"}, Term: hour}, "mia")
		without := func(ids ...string) *access.Directory {
			c := *f.Company
			c.Entitlements, c.Bundles = map[string]access.Entitlement{}, nil
			for id, e := range f.Company.Entitlements {
				if !slices.Contains(ids, id) {
					c.Entitlements[id] = e
				}
			}
			return c.World(t).Directory
		}
		says := func(dir *access.Directory) string {
			list, err := f.Engine.Bereft(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(list, "\n")
		}
		if said := says(without("dir:wiki")); !strings.Contains(said, "dir:wiki") || strings.Contains(said, "dir:reports") {
			t.Errorf("said %q", said)
		}
		f.Change(lose["entitlement dir:wiki"])
		if said := says(without("dir:wiki")); said != "" {
			t.Errorf("said %q", said)
		}
		if said := says(without("dir:wiki", "dir:reports")); strings.Contains(said, "dir:wiki") || !strings.Contains(said, "dir:reports") {
			t.Errorf("said %q", said)
		}
	})
}

// Whoever has just left does not wait for everybody's grants to be looked through.
func TestSweepOfSome(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := wiki(f)
		other := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
		f.Work()
		f.Change(func(c *enginetest.Company) {
			for _, id := range []string{"eve", "bob"} {
				i := c.People[id]
				i.Inactive = true
				c.People[id] = i
			}
		})
		if swept, err := f.Engine.SweepOf(t.Context(), nil); err != nil || swept.Ended != 0 {
			t.Errorf("of nobody: %+v, %v", swept, err)
		}
		if swept, err := f.Engine.SweepOf(t.Context(), []string{"eve"}); err != nil || swept.Ended != 1 {
			t.Errorf("of eve: %+v, %v", swept, err)
		}
		f.Work()
		if f.Grant(g.ID).Ended != access.EndLeaver || f.Targets["dir"].Holds("eve", "wiki") || !f.Targets["dir"].Holds("bob", "wiki") {
			t.Errorf("eve's grant %s, bob's %s, held %v", f.Grant(g.ID).State, f.Grant(other.ID).State, f.Held("dir"))
		}
		sweep(t, f)
	})
}
