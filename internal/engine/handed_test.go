package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Whoever took something over answers for it through a second leaving, too, and until the
// files name somebody else than the first leaver.
func TestTheFilesCountAgain(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		owner := func(want string) {
			t.Helper()
			if i, _ := f.Engine.World().Directory.Identity("robot"); i.Owner != want {
				t.Errorf("robot is owned by %q, want %q", i.Owner, want)
			}
		}
		takes := func(who, from string) {
			t.Helper()
			f.Clock.Pass(time.Minute)
			leave(t, f, from)
			h := decisions(t, f, from)["identity robot"]
			if _, err := f.Engine.OfferHandover(t.Context(), f.As("sara"), h.ID, who, "yours"); err != nil && h.Offered != who {
				t.Fatal(err)
			}
			if _, err := f.Engine.AcceptHandover(t.Context(), f.As(who), h.ID, "ours"); err != nil {
				t.Fatal(err)
			}
		}
		names := func(who string) {
			t.Helper()
			f.Clock.Pass(time.Minute)
			f.Change(func(c *enginetest.Company) {
				robot := c.People["robot"]
				robot.Owner = who
				c.People["robot"] = robot
			})
		}
		takes("mia", "eve")
		owner("mia")
		names("eve") // as they did
		owner("mia")
		takes("owen", "mia")
		owner("owen")
		if h := handOf(t, f, "identity robot"); h.From != "eve" {
			t.Errorf("it is from %q: the files never named mia", h.From)
		}
		names("bob")
		owner("bob")
		names("") // whoever took it over still does
		owner("owen")
		names("eve")
		owner("owen")
	})
}

func handOf(t *testing.T, f *enginetest.Fixture, subject string) (h access.Hand) {
	t.Helper()
	a, err := f.DB.AddedAfter(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range a.Since.Hands {
		if one.Subject == subject {
			h = one
		}
	}
	return h
}
