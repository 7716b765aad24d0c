package scim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// record is what a resource says of somebody, or of a group, as the engine hears it.
// words is the resource itself, by which it is answered.
func (k kind) record(f access.Feed, key string, res resource) (access.Record, error) {
	words, err := json.Marshal(res)
	if err != nil {
		return access.Record{}, fmt.Errorf("words of %s: %w", key, err)
	}
	for _, a := range k.table {
		if a.required && res[a.name] == nil {
			return access.Record{}, fault(400, "invalidValue", "%s needs %s", k.name, a.name)
		}
	}
	r := access.Record{Key: key, Words: string(words), More: map[string]string{}, Accounts: map[string]string{}}
	if k.name == groups.name {
		r.Group, r.Name = true, word(res["displayName"])
		r.More["externalid"] = word(res["externalId"])
		return r, nil
	}
	name, _ := res["name"].(resource)
	enterprise, _ := res[enterpriseSchema].(resource)
	lease, _ := res[leaseSchema].(resource)
	leader, _ := enterprise["manager"].(resource)
	r.User, r.Mail = word(res["userName"]), mail(res)
	r.Name = cmp.Or(word(res["displayName"]), word(name["formatted"]), strings.TrimSpace(word(name["givenName"])+" "+word(name["familyName"])))
	r.Department, r.Manager, r.Sponsor = word(enterprise["department"]), word(leader["value"]), word(lease["sponsor"])
	r.Inactive, r.External = res["active"] == false, lease["external"] == true
	if text := word(lease["start"]); text != "" {
		if r.Start, err = moment(text); err != nil {
			return r, fault(400, "invalidValue", "start is %s", quoted(text))
		}
	}
	if text := word(lease["end"]); text != "" {
		if r.End, err = moment(text); err != nil {
			return r, fault(400, "invalidValue", "end is %s", quoted(text))
		}
		if len(text) == len(time.DateOnly) {
			r.End = r.End.AddDate(0, 0, 1) // the last day is one of them
		}
	}
	for ours, theirs := range f.Columns {
		value := column(res, theirs)
		if system, is := strings.CutPrefix(ours, "account:"); is {
			r.Accounts[system] = value
		} else if ours == "department" {
			r.Department = value
		} else {
			r.More[ours] = value
		}
	}
	r.More["externalid"] = word(res["externalId"])
	return r, nil
}

// column is the text of an attribute by its name in the settings.
func column(res resource, name string) string {
	if whole, part, ok := strings.Cut(name, "."); ok {
		inner, _ := res[whole].(resource)
		return word(inner[part])
	}
	if _, is := find(enterpriseTable, name); is {
		res, _ = res[enterpriseSchema].(resource)
	}
	return word(res[name])
}

// mail is the address that counts.
func mail(res resource) (address string) {
	best := 4
	list, _ := res["emails"].([]any)
	for _, v := range list {
		one, _ := v.(resource)
		place := 3
		if strings.EqualFold(word(one["type"]), "work") {
			place = 2
		}
		if one["primary"] == true {
			place = 1
		}
		if text := word(one["value"]); text != "" && place < best {
			address, best = text, place
		}
	}
	return address
}

// resource is what a record was worded as.
func (k kind) resource(r access.Record) (resource, error) {
	res := resource{}
	if r.Words != "" {
		d := json.NewDecoder(strings.NewReader(r.Words))
		d.UseNumber()
		if err := d.Decode(&res); err != nil {
			return nil, fmt.Errorf("words of record %s: %w", r.Key, err)
		}
		return res, nil
	}
	// It was told otherwise: before the feed was of this kind.
	if k.name == groups.name {
		return resource{"displayName": r.Name}, nil
	}
	res["userName"], res["active"] = r.User, !r.Inactive
	if r.Name != "" {
		res["displayName"] = r.Name
	}
	if r.Mail != "" {
		res["emails"] = []any{resource{"value": r.Mail, "type": "work"}}
	}
	if r.Department != "" {
		res[enterpriseSchema] = resource{"department": r.Department}
	}
	return res, nil
}

// shown is a resource as it is answered, but for the members of a group.
func (c *call) shown(k kind, r access.Record) (resource, error) {
	res, err := k.resource(r)
	if err != nil {
		return nil, err
	}
	schemas := []any{k.schema}
	for _, x := range k.extensions {
		if inner, ok := res[x.schema].(resource); ok {
			schemas = append(schemas, x.schema)
			if leader, ok := inner["manager"].(resource); ok && word(leader["value"]) != "" {
				leader["$ref"] = c.place(users, word(leader["value"]))
			}
		}
	}
	if _, said := res["active"]; !said && k.name == users.name {
		res["active"] = !r.Inactive
	}
	if len(r.Groups) > 0 {
		in := []any{}
		for _, g := range r.Groups {
			in = append(in, resource{"value": g, "$ref": c.place(groups, g)})
		}
		res["groups"] = in
	}
	res["schemas"], res["id"] = schemas, r.Key
	res["meta"] = resource{"resourceType": k.name, "created": r.Since.Format(time.RFC3339), "lastModified": r.Said.Format(time.RFC3339),
		"version": version(r), "location": c.place(k, r.Key)}
	return res, nil
}

// place is where a resource is.
func (c *call) place(k kind, key string) string { return c.base + "/" + k.path + "/" + key }
