package engine_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// What lists are found by hides nothing: whatever somebody could answer or may
// know of when each request is asked about by itself is on their list, by rules of
// the company's own too, and after everybody's place has changed.
func TestListsHideNothing(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Change(func(c *enginetest.Company) {
			c.Groups["helpdesk"] = access.GroupMembers{ID: "helpdesk", Members: []string{"nora"}}
			c.Groups["wikis"] = access.GroupMembers{ID: "wikis", Members: []string{"bob", "anna"}}
			c.Rules["own.cedar"] = `@id("deputy") permit (principal == Identity::"sven", action == Action::"approve", resource) when { context.stage == "manager" };
@id("wikis") permit (principal in Group::"wikis", action == Action::"approve", resource in Entitlement::"dir:wiki") when { context.stage == "manager" };
@id("gitters") permit (principal == Identity::"ada", action == Action::"view", resource in System::"git");
@id("help") permit (principal in Group::"helpdesk", action == Action::"view", resource) when { resource.entitlement.class == "standard" };
`
			root := c.Entitlements["dir:root"]
			root.Grants = []string{"git:deploy"}
			root.Powers = []string{"grant"}
			c.Entitlements["dir:root"] = root
		})
		for i, by := range []string{"eve", "bob", "eve.2", "mia", "nora", "owen"} {
			for _, what := range [][]string{{"dir:wiki"}, {"dir:root"}, {"dir:reports", "dir:pay"}} {
				f.Ask(by, engine.Ask{Entitlements: what, Reason: fmt.Sprintf("work %d", i)})
			}
		}
		f.Ask("eve", engine.Ask{Entitlements: []string{"git:deploy"}, Beneficiary: "robot"})
		f.Ask("mia", engine.Ask{Entitlements: []string{"git:deploy"}, Beneficiary: "xena"})
		f.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Beneficiary: "pilot"})
		compareLists(t, f, "at first")
		for _, r := range []int{0, 3} {
			list, err := f.Engine.Desk(t.Context(), f.As("mia"), "", 100)
			if err != nil {
				t.Fatal(err)
			}
			f.Approve("mia", list[r])
		}
		f.Change(func(c *enginetest.Company) {
			for id, boss := range map[string]string{"eve": "owen", "bob": "sara", "nora": "ada"} {
				i := c.People[id]
				i.Manager = boss
				c.People[id] = i
			}
			wiki, robot := c.Entitlements["dir:wiki"], c.People["robot"]
			wiki.Owners, robot.Owner = []string{"bob"}, "nora"
			c.Entitlements["dir:wiki"], c.People["robot"] = wiki, robot
			c.Groups["security"] = access.GroupMembers{ID: "security", Members: []string{"sara", "owen"}}
		})
		compareLists(t, f, "after the change")
	})
}

