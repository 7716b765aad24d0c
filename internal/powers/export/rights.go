package export

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/powers"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// Rights reads what somebody wrote down of a system that has no export of its
// own, in JSON or YAML:
//
//	system: postgres          # one of the systems that rules are shipped for
//	version: 15               # major; left out: not known, and so whatever lets more
//	roles:
//	  - name: ops
//	    class: standard       # declared; left out: none
//	    rights:
//	      - right: CREATEROLE
//	      - {right: ADMIN OPTION, on: team_ro}
//
// A right that no rule speaks of is a problem: it is one that leads nowhere, or a
// misspelt one that does.
func Rights(file string, text []byte) ([]powers.Role, error) {
	r := &reader{file: file}
	docs, ok := r.parseYAMLOrJSON(text)
	switch {
	case ok && len(docs) != 1:
		r.problem(0, 0, "must hold one document")
	case ok && r.mapping(&docs[0], "the file", "system", "version?", "roles"):
		return r.rightsOf(&docs[0])
	}
	return nil, r.err()
}

func (r *reader) rightsOf(root *yaml.Node) ([]powers.Role, error) {
	system, version := r.text(root, "system"), 0
	if _, known := powers.Rules[system]; !known {
		r.at(root.Get("system"), "there are no rules for %q: there are for %s", access.Brief(system), strings.Join(slices.Sorted(maps.Keys(powers.Rules)), ", "))
		return nil, r.err()
	}
	if v := root.Get("version"); v != nil {
		n, err := strconv.Atoi(v.Text)
		if v.Kind != yaml.Number || err != nil || n < 1 {
			r.at(v, "version must be a whole number, such as 15")
		}
		version = n
	}
	var roles []powers.Role
	seen := map[string]bool{}
	for _, n := range r.items(root.Get("roles"), "roles") {
		if !r.mapping(&n, "a role", "name", "class?", "rights") {
			continue
		}
		name := r.text(&n, "name")
		if name == "" || seen[name] {
			r.at(&n, "a role needs a name that no other has")
		}
		seen[name] = true
		held := r.rights(n.Get("rights"), system)
		roles = append(roles, powers.Role{System: system, ID: name, Name: name, Class: r.text(&n, "class"), Source: r.where(&n), Version: version,
			Allows: func(right string) []powers.On { return held[right] }})
	}
	return roles, r.err()
}

func (r *reader) rights(list *yaml.Node, system string) map[string][]powers.On {
	held := map[string][]powers.On{}
	for _, n := range r.items(list, "rights") {
		if !r.mapping(&n, "a right", "right", "on?") {
			continue
		}
		right, on := r.text(&n, "right"), r.text(&n, "on")
		switch {
		case !slices.Contains(powers.Rights(system), right):
			r.at(n.Get("right"), "no rule of %s speaks of %q: %s", system, access.Brief(right), known(system))
		case on == "" && powers.NeedsOn(system, right):
			r.at(&n, "%s needs on: what it is for", right)
		default:
			held[right] = append(held[right], powers.On{ID: on, Text: on})
		}
	}
	return held
}

func known(system string) string {
	rights := powers.Rights(system)
	if len(rights) > 40 {
		return fmt.Sprintf("there are %d that they do", len(rights))
	}
	return "they do of " + strings.Join(rights, "; ")
}
