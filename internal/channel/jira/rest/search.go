package rest

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// pageSize is how many ids a search is asked for at once.
const pageSize = 100

// jql searches by minutes ago: a date would be read in the time zone of the
// token's account, which anybody who holds the account may change.
func (q Query) jql(now time.Time) (string, error) {
	if q.Since.IsZero() {
		return "", invalid("Query.Since is required: Jira searches no unbounded query")
	}
	ago := max(now.Sub(q.Since), 0)
	minutes := int64(ago/time.Minute) + 1 // never less than was asked for
	where := fmt.Sprintf("updated >= -%dm", minutes)
	for _, p := range q.Projects {
		if err := checkProject(p); err != nil {
			return "", err
		}
	}
	if len(q.Projects) > 0 {
		where = "project in (" + strings.Join(q.Projects, ", ") + ") AND " + where
	}
	return where, nil
}

type hit struct {
	ID ident `json:"id"`
}

// Updated pages by Cloud's token, which is good for the query it came with only.
func (s *cloud) Updated(ctx context.Context, q Query, page Page) ([]string, Page, error) {
	if page.Last() {
		jql, err := q.jql(s.now())
		if err != nil {
			return nil, Page{}, err
		}
		page.query = jql + " ORDER BY updated ASC"
	}
	body := fields{"jql": page.query, "fields": []string{"id"}, "maxResults": pageSize}
	if page.token != "" {
		body["nextPageToken"] = page.token
	}
	c := send("POST", path(s.root, "search", "jql"), body)
	var out struct {
		Issues []hit   `json:"issues"`
		Next   *string `json:"nextPageToken"`
		IsLast *bool   `json:"isLast"`
	}
	if err := s.search(ctx, c, &out); err != nil {
		return nil, Page{}, err
	}
	next := Page{query: page.query, token: deref(out.Next)}
	if yes(out.IsLast) || next.token == "" || next.token == page.token {
		next = Page{}
	}
	ids, err := idsOf(out.Issues, c)
	return ids, next, err
}

// Updated of Data Center pages by position in a list that changes under us: an
// issue that leaves its place moves all later ones up. Pages overlap for that.
func (s *dataCenter) Updated(ctx context.Context, q Query, page Page) ([]string, Page, error) {
	if page.Last() {
		jql, err := q.jql(s.now())
		if err != nil {
			return nil, Page{}, err
		}
		page.query = jql + " ORDER BY updated ASC"
	}
	c := send("POST", path(s.root, "search"), fields{"jql": page.query, "fields": []string{"updated"}, "startAt": page.start, "maxResults": pageSize})
	var out struct {
		Issues []hit `json:"issues"`
		Total  int   `json:"total"`
	}
	if err := s.search(ctx, c, &out); err != nil {
		return nil, Page{}, err
	}
	n := len(out.Issues)
	next := Page{query: page.query, start: page.start + n - n/10}
	if n == 0 || page.start+n >= out.Total || next.start == page.start {
		next = Page{}
	}
	ids, err := idsOf(out.Issues, c)
	return ids, next, err
}

// search posts, as a query may be longer than an address. It changes nothing.
func (s *site) search(ctx context.Context, c call, out any) error {
	c.reads = true
	return s.do(ctx, c, out)
}

func idsOf(hits []hit, c call) ([]string, error) {
	ids := make([]string, 0, len(hits))
	for _, h := range hits {
		if CheckID(string(h.ID)) != nil {
			return nil, &Error{Kind: ErrStrange, Call: c.String(), Messages: []string{"an issue without an id"}}
		}
		ids = append(ids, string(h.ID))
	}
	return ids, nil
}
