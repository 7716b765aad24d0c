package store

import (
	"slices"
	"sync"
	"testing"
)

func TestRoster(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ann, bob, cat := Member{"security", "ann"}, Member{"security", "bob"}, Member{"auditors", "cat"}
		var last int64 = -1
		is := func(what string, moved bool, want ...Member) {
			t.Helper()
			got, version, err := db.Roster(t.Context())
			must(t, err)
			alone, err := db.RosterVersion(t.Context())
			must(t, err)
			if !slices.Equal(got, want) || alone != version || (version > last) != moved || version < last {
				t.Errorf("%s: %v at %d (%d), after %d", what, got, version, alone, last)
			}
			last = version
		}
		is("at first", true)
		must(t, db.ChangeRoster(t.Context(), []Member{bob, ann, cat, ann}, nil))
		is("put", true, cat, ann, bob)
		must(t, db.ChangeRoster(t.Context(), []Member{ann}, []Member{{"auditors", "ann"}}))
		is("what is so", false, cat, ann, bob)
		must(t, db.ChangeRoster(t.Context(), []Member{{"auditors", "bob"}}, []Member{bob, cat}))
		is("put and take", true, Member{"auditors", "bob"}, ann)
		off, err := db.KeepOnRoster(t.Context(), func(m Member) bool { return m.Group == "security" })
		must(t, err)
		if !slices.Equal(off, []Member{{"auditors", "bob"}}) {
			t.Errorf("taken off: %v", off)
		}
		is("kept", true, ann)
		off, err = db.KeepOnRoster(t.Context(), func(Member) bool { return true })
		must(t, err)
		if len(off) != 0 {
			t.Errorf("taken off: %v", off)
		}
		is("all stay", false, ann)
	})
}

// Many change it at once: nothing is lost, and each change is another version.
func TestRosterAtOnce(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		var all sync.WaitGroup
		for n := range 12 {
			all.Go(func() {
				if err := db.ChangeRoster(t.Context(), []Member{{"security", string(rune('a' + n))}}, nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		list, version, err := db.Roster(t.Context())
		must(t, err)
		if len(list) != 12 || version != 12 {
			t.Errorf("%d on the roster at version %d", len(list), version)
		}
	})
}

// What nobody may be behind is a version of its own: words that may wait do not move it.
func TestUrgent(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		is := func(want bool) {
			t.Helper()
			version, err := db.RosterVersion(t.Context())
			must(t, err)
			urgent, err := db.Urgent(t.Context())
			must(t, err)
			if (urgent == version) != want || urgent > version {
				t.Errorf("urgent is %d of %d", urgent, version)
			}
		}
		is(true)
		must(t, db.ChangeRoster(t.Context(), []Member{{"security", "ann"}}, nil))
		is(false)
		must(t, db.Write(t.Context(), func(tx *Tx) error { return tx.Hasten(t.Context()) }))
		is(true)
	})
}
