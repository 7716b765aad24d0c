package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The schemas by their names.
const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	leaseSchema      = "urn:ietf:params:scim:schemas:extension:lessor:2.0:User"
)

// attr is one attribute that is kept. What is in no table is not.
type attr struct {
	name     string
	kind     string // string, boolean, dateTime, complex or reference
	many     bool
	sub      []attr
	required bool
	unique   bool
	exact    bool // letter case counts
	ours     bool // only Lessor says it
	about    string
}

// resource is a resource of SCIM by the names of the tables: texts, truths, mappings and lists of mappings.
type resource = map[string]any

var (
	external  = attr{name: "externalId", kind: "string", exact: true, about: "What the other side calls it."}
	userTable = []attr{
		{name: "userName", kind: "string", required: true, unique: true, about: "The name to sign in with. It may come to another user later; access does not come with it."},
		{name: "name", kind: "complex", about: "The parts of the name.", sub: []attr{
			{name: "formatted", kind: "string", about: "The whole name."},
			{name: "familyName", kind: "string", about: "The family name."},
			{name: "givenName", kind: "string", about: "The given name."},
			{name: "middleName", kind: "string", about: "Names between these."},
			{name: "honorificPrefix", kind: "string", about: "Titles before the name."},
			{name: "honorificSuffix", kind: "string", about: "Titles after the name."}}},
		{name: "displayName", kind: "string", about: "The name for reading."},
		{name: "nickName", kind: "string", about: "A name that may be mapped to an account."},
		{name: "title", kind: "string", about: "What somebody is in the organisation."},
		{name: "userType", kind: "string", about: "Employee, contractor and the like."},
		{name: "preferredLanguage", kind: "string", about: "Kept, and used for nothing."},
		{name: "active", kind: "boolean", about: "Whoever is not active has left."},
		{name: "emails", kind: "complex", many: true, about: "Addresses. The primary one counts, else the one for work, else the first.", sub: []attr{
			{name: "value", kind: "string", about: "The address."},
			{name: "display", kind: "string", about: "It for reading."},
			{name: "type", kind: "string", about: "E.g. work."},
			{name: "primary", kind: "boolean", about: "The one that counts."}}},
		{name: "groups", kind: "complex", many: true, ours: true, about: "The groups somebody is in.", sub: []attr{
			{name: "value", kind: "string", ours: true, about: "The group's id."},
			{name: "$ref", kind: "reference", ours: true, about: "Where it is."}}},
	}
	enterpriseTable = []attr{
		{name: "employeeNumber", kind: "string", about: "The number of the payroll."},
		{name: "costCenter", kind: "string", about: "The cost centre."},
		{name: "organization", kind: "string", about: "The organisation."},
		{name: "division", kind: "string", about: "The division."},
		{name: "department", kind: "string", about: "The department."},
		{name: "manager", kind: "complex", about: "Who leads this user.", sub: []attr{
			{name: "value", kind: "string", about: "That user's id here."},
			{name: "$ref", kind: "reference", ours: true, about: "Where that user is."}}},
	}
	leaseTable = []attr{
		{name: "start", kind: "dateTime", about: "The first moment at which somebody is there."},
		{name: "end", kind: "dateTime", about: "The moment from which somebody is there no more; of a day, its end."},
		{name: "external", kind: "boolean", about: "Of another organisation."},
		{name: "sponsor", kind: "string", about: "The id of the user who answers for somebody external."},
	}
	groupTable = []attr{
		{name: "displayName", kind: "string", required: true, unique: true, about: "The name by which the settings name it."},
		{name: "members", kind: "complex", many: true, about: "Who is in it: users only.", sub: []attr{
			{name: "value", kind: "string", about: "The user's id."},
			{name: "$ref", kind: "reference", ours: true, about: "Where that user is."},
			{name: "display", kind: "string", ours: true, about: "The user's name."}}},
	}
	// unkept are attributes of the RFC that are taken and not kept: what is not needed is not stored.
	unkept = []string{"phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates", "password", "profileUrl", "locale", "timezone"}
)

// kind is what there is at one endpoint.
type kind struct {
	name       string // User, Group
	path       string // Users, Groups
	schema     string
	table      []attr // of the schema, and externalId
	extensions []extension
}

