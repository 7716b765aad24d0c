package scimtarget

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/elimity-com/scim"
	libfilter "github.com/elimity-com/scim/filter"
	"github.com/elimity-com/scim/schema"
	"github.com/scim2/filter-parser/v2"
)

// matcher tells which resources pass a filter.
func matcher(v libfilter.Validator) (func(scim.Resource) bool, error) {
	exp, err := unescape(v.GetFilter())
	if err != nil {
		return nil, err
	}
	// One schema with the attributes of both kinds: the library has already
	// refused what the endpoint's own schema does not have.
	user, group := schema.CoreUserSchema(), schema.CoreGroupSchema()
	both := schema.Schema{ID: user.ID}
	both.Attributes = append(both.Attributes, user.Attributes...)
	both.Attributes = append(both.Attributes, group.Attributes...)
	both.Attributes = append(both.Attributes, schema.CommonAttributes()...)
	check := libfilter.NewFilterValidator(exp, both)
	return func(r scim.Resource) bool {
		attrs := maps.Clone(r.Attributes)
		attrs["id"] = r.ID
		return check.PassesFilter(attrs) == nil
	}, nil
}

// memberMatcher tells which members a path expression means.
func memberMatcher(exp filter.Expression) (func(map[string]any) bool, error) {
	exp, err := unescape(exp)
	if err != nil {
		return nil, err
	}
	members, _ := schema.CoreGroupSchema().Attributes.ContainsAttribute("members")
	check := libfilter.NewFilterValidator(exp, schema.Schema{Attributes: members.SubAttributes()})
	return func(m map[string]any) bool { return check.PassesFilter(m) == nil }, nil
}

// unescape gives the expression with its strings read as the JSON they are: the
// parser leaves their escapes in, so `a\"b` would never equal a"b. A comparison
// with a part of a list (members.value) becomes one with any of its values.
func unescape(exp filter.Expression) (filter.Expression, error) {
	switch e := exp.(type) {
	case *filter.AttributeExpression:
		out := *e
		if raw, ok := e.CompareValue.(string); ok {
			var s string
			if err := json.Unmarshal([]byte(`"`+raw+`"`), &s); err != nil {
				return nil, fmt.Errorf("filter string: %w", err)
			}
			out.CompareValue = s
		}
		return anyOf(out), nil
	case *filter.NotExpression:
		in, err := unescape(e.Expression)
		return &filter.NotExpression{Expression: in}, err
	case *filter.ValuePath:
		in, err := unescape(e.ValueFilter)
		return &filter.ValuePath{AttributePath: e.AttributePath, ValueFilter: in}, err
	case *filter.LogicalExpression:
		left, err := unescape(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := unescape(e.Right)
		return &filter.LogicalExpression{Left: left, Right: right, Operator: e.Operator}, err
	}
	return nil, fmt.Errorf("filter: unknown expression %T", exp)
}

// anyOf reads attr.sub as attr[sub …] where attr holds a list.
func anyOf(e filter.AttributeExpression) filter.Expression {
	attr, ok := schema.CoreGroupSchema().Attributes.ContainsAttribute(e.AttributePath.AttributeName)
	if !ok {
		attr, ok = schema.CoreUserSchema().Attributes.ContainsAttribute(e.AttributePath.AttributeName)
	}
	if !ok || !attr.MultiValued() || e.AttributePath.SubAttribute == nil {
		return &e
	}
	path := e.AttributePath
	path.SubAttribute = nil
	inner := filter.AttributeExpression{
		AttributePath: filter.AttributePath{AttributeName: *e.AttributePath.SubAttribute},
		Operator:      e.Operator, CompareValue: e.CompareValue,
	}
	return &filter.ValuePath{AttributePath: path, ValueFilter: &inner}
}
