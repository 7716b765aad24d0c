package engine_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// A batch that is large is one to the target, and several to the database: whoever asks
// for access meanwhile has a turn between them.
func TestALargeBatchLeavesOthersTheirTurn(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		const many = 101
		commits := map[string]int{}
		f := enginetest.Open(t, d, func(o *enginetest.Options) {
			for i := range many {
				id := fmt.Sprintf("p%03d", i)
				o.Company.People[id] = access.Identity{ID: id, Kind: access.Person, Name: id, Manager: "mia", Accounts: map[string]string{"dir": id}}
			}
			o.Seam = func(step string) { commits[step]++ }
		})
		f.Targets["dir"].Batch = 500
		lane := f.Lane("dir", "large")
		for i := range many {
			f.Ask(fmt.Sprintf("p%03d", i), engine.Ask{Entitlements: []string{"dir:lobby"}})
		}
		for _, held := range []int{many, 0} {
			clear(commits)
			if n, err := lane.Once(t.Context()); err != nil || n != many {
				t.Fatalf("%d of %d claimed: %v", n, many, err)
			}
			if n := len(f.Targets["dir"].Held()); n != held {
				t.Errorf("%d are held, want %d", n, held)
			}
			if commits["claim after commit"] != 2 || commits["settle after commit"] != 2 {
				t.Errorf("committed: %v", commits)
			}
			f.Clock.Pass(time.Hour)
		}
		f.Advance(time.Minute)
		f.CheckQuiet()
	})
}
