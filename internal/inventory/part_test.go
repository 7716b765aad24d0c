package inventory_test

import (
	"fmt"
	"testing"

	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
)

func readSome(t *testing.T, r *inventory.Reader, objects ...string) (drift driftOf) {
	t.Helper()
	d, err := r.ReadObjects(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	return driftOf{d.Unexpected, d.Removing, d.HeldBack, d.Missing, d.Braked}
}

type driftOf struct {
	unexpected, removing, heldBack, missing int
	braked                                  bool
}

// A part that was read says nothing of the rest: findings and counts of that stay.
func TestAPartOfASystemIsRead(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		r, dir := reader(f), f.Targets["dir"]
		for i := range 30 {
			dir.Put(fmt.Sprintf("old%02d", i), "reports")
		}
		dir.Put("nora", "wiki")
		read(t, r)
		dir.Put("bob", "wiki")
		dir.Put("bob", "root")
		if got := readSome(t, r, "wiki", "nothing of ours"); got != (driftOf{unexpected: 2}) {
			t.Fatalf("wiki: %+v", got)
		}
		kinds := map[string]bool{}
		for _, g := range f.Findings(true) {
			kinds[g.Kind+" "+g.Subject] = true
		}
		if !kinds["unexpected_access dir:wiki"] || !kinds["unexpected_access dir:reports"] || kinds["unexpected_access dir:root"] || len(kinds) != 2 {
			t.Errorf("findings: %v", kinds)
		}
		if got := readSome(t, r, "nothing of ours"); got != (driftOf{}) {
			t.Errorf("nothing of ours: %+v", got)
		}
		// The measure of the whole is as it was: 33 of 32.
		if drift := read(t, r); drift.Braked || drift.Unexpected != 33 {
			t.Errorf("then the whole: %+v", drift)
		}
		f.Check()
	})
}

// AB-61, of one object: emptied, it is not believed before the whole says so, too,
// and the whole is braked by its own measure.
func TestAB61AnEmptiedPartIsNotBelieved(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	r, dir := reader(f), f.Targets["dir"]
	for i := range 30 {
		dir.Put(fmt.Sprintf("old%02d", i), "reports")
	}
	read(t, r)
	open := finding(f, "unexpected_access")
	for i := range 30 {
		dir.Take(fmt.Sprintf("old%02d", i), "reports")
	}
	for range 2 { // saying it again makes it no truer
		if got := readSome(t, r, "reports"); got != (driftOf{braked: true}) {
			t.Fatalf("the part: %+v", got)
		}
	}
	if finding(f, "unexpected_access").ID != open.ID {
		t.Error("something was concluded")
	}
	if drift := read(t, r); !drift.Braked || finding(f, "inventory_shrunk").Owner == "" {
		t.Errorf("the whole: %+v", drift)
	}
	if got := readSome(t, r, "wiki"); got != (driftOf{}) || finding(f, "inventory_shrunk").ID == "" {
		t.Errorf("another part lets the brake go: %+v", got)
	}
	if drift := read(t, r); drift.Braked || finding(f, "unexpected_access").ID != "" {
		t.Errorf("the whole again: %+v", drift)
	}
	f.Check()
}

// Bit by bit no more is removed than at once would be; and what is held back of the
// whole is not let go by a part of it.
func TestAB61PartsRemoveNoMoreThanTheWhole(t *testing.T) {
	ruled(t, removeStandard, func(t *testing.T, f *enginetest.Fixture, r *inventory.Reader) {
		dir := f.Targets["dir"]
		for i := range 3 {
			dir.Put(fmt.Sprintf("new%02d", i), "wiki")
			dir.Put(fmt.Sprintf("new%02d", i), "reports")
			dir.Put(fmt.Sprintf("new%02d", i), "pay")
		}
		if got := readSome(t, r, "wiki"); got != (driftOf{unexpected: 4, removing: 3}) {
			t.Fatalf("wiki: %+v", got)
		}
		// reports and pay have not been read without them: their first reading was empty.
		if got := readSome(t, r, "reports"); got != (driftOf{unexpected: 3, heldBack: 3}) || finding(f, "removals_held_back").Owner == "" {
			t.Fatalf("reports: %+v", got)
		}
		if got := readSome(t, r, "audit"); got != (driftOf{}) || finding(f, "removals_held_back").ID == "" {
			t.Fatalf("audit lets the brake go: %+v", got)
		}
		dir.Take("new00", "pay")
		dir.Take("new01", "pay")
		if got := readSome(t, r, "pay"); got != (driftOf{unexpected: 1, heldBack: 1}) {
			t.Fatalf("pay: %+v", got)
		}
		f.Work()
		if dir.Holds("new00", "wiki") || !dir.Holds("new00", "reports") || !dir.Holds("new02", "pay") {
			t.Fatalf("held: %v", dir.Held())
		}
		// The whole has its own measure, and begins the count anew.
		if drift := read(t, r); drift.Removing != 4 || finding(f, "removals_held_back").ID != "" {
			t.Fatalf("the whole: %+v", drift)
		}
		dir.Put("late", "audit")
		if got := readSome(t, r, "audit"); got != (driftOf{unexpected: 1, removing: 1}) {
			t.Fatalf("audit: %+v", got)
		}
		f.Work()
	})
}
