package scimtarget

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
)

var errTaken = scimerrors.ScimErrorUniqueness

// userHandler serves /Users.
type userHandler struct{ t *Target }

// Create makes a user.
func (h userHandler) Create(_ *http.Request, attrs scim.ResourceAttributes) (scim.Resource, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	name, _ := attrs["userName"].(string)
	attrs = maps.Clone(attrs)
	delete(attrs, "groups") // ours to say
	id, err := h.t.addUser(name, attrs)
	if err != nil {
		return scim.Resource{}, err
	}
	return h.t.userResource(id), nil
}

// Get gives one user.
func (h userHandler) Get(_ *http.Request, id string) (scim.Resource, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	if h.t.users[id] == nil {
		return scim.Resource{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	return h.t.userResource(id), nil
}

// GetAll gives one page of the users that pass the filter.
func (h userHandler) GetAll(_ *http.Request, p scim.ListRequestParams) (scim.Page, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	var all []scim.Resource
	for _, id := range h.t.userOrder {
		all = append(all, h.t.userResource(id))
	}
	return pageOf(all, p)
}

// Replace overwrites a user's attributes.
func (h userHandler) Replace(_ *http.Request, id string, attrs scim.ResourceAttributes) (scim.Resource, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	return h.t.storeUser(id, maps.Clone(attrs))
}

// Delete removes a user.
func (h userHandler) Delete(_ *http.Request, id string) error {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	if h.t.users[id] == nil {
		return scimerrors.ScimErrorResourceNotFound(id)
	}
	h.t.deleteUser(id)
	return nil
}

// Patch sets or removes whole attributes; values inside them are not reached.
func (h userHandler) Patch(_ *http.Request, id string, ops []scim.PatchOperation) (scim.Resource, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	u := h.t.users[id]
	if u == nil {
		return scim.Resource{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	attrs := maps.Clone(u.attrs)
	attrs["userName"] = u.name
	for _, op := range ops {
		if op.Path == nil {
			set, _ := op.Value.(map[string]any)
			maps.Copy(attrs, set)
			continue
		}
		if op.Path.ValueExpression != nil || op.Path.AttributePath.SubAttribute != nil || op.Path.SubAttribute != nil {
			return scim.Resource{}, scimerrors.ScimErrorInvalidPath
		}
		if name := op.Path.AttributePath.AttributeName; op.Op == scim.PatchOperationRemove {
			delete(attrs, name)
		} else {
			attrs[name] = op.Value
		}
	}
	return h.t.storeUser(id, attrs)
}

func (t *Target) storeUser(id string, attrs scim.ResourceAttributes) (scim.Resource, error) {
	u := t.users[id]
	if u == nil {
		return scim.Resource{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	name, _ := attrs["userName"].(string)
	if name == "" {
		return scim.Resource{}, scimerrors.ScimErrorInvalidValue
	}
	for other, o := range t.users {
		if other != id && strings.EqualFold(o.name, name) {
			return scim.Resource{}, errTaken
		}
	}
	delete(attrs, "groups")
	u.name, u.attrs = name, attrs
	return t.userResource(id), nil
}

// userResource shows the user with the groups that list it.
func (t *Target) userResource(id string) scim.Resource {
	u := t.users[id]
	attrs := maps.Clone(u.attrs)
	attrs["userName"] = u.name
	held := []any{}
	for _, gid := range t.groupOrder {
		if g := t.groups[gid]; g.has[id] {
			held = append(held, map[string]any{"value": gid, "display": g.name, "type": "direct"})
		}
	}
	attrs["groups"] = held
	return scim.Resource{ID: id, Attributes: attrs}
}

// pageOf filters, then cuts.
func pageOf(all []scim.Resource, p scim.ListRequestParams) (scim.Page, error) {
	if p.FilterValidator != nil {
		ok, err := matcher(*p.FilterValidator)
		if err != nil {
			return scim.Page{}, scimerrors.ScimErrorInvalidFilter
		}
		all = slices.DeleteFunc(all, func(r scim.Resource) bool { return !ok(r) })
	}
	from := min(max(p.StartIndex, 1)-1, len(all))
	to := min(from+max(p.Count, 0), len(all))
	return scim.Page{TotalResults: len(all), Resources: append([]scim.Resource{}, all[from:to]...)}, nil
}

// compile-time proof that both serve their endpoints
var (
	_ scim.ResourceHandler = userHandler{}
	_ scim.ResourceHandler = groupHandler{}
)
