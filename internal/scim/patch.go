package scim

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// operation is one change of a PATCH.
type operation struct {
	Op    string `json:"op"`
	Path  any    `json:"path"` // text; what else stands there is refused, not guessed at
	Value any    `json:"value"`
}

// mostOperations is how many changes one PATCH may have.
const mostOperations = 1000

// patch applies changes in order, all or none. Those of the members of a group go
// to the roll, for members are not kept with the group.
func (k kind) patch(res resource, list []operation, members *roll) (resource, error) {
	if len(list) == 0 || len(list) > mostOperations {
		return nil, fault(400, "invalidSyntax", "Operations must have at least one operation and at most %d", mostOperations)
	}
	next := copied(res)
	for n, o := range list {
		if err := k.apply(next, o, members); err != nil {
			return nil, within(err, "operation %d: ", n+1)
		}
	}
	return next, nil
}

// copied is a resource of which nothing is shared.
func copied(res resource) resource {
	out := make(resource, len(res))
	for name, v := range res {
		switch v := v.(type) {
		case resource:
			out[name] = copied(v)
		case []any:
			list := slices.Clone(v)
			for n := range list {
				if one, ok := list[n].(resource); ok {
					list[n] = copied(one)
				}
			}
			out[name] = list
		default:
			out[name] = v
		}
	}
	return out
}

func (k kind) apply(res resource, o operation, members *roll) error {
	op := strings.ToLower(strings.TrimSpace(o.Op))
	if op != "add" && op != "replace" && op != "remove" {
		return fault(400, "invalidSyntax", "op is %s and must be add, replace or remove", quoted(o.Op))
	}
	text, ok := o.Path.(string)
	if !ok && o.Path != nil {
		return fault(400, "invalidPath", "path must be text, not %s", said(o.Path))
	}
	if text != "" {
		p, err := k.readPath(text)
		if err != nil {
			return err
		}
		return k.set(res, op, p, o.Value, members, true)
	}
	// Without a path the value says of each attribute what it is. Some write paths there.
	value, ok := o.Value.(map[string]any)
	switch {
	case op == "remove":
		return fault(400, "noTarget", "remove needs a path: what is to be removed")
	case !ok:
		return fault(400, "invalidValue", "without a path value must be an object with attributes, not %s", said(o.Value))
	}
	for _, name := range slices.Sorted(maps.Keys(value)) {
		p, err := k.readPath(name)
		if err != nil {
			return err
		}
		if err := k.set(res, op, p, value[name], members, false); err != nil {
			return err
		}
	}
	return nil
}

// set changes what is at a path. What is not kept is passed over; what is no attribute
// at all is refused where it was named by a path.
func (k kind) set(res resource, op string, p path, value any, members *roll, named bool) error {
	table, to, within := k.table, res, ""
	if p.extension != "" {
		x, ok := k.extension(p.extension)
		if !ok {
			return nil // of a schema that is not kept
		}
		inner, _ := res[x.schema].(resource)
		if inner == nil {
			inner = resource{}
		}
		defer func() {
			if delete(res, x.schema); len(inner) > 0 {
				res[x.schema] = inner
			}
		}()
		if p.name == "" {
			return x.all(inner, op, value)
		}
		table, to, within = x.table, inner, x.schema+":"
	}
	a, ok := find(table, p.name)
	if !ok && p.extension == "" {
		for _, x := range k.extensions { // "department", without the schema that it is of
			if _, is := find(x.table, p.name); is {
				p.extension = x.schema
				return k.set(res, op, p, value, members, named)
			}
		}
	}
	switch {
	case !ok && named && !strings.EqualFold(p.name, "schemas") && !slices.ContainsFunc(unkept, func(n string) bool { return strings.EqualFold(n, p.name) }):
		if strings.EqualFold(p.name, "id") || strings.EqualFold(p.name, "meta") {
			return fault(400, "mutability", "%s is Lessor's to say", p.name)
		}
		return fault(400, "invalidPath", "%s has no attribute %s", k.name, quoted(within+p.name))
	case !ok:
		return nil
	case a.ours && named:
		return fault(400, "mutability", "%s is Lessor's to say", a.name)
	case a.ours:
		return nil
	case k.name == groups.name && a.name == "members":
		return members.change(op, p, value)
	}
	return a.change(to, op, p, value, within)
}

// all changes an extension as a whole.
func (x extension) all(inner resource, op string, value any) error {
	if op == "remove" || op == "replace" {
		clear(inner)
	}
	if op == "remove" || value == nil {
		return nil
	}
	in, ok := value.(map[string]any)
	if !ok {
		return fault(400, "invalidValue", "%s must be an object, not %s", x.schema, said(value))
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if err := put(inner, x.table, name, in[name], x.schema+":"); err != nil {
			return err
		}
	}
	return nil
}

