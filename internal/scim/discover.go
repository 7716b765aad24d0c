package scim

import (
	"net/http"
	"strings"
)

// discover tells what this server is and has.
func (c *call) discover(what, key string) (answer, error) {
	if c.r.URL.Query().Get("filter") != "" {
		return answer{}, fault(http.StatusForbidden, "", "what there is of %s is not filtered", quoted(what))
	}
	var list []any
	switch what {
	case "ServiceProviderConfig":
		if key == "" {
			return answer{status: http.StatusOK, body: c.abilities()}, nil
		}
	case "Schemas":
		list = c.schemas()
	case "ResourceTypes":
		list = c.types()
	}
	if list == nil {
		return answer{}, fault(http.StatusNotFound, "", "there is nothing at %s", quoted(what))
	}
	if key == "" {
		return answer{status: http.StatusOK, body: listed(list, len(list), 1)}, nil
	}
	for _, v := range list {
		if one, ok := v.(resource); ok && strings.EqualFold(word(one["id"]), key) {
			return answer{status: http.StatusOK, body: one}, nil
		}
	}
	return answer{}, fault(http.StatusNotFound, "", "there is no %s", quoted(key))
}

func (c *call) abilities() resource {
	no := resource{"supported": false}
	return resource{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":   resource{"supported": true}, "etag": resource{"supported": true},
		"bulk":           resource{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":         resource{"supported": true, "maxResults": mostListed},
		"changePassword": no, "sort": no,
		"authenticationSchemes": []any{resource{"type": "oauthbearertoken", "name": "Bearer token", "primary": true,
			"description": "A token of this feed, as Authorization: Bearer TOKEN (RFC 6750)."}},
		"meta": resource{"resourceType": "ServiceProviderConfig", "location": c.base + "/ServiceProviderConfig"},
	}
}

func (c *call) types() (list []any) {
	for _, k := range []kind{users, groups} {
		more := []any{}
		for _, x := range k.extensions {
			more = append(more, resource{"schema": x.schema, "required": false})
		}
		list = append(list, resource{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}, "id": k.name, "name": k.name,
			"description": k.path + " of feed " + c.feed.ID, "endpoint": "/" + k.path, "schema": k.schema, "schemaExtensions": more,
			"meta": resource{"resourceType": "ResourceType", "location": c.base + "/ResourceTypes/" + k.name}})
	}
	return list
}

func (c *call) schemas() (list []any) {
	for _, s := range []struct {
		id, name string
		table    []attr
	}{{userSchema, "User", userTable}, {enterpriseSchema, "EnterpriseUser", enterpriseTable}, {leaseSchema, "LeasedUser", leaseTable}, {groupSchema, "Group", groupTable}} {
		list = append(list, resource{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Schema"}, "id": s.id, "name": s.name,
			"description": "What is kept of it.", "attributes": described(s.table),
			"meta": resource{"resourceType": "Schema", "location": c.base + "/Schemas/" + s.id}})
	}
	return list
}

func described(table []attr) []any {
	list := []any{}
	for _, a := range table {
		one := resource{"name": a.name, "type": a.kind, "multiValued": a.many, "required": a.required, "caseExact": a.exact,
			"description": a.about, "mutability": "readWrite", "returned": "default", "uniqueness": "none"}
		if a.ours {
			one["mutability"] = "readOnly"
		}
		if a.unique {
			one["uniqueness"] = "server"
		}
		if a.kind == "reference" {
			one["referenceTypes"] = []string{"User", "Group"}
		}
		if a.sub != nil {
			one["subAttributes"] = described(a.sub)
		}
		list = append(list, one)
	}
	return list
}
