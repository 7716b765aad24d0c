package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Who holds what is for whoever answers for it, a page at a time.
func TestRegisterIsForThoseWhoAnswer(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		first := f.Granted("eve", ask("dir:wiki"), "mia")
		f.Granted("eve", ask("dir:reports"), "mia")
		f.Advance(2 * time.Hour) // both have ended
		last := f.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "to do my work", Term: 20 * hour}, "mia")
		register := func(by, entitlement string, open bool, before string, limit int) []engine.Holding {
			t.Helper()
			list, err := f.Engine.Register(t.Context(), f.As(by), entitlement, open, before, limit)
			if err != nil {
				t.Errorf("%s: %v", by, err)
			}
			return list
		}
		for _, by := range []string{"owen", "sara", "anna"} {
			if list := register(by, "dir:wiki", false, "", 10); len(list) != 2 || list[0].Grant.ID != last.ID || list[1].Grant.ID != first.ID {
				t.Errorf("%s: %+v", by, list)
			}
			if list := register(by, "dir:wiki", true, "", 10); len(list) != 1 {
				t.Errorf("%s, open: %+v", by, list)
			}
		}
		if list := register("anna", "", false, "", 10); len(list) != 3 {
			t.Errorf("everything: %d", len(list))
		}
		if list := register("anna", "", false, last.ID, 1); len(list) != 1 || list[0].Grant.Entitlement != "dir:reports" {
			t.Errorf("the second page: %+v", list)
		}
		for by, entitlement := range map[string]string{"eve": "dir:wiki", "mia": "dir:wiki", "owen": "", "otto": "dir:wiki", "bob": "dir:nowhere"} {
			if _, err := f.Engine.Register(t.Context(), f.As(by), entitlement, false, "", 10); !errors.Is(err, access.ErrDenied) {
				t.Errorf("%s of %q: %v", by, entitlement, err)
			}
		}
	})
}
