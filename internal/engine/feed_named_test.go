package engine_test

import (
	"slices"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Whoever the files name and only a feed has told of answers for it like anybody, and
// leaves like anybody: what was theirs is nobody's until somebody takes it over, though the
// files go on naming them, and coming back gives them nothing.
func TestOwnersWhoAreOnlyInAFeed(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		fay, fritz := entry("7", "fay", func(r *access.Record) { r.Manager = "" }), entry("8", "fritz", func(r *access.Record) { r.Manager = "" })
		read(t, f, "hr", fay, fritz)
		f.Change(func(c *enginetest.Company) {
			robot, bob, wiki := c.People["robot"], c.People["bob"], c.Entitlements["dir:wiki"]
			robot.Owner, bob.Manager, wiki.Owners = "fay", "fay", []string{"fay"}
			c.People["robot"], c.People["bob"], c.Entitlements["dir:wiki"] = robot, bob, wiki
		})
		dir := f.WorldAt(f.Now()).Directory
		if !slices.Contains(dir.OwnedBy("fay"), "robot") || !slices.Contains(dir.ReportsOf("fay"), "bob") {
			t.Errorf("owns %v, manages %v", dir.OwnedBy("fay"), dir.ReportsOf("fay"))
		}
		g := f.Granted("bob", ask("dir:wiki"), "fay")
		f.Work()
		// She leaves the feed: a forced decision for each, and nobody votes in her place.
		read(t, f, "hr", fritz)
		sweepMoved(t, f)
		of := decisions(t, f, "fay")
		for _, subject := range []string{"identity robot", "entitlement dir:wiki", "reports fay"} {
			if of[subject].ID == "" {
				t.Errorf("nobody decides about %q: %v", subject, of)
			}
		}
		if f.Grant(g.ID).State != access.Live {
			t.Error("what she approved has ended")
		}
		if r := f.Ask("robot", ask("dir:reports")); r.State != access.Denied {
			t.Errorf("what asks in her name is %s", r.State)
		}
		// Read anew, the files still name her; she comes back, and others took it over.
		if _, err := f.Engine.OfferHandover(t.Context(), f.As("sara"), of["identity robot"].ID, "owen", "yours"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.AcceptHandover(t.Context(), f.As("owen"), of["identity robot"].ID, "mine"); err != nil {
			t.Fatal(err)
		}
		f.Change(func(*enginetest.Company) {})
		read(t, f, "hr", fay, fritz)
		if i := who(f, "robot"); who(f, "fay").Inactive || i.Owner != "owen" {
			t.Errorf("robot is %s's", i.Owner)
		}
	})
}

// A feed that has no name for somebody any more takes nobody out of the directory.
func TestANameThatIsGoneStays(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		fay := entry("7", "fay", func(r *access.Record) { r.Manager = "" })
		read(t, f, "hr", fay)
		fay.Name, fay.User = "", ""
		read(t, f, "hr", fay)
		if i := who(f, "fay"); i.Name != "Name of fay" || i.Inactive {
			t.Errorf("%+v", i)
		}
	})
}
