package policy_test

import (
	"fmt"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// AB-24: of a crowd that may answer, as many are asked about as it takes, and of one of
// whom nobody may, each once; names that nobody bears, circles and depth add nobody.
func TestAB24AskedOfACrowd(t *testing.T) {
	t.Parallel()
	const crowd = 2000
	set := mustLoad(t, nil)
	people := func(w *firm, change func(*access.Identity)) (ids []string) {
		for i := range crowd {
			p := access.Identity{ID: fmt.Sprintf("p%04d", i), Kind: access.Person}
			if change != nil {
				change(&p)
			}
			w.ids[p.ID] = p
			ids = append(ids, p.ID)
		}
		return ids
	}
	within := func(w *firm, members ...string) {
		w.groups["security"] = access.GroupMembers{ID: "security", Members: members}
	}
	for what, c := range map[string]struct {
		of    func(w *firm)
		n     int // so many are needed
		asked int
		found int
	}{
		"everybody may":              {func(w *firm) { within(w, people(w, nil)...) }, 3, 3, 3},
		"nobody may":                 {func(w *firm) { within(w, people(w, func(i *access.Identity) { i.Inactive = true })...) }, 3, crowd, 0},
		"all are one person":         {func(w *firm) { within(w, people(w, func(i *access.Identity) { i.Same = "sam" })...) }, 2, crowd, 1},
		"all are the requester":      {func(w *firm) { within(w, people(w, func(i *access.Identity) { i.Same = "ann" })...) }, 1, crowd, 0},
		"nobody bears the names":     {func(w *firm) { within(w, people(company(), nil)...) }, 1, 0, 0},
		"somebody among such names":  {func(w *firm) { within(w, append(people(company(), nil), "sam")...) }, 1, 1, 1},
		"a circle, and one in it":    {func(w *firm) { w.groups["security"] = access.GroupMembers{ID: "security", Groups: []string{"ring-a"}} }, 2, 1, 1},
		"a circle alone":             {func(w *firm) { w.groups["security"] = access.GroupMembers{ID: "security", Groups: []string{"loop-a"}} }, 1, 0, 0},
		"at the bottom of thousands": {deep, 2, 1, 1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			world := company()
			c.of(world)
			f := asked(t, set, "ann saas:crm 1h")
			f.Directory = world.directory()
			n, found := policy.Asked(set, f, "security", c.n)
			if n != c.asked || len(found) != c.found {
				t.Errorf("%d were asked about and %d found (%v), want %d and %d", n, len(found), found, c.asked, c.found)
			}
		})
	}
}

// deep has security be a chain of thousands of groups, with one person in the last.
func deep(w *firm) {
	const depth = 2000
	w.groups["security"] = access.GroupMembers{ID: "security", Groups: []string{"g0"}}
	for i := range depth {
		w.groups[fmt.Sprintf("g%d", i)] = access.GroupMembers{ID: fmt.Sprintf("g%d", i), Groups: []string{fmt.Sprintf("g%d", i+1)}}
	}
	w.groups[fmt.Sprintf("g%d", depth)] = access.GroupMembers{ID: fmt.Sprintf("g%d", depth), Members: []string{"sam"}}
}
