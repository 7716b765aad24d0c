package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// inGroups is what a directory of these groups comes to; lines are "group: member… > inner…".
func inGroups(t *testing.T, lines ...string) *files {
	t.Helper()
	d, seen := &files{}, map[string]bool{}
	for _, line := range lines {
		id, rest, _ := strings.Cut(line, ":")
		members, inner, _ := strings.Cut(rest, ">")
		g := group{id: id, f: placeless(&d.report)}
		for _, m := range strings.Fields(members) {
			g.members = append(g.members, item{text: m})
			if !seen[m] {
				seen[m] = true
				d.identities = append(d.identities, somebody(&d.report, m))
			}
		}
		for _, n := range strings.Fields(inner) {
			g.groups = append(g.groups, item{text: n})
		}
		d.groups = append(d.groups, g)
	}
	d.check()
	return d
}

func placeless(r *report) fields { return fields{r: r, file: "f", n: &yaml.Node{Kind: yaml.Map}} }

func somebody(r *report, id string) identity {
	return identity{f: placeless(r), Identity: access.Identity{ID: id, Kind: access.Person, Name: id}}
}

func TestAB24GroupCircles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		groups  []string
		members string // of every group
		warn    string
	}{
		{"two, nobody in them", []string{"g1: > g2", "g2: > g1"}, "g1[] g2[]", "g1 > g2 > g1"},
		{"two, one person", []string{"g1: ann > g2", "g2: > g1"}, "g1[ann] g2[ann]", "g1 > g2 > g1"},
		{"two, a person each", []string{"g1: ann > g2", "g2: bob > g1"}, "g1[ann bob] g2[ann bob]", "g1 > g2 > g1"},
		{"itself", []string{"g1: ann > g1"}, "g1[ann]", "g1 > g1"},
		{"fed from below", []string{"g1: > g2", "g2: > g1 g3", "g3: ann"}, "g1[ann] g2[ann] g3[ann]", "g1 > g2 > g1"},
		{"feeds above and no further", []string{"g0: bob > g1", "g1: > g2", "g2: ann > g1", "g3: carl"}, "g0[ann bob] g1[ann] g2[ann] g3[carl]", "g1 > g2 > g1"},
		{"two circles that share a group", []string{"g1: > g2 g3", "g2: ann > g1", "g3: bob > g1"}, "g1[ann bob] g2[ann bob] g3[ann bob]", "g1 > g2 > g1"},
		{"one circle below another", []string{"g1: > g2", "g2: ann > g1 g3", "g3: > g4", "g4: bob > g3"}, "g1[ann bob] g2[ann bob] g3[bob] g4[bob]", "g1 > g2 > g1|g3 > g4 > g3"},
		{"no circle: a diamond", []string{"g1: > g2 g3", "g2: > g4", "g3: > g4", "g4: ann"}, "g1[ann] g2[ann] g3[ann] g4[ann]", ""},
		{"long", []string{"g1: > g2", "g2: > g3", "g3: > g4", "g4: > g5", "g5: > g6", "g6: > g7", "g7: > g8", "g8: > g9", "g9: > g1"},
			"g1[] g2[] g3[] g4[] g5[] g6[] g7[] g8[] g9[]", "g1 > g2 > g3 > g4 > g5 > g6 > g7 > g8 > … > g1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := inGroups(t, c.groups...)
			if len(d.problems) > 0 {
				t.Fatal(d.problems)
			}
			var warned, members []string
			for _, w := range d.warnings {
				_, ring, _ := strings.Cut(w.Message, "groups in a circle: ")
				ring, _, _ = strings.Cut(ring, "; a circle alone grants nothing")
				warned = append(warned, ring)
			}
			dir := d.build()
			for _, g := range dir.Groups() {
				members = append(members, g+fmt.Sprint(dir.MembersOf(g)))
				for _, m := range dir.MembersOf(g) {
					if !slices.Contains(dir.GroupsOf(m), g) {
						t.Errorf("%s is in %s and does not know it", m, g)
					}
				}
			}
			slices.Sort(warned)
			if got := strings.Join(warned, "|"); got != c.warn {
				t.Errorf("warned of %q, want %q", got, c.warn)
			}
			if got := strings.Join(members, " "); got != c.members {
				t.Errorf("%s, want %s", got, c.members)
			}
		})
	}
}

