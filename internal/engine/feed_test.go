package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// hr is a feed that makes identities; whoever the files have under the same id it is.
func hr(change ...func(*access.Feed)) access.Feed {
	f := access.Feed{ID: "hr", Kind: "csv", Identity: "user", Gives: access.FeedGives, Shrink: 10,
		Match: []access.Match{{Attribute: "user", Equals: "id"}}}
	for _, do := range change {
		do(&f)
	}
	return f
}

func feeds(f *enginetest.Fixture, list ...access.Feed) {
	f.Change(func(c *enginetest.Company) { c.Feeds = list })
}

// entry is a record of somebody under a number, whose manager is number 1.
func entry(key, user string, change ...func(*access.Record)) access.Record {
	r := access.Record{Key: key, User: user, Name: "Name of " + user, Mail: user + "@example.com", Manager: "1",
		Accounts: map[string]string{"dir": user, "git": user}}
	for _, do := range change {
		do(&r)
	}
	return r
}

// read takes a whole reading a minute after the last one.
func read(t *testing.T, f *enginetest.Fixture, feed string, list ...access.Record) engine.FeedDrift {
	t.Helper()
	f.Advance(time.Minute)
	drift, err := f.Engine.FeedRead(t.Context(), feed, f.Now(), list)
	if err != nil {
		t.Fatal(err)
	}
	return drift
}

// sweepMoved does what the jobs ask for that moved identities inserted.
func sweepMoved(t *testing.T, f *enginetest.Fixture) {
	t.Helper()
	for _, args := range f.Jobs(engine.SweepJob{}.Kind()) {
		var job engine.SweepJob
		if err := json.Unmarshal(args, &job); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.SweepOf(t.Context(), job.Identities); err != nil {
			t.Fatal(err)
		}
	}
	f.Work()
}

// who is somebody as the directory in force has them.
func who(f *enginetest.Fixture, id string) access.Identity {
	i, _ := f.WorldAt(f.Now()).Directory.Identity(id)
	return i
}

func record(t *testing.T, f *enginetest.Fixture, feed, key string) (r access.Record) {
	t.Helper()
	if err := f.DB.Read(t.Context(), func(tx *store.Tx) (err error) { r, err = tx.Record(t.Context(), feed, key); return err }); err != nil {
		t.Fatal(err)
	}
	return r
}

// feedFindings lists the subjects of the open findings of a kind.
func feedFindings(f *enginetest.Fixture, kind string) (list []string) {
	for _, found := range f.Findings(true) {
		if found.Kind == kind {
			list = append(list, found.Subject)
		}
	}
	slices.Sort(list)
	return list
}

// word is one word of a feed that tells of changes by itself.
func word(t *testing.T, f *enginetest.Fixture, feed string, change engine.FeedChange) (access.Record, error) {
	t.Helper()
	return f.Engine.FeedSaid(t.Context(), access.Actor{Identity: "robot", Channel: "scim", Scopes: []string{engine.ScopeFeed + feed}}, feed, change)
}

func gone(r *access.Record) { r.Inactive = true }
func in(groups ...string) func(*access.Record) {
	return func(r *access.Record) { r.Groups = groups }
}

// Whoever a feed tells of joins, moves and leaves: with everything that follows.
func TestFeedJoinsMovesAndLeaves(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		mia, ann := entry("1", "mia", func(r *access.Record) { r.Manager = "" }), entry("7", "ann", func(r *access.Record) { r.Department = "sales" })
		// 1. One who is in the files, and one who is new; the manager comes last.
		if drift := read(t, f, "hr", ann, mia); drift.New != 2 || drift.Moved+drift.Held != 1 && drift.Held != 0 {
			t.Errorf("%+v", drift)
		}
		if i := who(f, "ann"); i.Manager != "mia" || i.Department != "sales" || i.Mail != "ann@example.com" || i.Accounts["git"] != "ann" || i.Inactive {
			t.Errorf("%+v", i)
		}
		if r := record(t, f, "hr", "1"); r.Identity != "mia" || who(f, "mia").Manager != "ada" {
			t.Errorf("%+v, %+v", r, who(f, "mia"))
		}
		g := f.Granted("ann", engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia")
		f.Work()
		// 2. Nothing new, nothing done.
		before := len(f.Events("", "", ""))
		if drift := read(t, f, "hr", ann, mia); drift != (engine.FeedDrift{}) || len(f.Events("", "", "")) != before {
			t.Errorf("again: %+v", drift)
		}
		// 3. Moves.
		ann.Department = "support"
		if drift := read(t, f, "hr", ann, mia); drift.Changed != 1 || drift.Moved != 1 || who(f, "ann").Department != "support" {
			t.Errorf("%+v, %+v", drift, who(f, "ann"))
		}
		// 4. Leaves: everything ends.
		if drift := read(t, f, "hr", mia); drift.Left != 1 || !who(f, "ann").Inactive {
			t.Errorf("%+v, %+v", drift, who(f, "ann"))
		}
		sweepMoved(t, f)
		if f.Grant(g.ID).Ended != access.EndLeaver || f.Targets["dir"].Holds("ann", "wiki") {
			t.Errorf("%s", f.Grant(g.ID).State)
		}
		// 5. Comes back under the same number: nothing comes back with her.
		if drift := read(t, f, "hr", ann, mia); who(f, "ann").Inactive || drift.Changed != 1 {
			t.Errorf("%+v, %+v", drift, who(f, "ann"))
		}
		if f.Work(); f.Targets["dir"].Holds("ann", "wiki") {
			t.Error("held again")
		}
	})
}

