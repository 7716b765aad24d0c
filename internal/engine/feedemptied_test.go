package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// A reading that says nothing any more of where everybody is moves nobody: what it said
// before counts, until it says it again or so few are left out that it is believed.
func TestFeedEmptied(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr(func(f *access.Feed) { f.Groups = map[string]string{"security": "sec"} }))
		var list []access.Record
		for n := range 20 {
			list = append(list, entry(fmt.Sprint(100+n), fmt.Sprintf("p%d", n), func(r *access.Record) {
				r.Manager, r.Department, r.Groups = "100", "sales", []string{"sec"}
				if n == 0 {
					r.Manager = ""
				}
			}))
		}
		read(t, f, "hr", list...)
		without := func(n int, take func(*access.Record)) (part []access.Record) {
			part = slices.Clone(list)
			for i := range part[:n] {
				take(&part[i])
			}
			return part
		}
		all := func(r *access.Record) { r.Department, r.Manager, r.Groups = "", "", nil }
		whole := func(id string) bool {
			return who(f, id).Department == "sales" && who(f, id).Manager == "p0" && slices.Contains(f.Engine.World().Directory.GroupsOf(id), "security")
		}
		// 1. Of everybody: nobody is moved, however often it says so; a newcomer comes all the same.
		for range 2 {
			read(t, f, "hr", append(without(20, all), entry("200", "q", func(r *access.Record) { r.Manager, r.Department = "", "it" }))...)
			if !whole("p7") || !whole("p19") || who(f, "q").Department != "it" {
				t.Errorf("p7 is %+v", who(f, "p7"))
			}
		}
		if found := feedFindings(f, access.FeedEmptied); !slices.Equal(found, []string{"hr"}) {
			t.Errorf("findings %v", found)
		}
		// 2. Of two, which is believed of twenty; the others are whole again.
		read(t, f, "hr", without(2, all)...)
		if who(f, "p1").Department != "" || who(f, "p1").Manager != "" || !whole("p7") {
			t.Errorf("p1 is %+v", who(f, "p1"))
		}
		if found := feedFindings(f, access.FeedEmptied); len(found) != 0 {
			t.Errorf("findings %v", found)
		}
		// 3. Of one attribute of many: of that alone nothing is believed.
		read(t, f, "hr", without(20, func(r *access.Record) { r.Department, r.Manager = "", "101" })...)
		if i := who(f, "p7"); i.Department != "sales" || i.Manager != "p1" {
			t.Errorf("p7 is %+v", i)
		}
		// 4. Believed where the share says so.
		feeds(f, hr(func(f *access.Feed) { f.Shrink = 100 }))
		read(t, f, "hr", without(20, all)...)
		if i := who(f, "p7"); i.Department != "" || i.Manager != "" {
			t.Errorf("p7 is %+v", i)
		}
		if found := feedFindings(f, access.FeedEmptied); len(found) != 0 {
			t.Errorf("findings %v", found)
		}
	})
}
