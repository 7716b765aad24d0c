package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Why a system does not do as it is asked is for those who can mend it: it names
// hosts, accounts and where secrets are kept. Everybody else is told that it does not.
func TestTroubleIsForThoseWhoCanMendIt(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Targets["dir"].Always(enginetest.Refuse, enginetest.None)
		g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
		f.Work()
		said := connector.ErrRefused.Error()
		if why := f.Job(g.Assignment).Work.Trouble; !strings.Contains(why, said) {
			t.Fatalf("what stands in the way is %q", why)
		}
		for who, told := range map[string]bool{"eve": false, "mia": false, "owen": true, "sara": true, "anna": true} {
			h, looks, err := f.Engine.Grant(t.Context(), f.As(who), g.ID)
			if err != nil {
				t.Fatalf("%s: %v", who, err)
			}
			if h.Trouble == "" || strings.Contains(h.Trouble, said) != told {
				t.Errorf("%s is told %q", who, h.Trouble)
			}
			for _, r := range looks {
				if r.Answered == "" || strings.Contains(r.Answered, said) != told {
					t.Errorf("%s is told that the target answered %q", who, r.Answered)
				}
			}
			if len(looks) == 0 {
				t.Error("no look was taken")
			}
			s, err := f.Engine.Show(t.Context(), f.As(who), g.Request)
			if err != nil || slices.ContainsFunc(s.Grants, func(h engine.Holding) bool { return h.Trouble == "" || strings.Contains(h.Trouble, said) != told }) {
				t.Errorf("%s is told %+v, %v", who, s.Grants, err)
			}
		}
	})
}
