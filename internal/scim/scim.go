// Package scim is the door by which identity providers tell of people by themselves:
// a SCIM 2.0 server (RFC 7643, 7644), one for each feed of that kind, with users,
// groups and what the habits of the common providers need.
//
// Every write is one verb of the engine, which decides who somebody is, whether a
// mass of leavers is believed and what follows; answers are made of what is stored.
// It never keeps anything between two calls, never believes a token of one feed for
// another, and never tells who there is to anybody else.
package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Below is where the feeds' doors are: each at its id behind it.
const Below = "/scim/v2/"

// Channel is what events say of who comes through this door.
const Channel = "scim"

// Engine is the verbs that are called. All are safe for concurrent use and durable
// when they return.
type Engine interface {
	FeedSaid(ctx context.Context, by access.Actor, feed string, c engine.FeedChange) (access.Record, error)
	FeedRecord(ctx context.Context, by access.Actor, feed, key string) (access.Record, error)
	FeedNamed(ctx context.Context, by access.Actor, feed, mark string) ([]access.Record, error)
	FeedListed(ctx context.Context, by access.Actor, feed string, groups bool, skip, limit int) ([]access.Record, int, error)
	FeedMembers(ctx context.Context, by access.Actor, feed, group, after string, limit int) ([]access.Record, error)
}

// Config is what the door is made of.
type Config struct {
	Engine Engine
	// Feed finds the feed of that id, if it is one that tells of changes by itself.
	Feed func(id string) (access.Feed, bool)
	// Visitor tells by which token of that feed an Authorization header speaks; false:
	// by none. It takes as long for a feed that there is not.
	Visitor func(feed, header string) (token string, ok bool)
	// Spend takes one from what a token may still send; false if there is none.
	Spend func(token string) bool
	Base  string // where the server is from outside, https://HOST; empty: places are told without it
	Log   *slog.Logger
}

// New returns the door, or says what is missing.
func New(c Config) (http.Handler, error) {
	if c.Engine == nil || c.Feed == nil || c.Visitor == nil || c.Spend == nil || c.Log == nil {
		return nil, fmt.Errorf("%w: scim needs Engine, Feed, Visitor, Spend and Log", access.ErrInvalid)
	}
	c.Base = strings.TrimSuffix(c.Base, "/")
	return &door{c}, nil
}

type door struct{ Config }

// call is one request of one feed.
type call struct {
	*door
	r    *http.Request
	feed access.Feed
	by   access.Actor
	base string // of this feed
}

// mostBody is how long a body may be.
const mostBody = 1 << 20

// ServeHTTP implements [http.Handler].
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	id, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Below), "/")
	// 1. Whose token is it? That there is no such feed, that the token is another feed's
	// and that it is nobody's look alike.
	token, ok := d.Visitor(id, r.Header.Get("Authorization"))
	feed, is := d.Feed(id)
	if !ok || !is {
		d.Log.WarnContext(ctx, "unknown token", "method", r.Method, "path", r.URL.Path)
		w.Header().Set("WWW-Authenticate", "Bearer")
		d.refuse(ctx, w, fault(http.StatusUnauthorized, "", "no valid token; send one as Authorization: Bearer …"))
		return
	}
	if !d.Spend(id + " " + token) {
		w.Header().Set("Retry-After", "1")
		d.refuse(ctx, w, fault(http.StatusTooManyRequests, "", "too many requests; wait a second"))
		return
	}
	// 2. What is asked?
	c := &call{door: d, r: r, feed: feed, base: d.Base + Below + id,
		by: access.Actor{Identity: engine.ScopeFeed + id, Channel: Channel, Scopes: []string{engine.ScopeFeed + id}}}
	r.Body = http.MaxBytesReader(w, r.Body, mostBody)
	a, err := c.answer(strings.Trim(rest, "/"))
	if err != nil {
		d.refuse(ctx, w, err)
		return
	}
	d.Log.DebugContext(ctx, "at the feed's door", "feed", id, "token", token, "method", r.Method, "path", r.URL.Path, "status", a.status)
	d.send(w, a)
}

// answer is what is answered.
type answer struct {
	status  int
	body    any // nil: none
	version string
	at      string // where what was made is
}

