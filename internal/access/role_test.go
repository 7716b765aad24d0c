package access

import (
	"slices"
	"testing"
)

func roleHouse() *Directory {
	people := []Identity{{ID: "ann", Kind: Person}, {ID: "bob", Kind: Person}, {ID: "cat", Kind: Person}}
	groups := []GroupMembers{{ID: "security", Members: []string{"ann"}, Groups: []string{"watch"}}, {ID: "watch", Groups: []string{"night", "security"}}, {ID: "night"}, {ID: "auditors"}}
	systems := []System{{ID: "own", Connector: RolesConnector}, {ID: "far", Connector: "scim"}}
	ents := []Entitlement{{ID: "own:security", System: "own", Object: "security"}, {ID: "own:audit", System: "own", Object: "auditors"}, {ID: "far:audit", System: "far", Object: "auditors"}}
	return NewDirectory(people, groups, systems, ents, nil)
}

// More members make another snapshot, and leave the first as it was.
func TestWithMembers(t *testing.T) {
	t.Parallel()
	d := roleHouse()
	with := d.WithMembers(map[string][]string{"night": {"bob", "bob"}, "auditors": {"cat", "nobody"}, "no-group": {"cat"}})
	for _, c := range []struct {
		of   *Directory
		who  string
		in   []string
		role []string
	}{
		{d, "ann", []string{"security", "watch"}, []string{"own:security"}},
		{d, "bob", nil, nil},
		{d, "cat", nil, nil},
		{with, "ann", []string{"security", "watch"}, []string{"own:security"}},
		{with, "bob", []string{"night", "security", "watch"}, []string{"own:security"}},
		{with, "cat", []string{"auditors"}, []string{"own:audit"}},
		{with, "nobody", nil, nil},
	} {
		if got := c.of.GroupsOf(c.who); !slices.Equal(got, c.in) {
			t.Errorf("%s is in %q, want %q", c.who, got, c.in)
		}
		if got := c.of.RolesOf(c.who); !slices.Equal(got, c.role) {
			t.Errorf("%s has the roles %q, want %q", c.who, got, c.role)
		}
	}
	if with.HasGroup("no-group") || len(d.DirectMembers("night")) != 0 || !slices.Equal(with.DirectMembers("night"), []string{"bob"}) {
		t.Errorf("night: %q, then %q", d.DirectMembers("night"), with.DirectMembers("night"))
	}
	if again := with.WithMembers(nil); !slices.Equal(again.GroupsOf("cat"), []string{"auditors"}) {
		t.Errorf("once more with nobody: %q", again.GroupsOf("cat"))
	}
	if got := with.InnerGroups("security"); !slices.Equal(got, []string{"night", "watch"}) {
		t.Errorf("within security: %q", got)
	}
	if id, ok := d.RolesSystem(); id != "own" || !ok {
		t.Errorf("the system of roles: %q, %t", id, ok)
	}
	if _, ok := NewDirectory(nil, nil, nil, nil, nil).RolesSystem(); ok {
		t.Error("no system is one of roles")
	}
}
