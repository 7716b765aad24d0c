package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// markKey is the comment property that holds our marker.
const markKey = "lessor"

// Comment is a comment as it is shown to this token.
type Comment struct {
	ID      string
	Author  User            // who Jira says: mail and rules can write as anybody
	Body    json.RawMessage // a document on Cloud, a JSON string of wiki markup on Data Center
	At      time.Time
	Updated time.Time
	// Public tells, on a request of the service desk, whether its customer sees it.
	// Nil: Jira did not say.
	Public *bool
	Mark   string // our marker, if it bears one as a property
}

// Audience is who is to see a comment.
type Audience string

const (
	// Agents alone: an internal comment of the service desk.
	Agents Audience = "agents"
	// Customer and agents: a public comment of the service desk.
	Customer Audience = "customer"
	// Everyone who sees the issue, in a project that is no service desk's. On a
	// request it would reach the customer.
	Everyone Audience = "everyone"
)

// Body is one text in the two ways Jira takes.
type Body struct {
	ADF  json.RawMessage // for Cloud's platform call
	Wiki string          // for Data Center, and for the service desk's call on both
}

// NewComment is a comment to be added. The service desk's call carries no
// property, so the marker must stand in the text for that audience.
type NewComment struct {
	For    Audience
	Body   Body
	Marker string // our own name for it, unique to the issue
}

type comment struct {
	ID      ident           `json:"id"`
	Author  person          `json:"author"`
	Body    json.RawMessage `json:"body"`
	Created clock           `json:"created"`
	Updated clock           `json:"updated"`
	Public  *bool           `json:"jsdPublic"`
	Props   []struct {
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
	} `json:"properties"`
}

type marker struct {
	Marker string `json:"marker"`
}

func (s *site) comment(c comment) Comment {
	out := Comment{ID: string(c.ID), Author: s.user(c.Author), Body: c.Body, At: c.Created.Time, Updated: c.Updated.Time, Public: c.Public}
	for _, p := range c.Props {
		if p.Key == markKey {
			out.Mark = lenient[marker](p.Value).Marker
		}
	}
	return out
}

func (s *site) Comments(ctx context.Context, id string) ([]Comment, error) {
	if err := CheckID(id); err != nil {
		return nil, err
	}
	c := get(path(s.root, "issue", id, "comment"), "orderBy", "created", "expand", "properties")
	found, err := pages[comment](ctx, s, platform, c)
	if err != nil {
		return nil, err
	}
	var list []Comment
	for _, c := range found {
		list = append(list, s.comment(c))
	}
	return list, nil
}

// Marked looks at our own comments only: anybody can write a marker.
func (s *site) Marked(ctx context.Context, id, mark string) (Comment, bool, error) {
	if err := checkMarker(mark); err != nil {
		return Comment{}, false, err
	}
	me, err := s.Myself(ctx)
	if err != nil {
		return Comment{}, false, err
	}
	list, err := s.Comments(ctx, id)
	if err != nil {
		return Comment{}, false, err
	}
	for _, c := range list {
		if c.Author.ID == me.ID && (c.Mark == mark || strings.Contains(string(c.Body), mark)) {
			return c, true, nil
		}
	}
	return Comment{}, false, nil
}

// checkMarker allows what no escaping changes, in JSON, wiki markup or a document.
func checkMarker(m string) error {
	plain := strings.Trim(m, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
	if len(m) < 8 || len(m) > 100 || !plain {
		return invalid("marker %q: must be 8 to 100 letters and digits", short(m))
	}
	return nil
}

func (s *cloud) Comment(ctx context.Context, id string, n NewComment) (string, error) {
	return s.addComment(ctx, id, n, n.Body.ADF)
}

func (s *dataCenter) Comment(ctx context.Context, id string, n NewComment) (string, error) {
	return s.addComment(ctx, id, n, n.Body.Wiki)
}

func (s *site) addComment(ctx context.Context, id string, n NewComment, body any) (string, error) {
	if err := CheckID(id); err != nil {
		return "", err
	}
	if err := checkMarker(n.Marker); err != nil {
		return "", err
	}
	switch n.For {
	case Everyone:
		return s.commentOnIssue(ctx, id, n, body)
	case Agents, Customer:
		return s.commentOnRequest(ctx, id, n)
	}
	return "", invalid("audience %q: must be %s, %s or %s", n.For, Agents, Customer, Everyone)
}

// commentOnIssue sends text and marker in one: there is never one without the other.
func (s *site) commentOnIssue(ctx context.Context, id string, n NewComment, body any) (string, error) {
	if empty(body) {
		return "", invalid("the comment has no text")
	}
	var made comment
	err := s.do(ctx, send(http.MethodPost, path(s.root, "issue", id, "comment"), fields{
		"body":       body,
		"properties": []fields{{"key": markKey, "value": marker{n.Marker}}},
	}), &made)
	return string(made.ID), err
}

func empty(body any) bool {
	switch b := body.(type) {
	case string:
		return b == ""
	case json.RawMessage:
		return len(b) == 0
	}
	return true
}

func (s *site) commentOnRequest(ctx context.Context, id string, n NewComment) (string, error) {
	if !strings.Contains(n.Body.Wiki, n.Marker) {
		return "", invalid("the text of a service desk comment must contain its marker: nothing else would tell a repeat")
	}
	public := n.For == Customer
	c := s.desk(send(http.MethodPost, path(deskRoot, "request", id, "comment"), fields{"body": n.Body.Wiki, "public": public}))
	var made struct {
		ID     ident `json:"id"`
		Public *bool `json:"public"`
	}
	if err := s.do(ctx, c, &made); err != nil {
		return "", err
	}
	if made.Public != nil && *made.Public && !public {
		return string(made.ID), &Error{Kind: ErrConflict, Call: c.String(), Messages: []string{fmt.Sprintf("comment %s was to be internal, and Jira made it public", made.ID)}}
	}
	return string(made.ID), nil
}
