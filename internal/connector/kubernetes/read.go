package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lessor-iam/lessor/internal/connector"
)

// listOf is one page of a list.
type listOf[T any] struct {
	Metadata struct {
		Continue        string `json:"continue"`
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Items []T `json:"items"`
}

// list reads a whole list, page by page. No resourceVersion is named, so the server
// answers with what is so now, not with what its cache once saw; the pages are all of
// one moment, and if the server can no longer give that moment the list is an error.
func list[T any](ctx context.Context, c *Connector, path string, yield func(T) error) error {
	for next, n := "", 0; ; n++ {
		if n == c.pages {
			return fmt.Errorf("%w: %s goes on for more than %d pages", connector.ErrRefused, path, c.pages)
		}
		q := url.Values{"limit": {strconv.Itoa(c.page)}}
		if next != "" {
			q.Set("continue", next)
		}
		var p listOf[T]
		if err := c.call(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &p); err != nil {
			if errors.Is(err, connector.ErrNoObject) { // a list has no name that could be missing
				return fmt.Errorf("%w: %s", connector.ErrRefused, err.Error())
			}
			return err
		}
		for _, item := range p.Items {
			if err := yield(item); err != nil {
				return err
			}
		}
		if next = p.Metadata.Continue; next == "" {
			return nil
		}
	}
}

// all gathers a list.
func all[T any](ctx context.Context, c *Connector, path string) (items []T, err error) {
	err = list(ctx, c, path, func(item T) error { items = append(items, item); return nil })
	return items, err
}

// get reads one thing; nil without an error means that it is not there.
func get[T any](ctx context.Context, c *Connector, path string) (*T, error) {
	thing := new(T)
	switch err := c.call(ctx, http.MethodGet, path, nil, thing); {
	case err == nil:
		return thing, nil
	case errors.Is(err, connector.ErrNoObject):
		return nil, nil
	default:
		return nil, err
	}
}

// exists says whether the account can be there. Users and groups are whatever the
// authenticator says; of service accounts the API server has the list.
func (c *Connector) exists(ctx context.Context, a account) (bool, error) {
	if a.kind != serviceAccount {
		return true, nil
	}
	thing, err := get[powers](ctx, c, a.path())
	return thing != nil, err
}
