package scimtarget

import (
	"net/http"
	"slices"
	"strings"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
)

// groupHandler serves /Groups.
type groupHandler struct{ t *Target }

// Create makes a group.
func (h groupHandler) Create(_ *http.Request, attrs scim.ResourceAttributes) (scim.Resource, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	g := &group{has: map[string]bool{}}
	if err := h.t.fill(g, attrs); err != nil {
		return scim.Resource{}, err
	}
	return h.t.groupResource(h.t.addGroup(g)), nil
}

// Get gives one group with its members.
func (h groupHandler) Get(_ *http.Request, id string) (scim.Resource, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	if h.t.groups[id] == nil {
		return scim.Resource{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	return h.t.groupResource(id), nil
}

// GetAll gives one page of the groups that pass the filter.
func (h groupHandler) GetAll(_ *http.Request, p scim.ListRequestParams) (scim.Page, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	var all []scim.Resource
	for _, id := range h.t.groupOrder {
		all = append(all, h.t.groupResource(id))
	}
	return pageOf(all, p)
}

// Replace overwrites a group's name and members.
func (h groupHandler) Replace(_ *http.Request, id string, attrs scim.ResourceAttributes) (scim.Resource, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	return h.t.change(id, func(g *group) error { return h.t.fill(g, attrs) })
}

// Delete removes a group, also from groups it was in.
func (h groupHandler) Delete(_ *http.Request, id string) error {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	if h.t.groups[id] == nil {
		return scimerrors.ScimErrorResourceNotFound(id)
	}
	h.t.deleteGroup(id)
	return nil
}

// Patch carries out the operations in order, all or none.
func (h groupHandler) Patch(_ *http.Request, id string, ops []scim.PatchOperation) (scim.Resource, error) {
	h.t.mu.Lock()
	defer h.t.mu.Unlock()
	return h.t.change(id, func(g *group) error {
		for _, op := range ops {
			if err := h.t.patch(g, op); err != nil {
				return err
			}
		}
		return nil
	})
}

// change lets do work on a copy, and keeps it if do succeeds.
func (t *Target) change(id string, do func(*group) error) (scim.Resource, error) {
	old := t.groups[id]
	if old == nil {
		return scim.Resource{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	g := old.clone()
	if err := do(g); err != nil {
		return scim.Resource{}, err
	}
	t.groups[id] = g
	return t.groupResource(id), nil
}

// patch carries out one operation. Of a group, members and displayName can be
// patched; a path is optional, as in RFC 7644 §3.5.2.
func (t *Target) patch(g *group, op scim.PatchOperation) error {
	if op.Path == nil {
		set, ok := op.Value.(map[string]any)
		if !ok {
			return scimerrors.ScimErrorInvalidValue
		}
		for name, value := range set {
			if err := t.patchAttr(g, op.Op, name, value); err != nil {
				return err
			}
		}
		return nil
	}
	name := op.Path.AttributePath.AttributeName
	if op.Path.ValueExpression == nil {
		return t.patchAttr(g, op.Op, name, op.Value)
	}
	if !strings.EqualFold(name, "members") || op.Op != scim.PatchOperationRemove {
		return scimerrors.ScimErrorInvalidPath
	}
	match, err := memberMatcher(op.Path.ValueExpression)
	if err != nil {
		return scimerrors.ScimErrorInvalidPath
	}
	for _, id := range slices.Clone(g.members) {
		if match(t.member(id)) {
			g.remove(id)
		}
	}
	return nil
}

func (t *Target) patchAttr(g *group, op, name string, value any) error {
	switch {
	case strings.EqualFold(name, "displayName") && op != scim.PatchOperationRemove:
		display, ok := value.(string)
		if !ok || display == "" {
			return scimerrors.ScimErrorInvalidValue
		}
		g.name = display
		return nil
	case !strings.EqualFold(name, "members"):
		return scimerrors.ScimErrorInvalidPath
	}
	if op == scim.PatchOperationReplace || (op == scim.PatchOperationRemove && value == nil) {
		g.clear()
	}
	ids, err := memberIDs(value)
	if err != nil {
		return err
	}
	for _, id := range ids {
		switch {
		case op == scim.PatchOperationRemove:
			g.remove(id)
		case t.users[id] == nil && t.groups[id] == nil:
			return scimerrors.ScimErrorInvalidValue // nobody has that id
		default:
			g.add(id)
		}
	}
	return nil
}

// fill takes name and members from whole-resource attributes.
func (t *Target) fill(g *group, attrs scim.ResourceAttributes) error {
	name, _ := attrs["displayName"].(string)
	if err := t.patchAttr(g, scim.PatchOperationReplace, "displayName", name); err != nil {
		return err
	}
	return t.patchAttr(g, scim.PatchOperationReplace, "members", attrs["members"])
}

// memberIDs reads the ids out of a members value; nil has none.
func memberIDs(value any) ([]string, error) {
	var ids []string
	list, ok := value.([]any)
	if !ok && value != nil {
		return nil, scimerrors.ScimErrorInvalidValue
	}
	for _, v := range list {
		m, _ := v.(map[string]any)
		id, ok := m["value"].(string)
		if !ok || id == "" {
			return nil, scimerrors.ScimErrorInvalidValue
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// member shows one member as a value of the members attribute.
func (t *Target) member(id string) map[string]any {
	m := map[string]any{"value": id, "type": "User", "$ref": "Users/" + id}
	if u := t.users[id]; u != nil {
		m["display"] = u.name
	} else if g := t.groups[id]; g != nil {
		m["display"], m["type"], m["$ref"] = g.name, "Group", "Groups/"+id
	}
	return m
}

func (t *Target) groupResource(id string) scim.Resource {
	g := t.groups[id]
	members := make([]any, len(g.members))
	for i, m := range g.members {
		members[i] = t.member(m)
	}
	return scim.Resource{ID: id, Attributes: scim.ResourceAttributes{"displayName": g.name, "members": members}}
}
