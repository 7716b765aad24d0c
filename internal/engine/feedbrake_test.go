package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// twenty are people without a manager, p0 to p19.
func twenty() (list []access.Record) {
	for n := range 20 {
		list = append(list, entry(fmt.Sprint(100+n), fmt.Sprintf("p%d", n), func(r *access.Record) { r.Manager = "" }))
	}
	return list
}

// An end within the days that a feed's settings call soon is a leaving, one beyond is not.
func TestFeedBrakeHoldsEndsThatAreSoon(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for _, row := range []struct {
			soon, in time.Duration
			held     bool
		}{{0, 6 * 24 * time.Hour, true}, {0, 8 * 24 * time.Hour, false}, {60 * 24 * time.Hour, 50 * 24 * time.Hour, true}} {
			feeds(f, hr(func(f *access.Feed) { f.Soon = row.soon }))
			list := twenty()
			read(t, f, "hr", list...)
			for n := range 12 {
				list[n].End = f.Now().Add(row.in).UTC().Truncate(time.Second)
			}
			drift := read(t, f, "hr", list...)
			if held := len(feedFindings(f, access.FeedShrunk)) > 0; held != row.held || (drift.Doubted == 12) != row.held || who(f, "p3").End.IsZero() != row.held {
				t.Errorf("%+v: held %v; %+v; %+v", row, held, drift, who(f, "p3"))
			}
			read(t, f, "hr", twenty()...)
		}
	})
}

// A feed that loses a little less than its share each day is believed for some days only;
// then somebody says whether that is so, and it counts anew.
func TestFeedBrakeHoldsTheSlowLoss(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		list := twenty()
		read(t, f, "hr", list...)
		loses := func(n int) engine.FeedDrift {
			t.Helper()
			f.Advance(25 * time.Hour)
			list = list[n:]
			return read(t, f, "hr", list...)
		}
		for day := range 3 {
			if drift := loses(2); drift.Left != 2 || drift.Doubted != 0 {
				t.Fatalf("day %d: %+v", day, drift)
			}
		}
		if drift := loses(2); drift.Doubted != 2 || who(f, "p7").Inactive || !slices.Equal(feedFindings(f, access.FeedShrunk), []string{"hr"}) {
			t.Fatalf("%+v, %+v", drift, who(f, "p7"))
		}
		if _, err := f.Engine.ConfirmFeed(t.Context(), f.As("sara"), "hr", 2, "they have left, says HR"); err != nil {
			t.Fatal(err)
		}
		if drift := loses(1); drift.Left != 1 || !who(f, "p8").Inactive || !who(f, "p7").Inactive {
			t.Errorf("a day after that was confirmed: %+v", drift)
		}
		// What left long ago counts no more; a share that allows it is believed.
		f.Advance(31 * 24 * time.Hour)
		if drift := loses(2); drift.Left != 2 {
			t.Errorf("a month later: %+v", drift)
		}
		feeds(f, hr(func(f *access.Feed) { f.Shrink = 100 }))
		if drift := loses(9); drift.Left != 9 || drift.Doubted != 0 {
			t.Errorf("with the whole share: %+v", drift)
		}
	})
}

// A feed that loses the places of a few in each reading is believed up to its share of the day.
func TestFeedEmptiedReadingByReading(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		list := twenty()
		for n := range list {
			list[n].Department = "sales"
		}
		read(t, f, "hr", list...)
		list[0].Department, list[1].Department = "", ""
		read(t, f, "hr", list...)
		list[2].Department = ""
		if read(t, f, "hr", list...); who(f, "p1").Department != "" || who(f, "p2").Department != "sales" || !slices.Equal(feedFindings(f, access.FeedEmptied), []string{"hr"}) {
			t.Errorf("%+v, findings %v", who(f, "p2"), feedFindings(f, access.FeedEmptied))
		}
		f.Advance(24 * time.Hour)
		if read(t, f, "hr", list...); who(f, "p2").Department != "" || len(feedFindings(f, access.FeedEmptied)) != 0 {
			t.Errorf("a day later: %+v", who(f, "p2"))
		}
	})
}

