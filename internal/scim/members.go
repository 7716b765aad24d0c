package scim

import "strings"

// roll is how the members of a group change: some come, some go, or all others go.
type roll struct {
	whole bool // nobody is in it but those who join
	join  map[string]bool
	leave map[string]bool
}

func newRoll() *roll { return &roll{join: map[string]bool{}, leave: map[string]bool{}} }

// change notes one change.
func (m *roll) change(op string, p path, value any) error {
	if p.sub != "" && !strings.EqualFold(p.sub, "value") {
		return fault(400, "mutability", "of members only value can be said: the id of a user")
	}
	var keys []string
	var err error
	switch {
	case p.filtered && op == "remove":
		if keys, err = memberNamed(p); err != nil {
			return err
		}
	case p.filtered:
		return fault(400, "invalidPath", "members are added and replaced by their values, without conditions")
	case op == "remove" && value == nil:
		m.only(nil)
		return nil
	default:
		if keys, err = membersIn(value); err != nil {
			return err
		}
	}
	switch op {
	case "replace":
		m.only(keys)
	case "add":
		for _, key := range keys {
			m.join[key] = true
			delete(m.leave, key)
		}
	case "remove":
		for _, key := range keys {
			m.leave[key] = true
			delete(m.join, key)
		}
	}
	return nil
}

// only has nobody but those be members.
func (m *roll) only(keys []string) {
	m.whole = true
	clear(m.join)
	clear(m.leave)
	for _, key := range keys {
		m.join[key] = true
	}
}

// memberNamed reads who is meant by members[value eq "ID"].
func memberNamed(p path) ([]string, error) {
	if len(p.where) == 1 && strings.EqualFold(p.where[0].at.name, "value") {
		if key := word(p.where[0].is); key != "" {
			return []string{key}, nil
		}
	}
	return nil, fault(400, "invalidFilter", `members are removed by members[value eq "ID"], with the id of one user`)
}

// membersIn reads whose ids a value has: a list of objects with value, one of them, or
// texts alone.
func membersIn(v any) (keys []string, err error) {
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	for _, v := range list {
		key := word(v)
		if in, ok := v.(map[string]any); ok {
			key = word(lookup(in, "value"))
			if kind := word(lookup(in, "type")); kind != "" && !strings.EqualFold(kind, "User") {
				return nil, fault(400, "invalidValue", "members must be users, and %s is a %s: groups within groups are not taken", quoted(key), quoted(kind))
			}
		}
		if key == "" {
			return nil, fault(400, "invalidValue", "members must be objects with value: the id of a user, not %s", said(v))
		}
		keys = append(keys, key)
	}
	return keys, nil
}
