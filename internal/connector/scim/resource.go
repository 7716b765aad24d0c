package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// member is one value of a group's members.
type member struct {
	Value   string `json:"value"`
	Display string `json:"display"`
	Type    string `json:"type"`
	Ref     string `json:"$ref"`
}

// nested says that the member is itself a group.
func (m member) nested() bool {
	return strings.EqualFold(m.Type, "Group") || (m.Type == "" && strings.Contains(m.Ref, "/Groups/"))
}

// membership is one value of a user's groups: the server's own account of what
// the user holds, directly or not.
type membership struct {
	Value string `json:"value"`
	Type  string `json:"type"`
}

// resource is a user or a group, as far as we care. Members and Groups are nil
// if the server did not give them, which is not the same as empty.
type resource struct {
	ID          string        `json:"id"`
	UserName    string        `json:"userName"`
	DisplayName string        `json:"displayName"`
	Members     *[]member     `json:"members"`
	Groups      *[]membership `json:"groups"`
}

func (r *resource) members() []member {
	if r.Members == nil {
		return nil
	}
	return *r.Members
}

// has says whether the group lists the id. Lists may hold it twice: some servers
// append what is already there.
func (r *resource) has(id string) bool {
	for _, m := range r.members() {
		if m.Value == id {
			return true
		}
	}
	return false
}

type page struct {
	Total     *int       `json:"totalResults"`
	Resources []resource `json:"Resources"`
}

// errMoved: the list changed while it was read page by page, so the pages do not
// fit together.
var errMoved = errors.New("the list changed while it was read")

// list reads every resource at endpoint that the server gives for the filter.
// Whoever calls compares what came back: servers may ignore filters. A short
// read is an error.
func (c *Connector) list(ctx context.Context, endpoint, filter, attributes string) ([]resource, error) {
	var err error
	for range 3 {
		var all []resource
		if all, err = c.listOnce(ctx, endpoint, filter, attributes); !errors.Is(err, errMoved) {
			return all, err
		}
	}
	return nil, err
}

func (c *Connector) listOnce(ctx context.Context, endpoint, filter, attributes string) ([]resource, error) {
	var all []resource
	seen := map[string]bool{}
	total := -1
	for total < 0 || len(all) < total {
		q := url.Values{"startIndex": {strconv.Itoa(len(all) + 1)}, "count": {strconv.Itoa(pageSize)}}
		if filter != "" {
			q.Set("filter", filter)
		}
		if attributes != "" {
			q.Set("attributes", attributes)
		}
		var p page
		// %20, not +: it is a query of a URI, not a form.
		err := c.call(ctx, http.MethodGet, endpoint+"?"+strings.ReplaceAll(q.Encode(), "+", "%20"), nil, &p)
		if errors.Is(err, connector.ErrNoObject) {
			// The endpoint itself is not there: nothing is known of any object.
			err = fmt.Errorf("%w: GET %s: not there", connector.ErrRefused, endpoint)
		}
		if err != nil {
			return nil, err
		}
		if p.Total == nil || *p.Total < 0 {
			return nil, fmt.Errorf("%w: GET %s: no totalResults", connector.ErrRefused, endpoint)
		}
		if total >= 0 && *p.Total != total {
			return nil, fmt.Errorf("%w: GET %s: %w", connector.ErrRefused, endpoint, errMoved)
		}
		total = *p.Total
		before := len(all)
		for _, r := range p.Resources {
			if checkID(r.ID) != nil {
				return nil, fmt.Errorf("%w: GET %s: a resource without a usable id", connector.ErrRefused, endpoint)
			}
			if seen[r.ID] {
				return nil, fmt.Errorf("%w: GET %s: %w", connector.ErrRefused, endpoint, errMoved)
			}
			seen[r.ID] = true
			all = append(all, r)
		}
		if len(all) == before && len(all) < total {
			return nil, fmt.Errorf("%w: GET %s: truncated, %d of %d", connector.ErrRefused, endpoint, len(all), total)
		}
	}
	return all, nil
}

// get reads one resource and makes sure it is the one asked for.
func (c *Connector) get(ctx context.Context, path, id string) (*resource, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	var r resource
	if err := c.call(ctx, http.MethodGet, path, nil, &r); err != nil {
		return nil, err
	}
	if r.ID != id {
		return nil, fmt.Errorf("%w: GET %s answered with id %.40q", connector.ErrRefused, path, r.ID)
	}
	return &r, nil
}

// group reads a group with its members. Some servers leave members out unless
// asked, so an answer without any is asked for again by name before it counts
// as empty.
func (c *Connector) group(ctx context.Context, id string) (*resource, error) {
	g, err := c.get(ctx, groupPath(id), id)
	if err != nil || g.Members != nil {
		return g, err
	}
	return c.get(ctx, groupPath(id)+"?attributes=displayName,members", id)
}

// findGroup gives the id of the one group the object names.
func (c *Connector) findGroup(ctx context.Context, object string) (string, error) {
	if id, ok := strings.CutPrefix(object, GroupPrefix); ok {
		return id, checkID(id)
	}
	if err := checkName(object); err != nil {
		return "", err
	}
	return c.find(ctx, "/Groups", "displayName", object, func(r resource) string { return r.DisplayName })
}

// findUser gives the one user the account names, with its groups if the server
// gave them.
func (c *Connector) findUser(ctx context.Context, account string) (*resource, error) {
	if id, ok := strings.CutPrefix(account, UserPrefix); ok {
		return c.get(ctx, userPath(id), id)
	}
	if err := checkName(account); err != nil {
		return nil, err
	}
	id, err := c.find(ctx, "/Users", "userName", account, func(r resource) string { return r.UserName })
	if err != nil {
		return nil, err
	}
	return &resource{ID: id, UserName: account}, nil
}

// find gives the id of the only resource that bears exactly this name. It asks
// by filter first, and reads all where the filter is refused or not to be
// trusted with the name.
func (c *Connector) find(ctx context.Context, endpoint, attr, name string, of func(resource) string) (string, error) {
	all, err := c.list(ctx, endpoint, eq(attr, name), attr)
	if err == nil {
		id, err := one(all, endpoint, name, of)
		if !errors.Is(err, connector.ErrNoObject) || plain(name) {
			return id, err
		}
	} else if content := (*contentError)(nil); !errors.As(err, &content) {
		return "", err
	}
	if all, err = c.list(ctx, endpoint, "", attr); err != nil {
		return "", err
	}
	return one(all, endpoint, name, of)
}

// one picks the only resource of exactly this name. Servers compare names
// without case and accents, so one hit is not yet a match.
func one(all []resource, endpoint, name string, of func(resource) string) (string, error) {
	id, hits := "", 0
	for _, r := range all {
		if of(r) == name {
			id = r.ID
			hits++
		}
	}
	switch hits {
	case 0:
		return "", fmt.Errorf("%w: %s has no %q", connector.ErrNoObject, endpoint, name)
	case 1:
		return id, nil
	}
	return "", fmt.Errorf("%w: %s has %d called %q; name the one meant by its id", connector.ErrRefused, endpoint, hits, name)
}
