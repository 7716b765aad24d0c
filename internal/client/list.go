package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// List is a list as it is asked for, a page at a time.
type List[T any] struct {
	c     *Client
	path  string
	query url.Values
}

// next is where the answer to a page says that the list goes on.
var next = regexp.MustCompile(`^<([^>]*)>; rel="next"$`)

// Page reads one page, and the cursor of the next; it is empty after the last. A
// page may hold fewer than asked for and not be the last.
func (l List[T]) Page(ctx context.Context, p Page) (list []T, cursor string, err error) {
	q := p.query()
	for name, v := range l.query {
		q[name] = v
	}
	raw, header, err := l.c.sent(ctx, http.MethodGet, "/api/v1"+l.path, q, nil)
	if err != nil {
		return nil, "", err
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, "", fmt.Errorf("the server's answer: %w", err)
	}
	if to := next.FindStringSubmatch(header.Get("Link")); to != nil {
		u, err := url.Parse(to[1])
		if err != nil {
			return nil, "", fmt.Errorf("the server's answer: where the list goes on: %w", err)
		}
		cursor = u.Query().Get("cursor")
	}
	return list, cursor, nil
}

// All yields the whole list, page by page, until one cannot be read.
func (l List[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for p := (Page{Limit: 500}); ; {
			list, cursor, err := l.Page(ctx, p)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
			if p.Cursor = cursor; cursor == "" {
				return
			}
		}
	}
}

// First reads up to a number of them, in as many pages as it takes, and the cursor
// of what comes after.
func (l List[T]) First(ctx context.Context, p Page) (list []T, cursor string, err error) {
	for most := p.Limit; ; {
		more, next, err := l.Page(ctx, p)
		if err != nil {
			return nil, "", err
		}
		if list = append(list, more...); next == "" || len(list) >= most {
			return list, next, nil
		}
		p.Cursor, p.Limit = next, most-len(list)
	}
}

func (l List[T]) with(name, value string) List[T] {
	if value != "" {
		l.query.Set(name, value)
	}
	return l
}

func flag(on bool) string {
	if on {
		return "true"
	}
	return ""
}

func listOf[T any](c *Client, path string) List[T] { return List[T]{c, path, url.Values{}} }

func narrowed[T any](l List[T], only engine.Only) List[T] {
	since := ""
	if !only.Since.IsZero() {
		since = only.Since.UTC().Format(time.RFC3339Nano)
	}
	if only.State == "open" {
		l, only.State = l.with("open", "true"), ""
	}
	return l.with("state", only.State).with("system", only.System).with("entitlement", only.Entitlement).with("identity", only.Identity).with("since", since).with("mine", flag(only.Mine))
}

// RequestList is those one may know of, newest first.
func (c *Client) RequestList(only engine.Only) List[access.Request] {
	return narrowed(listOf[access.Request](c, "/requests"), only)
}

// DeskList is those that wait for one's vote, newest first.
func (c *Client) DeskList(only engine.Only) List[access.Request] {
	return narrowed(listOf[access.Request](c, "/desk"), only)
}

// GrantList is an identity's grants (empty: one's own) beside what was seen, newest first.
func (c *Client) GrantList(only engine.Only) List[engine.Holding] {
	return narrowed(listOf[engine.Holding](c, "/grants"), only)
}

// Register is everybody's grants, of one entitlement or all, newest first: for
// owners, security and auditors.
func (c *Client) Register(only engine.Only) List[engine.Holding] {
	return narrowed(listOf[engine.Holding](c, "/register"), only)
}

// EntitlementList is what can be asked for, with all words in its id or name, in order of id.
func (c *Client) EntitlementList(words, system, class string) List[access.Entitlement] {
	return listOf[access.Entitlement](c, "/entitlements").with("q", words).with("system", system).with("class", class)
}

// FindingList is what is not as it should be, newest first.
func (c *Client) FindingList(only engine.OnlyFindings) List[access.Finding] {
	l := listOf[access.Finding](c, "/findings").with("closed", flag(only.Closed)).with("kind", only.Kind).with("subject", only.Subject).with("owner", only.Owner)
	if !only.Since.IsZero() {
		l = l.with("since", only.Since.UTC().Format(time.RFC3339Nano))
	}
	return l
}

// Requests is a page of those one may know of; state may be empty, mine keeps one's own.
func (c *Client) Requests(ctx context.Context, state access.RequestState, mine bool, p Page) ([]access.Request, error) {
	list, _, err := c.RequestList(engine.Only{State: string(state), Mine: mine}).Page(ctx, p)
	return list, err
}

// Desk is a page of the requests that wait for one's vote.
func (c *Client) Desk(ctx context.Context, p Page) ([]access.Request, error) {
	list, _, err := c.DeskList(engine.Only{}).Page(ctx, p)
	return list, err
}

// Grants is a page of an identity's grants (empty: one's own) beside what was seen.
func (c *Client) Grants(ctx context.Context, identity string, open bool, p Page) ([]engine.Holding, error) {
	only := engine.Only{Identity: identity}
	if open {
		only.State = "open"
	}
	list, _, err := c.GrantList(only).Page(ctx, p)
	return list, err
}

// Entitlements is everything that can be asked for.
func (c *Client) Entitlements(ctx context.Context) (list []access.Entitlement, err error) {
	for e, err := range c.EntitlementList("", "", "").All(ctx) {
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

// Findings is up to limit of what is not as it should be.
func (c *Client) Findings(ctx context.Context, closed bool, limit int) ([]access.Finding, error) {
	list, _, err := c.FindingList(engine.OnlyFindings{Closed: closed}).Page(ctx, Page{Limit: limit})
	return list, err
}