// compareLists holds every list of everybody to each request asked about by itself.
func compareLists(t *testing.T, f *enginetest.Fixture, when string) {
	t.Helper()
	var all []access.Request
	if err := f.DB.Read(t.Context(), func(tx *store.Tx) (err error) {
		all, err = tx.Requests(t.Context(), "", "", "", 1000)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	onDesks := 0
	for who := range f.Company.People {
		var sees, answers []string
		for _, r := range all {
			c, err := f.Engine.Case(t.Context(), f.As(who), r.ID)
			if err != nil {
				continue
			}
			sees = append(sees, r.ID)
			if slices.ContainsFunc(c.Points, func(p engine.Point) bool { return p.Stage != "" }) {
				answers = append(answers, r.ID)
			}
		}
		onDesks += len(answers)
		list := pages(t, func(p engine.Page) ([]access.Request, string, error) {
			return f.Engine.Requests(t.Context(), f.As(who), engine.Only{}, p)
		})
		if !slices.Equal(list, sees) {
			t.Errorf("%s, %s sees %v, and may know of %v", when, who, list, sees)
		}
		desk := pages(t, func(p engine.Page) ([]access.Request, string, error) {
			return f.Engine.Waits(t.Context(), f.As(who), engine.Only{}, p)
		})
		if !slices.Equal(desk, answers) {
			t.Errorf("%s, %s is shown %v to answer, and could answer %v", when, who, desk, answers)
		}
	}
	if len(all) < 20 || onDesks < 20 {
		t.Errorf("%s: %d requests, %d on desks: too few to tell", when, len(all), onDesks)
	}
}

// pages reads a list to its end, three at a time.
func pages(t *testing.T, read func(engine.Page) ([]access.Request, string, error)) (ids []string) {
	t.Helper()
	for p := (engine.Page{Limit: 3}); ; {
		list, next, err := read(p)
		if err != nil || len(list) > 3 {
			t.Fatalf("%d, %v", len(list), err)
		}
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if next == "" {
			return ids
		}
		p.Before = next
	}
}

// A list is narrowed by what is said, and a page that goes on does not change by
// what is asked for meanwhile.
func TestListsAreNarrowedAndStable(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		first := f.Ask("eve", ask("dir:wiki"))
		f.Ask("bob", ask("dir:root"))
		f.Clock.Pass(5 * 60 * 1e9)
		since := f.Now()
		third := f.Ask("eve", ask("dir:reports"))
		granted := f.Approve("mia", f.Ask("bob", ask("dir:wiki")))
		for name, c := range map[string]struct {
			only engine.Only
			want int
		}{
			"all": {engine.Only{}, 4}, "pending": {engine.Only{State: "pending"}, 3}, "approved": {engine.Only{State: "approved"}, 1}, "a system": {engine.Only{System: "dir"}, 4},
			"an entitlement": {engine.Only{Entitlement: "dir:wiki"}, 2}, "somebody": {engine.Only{Identity: "eve"}, 2}, "lately": {engine.Only{Since: since}, 2},
			"both": {engine.Only{Identity: "bob", Entitlement: "dir:wiki", State: "approved", Since: since}, 1}, "none": {engine.Only{Entitlement: "dir:nothing"}, 0}, "no such system": {engine.Only{System: "git"}, 0},
		} {
			for _, who := range []string{"sara", "mia"} { // who sees everything, and who is led to it
				if list, next, err := f.Engine.Requests(t.Context(), f.As(who), c.only, engine.Page{Limit: 10}); err != nil || len(list) != c.want || next != "" {
					t.Errorf("%s, %s: %d (%q), %v; want %d", who, name, len(list), next, err, c.want)
				}
			}
		}
		list, next, err := f.Engine.Requests(t.Context(), f.As("sara"), engine.Only{}, engine.Page{Limit: 2})
		if err != nil || len(list) != 2 || next != third.ID {
			t.Fatalf("%v, %q, %v", list, next, err)
		}
		f.Ask("eve", ask("dir:pay"))
		if list, next, err = f.Engine.Requests(t.Context(), f.As("sara"), engine.Only{}, engine.Page{Before: next, Limit: 2}); err != nil || len(list) != 2 || list[1].ID != first.ID || next != "" {
			t.Errorf("the second page: %v, %q, %v", list, next, err)
		}
		for want, only := range map[int]engine.Only{1: {State: "open"}, 0: {State: "ended"}} {
			if list, _, err := f.Engine.Registered(t.Context(), f.As("anna"), only, engine.Page{Limit: 5}); err != nil || len(list) != want || (want == 1 && list[0].Grant.ID != granted.Items[0].Grant) {
				t.Errorf("grants %+v: %v, %v", only, list, err)
			}
			if list, _, err := f.Engine.Held(t.Context(), f.As("bob"), only, engine.Page{Limit: 5}); err != nil || len(list) != want {
				t.Errorf("bob's %+v: %v, %v", only, list, err)
			}
		}
	})
}

// What can be asked for is found by its words, a page at a time.
func TestWhatIsOfferedIsSearched(t *testing.T) {
	t.Parallel()
	f := enginetest.Open(t, store.SQLite)
	for _, c := range []struct {
		words, system, class string
		want                 []string
	}{
		{"", "git", "", []string{"git:deploy"}}, {"WIKI dir", "", "", []string{"dir:wiki"}}, {"", "", "open", []string{"dir:lobby"}}, {"wiki git", "", "", nil},
		{"", "dir", "standard", []string{"dir:audit", "dir:pay", "dir:reports", "dir:wiki"}},
	} {
		var got []string
		for after := ""; ; {
			list, next, err := f.Engine.Offered(t.Context(), f.As("eve"), c.words, c.system, c.class, after, 1)
			if err != nil || len(list) > 1 {
				t.Fatal(list, err)
			}
			for _, e := range list {
				got = append(got, e.ID)
			}
			if after = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
