package access

import (
	"reflect"
	"testing"
	"time"
)

func TestJoin(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	files := NewDirectory(
		[]Identity{{ID: "ann", Kind: Person, Name: "Ann", Department: "it", End: day(9), Accounts: map[string]string{"dir": "ann"}}, {ID: "bot", Kind: Workload, Name: "Bot", Owner: "ann"}, {ID: "old", Kind: Person, Name: "Old", Inactive: true}},
		[]GroupMembers{{ID: "security", Members: []string{"ann"}}, {ID: "staff"}},
		[]System{{ID: "dir", Owner: "ann"}}, []Entitlement{{ID: "dir:wiki", System: "dir", Owners: []string{"ann"}}}, nil,
	).WithDuties([]Duty{{ID: "two"}})
	for name, c := range map[string]struct {
		joined Joined
		holds  func(*Directory) bool
	}{
		"a new one, in the groups there are": {Joined{Identities: []Identity{{ID: "zoe", Kind: Person, Name: "Zoe", Department: "it", Groups: []string{"staff", "none"}}}},
			func(d *Directory) bool {
				return reflect.DeepEqual(d.MembersOf("staff"), []string{"zoe"}) && !d.HasGroup("none") && reflect.DeepEqual(d.InDepartment("it"), []string{"ann", "zoe"})
			}},
		"what is written stands": {Joined{Identities: []Identity{{ID: "ann", Kind: Person, Name: "Eve", Department: "hr", Mail: "ann@x", End: day(20), Same: "zoe", Accounts: map[string]string{"dir": "root", "git": "ann"}}}},
			func(d *Directory) bool {
				i, _ := d.Identity("ann")
				return reflect.DeepEqual(i, Identity{ID: "ann", Kind: Person, Name: "Ann", Department: "it", Mail: "ann@x", End: day(9), Accounts: map[string]string{"dir": "ann", "git": "ann"}})
			}},
		"nobody is brought back": {Joined{Identities: []Identity{{ID: "old", Kind: Person, Name: "Old"}}},
			func(d *Directory) bool { i, _ := d.Identity("old"); return i.Inactive }},
		"an earlier end": {Joined{Identities: []Identity{{ID: "ann", End: day(3), Inactive: true}}},
			func(d *Directory) bool { i, _ := d.Identity("ann"); return i.End.Equal(day(3)) && i.Inactive }},
		"a hand over": {Joined{Identities: []Identity{{ID: "zoe", Kind: Person}}, Hands: []Hand{{Subject: "identity bot", Owner: "zoe"}, {Subject: "entitlement dir:wiki", Owner: "zoe"}, {Subject: "system dir", Owner: "zoe"}, {Subject: "identity gone", Owner: "zoe"}, {Subject: "odd", Owner: "zoe"}}},
			func(d *Directory) bool {
				bot, _ := d.Identity("bot")
				wiki, _ := d.Entitlement("dir:wiki")
				dir, _ := d.System("dir")
				return bot.Owner == "zoe" && reflect.DeepEqual(d.OwnedBy("zoe"), []string{"bot"}) && wiki.Owners[0] == "zoe" && dir.Owner == "zoe" && !d.HasIdentity("gone")
			}},
		"nothing": {Joined{}, func(d *Directory) bool { return d == files }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := files.Join(c.joined)
			if !c.holds(d) {
				t.Errorf("%+v", d)
			}
			if len(d.Duties()) != 1 || !d.HasIdentity("ann") {
				t.Error("something of the files is lost")
			}
			if ann, _ := files.Identity("ann"); ann.Mail != "" || files.HasIdentity("zoe") {
				t.Error("the files' own directory was changed")
			}
		})
	}
}

// What changed hands is theirs who took it over until the files name somebody else than
// whom they named then; what changed hands before that was noted stays theirs.
func TestHandedFrom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ names, from, want string }{
		{"eve", "eve", "mia"}, {"bob", "eve", "bob"}, {"", "eve", "mia"}, {"bob", "", "mia"}, {"mia", "eve", "mia"},
	} {
		person := func(id string) Identity { return Identity{ID: id, Kind: Person, Name: id} }
		var owners []string
		if c.names != "" {
			owners = []string{c.names}
		}
		d := NewDirectory([]Identity{person("eve"), person("bob"), person("mia"), {ID: "bot", Kind: Agent, Owner: c.names, Sponsor: c.names}}, nil,
			[]System{{ID: "dir", Owner: c.names}}, []Entitlement{{ID: "dir:wiki", System: "dir", Owners: owners}}, nil)
		var hands []Hand
		for _, subject := range []string{"identity bot", "sponsor bot", "system dir", "entitlement dir:wiki"} {
			hands = append(hands, Hand{Subject: subject, Owner: "mia", From: c.from})
		}
		d = d.Join(Joined{Hands: hands})
		bot, _ := d.Identity("bot")
		s, _ := d.System("dir")
		e, _ := d.Entitlement("dir:wiki")
		if bot.Owner != c.want || bot.Sponsor != c.want || s.Owner != c.want || len(e.Owners) != 1 || e.Owners[0] != c.want {
			t.Errorf("%+v: %s, %s, %s, %v", c, bot.Owner, bot.Sponsor, s.Owner, e.Owners)
		}
	}
}
