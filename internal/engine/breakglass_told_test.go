package engine_test

import (
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// The only owner, who is the only one in security besides, takes it: nobody would know.
func TestAB37_NobodyElseWouldBeTold(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		enrol(f, "otto")
		f.Change(func(c *enginetest.Company) {
			c.Groups["security"] = access.GroupMembers{ID: "security", Members: []string{"otto", "zoe", "robot"}}
		})
		_, err := f.Engine.BreakGlass(t.Context(), f.As("otto"), breaking())
		refused(t, "unseen", err, access.ErrDenied, "nobody else would be told")
		if n := len(f.Grants()); n != 0 {
			t.Errorf("%d grants", n)
		}
	})
}

// Whom the settings have told knows of it, whatever their group is called, and whoever the
// finding is for reviews it.
func TestAB37_TheContactReviews(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		enrol(f, "otto")
		glass := enginetest.Glass
		glass.Security = "nora"
		c := f.Engine.Config
		c.Glass = func() *engine.Glass { return &glass }
		e, err := engine.New(c)
		if err != nil {
			t.Fatal(err)
		}
		m, err := e.BreakGlass(t.Context(), f.As("otto"), breaking())
		if err != nil {
			t.Fatal(err)
		}
		if list, err := e.Emergencies(t.Context(), f.As("nora"), "", 10); err != nil || len(list) != 1 {
			t.Errorf("the contact is shown %d, %v", len(list), err)
		}
		v := engine.EmergencyReview{Emergency: m.ID, Verdict: access.Justified, Text: "seen in the log"}
		_, err = e.ReviewEmergency(t.Context(), f.As("eve"), v)
		refused(t, "a stranger", err, access.ErrNotFound, m.ID)
		if _, err = e.ReviewEmergency(t.Context(), f.As("nora"), v); err != nil {
			t.Errorf("the contact, for whom the finding is: %v", err)
		}
	})
}
