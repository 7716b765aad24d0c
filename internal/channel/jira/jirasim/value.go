package jirasim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

type (
	obj  = map[string]any
	list = []any
)

// rich is a text that v3 speaks of as ADF and v2 as wiki text.
type rich struct {
	doc  obj
	wiki string
}

// parse reads what a caller set a field to and gives its canonical value: a
// string (text, or the id of one thing), []string (ids, labels), rich or
// float64; nil for none. The problem is in Jira's words.
func (c *call) parse(f *Field, p *project, raw any) (value any, problem string) {
	if raw == nil {
		if f.ID == "summary" {
			return nil, "You must specify a summary of the issue."
		}
		return nil, ""
	}
	switch f.Kind {
	case Text:
		return parseText(f, raw)
	case Rich:
		return c.parseRich(raw)
	case Number:
		if n, ok := raw.(json.Number); ok {
			if v, err := n.Float64(); err == nil {
				return v, ""
			}
		}
		return nil, "Operation value must be a number"
	case Date, DateTime:
		return parseDate(f, raw)
	case Labels:
		return parseLabels(raw)
	case UserPick:
		return c.parseUser(raw)
	case Select, PriorityOf, SecurityOf, Resolution:
		return c.parseOne(f, p, raw)
	}
	items, ok := raw.(list)
	if !ok {
		return nil, "data was not an array"
	}
	ids := []string{}
	for _, it := range items {
		var one any
		if f.Kind == UsersPick || f.Kind == participantsKind {
			one, problem = c.parseUser(it)
		} else {
			one, problem = c.parseOne(f, p, it)
		}
		if problem != "" {
			return nil, problem
		}
		if id, _ := one.(string); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, ""
}

func parseText(f *Field, raw any) (any, string) {
	t, ok := raw.(string)
	switch {
	case !ok:
		return nil, "Operation value must be a string"
	case f.ID == "summary" && strings.TrimSpace(t) == "":
		return nil, "You must specify a summary of the issue."
	case strings.ContainsAny(t, "\n\r") && f.ID == "summary":
		return nil, "The summary is invalid because it contains newline characters."
	case len([]rune(t)) > 255:
		return nil, "The entered text is too long. It exceeds the allowed limit of 255 characters."
	case t == "":
		return nil, ""
	}
	return t, ""
}

func (c *call) parseRich(raw any) (any, string) {
	if c.v == 2 {
		t, ok := raw.(string)
		if !ok {
			return nil, "Operation value must be a string"
		}
		if t == "" {
			return nil, ""
		}
		return rich{doc: docOf(t), wiki: t}, ""
	}
	doc, ok := raw.(obj)
	if !ok || checkADF(doc) != nil {
		return nil, "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
	}
	return rich{doc: doc, wiki: wikiOf(doc)}, ""
}

func parseDate(f *Field, raw any) (any, string) {
	t, ok := raw.(string)
	if !ok {
		return nil, "Operation value must be a string"
	}
	if f.Kind == Date {
		if _, err := time.Parse("2006-01-02", t); err != nil {
			return nil, "Error parsing date string: " + t
		}
		return t, ""
	}
	for _, layout := range []string{stamp, "2006-01-02T15:04:05.000Z07:00", time.RFC3339} {
		if at, err := time.Parse(layout, t); err == nil {
			return at.UTC().Format(stamp), ""
		}
	}
	return nil, "Error parsing time: " + t
}

func parseLabels(raw any) (any, string) {
	items, ok := raw.(list)
	if !ok {
		return nil, "data was not an array"
	}
	out := []string{}
	for _, it := range items {
		t, ok := it.(string)
		switch {
		case !ok || t == "":
			return nil, "string expected at index " + strconv.Itoa(len(out))
		case strings.ContainsAny(t, " \t\n"):
			return nil, "The label '" + t + "' contains spaces which is invalid."
		case len(t) > 255:
			return nil, "The label '" + t[:20] + "...' exceeds the maximum length for a single label of 255 characters."
		}
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out, ""
}

// parseUser reads a user: by accountId on Cloud, by name or key on Data Center.
func (c *call) parseUser(raw any) (any, string) {
	o, ok := raw.(obj)
	if !ok {
		return nil, "expected Object containing a user"
	}
	var u *User
	if c.dc {
		name, _ := o["name"].(string)
		key, _ := o["key"].(string)
		if name == "" && key == "" {
			return nil, ""
		}
		u = c.s.userBy(name, key)
	} else {
		id, given := o["accountId"].(string)
		if alt, ok := o["id"].(string); !given && ok {
			id, given = alt, true
		}
		if !given || id == "" {
			return nil, ""
		}
		u = c.s.user(id)
	}
	if u == nil || u.Gone || u.Inactive {
		return nil, "Specify a valid value for this field: the user does not exist."
	}
	return u.AccountID, ""
}

// parseOne reads a reference to one option, priority, level, component or group.
func (c *call) parseOne(f *Field, p *project, raw any) (any, string) {
	o, ok := raw.(obj)
	if !ok {
		return nil, "Specify a valid 'id' or 'name' for " + f.Name
	}
	ref := ""
	for _, key := range []string{"id", "value", "name", "groupId"} {
		switch v := o[key].(type) {
		case string:
			ref = v
		case json.Number:
			ref = v.String()
		}
		if ref != "" {
			break
		}
	}
	switch f.Kind {
	case Select, MultiSelect:
		if op := f.option(ref); op != nil && !op.Disabled {
			return op.ID, ""
		}
		return nil, "Option id '" + ref + "' is not valid"
	case PriorityOf:
		if n := find(c.s.priorities, ref); n != nil {
			return n.id, ""
		}
		return nil, "The priority selected is invalid."
	case Components:
		if n := find(p.parts, ref); n != nil {
			return n.id, ""
		}
		return nil, "Component name '" + ref + "' is not valid"
	case Resolution:
		if n := find(c.s.results, ref); n != nil {
			return n.id, ""
		}
	case GroupsPick:
		for _, g := range c.s.groups {
			if g.name == ref || g.id == ref {
				return g.id, ""
			}
		}
	case organizationsKind:
		if og := c.s.org(ref); og != nil {
			return og.ID, ""
		}
	case SecurityOf:
		return c.parseLevel(p, ref)
	}
	return nil, "Specify a valid 'id' or 'name' for " + f.Name
}

func (c *call) parseLevel(p *project, ref string) (any, string) {
	if ref == "" || ref == "-1" {
		return nil, ""
	}
	if p.security != nil {
		for _, l := range p.security.Levels {
			if l.ID == ref || l.Name == ref {
				return l.ID, ""
			}
		}
	}
	return nil, "The security level with id '" + ref + "' does not exist"
}
