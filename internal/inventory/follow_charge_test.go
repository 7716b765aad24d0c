package inventory

import (
	"fmt"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
)

// An event does not cost what the catalog is long, and one that is new counts at once.
func TestAnEventCostsTheSameInAnyCatalog(t *testing.T) {
	of := func(n int) *access.Directory {
		var list []access.Entitlement
		for i := range n {
			list = append(list, access.Entitlement{ID: fmt.Sprintf("dir:%d", i), System: "dir", Object: fmt.Sprint(i)})
		}
		return access.NewDirectory(nil, nil, []access.System{{ID: "dir"}}, list, nil)
	}
	now := of(1000)
	f := &Follower{FollowConfig: FollowConfig{Reader: New(Config{System: "dir", Directory: func() *access.Directory { return now }})},
		news: make(chan struct{}, 1), objects: map[string]bool{}}
	if n := testing.AllocsPerRun(50, func() { f.hear([]string{"7", "1000"}) }); n > 5 {
		t.Errorf("an event takes %v allocations", n)
	}
	if len(f.objects) != 1 {
		t.Errorf("heard of %v", f.objects)
	}
	now = of(1001)
	if f.hear([]string{"7", "1000"}); len(f.objects) != 2 {
		t.Errorf("then of %v", f.objects)
	}
}
