package jirasim

import "slices"

// parseQueries says what is wrong with queries. It leaves out how they are
// read: the published schema of that forbids what its own example shows.
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
			one["warnings"] = list{err.Error()}
		case err != nil:
			one["errors"] = list{err.Error()}
		}
		out = append(out, one)
	}
	return ok(obj{"queries": out})
}
