// Package api is the JSON door. Each operation is one engine verb, and the body
// of a request is that verb's own argument, so that the form, the check and the
// deed are the same object. It holds no rule and no state, and knows no SQL.
//
// Who is at the door is found by a bearer token ([Keys]); what the token is good
// for goes with the actor, and the engine refuses the rest. Whatever is not
// yours to know of is not found.
package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/news"
)

// Proof is what the door hands out of the log. It is the report room's, and reads only.
type Proof interface {
	// Bundle writes the evidence bundle of a grant.
	Bundle(ctx context.Context, grant string) ([]byte, error)
	// Checkpoint is the newest signed head, empty while nothing is signed.
	Checkpoint(ctx context.Context) (string, error)
	// Tile reads the tile that path names as c2sp.org/tlog-tiles does; [access.ErrNotFound] where there is none.
	Tile(ctx context.Context, path string) ([]byte, error)
}

// Status is how the server is doing, as one small page of figures.
type Status struct {
	Now         time.Time     `json:"now"`
	Overdue     int           `json:"overdue" doc:"removals not yet seen gone"`
	Events      int64         `json:"events"`
	Unsequenced int64         `json:"unsequenced" doc:"events that have no place in the log yet"`
	Key         string        `json:"key" doc:"the log's public key"`
	Checkpoint  string        `json:"checkpoint,omitempty"`
	Policy      string        `json:"policy" doc:"digest of the rules in force"`
	Systems     []SystemLine  `json:"systems"`
	Files       string        `json:"files" doc:"digest of the files in force"`
	Replicas    []ReplicaLine `json:"replicas" doc:"who serves on this database"`
}

// ReplicaLine is one process that serves.
type ReplicaLine struct {
	Name    string    `json:"name" doc:"the machine, and where it listens"`
	Version string    `json:"version"`
	Files   string    `json:"files" doc:"digest of the files it has in force"`
	Began   time.Time `json:"began"`
	Seen    time.Time `json:"seen"`
	Here    bool      `json:"here" doc:"it is the one that answers"`
	Alike   bool      `json:"alike" doc:"it runs on the same files as the one that answers"`
}

// SystemLine is one lane.
type SystemLine struct {
	System string    `json:"system"`
	Next   time.Time `json:"next,omitzero" doc:"when it next has work"`
}

// Config is what the door is made of. Every field but Alive and Log is needed.
type Config struct {
	Engine *engine.Engine
	Keys   *Keys
	Proof  Proof
	Status func(context.Context) (Status, error)
	Reload func(context.Context, access.Actor, string) error      // reads rules, directory and catalog anew, or says what is wrong with them
	People func(context.Context, string) ([]access.Record, error) // reads a feed of people whole, or says why not
	News   *news.Wire                                             // what happens, for whoever listens
	Alive  time.Duration                                          // how often a stream says that it is there; zero: 15 seconds
	Now    func() time.Time
	Log    *slog.Logger
}

type door struct{ Config }

// New returns the door: /api/v1, /api/openapi.json, /log and /healthz.
func New(c Config) http.Handler {
	if c.Alive <= 0 {
		c.Alive = beatEvery
	}
	d := &door{c}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n") // whoever asked has gone if this fails
	})
	mux.HandleFunc("GET /log/checkpoint", d.checkpoint)
	mux.HandleFunc("GET /log/tile/", d.tile)
	d.mount(mux)
	return bounded(known(mux))
}

// OpenAPI is the contract, generated from the verbs' own types.
func OpenAPI() ([]byte, error) {
	return new(door).mount(http.NewServeMux()).OpenAPI().MarshalJSON()
}

// mount registers every verb below /api/v1.
func (d *door) mount(mux *http.ServeMux) huma.API {
	cfg := huma.DefaultConfig("Lessor", "1")
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath, cfg.CreateHooks = "/api/openapi", "", "", nil
	cfg.Info.Description = "Entitlements asked for, decided, granted, seen, ended and seen gone."
	cfg.Formats = map[string]huma.Format{"application/json": strict, "json": strict}
	cfg.RejectUnknownQueryParameters = true
	cfg.Transformers = []huma.Transformer{brief}
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	cfg.Security = []map[string][]string{{"token": {}}}
	h := humago.New(mux, cfg)
	h.UseMiddleware(d.knock(h))
	for _, register := range []func(verbs){d.lists, d.requests, d.votes, d.grants, d.findings, d.feeds, d.credentials, d.events, d.standIns, d.breakGlass, d.lifecycle, d.workloads, d.signals, d.halts, d.recovery, d.rest} {
		register(verbs{h, d.Log, func(ctx context.Context, by access.Actor, status int, body string) error {
			return d.Engine.Answer(ctx, by, status, body)
		}})
	}
	return h
}