// A provider that takes department, manager or groups from people one after another is
// refused beyond its share of the day, whatever way it takes; nothing of the word is stored.
func TestFeedWordsThatEmpty(t *testing.T) {
	department := func(r *access.Record) { r.Department = "" }
	manager := func(r *access.Record) { r.Manager = "" }
	for name, way := range map[string]func(t *testing.T, f *enginetest.Fixture, key string, n int) error{
		"department": func(t *testing.T, f *enginetest.Fixture, key string, _ int) error {
			return changed(t, f, key, department)
		},
		"manager": func(t *testing.T, f *enginetest.Fixture, key string, _ int) error { return changed(t, f, key, manager) },
		"groups": func(t *testing.T, f *enginetest.Fixture, key string, _ int) error {
			g := record(t, f, "idp", "g")
			_, err := word(t, f, "idp", engine.FeedChange{Record: g, Was: g.Version, Leave: []string{key}})
			return err
		},
		"by turns": func(t *testing.T, f *enginetest.Fixture, key string, n int) error {
			return changed(t, f, key, []func(*access.Record){department, manager}[n%2])
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, f *enginetest.Fixture) {
				provider(t, f)
				placed := func(id string) bool {
					i := who(f, id)
					return i.Department == "sales" && i.Manager == "p0" && slices.Contains(f.WorldAt(f.Now()).Directory.GroupsOf(id), "staff")
				}
				for n := range 2 {
					if err := way(t, f, fmt.Sprint(101+n), n); err != nil || placed(fmt.Sprintf("p%d", 1+n)) {
						t.Fatalf("%d: %v, %+v", n, err, who(f, fmt.Sprintf("p%d", 1+n)))
					}
				}
				for n := 2; n < 8; n++ {
					if err := way(t, f, fmt.Sprint(101+n), n); !errors.Is(err, access.ErrBraked) || !placed(fmt.Sprintf("p%d", 1+n)) {
						t.Errorf("%d: %v, %+v", n, err, who(f, fmt.Sprintf("p%d", 1+n)))
					}
				}
				if found := feedFindings(f, access.FeedEmptied); !slices.Equal(found, []string{"idp"}) {
					t.Errorf("findings %v", found)
				}
				// A day later there is room again.
				f.Advance(24 * time.Hour)
				if _, err := f.Engine.FeedMerge(t.Context(), "idp"); err != nil || len(feedFindings(f, access.FeedEmptied)) != 0 {
					t.Errorf("findings %v, %v", feedFindings(f, access.FeedEmptied), err)
				}
				if err := way(t, f, "103", 2); err != nil || placed("p3") {
					t.Errorf("a day later: %v, %+v", err, who(f, "p3"))
				}
			})
		})
	}
}

// Nor does a provider empty a group as a whole, by deleting or by renaming it; while the
// people of somebody who has left lose nothing else by having no manager.
func TestFeedWordsThatEmptyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		provider(t, f)
		g := record(t, f, "idp", "g")
		renamed := g
		renamed.Name = "Nobody"
		for what, c := range map[string]engine.FeedChange{"deleted": {Record: g, Was: g.Version, Gone: true}, "renamed": {Record: renamed, Was: g.Version}} {
			if _, err := word(t, f, "idp", c); !errors.Is(err, access.ErrBraked) || len(f.WorldAt(f.Now()).Directory.MembersOf("staff")) != 20 {
				t.Errorf("%s: %v; staff is %v", what, err, f.WorldAt(f.Now()).Directory.MembersOf("staff"))
			}
		}
		if err := changed(t, f, "100", gone); err != nil || !who(f, "p0").Inactive {
			t.Fatalf("%v, %+v", err, who(f, "p0"))
		}
		for n := 1; n < 20; n++ {
			if err := changed(t, f, fmt.Sprint(100+n), func(r *access.Record) { r.Manager = "" }); err != nil {
				t.Fatal(err)
			}
		}
		// With the whole share it is taken as it is said.
		f.Change(func(c *enginetest.Company) { c.Feeds[0].Shrink = 100 })
		g = record(t, f, "idp", "g")
		if _, err := word(t, f, "idp", engine.FeedChange{Record: g, Was: g.Version, Gone: true}); err != nil || len(f.WorldAt(f.Now()).Directory.MembersOf("staff")) != 0 {
			t.Errorf("%v; staff is %v", err, f.WorldAt(f.Now()).Directory.MembersOf("staff"))
		}
	})
}

// provider has a provider tell of twenty people of sales, whose manager is p0, and of the group they are in.
func provider(t *testing.T, f *enginetest.Fixture) {
	t.Helper()
	f.Change(func(c *enginetest.Company) {
		c.Groups["staff"] = access.GroupMembers{ID: "staff"}
		c.Feeds = []access.Feed{hr(func(f *access.Feed) {
			f.ID, f.Kind, f.Groups = "idp", "scim", map[string]string{"staff": "Everybody"}
		})}
	})
	var keys []string
	for n, r := range twenty() {
		if r.Department = "sales"; n > 0 {
			r.Manager = "100"
		}
		if _, err := word(t, f, "idp", engine.FeedChange{Record: r}); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, r.Key)
	}
	if _, err := word(t, f, "idp", engine.FeedChange{Record: access.Record{Key: "g", Group: true, Name: "Everybody"}, Join: keys}); err != nil {
		t.Fatal(err)
	}
	if n := len(f.WorldAt(f.Now()).Directory.MembersOf("staff")); n != 20 {
		t.Fatalf("%d are in it", n)
	}
}

// changed says another thing of somebody.
func changed(t *testing.T, f *enginetest.Fixture, key string, how func(*access.Record)) error {
	t.Helper()
	was := record(t, f, "idp", key)
	next := was
	how(&next)
	_, err := word(t, f, "idp", engine.FeedChange{Record: next, Was: was.Version})
	return err
}