type extension struct {
	schema string
	table  []attr
}

var (
	users  = kind{"User", "Users", userSchema, append([]attr{external}, userTable...), []extension{{enterpriseSchema, enterpriseTable}, {leaseSchema, leaseTable}}}
	groups = kind{"Group", "Groups", groupSchema, append([]attr{external}, groupTable...), nil}
)

// find looks an attribute up; names tell no letter case apart.
func find(table []attr, name string) (attr, bool) {
	n := slices.IndexFunc(table, func(a attr) bool { return strings.EqualFold(a.name, name) })
	if n < 0 {
		return attr{}, false
	}
	return table[n], true
}

func (k kind) extension(urn string) (extension, bool) {
	n := slices.IndexFunc(k.extensions, func(x extension) bool { return strings.EqualFold(x.schema, urn) })
	if n < 0 {
		return extension{}, false
	}
	return k.extensions[n], true
}

// clean is a whole resource as it is kept. What is in no table is left out, and so is
// what only Lessor says.
func (k kind) clean(in map[string]any) (resource, error) {
	out := resource{}
	for _, name := range slices.Sorted(maps.Keys(in)) { // names that differ in letter case only: the same one counts each time
		v := in[name]
		if x, ok := k.extension(name); ok {
			inner, ok := v.(map[string]any)
			if !ok {
				continue
			}
			to := resource{}
			for _, name := range slices.Sorted(maps.Keys(inner)) {
				if err := put(to, x.table, name, inner[name], x.schema+":"); err != nil {
					return nil, err
				}
			}
			if len(to) > 0 {
				out[x.schema] = to
			}
			continue
		}
		if err := put(out, k.table, name, v, ""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// put sets one attribute as it is kept; nothing where its value is none.
func put(to resource, table []attr, name string, v any, within string) error {
	a, ok := find(table, name)
	if !ok || a.ours {
		return nil
	}
	clean, err := a.clean(v, within+a.name)
	if err != nil {
		return err
	}
	if delete(to, a.name); clean != nil {
		to[a.name] = clean
	}
	return nil
}

// clean is a value as it is kept, or nil where it is none; path says where it stands.
func (a attr) clean(v any, path string) (any, error) {
	if v == nil {
		return nil, nil
	}
	if !a.many {
		return a.one(v, path)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]any, 0, len(list))
	for _, v := range list {
		one, err := a.one(v, path)
		if err != nil {
			return nil, err
		}
		if one != nil {
			out = append(out, one)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// one is a single value. Truths come as texts from some, numbers stand for texts, and
// a text for what has a value.
func (a attr) one(v any, path string) (any, error) {
	wrong := func(want string) error {
		return fault(400, "invalidValue", "%s must be %s, not %s", path, want, said(v))
	}
	switch a.kind {
	case "boolean":
		switch v := v.(type) {
		case bool:
			return v, nil
		case string:
			if b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v))); err == nil {
				return b, nil
			}
		}
		return nil, wrong("true or false")
	case "complex":
		if text, ok := v.(string); ok {
			if text == "" {
				return nil, nil
			}
			v = map[string]any{"value": text}
		}
		in, ok := v.(map[string]any)
		if !ok {
			return nil, wrong("an object")
		}
		out := resource{}
		for _, name := range slices.Sorted(maps.Keys(in)) {
			if err := put(out, a.sub, name, in[name], path+"."); err != nil {
				return nil, err
			}
		}
		if len(out) == 0 {
			return nil, nil
		}
		return out, nil
	case "dateTime":
		text, ok := v.(string)
		if ok && text == "" {
			return nil, nil
		}
		if _, err := moment(text); !ok || err != nil {
			return nil, wrong("a moment as 2030-12-31T18:00:00Z, or a day as 2030-12-31")
		}
		return text, nil
	}
	switch v := v.(type) {
	case string:
		if strings.TrimSpace(v) == "" {
			return nil, nil
		}
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return nil, wrong("text")
}

// said is a value as a refusal quotes it.
func said(v any) string {
	text, err := json.Marshal(v)
	if err != nil || len(text) > 60 {
		return fmt.Sprintf("%T", v)
	}
	return string(text)
}

// moment reads a moment, or the beginning of a day.
func moment(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, nil
	}
	return time.Parse(time.RFC3339, text)
}
