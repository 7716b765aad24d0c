package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Whoever listens hears of exactly what the lists would show them, each event in
// the order of the log, and of nothing that has no place in it yet.
func TestNewsIsWhatTheListsShow(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		g := f.Granted("eve", ask("dir:wiki"), "mia")
		f.Work()
		if err := f.Engine.Find(t.Context(), "test", "mine", "owen", "something", time.Hour); err != nil {
			t.Fatal(err)
		}
		if list, err := f.Engine.News(t.Context(), 0, 100); err != nil || len(list) != 0 {
			t.Fatalf("before anything has its place: %d, %v", len(list), err)
		}
		before, _, err := f.Engine.Pulse(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		mark, size, err := f.Engine.Pulse(t.Context())
		if err != nil || mark == before || size == 0 {
			t.Fatalf("pulse %q, before %q, %d placed: %v", mark, before, size, err)
		}
		hears := func(who string, change ...func(*access.Actor)) (kinds []string) {
			t.Helper()
			by := f.As(who)
			for _, do := range change {
				do(&by)
			}
			var all []engine.News
			for at := int64(0); at < size; { // however it is cut into pages
				list, err := f.Engine.News(t.Context(), at, 3)
				if err != nil || len(list) == 0 || list[0].Seq != at {
					t.Fatalf("from %d: %+v, %v", at, list, err)
				}
				all, at = append(all, list...), at+int64(len(list))
			}
			for _, n := range all {
				for _, c := range f.Engine.Hears(by, n) {
					if (c.Request != "" && c.Request != g.Request) || (c.Grant != "" && c.Grant != g.ID) || (c.Request == "") == (c.Finding == "") || c.At.IsZero() {
						t.Errorf("%s hears %+v", who, c)
					}
					kinds = append(kinds, c.Kind)
				}
			}
			return kinds
		}
		whole := hears("eve")
		for _, kind := range []string{"request.submitted", "vote.cast", "request.approved", "grant.scheduled", "grant.live", "assignment.seen", "assignment.held"} {
			if !slices.Contains(whole, kind) {
				t.Errorf("who asked does not hear of %s: %v", kind, whole)
			}
		}
		if mia := hears("mia"); !slices.Equal(mia, whole) {
			t.Errorf("who answered hears %v, who asked %v", mia, whole)
		}
		if all := hears("sara"); !slices.Contains(all, "finding.opened") || len(all) != len(whole)+1 {
			t.Errorf("security hears %v", all)
		}
		if owen := hears("owen"); !slices.Contains(owen, "finding.opened") {
			t.Errorf("the finding's owner hears %v", owen)
		}
		for _, other := range []string{"bob", "xena"} {
			if got := hears(other); len(got) != 0 {
				t.Errorf("%s hears %v", other, got)
			}
		}
		if got := hears("eve", func(a *access.Actor) { a.Scopes = []string{engine.ScopeRequest} }); len(got) != 0 {
			t.Errorf("by a token that is not good for looking: %v", got)
		}
		// What was seen of an assignment after its last grant is told of that one.
		f.Advance(2 * time.Hour)
		if _, err := f.Engine.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, size, err = f.Engine.Pulse(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := strings.Join(hears("eve"), " "); !strings.Contains(after, "grant.ended") || !strings.Contains(after, "assignment.absent") {
			t.Errorf("after the end: %s", after)
		}
	})
}
