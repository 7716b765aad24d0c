package jirasim

import (
	"slices"
	"strings"
)

// parseQueries says how queries are read, and what is wrong with them.
func (c *call) parseQueries() (reply, error) {
	mode := c.query("validation")
	if !slices.Contains([]string{"strict", "warn", "none"}, mode) {
		return reply{}, refuse(400, "The query parameter 'validation' must be 'strict', 'warn' or 'none'.")
	}
	var in struct{ Queries []string }
	if err := c.read(&in); err != nil {
		return reply{}, err
	}
	if len(in.Queries) == 0 {
		return reply{}, refuse(400, "At least one query is required.")
	}
	out := list{}
	for _, text := range in.Queries {
		one := obj{"query": text}
		q, err := parseJQL(text)
		if err == nil && mode != "none" && q.where != nil {
			_, err = c.compile(q.where)
		}
		switch {
		case err != nil && mode == "warn" && q != nil:
			one["warnings"], one["structure"] = list{err.Error()}, structure(q)
		case err != nil:
			one["errors"] = list{err.Error()}
		default:
			one["structure"] = structure(q)
		}
		out = append(out, one)
	}
	return ok(obj{"queries": out})
}

func structure(q *query) obj {
	out := obj{}
	if q.where != nil {
		out["where"] = q.where.structure()
	}
	if len(q.order) > 0 {
		fields := list{}
		for _, o := range q.order {
			way := "asc"
			if o.desc {
				way = "desc"
			}
			fields = append(fields, obj{"field": jqlField(o.field), "direction": way})
		}
		out["orderBy"] = obj{"fields": fields}
	}
	return out
}

func jqlField(name string) obj {
	encoded := name
	if strings.ContainsAny(name, " \"") {
		encoded = `"` + strings.ReplaceAll(name, `"`, `\"`) + `"`
	}
	return obj{"name": name, "encodedName": encoded}
}

func (q *clause) structure() obj {
	if len(q.parts) > 0 {
		parts := list{}
		for _, p := range q.parts {
			parts = append(parts, p.structure())
		}
		return obj{"operator": q.op, "clauses": parts}
	}
	out := obj{"field": jqlField(q.field), "operator": q.op}
	if !q.many || q.args[0].fn {
		out["operand"] = q.args[0].structure()
		return out
	}
	values := list{}
	for _, a := range q.args {
		values = append(values, a.structure())
	}
	out["operand"] = obj{"values": values}
	return out
}

func (a operand) structure() obj {
	switch low := strings.ToLower(a.text); {
	case a.fn:
		return obj{"function": a.text, "arguments": append([]string{}, a.args...), "encodedOperand": a.text + "(" + strings.Join(a.args, ", ") + ")"}
	case low == "empty" || low == "null":
		return obj{"keyword": "empty"}
	}
	return obj{"value": a.text, "encodedValue": jqlField(a.text)["encodedName"]}
}