// An older reading takes back nothing that a newer one said, and one with a key twice is none.
func TestFeedReadingsInTurn(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		read(t, f, "hr", entry("7", "ann"))
		if drift, err := f.Engine.FeedRead(t.Context(), "hr", f.Now().Add(-time.Second), nil); err != nil || !drift.Overtaken || who(f, "ann").Inactive {
			t.Errorf("%+v, %v", drift, err)
		}
		_, err := f.Engine.FeedRead(t.Context(), "hr", f.Now().Add(time.Second), []access.Record{entry("7", "ann"), entry("7", "bea"), {Key: "a\nb"}})
		refused(t, "twice", err, access.ErrInvalid, `"7" is there twice`)
		refused(t, "twice", err, access.ErrInvalid, "control characters")
		_, err = f.Engine.FeedRead(t.Context(), "payroll", f.Now(), nil)
		refused(t, "no such feed", err, access.ErrNotFound, "payroll")
	})
}

// Too many leavers at once are not believed; the rest of the reading is.
func TestFeedBrake(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		var list []access.Record
		for n := range 20 {
			list = append(list, entry(fmt.Sprint(100+n), fmt.Sprintf("p%d", n), func(r *access.Record) { r.Manager = "" }))
		}
		list = append(list, entry("9", "sean"))
		read(t, f, "hr", list...)
		// 1. 12 of 21 at once, sean among them; of those who are there one moves.
		part := slices.Clone(list[:9])
		part[0].Department = "moved"
		drift := read(t, f, "hr", part...)
		if drift.Doubted != 12 || drift.Left != 0 || who(f, "p15").Inactive || who(f, "p0").Department != "moved" {
			t.Fatalf("%+v", drift)
		}
		if found := feedFindings(f, access.FeedShrunk); !slices.Equal(found, []string{"hr"}) {
			t.Errorf("findings %v", found)
		}
		// 2. A second reading that says the same changes nothing.
		if drift := read(t, f, "hr", part...); drift != (engine.FeedDrift{}) || who(f, "p15").Inactive {
			t.Errorf("%+v", drift)
		}
		// 3. A single leaver goes through all the same.
		one := record(t, f, "hr", "103")
		if r, err := word(t, f, "hr", engine.FeedChange{Record: entry("103", "p3", gone), Was: one.Version}); err != nil || r.Left.IsZero() || !who(f, "p3").Inactive {
			t.Errorf("%+v, %v", r, err)
		}
		// 4. It is confirmed by security alone, who has seen how many, and who is none of them.
		confirm := func(by string, n int) (int, error) {
			return f.Engine.ConfirmFeed(t.Context(), f.As(by), "hr", n, "the site was closed")
		}
		_, err := confirm("eve", 12)
		refused(t, "an employee", err, access.ErrDenied, "security")
		_, err = confirm("sean", 12)
		refused(t, "one of them", err, access.ErrDenied, "one of them")
		_, err = confirm("sara", 11)
		refused(t, "another number", err, access.ErrConflict, "12")
		if n, err := confirm("sara", 12); err != nil || n != 12 || !who(f, "p15").Inactive || !who(f, "sean").Inactive || who(f, "p0").Inactive {
			t.Errorf("%d, %v", n, err)
		}
		if found := feedFindings(f, access.FeedShrunk); len(found) != 0 {
			t.Errorf("findings %v", found)
		}
	})
}

