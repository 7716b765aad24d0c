package engine_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// A manager who says that somebody is away does not come by that person's vote so:
// neither directly nor by having the deputy be away, too. The person is told.
func TestAB33_AbsenceSaidByWhoeverWouldAnswer(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		until := f.Now().Add(48 * time.Hour)
		// 1. Otto is there, has no deputy, and ada, his manager, says that he is not.
		a, err := f.Engine.Away(t.Context(), f.As("ada"), engine.BeingAway{Person: "otto", Until: until, Reason: "ill"})
		if err != nil {
			t.Fatal(err)
		}
		notices := f.Notices()
		if last := notices[len(notices)-1]; !slices.Contains(last.To, "otto") {
			t.Errorf("otto is not told that he is away: %+v", last)
		}
		r := f.Approve("mia", f.Ask("eve", ask("dir:root")))
		_, err = vote(t, f, "ada", r)
		refused(t, "whoever said it", err, access.ErrNotFound, r.ID)
		isOutcome(t, f.Approve("otto", r), access.Approved, access.Granted)
		f.Clock.Pass(time.Minute)
		if err := f.Engine.Back(t.Context(), f.As("otto"), a.ID, "I am here"); err != nil {
			t.Fatal(err)
		}
		// 2. He says so himself, and has a deputy, of whom she says it.
		f.Change(func(c *enginetest.Company) {
			i := c.People["otto"]
			i.Deputy = "owen"
			c.People["otto"] = i
		})
		if _, err := f.Engine.Away(t.Context(), f.As("otto"), engine.BeingAway{Until: until}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.Away(t.Context(), f.As("ada"), engine.BeingAway{Person: "owen", Until: until}); err != nil {
			t.Fatal(err)
		}
		r = f.Approve("mia", f.Ask("bob", ask("dir:root")))
		_, err = vote(t, f, "ada", r)
		refused(t, "whoever said it of the deputy", err, access.ErrNotFound, r.ID)
		isOutcome(t, f.Approve("owen", r), access.Approved, access.Granted)
		f.Work()
		f.CheckQuiet()
	})
}

// Everything open is read for every question: one person cannot make that much.
func TestAbsencesAreBounded(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		from := f.Now()
		for range 20 {
			if _, err := f.Engine.Away(t.Context(), f.As("mia"), engine.BeingAway{From: from, Until: from.Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			from = from.Add(time.Hour)
		}
		_, err := f.Engine.Away(t.Context(), f.As("mia"), engine.BeingAway{From: from, Until: from.Add(time.Hour)})
		refused(t, "one too many", err, access.ErrDenied, "no more than 20")
	})
}