// change changes one attribute.
func (a attr) change(to resource, op string, p path, value any, within string) error {
	at := within + a.name
	if p.sub != "" {
		if a.kind != "complex" {
			return fault(400, "invalidPath", "%s has no parts", at)
		}
		part, ok := find(a.sub, p.sub)
		if !ok {
			return fault(400, "invalidPath", "%s has no part %s", at, quoted(p.sub))
		}
		if part.ours {
			return fault(400, "mutability", "%s.%s is Lessor's to say", at, part.name)
		}
		p.sub = part.name
	}
	switch {
	case p.filtered && !a.many:
		return fault(400, "invalidPath", "%s has one value only: conditions in brackets have no place there", at)
	case a.many:
		return a.changeMany(to, op, p, value, at)
	case p.sub != "":
		one, _ := to[a.name].(resource)
		if one == nil {
			one = resource{}
		}
		if err := a.part(one, op, p.sub, value, at); err != nil {
			return err
		}
		if delete(to, a.name); len(one) > 0 {
			to[a.name] = one
		}
		return nil
	case op == "remove":
		delete(to, a.name)
		return nil
	}
	v, err := a.clean(value, at)
	if err != nil {
		return err
	}
	was, complex := to[a.name].(resource)
	if now, is := v.(resource); complex && is {
		maps.Copy(was, now) // the parts that are not named stay
		return nil
	}
	if delete(to, a.name); v != nil {
		to[a.name] = v
	}
	return nil
}

// part changes one part of a value.
func (a attr) part(one resource, op, sub string, value any, at string) error {
	if op == "remove" {
		delete(one, sub)
		return nil
	}
	return put(one, a.sub, sub, value, at+".")
}

// changeMany changes an attribute that has several values.
func (a attr) changeMany(to resource, op string, p path, value any, at string) error {
	list, _ := to[a.name].([]any)
	var err error
	switch {
	case !p.filtered && p.sub == "":
		list, err = a.changeList(list, op, value, at)
	case op == "remove":
		list = a.removeSome(list, p)
	default:
		list, err = a.changeSome(list, p, value, at)
	}
	if err != nil {
		return err
	}
	if delete(to, a.name); len(list) > 0 {
		to[a.name] = list
	}
	return nil
}

// changeList adds values, takes those away that are named, or has others in place of all.
func (a attr) changeList(list []any, op string, value any, at string) ([]any, error) {
	if op == "remove" && value == nil {
		return nil, nil
	}
	v, err := a.clean(value, at)
	if err != nil {
		return nil, err
	}
	some, _ := v.([]any)
	switch op {
	case "replace":
		return some, nil
	case "remove":
		return slices.DeleteFunc(list, func(one any) bool {
			return slices.ContainsFunc(some, func(gone any) bool {
				is, _ := gone.(resource)
				has, _ := one.(resource)
				return is != nil && has != nil && strings.EqualFold(word(is["value"]), word(has["value"]))
			})
		}), nil
	}
	for _, one := range some {
		if slices.ContainsFunc(list, func(has any) bool { return reflect.DeepEqual(has, one) }) {
			continue
		}
		list = append(onePrimary(list, one), one)
	}
	return list, nil
}

// onePrimary takes from the others that they are the primary one, where the new one is.
func onePrimary(list []any, one any) []any {
	if res, _ := one.(resource); res == nil || res["primary"] != true {
		return list
	}
	for _, other := range list {
		if o, ok := other.(resource); ok && o["primary"] == true {
			o["primary"] = false
		}
	}
	return list
}

// removeSome takes away those that meet the conditions, or a part of them.
func (a attr) removeSome(list []any, p path) []any {
	return slices.DeleteFunc(list, func(v any) bool {
		one, _ := v.(resource)
		if p.filtered && !meets(one, p.where) {
			return false
		}
		if p.sub != "" {
			delete(one, p.sub)
		}
		return p.sub == "" || len(one) == 0
	})
}

// changeSome changes those that meet the conditions. Where none does, one is made that
// does: some replace what was never there.
func (a attr) changeSome(list []any, p path, value any, at string) ([]any, error) {
	met := false
	for n, v := range list {
		one, _ := v.(resource)
		if p.filtered && !meets(one, p.where) {
			continue
		}
		met = true
		if p.sub != "" {
			if err := a.part(one, "replace", p.sub, value, at); err != nil {
				return nil, err
			}
		} else {
			v, err := a.one(value, at)
			if err != nil {
				return nil, err
			}
			now, _ := v.(resource)
			maps.Copy(one, now)
		}
		if one["primary"] == true {
			onePrimary(slices.Delete(slices.Clone(list), n, n+1), one)
		}
	}
	if met {
		return list, nil
	}
	made := resource{}
	for _, c := range p.where {
		if c.at.extension != "" || c.at.filtered || c.at.sub != "" {
			return nil, fault(400, "noTarget", "none of %s meets the conditions", at)
		}
		if err := put(made, a.sub, c.at.name, c.is, at+"."); err != nil {
			return nil, err
		}
	}
	if p.sub != "" {
		if err := put(made, a.sub, p.sub, value, at+"."); err != nil {
			return nil, err
		}
	} else if v, err := a.one(value, at); err != nil {
		return nil, err
	} else if now, ok := v.(resource); ok {
		maps.Copy(made, now)
	}
	if word(made["value"]) == "" {
		return list, nil // a type alone says nothing
	}
	return append(onePrimary(list, made), made), nil
}

func word(v any) string {
	text, _ := v.(string)
	return text
}