// An empty reading is the mass of all; when the feed is whole again, nothing has happened.
func TestFeedBrakeLetsGo(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		list := []access.Record{entry("1", "a1"), entry("2", "a2"), entry("3", "a3"), entry("4", "a4")}
		read(t, f, "hr", list...)
		if drift := read(t, f, "hr"); drift.Doubted != 4 || who(f, "a1").Inactive {
			t.Errorf("%+v", drift)
		}
		if drift := read(t, f, "hr", list...); drift.Changed != 4 || drift.Moved != 0 || len(f.Findings(true)) != 0 {
			t.Errorf("%+v, %+v", drift, f.Findings(true))
		}
		// Two may leave at once in the smallest house, and not one after the other without end.
		if drift := read(t, f, "hr", list[:2]...); drift.Left != 2 || !who(f, "a4").Inactive {
			t.Errorf("%+v", drift)
		}
		if drift := read(t, f, "hr", list[:1]...); drift.Doubted != 1 || who(f, "a2").Inactive {
			t.Errorf("%+v", drift)
		}
	})
}

// A name that comes again under another key is somebody else's, who inherits nothing.
func TestFeedRecycledNames(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		read(t, f, "hr", entry("7", "ann"), entry("8", "bea"), entry("9", "cyd"))
		g := f.Granted("ann", engine.Ask{Entitlements: []string{"dir:lobby"}})
		f.Work()
		read(t, f, "hr", entry("8", "bea"), entry("9", "cyd")) // ann leaves, and nobody has swept yet
		again := entry("17", "ann")
		other := entry("18", "ann.b", func(r *access.Record) { r.Mail = "ann@example.com"; r.Accounts = map[string]string{"dir": "ann"} })
		if drift := read(t, f, "hr", entry("8", "bea"), entry("9", "cyd"), again, other); drift.Held != 1 {
			t.Errorf("%+v", drift)
		}
		// 1. Where the id itself is had already, somebody must decide.
		if r := record(t, f, "hr", "17"); r.Identity != "" || r.Held != access.IdentityRecycled || !who(f, "ann").Inactive {
			t.Errorf("%+v", r)
		}
		// 2. Where another name is, it is told; the account is not taken over.
		if i := who(f, "ann.b"); i.ID != "ann.b" || i.Accounts["dir"] != "" {
			t.Errorf("%+v", i)
		}
		if found := feedFindings(f, access.IdentityRecycled); !slices.Equal(found, []string{"hr 17", "hr 18"}) {
			t.Errorf("findings %v", found)
		}
		if found := feedFindings(f, "account_taken"); !slices.Equal(found, []string{"dir ann"}) {
			t.Errorf("findings %v", found)
		}
		// 3. It is decided, by somebody who may.
		_, err := f.Engine.DecideRecord(t.Context(), f.As("eve"), "hr", "17", "", "I know him")
		refused(t, "an employee", err, access.ErrDenied, "security")
		_, err = f.Engine.DecideRecord(t.Context(), f.As("sara"), "hr", "17", "sara", "it is me")
		refused(t, "herself", err, access.ErrDenied, "nobody decides")
		_, err = f.Engine.DecideRecord(t.Context(), f.As("sara"), "hr", "17", "bea", "it is bea")
		refused(t, "another's", err, access.ErrConflict, `"8"`)
		if r, err := f.Engine.DecideRecord(t.Context(), f.As("sara"), "hr", "17", "", "another Ann"); err != nil || r.Identity != "ann-2" {
			t.Errorf("%+v, %v", r, err)
		}
		if i := who(f, "ann-2"); i.Inactive || i.Accounts["dir"] != "" {
			t.Errorf("%+v", i)
		}
		_, err = f.Engine.DecideRecord(t.Context(), f.As("sara"), "hr", "17", "", "again")
		refused(t, "twice", err, access.ErrGone, "not held")
		// 4. Once nothing is seen held there the account is free.
		sweepMoved(t, f)
		if f.Grant(g.ID).Ended != access.EndLeaver || f.Targets["dir"].Holds("ann", "lobby") {
			t.Fatalf("grant %s", f.Grant(g.ID).State)
		}
		read(t, f, "hr", entry("8", "bea"), entry("9", "cyd"), other, entry("17", "ann", func(r *access.Record) { r.Accounts = nil }))
		if who(f, "ann.b").Accounts["dir"] != "ann" || who(f, "ann").Accounts["dir"] != "" || len(feedFindings(f, "account_taken")) != 0 {
			t.Errorf("%+v, %+v, %v", who(f, "ann.b"), who(f, "ann"), feedFindings(f, "account_taken"))
		}
		read(t, f, "hr", entry("8", "bea"), entry("9", "cyd"), other, entry("17", "ann", func(r *access.Record) { r.Accounts = nil }))
		if len(feedFindings(f, "account_taken")) != 0 {
			t.Errorf("findings %v", feedFindings(f, "account_taken"))
		}
	})
}

