package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

func (s *site) Property(ctx context.Context, id, key string) (json.RawMessage, error) {
	return s.property(ctx, "issue", id, key)
}

func (s *site) CommentProperty(ctx context.Context, comment, key string) (json.RawMessage, error) {
	return s.property(ctx, "comment", comment, key)
}

func (s *site) property(ctx context.Context, of, id, key string) (json.RawMessage, error) {
	if err := checkProperty(id, key); err != nil {
		return nil, err
	}
	var out struct {
		Value json.RawMessage `json:"value"`
	}
	err := s.do(ctx, get(path(s.root, of, id, "properties", key)), &out)
	return out.Value, err
}

func (s *site) SetProperty(ctx context.Context, id, key string, value any) error {
	return s.setProperty(ctx, "issue", id, key, value)
}

func (s *site) SetCommentProperty(ctx context.Context, comment, key string, value any) error {
	return s.setProperty(ctx, "comment", comment, key, value)
}

func (s *site) setProperty(ctx context.Context, of, id, key string, value any) error {
	if err := checkProperty(id, key); err != nil {
		return err
	}
	raw, err := json.Marshal(value)
	switch {
	case err != nil:
		return invalid("property %s: %v", key, err)
	case value == nil, len(raw) > 32_768: // Jira's own bound
		return invalid("property %s: must be a value of at most 32768 bytes", key)
	}
	return s.do(ctx, send(http.MethodPut, path(s.root, of, id, "properties", key), json.RawMessage(raw)), nil)
}

func checkProperty(id, key string) error {
	if !propertyForm.MatchString(key) {
		return invalid("property key %q: must be letters, digits, dot, dash or underscore", short(key))
	}
	return CheckID(id)
}

// RemoteLink leads from an issue to us. GlobalID is its identity.
type RemoteLink struct {
	GlobalID string
	Relation string // shown above it, e.g. "governed by"
	Title    string
	Summary  string
	URL      string // https, or http on loopback
	Resolved bool   // shown struck through
}

func (s *site) Link(ctx context.Context, id string, l RemoteLink) error {
	if err := CheckID(id); err != nil {
		return err
	}
	u, err := url.Parse(l.URL)
	switch {
	case l.GlobalID == "" || len(l.GlobalID) > 255:
		return invalid("remote link: GlobalID must be of 1 to 255 characters")
	case l.Title == "" || len(l.Title) > 255:
		return invalid("remote link %s: Title must be of 1 to 255 characters", short(l.GlobalID))
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return invalid("remote link %s: URL must be https", short(l.GlobalID))
	}
	object := fields{"url": l.URL, "title": l.Title, "status": fields{"resolved": l.Resolved}}
	if l.Summary != "" {
		object["summary"] = l.Summary
	}
	body := fields{"globalId": l.GlobalID, "application": fields{"type": "io.github.lessor", "name": "Lessor"}, "object": object}
	if l.Relation != "" {
		body["relationship"] = l.Relation
	}
	return s.do(ctx, send(http.MethodPost, path(s.root, "issue", id, "remotelink"), body), nil)
}
