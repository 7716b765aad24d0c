package abuse

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

// staff has the door's company told of by a feed that finds people by their user name.
func staff(d *door) {
	d.Change(func(c *enginetest.Company) {
		c.Groups["staff"] = access.GroupMembers{ID: "staff"}
		c.Feeds = []access.Feed{{ID: "hr", Kind: "csv", Identity: "user", Gives: access.FeedGives, Shrink: 10,
			Match: []access.Match{{Attribute: "user", Equals: "id"}}, Groups: map[string]string{"staff": "Everybody"}}}
	})
}

func (d *door) hr(t *testing.T, list ...access.Record) engine.FeedDrift {
	t.Helper()
	d.Clock.Pass(time.Minute)
	drift, err := d.Engine.FeedRead(t.Context(), "hr", d.Now(), list)
	if err != nil {
		t.Fatal(err)
	}
	return drift
}

func (d *door) is(id string) access.Identity {
	i, _ := d.WorldAt(d.Now()).Directory.Identity(id)
	return i
}

// The feed is empty, or has lost 60 %: nobody loses anything. One who leaves still does.
func TestAB61_AFeedThatIsSuddenlyEmpty(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]int{"empty": 0, "60 %": 8} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				staff(d)
				var list []access.Record
				for n := range 20 {
					list = append(list, access.Record{Key: fmt.Sprint(n), User: fmt.Sprintf("p%d", n)})
				}
				list[19].User = "eve"
				d.hr(t, list...)
				g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
				d.Work()
				for range 3 { // however often it says so
					d.hr(t, list[:left]...)
				}
				if d.Work(); d.is("eve").Inactive || d.is("p12").Inactive || d.Grant(g.ID).State != access.Live || !d.Targets["dir"].Holds("eve", "wiki") {
					t.Errorf("somebody has left: %+v, %+v", d.is("eve"), d.is("p12"))
				}
				d.hr(t, append(slices.Clone(list[:3]), list[4:]...)...)
				if !d.is("p3").Inactive || d.is("eve").Inactive {
					t.Errorf("a single leaver: %+v", d.is("p3"))
				}
			})
		})
	}
}

// Whoever can write into the feed, by a word to its door or in its file, becomes neither
// security nor somebody else, and takes nobody's account.
func TestAB61_APoisonedFeed(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		staff(d)
		good := []access.Record{{Key: "1", User: "sara", Mail: "sara@example.com"}, {Key: "2", User: "bea", Mail: "bea@example.com", Accounts: map[string]string{"dir": "bea"}}}
		d.hr(t, good...)
		// 1. Under her own key bea takes the name, address, account and groups of another.
		poisoned := access.Record{Key: "2", User: "sara", Mail: "sara@example.com", Accounts: map[string]string{"dir": "sara"}, Groups: []string{"security", "Everybody"}}
		d.hr(t, good[0], poisoned)
		dir := d.WorldAt(d.Now()).Directory
		if groups := dir.GroupsOf("bea"); !slices.Equal(groups, []string{"staff"}) || d.is("bea").Accounts["dir"] != "" {
			t.Errorf("bea is in %v, her accounts %v", groups, d.is("bea").Accounts)
		}
		if who, ok := dir.ByAccount("dir", "sara"); !ok || who != "sara" || d.is("sara").Inactive {
			t.Errorf("the account of sara is %q's", who)
		}
		// 2. A new entry under that name is nobody.
		drift := d.hr(t, good[0], good[1], access.Record{Key: "3", User: "sara", Mail: "sara@example.com", Groups: []string{"security"}})
		if drift.Held != 1 || len(d.Findings(true)) == 0 {
			t.Errorf("%+v, %+v", drift, d.Findings(true))
		}
		// 3. Leaving under it ends nobody else.
		d.hr(t, good[0], good[1], access.Record{Key: "3", User: "sara", Inactive: true})
		if d.is("sara").Inactive {
			t.Error("sara has left")
		}
		// 4. A token that is not for this feed says nothing at all.
		for _, scopes := range [][]string{nil, {"request", "approve", "view", "revoke", "admin"}, {"feed:idp"}, {"feed:"}} {
			_, err := d.Engine.FeedSaid(t.Context(), access.Actor{Identity: "robot", Channel: "scim", Scopes: scopes}, "hr", engine.FeedChange{Record: access.Record{Key: "9", User: "mallory"}})
			if !errors.Is(err, access.ErrDenied) || d.is("mallory").ID != "" {
				t.Errorf("%v: %v", scopes, err)
			}
		}
	})
}

// A feed says that an approver has left, between the vote and the grant: it counts no more.
func TestAB26_AnApproverLeavesAFeed(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		staff(d)
		d.hr(t, access.Record{Key: "1", User: "mia"}, access.Record{Key: "2", User: "otto"}, access.Record{Key: "3", User: "eve"})
		r := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}}))
		was, err := d.Engine.FeedRecord(t.Context(), access.Actor{Scopes: []string{"feed:hr"}}, "hr", "1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Engine.FeedSaid(t.Context(), access.Actor{Identity: "robot", Channel: "scim", Scopes: []string{"feed:hr"}}, "hr",
			engine.FeedChange{Record: access.Record{Key: "1", User: "mia", Inactive: true}, Was: was.Version}); err != nil {
			t.Fatal(err)
		}
		r = d.approve("otto", r)
		if r.State != access.Pending || r.Items[0].Grant != "" {
			t.Fatalf("request is %s on a vote of somebody who has left: %+v", r.State, r.Items[0])
		}
		if d.Work(); len(d.Held("dir")) != 0 {
			t.Errorf("held: %v", d.Held("dir"))
		}
	})
}

// A feed loses a little less than its share each day, until nobody is left: after some days it is not believed.
func TestAB61_AFeedThatIsEmptiedSlowly(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		staff(d)
		var list []access.Record
		for n := range 20 {
			list = append(list, access.Record{Key: fmt.Sprint(n), User: fmt.Sprintf("p%d", n)})
		}
		d.hr(t, list...)
		for n := 2; n <= 20; n += 2 {
			d.Clock.Pass(25 * time.Hour)
			d.hr(t, list[n:]...)
		}
		left := 0
		for n := range 20 {
			if d.is(fmt.Sprintf("p%d", n)).Inactive {
				left++
			}
		}
		if left != 6 {
			t.Errorf("%d of 20 have left within ten days", left)
		}
	})
}