// Rules match by what they name alone, and never guess.
func TestFeedMatches(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		idp := access.Feed{ID: "idp", Kind: "ldap", Gives: []string{"accounts"}, Shrink: 10, Match: []access.Match{
			{Attribute: "number", Feed: "hr", Equals: "key"}, {Attribute: "mail", Feed: "hr", Equals: "mail"}, {Attribute: "account:git", Equals: "account:git"}}}
		feeds(f, hr(), idp)
		read(t, f, "hr", entry("7", "ann"), entry("8", "bea", func(r *access.Record) { r.Mail = "both@example.com" }), entry("9", "cyd", func(r *access.Record) { r.Mail = "both@example.com" }))
		number := func(n string) func(*access.Record) {
			return func(r *access.Record) { r.More = map[string]string{"number": n}; r.Accounts = nil }
		}
		named := func(mail string) func(*access.Record) {
			return func(r *access.Record) { r.Mail, r.Accounts = mail, nil }
		}
		drift := read(t, f, "idp", entry("x1", "whoever", number("7")), entry("x2", "ann", number("7")), entry("x3", "y", named("both@example.com")),
			entry("x4", "z", named("none@example.com")), entry("x5", "nobody", func(r *access.Record) { r.Accounts = map[string]string{"git": "robot"} }),
			entry("x6", "eve", func(r *access.Record) { r.Mail = ""; r.Accounts = map[string]string{"git": "eve"} }))
		if drift.Held != 4 {
			t.Errorf("%+v", drift)
		}
		for key, want := range map[string]string{"x1": "ann", "x2": access.IdentityRecycled, "x3": access.FeedAmbiguous, "x4": access.FeedAmbiguous, "x5": access.FeedAmbiguous, "x6": "eve"} {
			if r := record(t, f, "idp", key); r.Identity+r.Held != want {
				t.Errorf("%s is %q, held %q %q; want %s", key, r.Identity, r.Held, r.Why, want)
			}
		}
		list, err := f.Engine.FeedHeld(t.Context(), f.As("sara"), "idp", false, "", 10)
		if err != nil || len(list) != 4 {
			t.Errorf("%+v, %v", list, err)
		}
		_, err = f.Engine.FeedHeld(t.Context(), f.As("eve"), "idp", false, "", 10)
		refused(t, "an employee", err, access.ErrDenied, "security")
		states, err := f.Engine.FeedStates(t.Context(), f.As("anna"))
		if err != nil || len(states) != 2 || states[1].Held != 4 || states[0].Here != 3 {
			t.Errorf("%+v, %v", states, err)
		}
	})
}

// Of two feeds that give the same the first counts; who is gone from one and in another is there.
func TestFeedsTogether(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		second := access.Feed{ID: "idp", Kind: "csv", Gives: []string{"active", "department", "mail"}, Shrink: 50, Match: []access.Match{{Attribute: "user", Feed: "hr", Equals: "user"}}}
		feeds(f, hr(func(f *access.Feed) { f.Gives = []string{"name", "active", "department"}; f.Shrink = 50 }), second)
		read(t, f, "hr", entry("7", "ann", func(r *access.Record) { r.Department = "a" }))
		read(t, f, "idp", entry("x", "ann", func(r *access.Record) { r.Department = "b"; r.Mail = "second@example.com" }))
		if i := who(f, "ann"); i.Department != "a" || i.Mail != "second@example.com" || len(i.Accounts) != 0 {
			t.Errorf("%+v", i)
		}
		read(t, f, "hr")
		if i := who(f, "ann"); i.Inactive || i.Department != "b" {
			t.Errorf("%+v", i)
		}
		read(t, f, "idp")
		if i := who(f, "ann"); !i.Inactive {
			t.Errorf("%+v", i)
		}
	})
}

// A feed fills the groups that the settings name, with whom it says, and no other.
func TestFeedGroups(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) { c.Groups["staff"] = access.GroupMembers{ID: "staff"} })
		feeds(f, hr(func(f *access.Feed) { f.Groups = map[string]string{"staff": "Everybody"} }))
		read(t, f, "hr", entry("7", "ann", in("Everybody", "security", "staff")), entry("8", "bea", in("security")))
		dir := f.WorldAt(f.Now()).Directory
		if got := dir.GroupsOf("ann"); !slices.Equal(got, []string{"staff"}) || len(dir.GroupsOf("bea")) != 0 {
			t.Errorf("%v, %v", got, dir.GroupsOf("bea"))
		}
		read(t, f, "hr", entry("7", "ann"), entry("8", "bea"))
		if got := f.WorldAt(f.Now()).Directory.GroupsOf("ann"); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}