// longestBody bounds what one request may carry.
const longestBody = 256 << 10

// bounded refuses a body that says it is too long before anything is read, and
// stops reading one that does not say so.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > longestBody {
			w.Header().Set("Connection", "close") // what is still on its way is not read
			say(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a request has at most %d bytes", longestBody))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, longestBody)
		next.ServeHTTP(w, r)
	})
}

// known answers what no verb is at in the same form as the verbs answer.
func known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		a := unsaid{ResponseWriter: w}
		h.ServeHTTP(&a, r) // it sets the headers, such as Allow
		say(w, a.status, "there is nothing at this path for this method")
	})
}

// unsaid takes an answer's status and headers, and none of its words.
type unsaid struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (a *unsaid) WriteHeader(status int) { a.status = status }

// Write implements [io.Writer].
func (a *unsaid) Write(p []byte) (int, error) { return len(p), nil }

// strict reads JSON as RFC 8259 recommends and the standard library does not:
// no key twice, no invalid UTF-8, no other letter case of a name, which would
// pass for the name at the schema and be left out after it.
var strict = huma.Format{
	Marshal: func(w io.Writer, v any) error { return json.MarshalWrite(w, v, json.Deterministic(true)) },
	Unmarshal: func(raw []byte, v any) error {
		if deep(raw) {
			return fmt.Errorf("%w: the body nests deeper than %d", access.ErrInvalid, deepest)
		}
		return json.Unmarshal(raw, v, json.RejectUnknownMembers(true))
	},
}

const deepest = 32

// deep tells whether lists and objects nest beyond what any verb reads. Brackets
// inside strings count too: that only makes it stricter.
func deep(raw []byte) bool {
	n := 0
	for _, c := range raw {
		switch c {
		case '[', '{':
			if n++; n > deepest {
				return true
			}
		case ']', '}':
			n--
		}
	}
	return false
}

// verbs is where they are registered, and where it is said what failed.
type verbs struct {
	huma.API
	log    *slog.Logger
	answer func(ctx context.Context, by access.Actor, status int, body string) error // keeps an answer for when it is asked for again
}

// op registers one verb. Its path, method and summary are the whole of the routing.
func op[I, O any](h verbs, method, path, id, summary string, do func(context.Context, *I) (*O, error)) {
	huma.Register(h.API, huma.Operation{OperationID: id, Method: method, Path: "/api/v1" + path, Summary: summary, MaxBodyBytes: longestBody, Parameters: keyParam(method, id)},
		told(h, id, func(ctx context.Context, in *I) (*O, error) {
			if keyAt(ctx) != "" && keyed(method, id) {
				return onceOf(h, ctx, id, in, do)
			}
			return do(ctx, in)
		}))
}

// told answers what goes wrong as a problem, and logs what is ours.
func told[I, O any](h verbs, id string, do func(context.Context, *I) (*O, error)) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		began := time.Now()
		out, err := do(ctx, in)
		if err != nil {
			evenly(ctx, began, err)
			answer, ours := problem(err)
			if ours {
				h.log.ErrorContext(ctx, "failed", "verb", id, "by", by(ctx).Identity, "error", err.Error())
			}
			return nil, answer
		}
		return out, nil
	}
}

// even is what the time is a multiple of that it takes to say that something is not
// found: well above what either costs on a busy machine, or how often it takes one more
// would tell them apart.
const even = 20 * time.Millisecond

// evenly keeps a refusal of what is not there, or not theirs to know of, until the
// time it took is a whole number of evens: which of the two it was cost more or less
// to find out, and nobody learns that by the clock.
func evenly(ctx context.Context, began time.Time, err error) {
	if !errors.Is(err, access.ErrNotFound) {
		return
	}
	wait := time.NewTimer(even - time.Since(began)%even)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// body is an answer that is one noun.
type body[T any] struct{ Body T }

func answer[T any](v T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return &body[T]{v}, nil
}

// done is an answer that says nothing.
type done struct{}

func nothing(err error) (*done, error) {
	if err != nil {
		return nil, err
	}
	return &done{}, nil
}
