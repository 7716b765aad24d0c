package jirasim

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
)

// properties are an entity's key-value pairs, in the order they came.
type properties map[string]json.RawMessage

func (p properties) set(key string, value []byte) (fresh bool) {
	_, had := p[key]
	p[key] = slices.Clone(value)
	return !had
}

func (p properties) sorted() []string { return sorted(p) }

func (p properties) all() list {
	out := list{}
	for _, k := range p.sorted() {
		out = append(out, obj{"key": k, "value": p[k]})
	}
	return out
}

func checkProperty(key string, value []byte) error {
	switch {
	case key == "" || len(key) > 255:
		return refuse(400, "The property key must have between 1 and 255 characters.")
	case len(value) == 0 || !json.Valid(value):
		return refuse(400, "The property value must be valid, non-empty JSON.")
	case len(value) > 32768:
		return refuse(400, "The property value is longer than 32768 characters.")
	}
	return nil
}

// owner is what has properties: how to read and write them, and what a write
// is told as.
type owner struct {
	props   properties
	path    string
	may     bool
	refused int
	changed func(event string, key string)
}

func (c *call) ownerIssue() (owner, error) {
	i, err := c.issue(c.arg("issue"))
	if err != nil {
		return owner{}, err
	}
	return owner{i.props, c.rest("/issue/" + itoa(i.id) + "/properties/"), c.can("EDIT_ISSUES", i.project, i), 403, func(name, key string) {
		c.tell(event{name: name, issue: i, property: key})
	}}, nil
}

func (c *call) ownerComment() (owner, error) {
	for _, i := range c.s.issues {
		for _, cm := range i.comments {
			if itoa(cm.id) == c.arg("id") && c.s.sees(c.who, i) && c.readable(i, cm) {
				may := c.ownOrAll(i, cm.author, "EDIT_ALL_COMMENTS", "EDIT_OWN_COMMENTS")
				return owner{cm.props, c.rest("/comment/" + itoa(cm.id) + "/properties/"), may, 403, nil}, nil
			}
		}
	}
	return owner{}, refuse(404, "Can not find a comment for the id: "+c.arg("id")+".")
}

func (c *call) ownerOrg() (owner, error) {
	o := c.s.org(c.arg("org"))
	if o == nil {
		return owner{}, refuse(404, "The organization does not exist.")
	}
	return owner{o.props, c.s.url + desk + "/organization/" + o.ID + "/property/", c.anyAgent(), 403, nil}, nil
}

func (c *call) ownerRequestType() (owner, error) {
	p, rt, err := c.requestType()
	if err != nil {
		return owner{}, err
	}
	return owner{rt.props, c.s.url + desk + "/servicedesk/" + p.desk.ID + "/requesttype/" + rt.ID + "/property/", c.can("ADMINISTER_PROJECTS", p, nil), 403, nil}, nil
}

type ownerOf func(*call) (owner, error)

func propertyKeys(of ownerOf) act {
	return func(c *call) (reply, error) {
		o, err := of(c)
		if err != nil {
			return reply{}, err
		}
		keys := list{}
		for _, k := range o.props.sorted() {
			keys = append(keys, obj{"key": k, "self": o.path + url.PathEscape(k)})
		}
		return ok(obj{"keys": keys})
	}
}

func getProperty(of ownerOf) act {
	return func(c *call) (reply, error) {
		o, err := of(c)
		if err != nil {
			return reply{}, err
		}
		v, had := o.props[c.arg("key")]
		if !had {
			return reply{}, refuse(404, "The property with key '"+c.arg("key")+"' does not exist.")
		}
		return ok(obj{"key": c.arg("key"), "value": v})
	}
}

func setProperty(of ownerOf) act {
	return func(c *call) (reply, error) {
		o, err := of(c)
		if err != nil {
			return reply{}, err
		}
		value := bytes.TrimSpace(c.body)
		if err := checkProperty(c.arg("key"), value); err != nil {
			return reply{}, err
		}
		if !o.may {
			return reply{}, refuse(o.refused, "You do not have permission to set this property.")
		}
		fresh := o.props.set(c.arg("key"), value)
		if o.changed != nil {
			o.changed("issue_property_set", c.arg("key"))
		}
		if fresh {
			return reply{status: 201, body: obj{}}, nil
		}
		return ok(obj{})
	}
}

func deleteProperty(of ownerOf) act {
	return func(c *call) (reply, error) {
		o, err := of(c)
		if err != nil {
			return reply{}, err
		}
		if _, had := o.props[c.arg("key")]; !had {
			return reply{}, refuse(404, "The property with key '"+c.arg("key")+"' does not exist.")
		}
		if !o.may {
			return reply{}, refuse(o.refused, "You do not have permission to delete this property.")
		}
		delete(o.props, c.arg("key"))
		if o.changed != nil {
			o.changed("issue_property_deleted", c.arg("key"))
		}
		return none()
	}
}