// Ten thousand groups inside each other, read from a file; once open at the end
// and once bent into a circle.
func TestAB24GroupsTenThousandDeep(t *testing.T) {
	t.Parallel()
	const deep = 10_000
	for _, ring := range []bool{false, true} {
		var b strings.Builder
		b.WriteString("identities: [{id: ann, kind: person, name: Ann}]\ngroups:\n")
		for n := range deep - 1 {
			fmt.Fprintf(&b, "- {id: g%d, groups: [g%d]}\n", n, n+1)
		}
		last := fmt.Sprintf("- {id: g%d, members: [ann]}\n", deep-1)
		if ring {
			last = fmt.Sprintf("- {id: g%d, groups: [g0]}\n", deep-1)
		}
		b.WriteString(last)
		folder := fstest.MapFS{"directory.yaml": {Data: []byte(b.String())}, "catalog.yaml": {}, "policy/x": {}}
		start := time.Now()
		c, err := LoadFS(folder, "/x")
		if err != nil {
			t.Fatal(err)
		}
		t.Log("loaded in", time.Since(start))
		in, warned := len(c.Directory.GroupsOf("ann")), len(c.Warnings)
		if !ring && (in != deep || warned != 0 || len(c.Directory.MembersOf("g0")) != 1) {
			t.Errorf("ann is in %d groups, %d warnings", in, warned)
		}
		if ring != (len(c.Circles) == 1) {
			t.Errorf("circles: %v", c.Circles)
		}
		if ring && (in != 0 || warned != 1 || len(c.Directory.MembersOf("g0")) != 0) {
			t.Errorf("a circle alone grants: ann is in %d groups; %v", in, c.Warnings)
		}
	}
}

// A million members of one group in a circle, and a hundred groups in one circle
// with ten thousand members each. Reading so much YAML is measured elsewhere.
func TestAB24GroupsOfAMillion(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a gigabyte")
	}
	const million = 1_000_000
	for _, c := range []struct{ people, groups int }{{million, 2}, {million / 100, 100}} {
		d := &files{}
		for n := range c.groups {
			d.groups = append(d.groups, group{id: fmt.Sprintf("g%d", n), f: placeless(&d.report), groups: []item{{text: fmt.Sprintf("g%d", (n+1)%c.groups)}}})
		}
		for n := range c.people {
			id := fmt.Sprintf("p%d", n)
			d.identities = append(d.identities, somebody(&d.report, id))
			for g := range c.groups - 1 { // the last has none of its own
				d.groups[g].members = append(d.groups[g].members, item{text: id})
			}
		}
		start := time.Now()
		d.check()
		if len(d.problems) > 0 || len(d.warnings) != 1 {
			t.Fatal(d.problems[:min(len(d.problems), 5)], len(d.warnings))
		}
		checked := time.Since(start)
		dir := d.build()
		t.Logf("%d groups of %d: checked in %s, built in %s", c.groups, c.people, checked, time.Since(start)-checked)
		last := d.groups[c.groups-1].id
		if got := len(dir.MembersOf(last)); got != c.people {
			t.Errorf("%s has %d members, want %d", last, got, c.people)
		}
		start = time.Now()
		if got := len(dir.GroupsOf(d.identities[0].ID)); got != c.groups {
			t.Errorf("in %d groups, want %d", got, c.groups)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("asking took %s", took)
		}
	}
}

// More than anything could hold is a problem, not a process that grows.
func TestAB24GroupsTooMuch(t *testing.T) {
	t.Parallel()
	const deep = 10_000
	d := &files{}
	for n := range deep {
		id := fmt.Sprintf("p%d", n)
		d.identities = append(d.identities, somebody(&d.report, id))
		g := group{id: fmt.Sprintf("g%d", n), f: placeless(&d.report), members: []item{{text: id}}}
		if n > 0 {
			g.groups = []item{{text: fmt.Sprintf("g%d", n-1)}}
		}
		d.groups = append(d.groups, g)
	}
	start := time.Now()
	d.check()
	t.Log("refused in", time.Since(start))
	if !slices.ContainsFunc(d.problems, func(p access.Problem) bool {
		return strings.HasPrefix(p.Message, "nested groups come to more than 10000000 memberships and links")
	}) {
		t.Error("not refused:", d.problems[:min(len(d.problems), 3)])
	}
}
