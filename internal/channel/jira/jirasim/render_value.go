package jirasim

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// stamp is how Jira writes times: no colon in the offset.
const stamp = "2006-01-02T15:04:05.000-0700"

func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(stamp)
}

// show renders a canonical value as an issue's field.
func (c *call) show(f *Field, i *issue) any {
	v := i.values[f.ID]
	if v == nil {
		if f.Kind == Labels && f.system != "" || f.Kind == Components {
			return list{}
		}
		return nil
	}
	switch f.Kind {
	case Rich:
		if c.v == 2 {
			return v.(rich).wiki
		}
		return v.(rich).doc
	case UserPick:
		return c.userRef(v.(string))
	case Select:
		return c.option(v.(string), f)
	case PriorityOf:
		return c.priority(v.(string))
	case Resolution:
		return c.resolution(v.(string))
	case SecurityOf:
		if l := c.s.level(v.(string)); l != nil {
			return c.securityLevel(l)
		}
		return nil
	}
	ids, many := v.([]string)
	if !many {
		return v
	}
	out := list{}
	for _, id := range ids {
		out = append(out, c.showItem(f, i, id))
	}
	return out
}

func (c *call) showItem(f *Field, i *issue, id string) any {
	switch f.Kind {
	case MultiSelect:
		return c.option(id, f)
	case UsersPick, participantsKind:
		return c.userRef(id)
	case Components:
		if n := find(i.project.parts, id); n != nil {
			return c.component(*n)
		}
	case GroupsPick:
		for _, g := range c.s.groups {
			if g.id == id {
				return c.groupName(g)
			}
		}
	case organizationsKind:
		if o := c.s.org(id); o != nil {
			return obj{"id": o.ID, "name": o.Name, "_links": obj{"self": c.s.url + desk + "/organization/" + o.ID}}
		}
	}
	return id
}

func (c *call) option(id string, f *Field) obj {
	o := f.option(id)
	return obj{"self": c.rest("/customFieldOption/" + o.ID), "value": o.Value, "id": o.ID}
}

func (c *call) priority(id string) any {
	n := find(c.s.priorities, id)
	return obj{"self": c.rest("/priority/" + n.id), "iconUrl": c.s.url + "/images/icons/priorities/" + strings.ToLower(n.name) + ".svg", "name": n.name, "id": n.id}
}

func (c *call) resolution(id string) any {
	n := find(c.s.results, id)
	return obj{"self": c.rest("/resolution/" + n.id), "id": n.id, "description": "", "name": n.name}
}

func (c *call) component(n named) obj {
	return obj{"self": c.rest("/component/" + n.id), "id": n.id, "name": n.name}
}

func (c *call) securityLevel(l *SecurityLevel) obj {
	return obj{"self": c.rest("/securitylevel/" + l.ID), "id": l.ID, "description": "", "name": l.Name}
}

// text says a canonical value as a changelog does: its id, where it has one,
// and its words. Lists are written as Jira writes them.
func (c *call) text(f *Field, p *project, v any) (id, words any) {
	if v == nil {
		if f.Kind == Labels {
			return nil, ""
		}
		return nil, nil
	}
	switch x := v.(type) {
	case rich:
		return nil, x.wiki
	case float64:
		return nil, strconv.FormatFloat(x, 'f', -1, 64)
	case []string:
		if f.Kind == Labels {
			return nil, strings.Join(x, " ")
		}
		words := []string{}
		for _, one := range x {
			words = append(words, c.word(f, p, one))
		}
		return "[" + strings.Join(x, ", ") + "]", strings.Join(words, ", ")
	}
	t := v.(string)
	switch f.Kind {
	case Text:
		return nil, t
	case Date, DateTime:
		return t, t
	case UserPick:
		u := c.s.user(t)
		if c.dc && u != nil {
			return u.Key, c.word(f, p, t)
		}
	}
	return t, c.word(f, p, t)
}

// word is the displayed word of one id.
func (c *call) word(f *Field, p *project, id string) string {
	pick := func(n *named) string {
		if n == nil {
			return id
		}
		return n.name
	}
	switch f.Kind {
	case UserPick, UsersPick, participantsKind:
		if u := c.s.user(id); u != nil && !u.Gone {
			return u.Name
		}
	case Select, MultiSelect:
		if o := f.option(id); o != nil {
			return o.Value
		}
	case PriorityOf:
		return pick(find(c.s.priorities, id))
	case Resolution:
		return pick(find(c.s.results, id))
	case Components:
		return pick(find(p.parts, id))
	case SecurityOf:
		if l := c.s.level(id); l != nil {
			return l.Name
		}
	case organizationsKind:
		if o := c.s.org(id); o != nil {
			return o.Name
		}
	case GroupsPick:
		if i := slices.IndexFunc(c.s.groups, func(g *group) bool { return g.id == id }); i >= 0 {
			return c.s.groups[i].name
		}
	}
	return id
}

func same(a, b any) bool {
	switch x := a.(type) {
	case []string:
		y, ok := b.([]string)
		return ok && slices.Equal(x, y) || b == nil && len(x) == 0
	case rich:
		y, ok := b.(rich)
		return ok && x.wiki == y.wiki
	case nil:
		y, ok := b.([]string)
		return b == nil || ok && len(y) == 0
	}
	if _, many := b.([]string); many {
		return false
	}
	if _, is := b.(rich); is {
		return false
	}
	return a == b
}
