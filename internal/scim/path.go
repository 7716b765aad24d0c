package scim

import (
	"encoding/json"
	"strings"
)

// path is where a change or a condition looks: an attribute, maybe of an extension,
// maybe those of its values that meet conditions, maybe a part of it.
type path struct {
	extension string // its schema as it was written; empty: the core
	name      string // empty: the extension as a whole
	where     []condition
	filtered  bool
	sub       string
}

// condition holds where what is at a path equals a value.
type condition struct {
	at path
	is any // text, truth, number or nil
}

// mostFilter is how long a path or filter may be: the longest that is meant has an address in it.
const mostFilter = 1000

// reader goes through a path or a filter once, from left to right.
type reader struct {
	text string
	at   int
	kind kind
}

// readPath reads the path of a change.
func (k kind) readPath(text string) (path, error) {
	r := reader{text: strings.TrimSpace(text), kind: k}
	p, why := r.path(true)
	if why == "" && r.at < len(r.text) {
		why = "there is more after it: " + quoted(r.text[r.at:])
	}
	if why != "" || len(text) > mostFilter {
		return p, fault(400, "invalidPath", "path %s: %s", quoted(text), orLong(why))
	}
	return p, nil
}

// readFilter reads conditions that all must hold. Other comparisons than eq, and or and
// not, are refused: they would read everything each time.
func (k kind) readFilter(text string) ([]condition, error) {
	r := reader{text: strings.TrimSpace(text), kind: k}
	list, why := r.conditions(true)
	if why == "" && r.at < len(r.text) {
		why = "there is more after it: " + quoted(r.text[r.at:])
	}
	if why != "" || len(text) > mostFilter {
		return nil, fault(400, "invalidFilter", "filter %s: %s; it may be of the form ATTRIBUTE eq VALUE and ATTRIBUTE eq VALUE", quoted(text), orLong(why))
	}
	return list, nil
}

func orLong(why string) string {
	if why == "" {
		return "it is longer than 1000 bytes"
	}
	return why
}

func quoted(text string) string {
	if len(text) > 80 {
		text = text[:80] + "…"
	}
	b, err := json.Marshal(text)
	if err != nil {
		return "it"
	}
	return string(b)
}

func (r *reader) conditions(deep bool) (list []condition, why string) {
	for {
		c, why := r.condition(deep)
		if why != "" {
			return nil, why
		}
		list = append(list, c)
		word := r.word()
		if word == "" {
			return list, ""
		}
		if !strings.EqualFold(word, "and") {
			return nil, quoted(word) + " is not supported there, only and"
		}
	}
}

func (r *reader) condition(deep bool) (c condition, why string) {
	r.blanks()
	if c.at, why = r.path(deep); why != "" {
		return c, why
	}
	op := r.word()
	if !strings.EqualFold(op, "eq") {
		return c, "comparison " + quoted(op) + " is not supported, only eq"
	}
	r.blanks()
	d := json.NewDecoder(strings.NewReader(r.text[r.at:]))
	d.UseNumber()
	if err := d.Decode(&c.is); err != nil {
		return c, "after eq there must be a value: text in double quotes, true, false or a number"
	}
	switch c.is.(type) {
	case map[string]any, []any:
		return c, "after eq there must be one value"
	}
	r.at += int(d.InputOffset())
	return c, ""
}

// path reads one; deep tells whether it may have conditions in brackets.
func (r *reader) path(deep bool) (p path, why string) {
	// 1. The schema, if one is named. Its name has dots and colons itself.
	rest := r.text[r.at:]
	for _, schema := range append([]string{r.kind.schema}, schemasOf(r.kind.extensions)...) {
		if len(rest) < len(schema) || !strings.EqualFold(rest[:len(schema)], schema) {
			continue
		}
		if schema != r.kind.schema {
			p.extension = schema
		}
		r.at += len(schema)
		if r.at == len(r.text) && p.extension != "" {
			return p, ""
		}
		if r.at == len(r.text) || r.text[r.at] != ':' && r.text[r.at] != '.' {
			return p, "after the schema there must be : and an attribute"
		}
		r.at++
		break
	}
	if p.extension == "" && len(rest) > 4 && strings.EqualFold(rest[:4], "urn:") && r.text[r.at:] == rest {
		// Of a schema that is not kept.
		n := strings.IndexAny(rest, " [")
		if n < 0 {
			n = len(rest)
		}
		r.at += n
		p.extension, p.name = rest[:n], "?"
	} else if p.name = r.name(); p.name == "" {
		return p, "an attribute is missing"
	}
	// 2. Conditions, and a part.
	if r.next('[') {
		if !deep {
			return p, "brackets within brackets are not supported"
		}
		p.filtered = true
		if p.where, why = r.conditions(false); why != "" {
			return p, why
		}
		if r.blanks(); !r.next(']') {
			return p, "a ] is missing"
		}
	}
	if r.next('.') {
		if p.sub = r.name(); p.sub == "" {
			return p, "an attribute is missing after the dot"
		}
	}
	return p, ""
}

func schemasOf(list []extension) (names []string) {
	for _, x := range list {
		names = append(names, x.schema)
	}
	return names
}

func (r *reader) next(c byte) bool {
	if r.at < len(r.text) && r.text[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) blanks() {
	for r.next(' ') {
	}
}

// name reads an attribute's name.
func (r *reader) name() string {
	from := r.at
	for r.at < len(r.text) {
		c := r.text[r.at]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (r.at == from && c != '$' || c != '$' && c != '_' && c != '-' && (c < '0' || c > '9')) {
			break
		}
		r.at++
	}
	return r.text[from:r.at]
}

// word reads what stands between blanks; empty at the end, and before a bracket.
func (r *reader) word() string {
	r.blanks()
	from := r.at
	for r.at < len(r.text) && r.text[r.at] != ' ' && r.text[r.at] != ']' {
		r.at++
	}
	return r.text[from:r.at]
}

// meets tells whether a resource meets every condition.
func meets(res resource, list []condition) bool {
	for _, c := range list {
		if !c.met(res) {
			return false
		}
	}
	return true
}

func (c condition) met(res resource) bool {
	if c.at.extension != "" {
		res, _ = lookup(res, c.at.extension).(resource)
	}
	v := lookup(res, c.at.name)
	list, many := v.([]any)
	if !many {
		list = []any{v}
	}
	for _, v := range list {
		one, complex := v.(resource)
		if c.at.filtered && !meets(one, c.at.where) {
			continue
		}
		sub := c.at.sub
		if complex {
			if sub == "" {
				sub = "value"
			}
			v = lookup(one, sub)
		}
		if equal(c.at, v, c.is) {
			return true
		}
	}
	return false
}

func lookup(res resource, name string) any {
	if v, ok := res[name]; ok {
		return v
	}
	for k, v := range res {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// equal compares as the tables say: names of people and groups tell no letter case
// apart, ids do. Truths may be written as text.
func equal(at path, v, is any) bool {
	a, ok := v.(string)
	b, text := is.(string)
	if n, number := is.(json.Number); number {
		b, text = n.String(), true
	}
	switch {
	case ok && text && (strings.EqualFold(at.name, "externalId") || strings.EqualFold(at.name, "id")):
		return a == b
	case ok && text:
		return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
	}
	if truth, ok := v.(bool); ok && text {
		return truth && strings.EqualFold(b, "true") || !truth && strings.EqualFold(b, "false")
	}
	switch v.(type) {
	case nil, bool:
		return v == is
	}
	return false
}
