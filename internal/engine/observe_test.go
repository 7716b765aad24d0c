package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Of two readings by two replicas the one that was begun first may end last: it
// changes nothing of what the other one found, nor does a part of such an age.
func TestAnOlderReadingOfHoldings(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		take := func(age time.Duration, part bool, who ...string) {
			t.Helper()
			r := engine.Reading{System: "dir", At: f.Now().Add(-age), Objects: []string{"wiki"}, Part: part}
			for _, account := range who {
				r.Holdings = append(r.Holdings, engine.Held{Account: account, Object: "wiki"})
			}
			drift, err := f.Engine.Observed(t.Context(), r)
			if err != nil || drift.Overtaken != (age == time.Second) {
				t.Fatalf("%+v, %v", drift, err)
			}
		}
		stray := func(account string) (n int) {
			for _, g := range f.Findings(true) {
				if g.Kind == "unexpected_access" && strings.Contains(g.Text, account) {
					n++
				}
			}
			return n
		}
		take(time.Hour, false)
		take(0, false, "ghost")
		if stray("ghost") != 1 {
			t.Fatal("it is not found")
		}
		for _, part := range []bool{false, true} {
			take(time.Second, part)
			if stray("ghost") != 1 {
				t.Errorf("an older reading (part %t) forgets it", part)
			}
			take(time.Second, part, "ghost", "wraith")
			if stray("wraith") != 0 {
				t.Errorf("an older reading (part %t) adds to it", part)
			}
		}
		f.Advance(time.Minute)
		take(0, false)
		if stray("ghost") != 0 {
			t.Error("a newer reading is not taken")
		}
	})
}
