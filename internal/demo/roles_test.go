package demo

import (
	"errors"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

// The company offers Lessor's own roles like anything else: asked for, approved by
// others, in force while the grant lasts, and over with it.
func TestTheDemoLendsItsOwnRoles(t *testing.T) {
	c := openCompany(t)
	by := &tale{base: c.base, dir: c.dir, target: c.target, server: c.server, people: map[string]*client.Client{}}
	reads := func() bool {
		t.Helper()
		_, _, err := by.as("leo").Register(engine.Only{}).Page(t.Context(), client.Page{Limit: 1})
		if err != nil && !errors.Is(err, access.ErrDenied) {
			t.Fatal(err)
		}
		return err == nil
	}
	if reads() {
		t.Fatal("leo reads everybody's grants already")
	}
	id := granted(t, by, "leo", "lessor:auditor", 3600*second, "mia", "vera")
	if !reads() {
		t.Error("the role is not in force while its access is seen")
	}
	if err := by.as("leo").Return(t.Context(), id, "done with it"); err != nil {
		t.Fatal(err)
	}
	if _, err := by.await(t.Context(), "vera", id, "seen gone", func(s api.Sight) bool { return s.Assignment.State == access.Absent }); err != nil {
		t.Fatal(err)
	}
	if reads() {
		t.Error("the role outlives its grant")
	}
}
