package scim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// How long one page of a list is at most: so many resources, and so many members of groups.
const (
	mostListed  = 200
	onePage     = 100
	mostInLists = 10_000
)

// list answers with a page of what there is, or with what meets a filter.
func (c *call) list(k kind, _ string) (answer, error) {
	ask := c.r.URL.Query()
	start, err := number(ask.Get("startIndex"), "startIndex", 1)
	if err != nil {
		return answer{}, err
	}
	count, err := number(ask.Get("count"), "count", onePage)
	if err != nil {
		return answer{}, err
	}
	start, count = max(1, start), min(max(0, count), mostListed)
	show, err := c.selected(k)
	if err != nil {
		return answer{}, err
	}
	var page []access.Record
	var of int
	if filter := ask.Get("filter"); filter != "" {
		if page, err = c.found(k, filter); err != nil {
			return answer{}, err
		}
		of = len(page)
		page = page[min(start-1, of):]
		page = page[:min(count, len(page))]
	} else if page, of, err = c.Engine.FeedListed(c.r.Context(), c.by, c.feed.ID, k.name == groups.name, start-1, count); err != nil {
		return answer{}, err
	}
	list, members := []any{}, 0
	for _, r := range page {
		res, err := c.shown(k, r)
		if err != nil {
			return answer{}, err
		}
		if k.name == groups.name && show.has("members") {
			n, err := c.enrol(res, r.Key)
			if err != nil {
				return answer{}, err
			}
			members += n
		}
		list = append(list, show.of(res))
		if members >= mostInLists {
			break // a page may be shorter than what was asked for
		}
	}
	return answer{status: http.StatusOK, body: listed(list, of, start)}, nil
}

func listed(list []any, of, start int) map[string]any {
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": of,
		"itemsPerPage": len(list), "startIndex": start, "Resources": list}
}

func number(text, name string, absent int) (int, error) {
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fault(400, "invalidValue", "%s must be a number, not %s", name, quoted(text))
	}
	return n, nil
}

// found lists what meets a filter. One of its conditions must be by what is looked up.
func (c *call) found(k kind, filter string) (list []access.Record, err error) {
	conditions, err := k.readFilter(filter)
	if err != nil {
		return nil, err
	}
	by := ""
	for _, x := range conditions {
		value := word(x.is)
		if x.at.extension != "" || x.at.filtered || x.at.sub != "" || value == "" {
			continue
		}
		switch name := strings.ToLower(x.at.name); {
		case name == "id":
			by = "id " + value
		case name == "externalid":
			by = "externalid " + access.Fold(value)
		case name == "username" && k.name == users.name:
			by = "user " + access.Fold(value)
		case name == "displayname" && k.name == groups.name:
			by = "group " + access.Fold(value)
		}
	}
	if by == "" {
		names := "userName, externalId or id"
		if k.name == groups.name {
			names = "displayName, externalId or id"
		}
		return nil, fault(400, "invalidFilter", "filter %s: %s are found by %s eq VALUE; further conditions may follow after and", quoted(filter), strings.ToLower(k.path), names)
	}
	if key, is := strings.CutPrefix(by, "id "); is {
		r, err := c.stored(k, key)
		if err == nil {
			list = append(list, r)
		} else if c.asProblem(c.r.Context(), err).status != http.StatusNotFound {
			return nil, err
		}
	} else if list, err = c.Engine.FeedNamed(c.r.Context(), c.by, c.feed.ID, by); err != nil {
		return nil, err
	}
	var out []access.Record
	for _, r := range list {
		res, err := c.shown(k, r)
		if err != nil {
			return nil, err
		}
		if r.Group == (k.name == groups.name) && meets(res, conditions) {
			out = append(out, r)
		}
	}
	return out, nil
}

// selection is which attributes are answered.
type selection struct {
	only, but []string // in small letters
}

func (c *call) selected(k kind) (s selection, err error) {
	ask := c.r.URL.Query()
	for _, x := range []struct {
		key string
		to  *[]string
	}{{"attributes", &s.only}, {"excludedAttributes", &s.but}} {
		for name := range strings.SplitSeq(ask.Get(x.key), ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			p, err := k.readPath(name)
			if err != nil {
				return s, within(err, "%s: ", x.key)
			}
			if p.extension != "" {
				p.name = p.extension // an extension is answered whole
			} else if x.key == "excludedAttributes" && p.sub != "" {
				continue // a part is not left out
			}
			*x.to = append(*x.to, strings.ToLower(p.name))
		}
	}
	return s, nil
}

func (s selection) has(name string) bool {
	name = strings.ToLower(name)
	switch {
	case name == "id" || name == "schemas":
		return true
	case len(s.only) > 0:
		return slices.Contains(s.only, name)
	}
	return !slices.Contains(s.but, name)
}

func (s selection) of(res resource) resource {
	out := make(resource, len(res))
	for name, v := range res {
		if s.has(name) {
			out[name] = v
		}
	}
	return out
}
