package export

import (
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/powers"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// azurePermission is one block of a role definition: what its actions match and
// its notActions do not. Blocks add up; a notAction takes nothing from another.
type azurePermission struct {
	actions, notActions, dataActions, notDataActions []string
}

// Azure reads role definitions as `az role definition list` or `show` writes
// them, or as the REST API returns them. A condition on a block is not held
// against it: what is allowed under a condition is allowed.
func Azure(file string, text []byte) ([]powers.Role, error) {
	r := &reader{file: file}
	root, ok := r.parseJSON(text)
	if !ok {
		return nil, r.err()
	}
	list := root
	if v := root.Get("value"); v != nil {
		r.mapping(&root, "the answer", "value", "nextLink?")
		list = *v
	}
	var roles []powers.Role
	seen := map[string]bool{}
	for _, n := range r.items(&list, "role definitions") {
		if role, ok := r.azureRole(&n); ok {
			if seen[role.ID] {
				r.at(&n, "there is a second role definition %q", access.Brief(role.ID))
			}
			seen[role.ID] = true
			roles = append(roles, role)
		}
	}
	return roles, r.err()
}

func (r *reader) azureRole(n *yaml.Node) (role powers.Role, ok bool) {
	body := n
	if p := n.Get("properties"); p != nil { // as the REST API wraps it
		if !r.mapping(n, "a role definition", "properties", "id?", "name", "type?") {
			return role, false
		}
		body = p
		ok = r.mapping(body, "properties", "roleName", "permissions", "assignableScopes?", "description?", "type?", "createdOn?", "createdBy?", "updatedOn?", "updatedBy?")
	} else {
		ok = r.mapping(n, "a role definition", "roleName", "permissions", "assignableScopes?", "description?", "id?", "name?", "type?", "roleType?", "createdOn?", "createdBy?", "updatedOn?", "updatedBy?")
	}
	if !ok {
		return role, false
	}
	var blocks []azurePermission
	list := body.Get("permissions")
	for _, b := range r.items(list, "permissions") {
		if r.mapping(&b, "a permission", "actions?", "notActions?", "dataActions?", "notDataActions?", "condition?", "conditionVersion?") {
			blocks = append(blocks, azurePermission{r.lower(&b, "actions"), r.lower(&b, "notActions"), r.lower(&b, "dataActions"), r.lower(&b, "notDataActions")})
		}
	}
	name, id := r.text(body, "roleName"), strings.ToLower(r.text(n, "name"))
	if id == "" {
		id = strings.ToLower(name)
	}
	if name == "" {
		r.at(body, "roleName is empty")
	}
	return powers.Role{System: "azure", ID: id, Name: name, Source: r.where(n), Allows: func(right string) []powers.On {
		if slices.ContainsFunc(blocks, func(p azurePermission) bool { return p.allows(strings.ToLower(right)) }) {
			return []powers.On{{}}
		}
		return nil
	}}, name != ""
}

// lower reads operations, which Azure compares without regard to case.
func (r *reader) lower(n *yaml.Node, key string) []string {
	out := r.texts(n, key)
	for i := range out {
		out[i] = strings.ToLower(out[i])
	}
	return out
}

func (p azurePermission) allows(right string) bool {
	if right == "*" {
		return slices.Contains(p.actions, "*") && len(p.notActions) == 0
	}
	actions, not := p.actions, p.notActions
	if op, data := strings.CutPrefix(right, "data:"); data {
		right, actions, not = op, p.dataActions, p.notDataActions
	}
	fits := func(pattern string) bool { return match(pattern, right, false) }
	return slices.ContainsFunc(actions, fits) && !slices.ContainsFunc(not, fits)
}
