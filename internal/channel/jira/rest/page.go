package rest

import (
	"context"
	"encoding/json"
	"strconv"
)

// style is how a list is paged: the platform and the service desk use other words.
type style struct {
	at, size string // names of the parameters
	most     int    // items asked for; Jira may give fewer
}

var (
	platform = style{"startAt", "maxResults", 100}
	byDesk   = style{"start", "limit", 100}
)

// slice is one page of either.
type slice[T any] struct {
	Values     []T             `json:"values"`
	Comments   []T             `json:"comments"`
	Fields     json.RawMessage `json:"fields"` // of create metadata, in newer answers
	IsLast     *bool           `json:"isLast"`
	IsLastPage *bool           `json:"isLastPage"`
	Total      *int            `json:"total"`
}

// pages reads a whole list, page by page. Addresses of next pages in answers are
// not followed: the next page begins after what was got.
func pages[T any](ctx context.Context, s *site, how style, c call) ([]T, error) {
	var all []T
	for range maxPages {
		page := c
		page.query = map[string][]string{}
		for k, v := range c.query {
			page.query[k] = v
		}
		page.query.Set(how.size, strconv.Itoa(how.most))
		if len(all) > 0 {
			page.query.Set(how.at, strconv.Itoa(len(all)))
		}
		var got slice[T]
		if err := s.do(ctx, page, &got); err != nil {
			return nil, err
		}
		items := append(append(got.Values, got.Comments...), lenient[[]T](got.Fields)...)
		all = append(all, items...)
		switch {
		case len(items) == 0, yes(got.IsLast), yes(got.IsLastPage), got.Total != nil && len(all) >= *got.Total:
			return all, nil
		case got.IsLast == nil && got.IsLastPage == nil && got.Total == nil:
			return all, nil // no list that has pages
		}
	}
	return nil, &Error{Kind: ErrStrange, Call: c.String(), Messages: []string{"a list without end"}}
}

func yes(b *bool) bool { return b != nil && *b }
