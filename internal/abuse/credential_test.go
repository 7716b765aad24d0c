package abuse

import (
	"errors"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// TestAB67OthersCredentials: who does not answer for a workload can neither see its
// credentials nor have them rotated, killed or retired, and is told the same as of one
// that is not there; nor can the workload, or an agent of its owner's.
func TestAB67OthersCredentials(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d, func(o *enginetest.Options) {
			o.Company.Plans = []access.CredentialPlan{{ID: "robot-git", System: "git", Account: "robot", Kind: enginetest.Token, Store: "safe", Ref: "x", Every: access.Term(1e15)}}
		})
		if n, err := f.Engine.PlanRotations(t.Context()); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		before := len(f.Notices())
		for _, who := range []string{"bob", "mia", "xena", "pilot", "zoe", "nobody", ""} {
			for _, id := range []string{"robot-git", "none-there"} {
				w := engine.Deed{Credential: id, Reason: "let me"}
				_, err1 := f.Engine.Rotate(t.Context(), f.As(who), w)
				_, err2 := f.Engine.Retire(t.Context(), f.As(who), w)
				_, err3 := f.Engine.Compromised(t.Context(), f.As(who), w)
				_, err4 := f.Engine.CredentialKept(t.Context(), f.As(who), id)
				for _, err := range []error{err1, err2, err3, err4} {
					if !errors.Is(err, access.ErrNotFound) {
						t.Errorf("%s, %s: %v", who, id, err)
					}
				}
			}
			if list, err := f.Engine.CredentialsKept(t.Context(), f.As(who), ""); err != nil || len(list) > 0 {
				t.Errorf("%s lists %v, %v", who, list, err)
			}
		}
		if _, err := f.Engine.Compromised(t.Context(), f.As("robot"), engine.Deed{Credential: "robot-git", Reason: "let me"}); !errors.Is(err, access.ErrDenied) {
			t.Errorf("the workload itself: %v", err)
		}
		if list := f.Findings(true); len(list) > 0 || len(f.Notices()) != before {
			t.Errorf("something came of it: %+v", list)
		}
		f.Check()
	})
}