// answer does what is asked at a place below the feed's door.
func (c *call) answer(at string) (answer, error) {
	what, key, _ := strings.Cut(at, "/")
	for _, k := range []kind{users, groups} {
		if what != k.path {
			continue
		}
		type do = func(kind, string) (answer, error)
		verbs := map[string]do{"GET": c.get, "PUT": c.put, "PATCH": c.patch, "DELETE": c.remove}
		if key == "" {
			verbs = map[string]do{"GET": c.list, "POST": c.create}
		}
		verb, ok := verbs[c.r.Method]
		if !ok {
			return answer{}, fault(http.StatusMethodNotAllowed, "", "%s is not possible here", c.r.Method)
		}
		return verb(k, key)
	}
	if c.r.Method != http.MethodGet {
		return answer{}, fault(http.StatusNotImplemented, "", "%s at %s is not supported", c.r.Method, quoted(at))
	}
	return c.discover(what, key)
}

// body reads what was sent.
func (c *call) body(into any) error {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); c.r.Header.Get("Content-Type") != "" && (err != nil || kind != "application/scim+json" && kind != "application/json") {
		return fault(http.StatusUnsupportedMediaType, "", "the body must be application/scim+json")
	}
	d := json.NewDecoder(c.r.Body)
	d.UseNumber()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more after the object")
			if tooLong := new(http.MaxBytesError); errors.As(more, &tooLong) {
				err = more
			}
		}
	}
	tooLong := new(http.MaxBytesError)
	switch {
	case errors.As(err, &tooLong):
		return fault(http.StatusRequestEntityTooLarge, "tooMany", "the body has more than %d bytes: send the change in parts", mostBody)
	case err != nil:
		return fault(http.StatusBadRequest, "invalidSyntax", "the body must be one JSON object: %s", err.Error())
	}
	return nil
}

// problem is a refusal in SCIM's words.
type problem struct {
	status int
	kind   string // scimType
	detail string
}

func (p *problem) Error() string { return p.detail }

func fault(status int, kind, format string, args ...any) error {
	return &problem{status, kind, fmt.Sprintf(format, args...)}
}

// within says of a refusal where it is.
func within(err error, format string, args ...any) error {
	p := new(problem)
	if !errors.As(err, &p) {
		return err
	}
	return &problem{p.status, p.kind, fmt.Sprintf(format, args...) + p.detail}
}

// asProblem has what the engine says in SCIM's words. What is nobody's business outside stays here.
func (d *door) asProblem(ctx context.Context, err error) *problem {
	p := new(problem)
	_, why, _ := strings.Cut(err.Error(), ": ")
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, access.ErrUnavailable):
		d.Log.ErrorContext(ctx, "scim", "error", err.Error())
		return &problem{http.StatusServiceUnavailable, "", "the database cannot be asked at the moment; nothing was done, try again"}
	case errors.Is(err, access.ErrTaken):
		return &problem{http.StatusConflict, "uniqueness", why}
	case errors.Is(err, access.ErrNotFound):
		return &problem{http.StatusNotFound, "", "there is no such resource"}
	case errors.Is(err, access.ErrConflict):
		return &problem{http.StatusPreconditionFailed, "", "it was changed meanwhile: read it again"}
	case errors.Is(err, access.ErrInvalid):
		return &problem{http.StatusBadRequest, "invalidValue", why}
	case errors.Is(err, access.ErrBraked):
		return &problem{http.StatusTooManyRequests, "", "department, manager or groups were taken from more people within a day than is believed: try again later"}
	case errors.Is(err, access.ErrDenied):
		return &problem{http.StatusForbidden, "", "this token is not good for that"}
	}
	d.Log.ErrorContext(ctx, "scim", "error", err.Error())
	return &problem{http.StatusInternalServerError, "", "it could not be done now; the server's log says why"}
}

func (d *door) refuse(ctx context.Context, w http.ResponseWriter, err error) {
	p := d.asProblem(ctx, err)
	body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": fmt.Sprint(p.status), "detail": p.detail}
	if p.kind != "" {
		body["scimType"] = p.kind
	}
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	d.send(w, answer{status: p.status, body: body})
}

func (d *door) send(w http.ResponseWriter, a answer) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.version != "" {
		h.Set("ETag", a.version)
	}
	if a.at != "" {
		h.Set("Location", a.at)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	h.Set("Content-Type", "application/scim+json")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // whoever is gone is not told
}

// version is the ETag of what is stored.
func version(r access.Record) string { return fmt.Sprintf(`W/"%d"`, r.Version) }

// named tells whether a header that lists versions has this one.
func named(header, version string) bool {
	return slices.ContainsFunc(strings.Split(header, ","), func(v string) bool {
		v = strings.TrimSpace(v)
		return v == "*" || strings.TrimPrefix(v, "W/") == strings.TrimPrefix(version, "W/")
	})
}
