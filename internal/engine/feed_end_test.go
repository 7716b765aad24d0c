package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// A feed that has everybody end, or begin later, says that they leave, and is believed no more than one that has lost them.
func TestFeedBrakeHoldsEnds(t *testing.T) {
	for name, does := range map[string]func(*access.Record, time.Time){
		"ended":     func(r *access.Record, now time.Time) { r.End = now.Add(-time.Hour) },
		"tomorrow":  func(r *access.Record, now time.Time) { r.End = now.Add(20 * time.Hour) },
		"not begun": func(r *access.Record, now time.Time) { r.Start = now.Add(1000 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, f *enginetest.Fixture) {
				feeds(f, hr())
				var list []access.Record
				for n := range 20 {
					list = append(list, entry(fmt.Sprint(100+n), fmt.Sprintf("p%d", n), func(r *access.Record) { r.Manager = "" }))
				}
				read(t, f, "hr", list...)
				cut := slices.Clone(list)
				for n := range 12 {
					does(&cut[n], f.Now())
				}
				there := func(id string) bool {
					sweepMoved(t, f)
					return who(f, id).ActiveAt(f.Now())
				}
				for range 2 {
					if read(t, f, "hr", cut...); !there("p3") || !slices.Equal(feedFindings(f, access.FeedShrunk), []string{"hr"}) {
						t.Fatalf("%+v; findings %v", who(f, "p3"), feedFindings(f, access.FeedShrunk))
					}
				}
				// Whole again, nothing has happened.
				if read(t, f, "hr", list...); !there("p3") || len(f.Findings(true)) != 0 || !who(f, "p3").End.IsZero() {
					t.Fatalf("%+v; findings %v", who(f, "p3"), f.Findings(true))
				}
				// One of them is believed at once.
				one := slices.Clone(list)
				one[19] = cut[0]
				one[19].Key, one[19].User = list[19].Key, list[19].User
				if drift := read(t, f, "hr", one...); drift.Left != 1 || drift.Doubted != 0 {
					t.Errorf("%+v", drift)
				}
				// And all are once somebody has confirmed it.
				read(t, f, "hr", cut...)
				if n, err := f.Engine.ConfirmFeed(t.Context(), f.As("sara"), "hr", 12, "the site was closed"); err != nil || n != 12 {
					t.Fatalf("%d, %v", n, err)
				}
				if read(t, f, "hr", cut...); len(feedFindings(f, access.FeedShrunk)) != 0 {
					t.Errorf("findings %v", feedFindings(f, access.FeedShrunk))
				}
				f.Advance(24 * time.Hour)
				if there("p3") {
					t.Errorf("%+v", who(f, "p3"))
				}
			})
		})
	}
}

// No feed and nobody's word makes an identity that is called like a group or like Lessor itself.
func TestFeedMakesNobodyOfAReservedName(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		f.Change(func(c *enginetest.Company) { c.Groups["oncall"] = access.GroupMembers{ID: "oncall"} })
		names := []string{"security", "auditors", "lessor", "Oncall"}
		var list []access.Record
		for n, name := range names {
			list = append(list, entry(fmt.Sprint(n+1), name, func(r *access.Record) { r.Accounts = nil }))
		}
		if drift := read(t, f, "hr", list...); drift.Held != len(names) {
			t.Errorf("%+v", drift)
		}
		for n := range names {
			if r := record(t, f, "hr", fmt.Sprint(n+1)); r.Held != access.FeedAmbiguous || r.Identity != "" {
				t.Errorf("%+v", r)
			}
		}
		if r, err := f.Engine.DecideRecord(t.Context(), f.As("sara"), "hr", "1", "", "a person called Security"); err != nil || r.Identity != "security-2" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A workload or an agent in security confirms nothing: people do.
func TestFeedIsConfirmedByPeople(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		f.Change(func(c *enginetest.Company) {
			g := c.Groups["security"]
			g.Members = append(slices.Clone(g.Members), "robot", "pilot")
			c.Groups["security"] = g
		})
		read(t, f, "hr", entry("1", "a1"), entry("2", "a2"), entry("3", "a3"))
		read(t, f, "hr")
		for _, who := range []string{"robot", "pilot"} {
			_, err := f.Engine.ConfirmFeed(t.Context(), f.As(who), "hr", 3, "they left")
			refused(t, who, err, access.ErrDenied, "people")
		}
	})
}
