// Package authzen is the door for programs that enforce: OpenID AuthZEN's
// Authorization API 1.0 and its Access Request and Approval Profile (a draft;
// discovery names the text). It asks the engine whether somebody holds something
// now, and asks for access through the same verb as every door.
//
// It holds no rule and decides nothing: what may be seen, asked for and granted
// is the engine's to say. Nothing a caller says of itself, of a subject or of a
// resource is believed, and no id that it hands out opens anything by itself.
//
//	evaluation -> false, requestable -> submission -> task -> approved -> evaluation with the approval
package authzen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// Channel is what requests through this door are recorded under.
const Channel = "authzen"

// Where it is found; discovery says so too.
const (
	Evaluation  = "/access/v1/evaluation"
	Evaluations = "/access/v1/evaluations"
	OfSubjects  = "/access/v1/search/subject"
	OfResources = "/access/v1/search/resource"
	OfActions   = "/access/v1/search/action"
	Requests    = "/access/v1/requests"
	Schema      = "/access/v1/request-schema"
	Discovery   = "/.well-known/authzen-configuration"
)

// Shelf keeps what programs were told of their requests. Each call is one durable
// transaction, safe for concurrent use; what is not there is [access.ErrNotFound].
type Shelf interface {
	BeginTask(ctx context.Context, t store.Task, now time.Time) (is store.Task, began bool, err error)
	RepeatedTask(ctx context.Context, identity, key string) (store.Task, error)
	NameTask(ctx context.Context, id, request string) error
	DropTask(ctx context.Context, id string) error
	Task(ctx context.Context, id string) (store.Task, error)
	ApprovalTask(ctx context.Context, id string) (store.Task, error)
}

// Config is what the door is made of. Every field but Base, Ticket and Log is needed.
type Config struct {
	Engine    *engine.Engine
	Directory func() *access.Directory
	Shelf     Shelf
	// Visitor finds who is at the door; [access.ErrUnavailable] where that could not be
	// asked, another error for nobody.
	Visitor func(r *http.Request) (access.Actor, error)
	// Spend takes one from what an identity may still send; false if there is none.
	Spend func(identity string) bool
	// SpendEvaluation is Spend for one evaluation: programs that enforce ask at every
	// turn, so that there are more of them, and still an end.
	SpendEvaluation func(identity string) bool
	Key             []byte // 32 bytes, the same on every replica and after a restart: seals what is handed out
	Rand            io.Reader
	Now             func() time.Time
	// Base is https://HOST, as programs know this door; empty: as they call it.
	Base string
	// Ticket names the ticket that an address is of, as jira:ACC-41; empty where it is of none.
	Ticket func(url string) string
	Log    *slog.Logger
}

type door struct {
	Config
	seal  *sealer
	slots chan struct{} // one for each question under way
}

// mostAtOnce bounds how many questions are under way: more would only wait for each other.
const mostAtOnce = 256

// New returns the door, or says what is missing.
func New(c Config) (http.Handler, error) {
	if c.Engine == nil || c.Directory == nil || c.Shelf == nil || c.Visitor == nil || c.Spend == nil || c.SpendEvaluation == nil || c.Rand == nil || c.Now == nil {
		return nil, fmt.Errorf("%w: the door needs Engine, Directory, Shelf, Visitor, Spend, SpendEvaluation, Rand and Now", access.ErrInvalid)
	}
	if c.Base != "" && !isHTTPS(c.Base) {
		return nil, fmt.Errorf("%w: base %q is not https://HOST", access.ErrInvalid, c.Base)
	}
	if c.Ticket == nil {
		c.Ticket = func(string) string { return "" }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	seal, err := newSealer(c.Key, c.Rand)
	if err != nil {
		return nil, err
	}
	d := &door{Config: c, seal: seal, slots: make(chan struct{}, mostAtOnce)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Discovery, d.discovery)
	mux.HandleFunc("GET "+Schema, d.schema)
	mux.HandleFunc("POST "+Evaluation, d.question(d.SpendEvaluation, d.evaluation))
	mux.HandleFunc("POST "+Evaluations, d.question(d.SpendEvaluation, d.evaluations))
	mux.HandleFunc("POST "+OfSubjects, d.question(d.Spend, d.subjects))
	mux.HandleFunc("POST "+OfResources, d.question(d.Spend, d.resources))
	mux.HandleFunc("POST "+OfActions, d.question(d.Spend, d.actions))
	mux.HandleFunc("POST "+Requests, d.asking(d.submit))
	mux.HandleFunc("GET "+Requests+"/{task}", d.asking(d.status))
	mux.HandleFunc("POST "+Requests+"/{task}/cancel", d.asking(d.cancel))
	mux.HandleFunc("DELETE "+Requests+"/{task}/cancel", d.asking(d.cancel))
	return d.identified(mux), nil
}

// identified gives a request's own identifier back with the answer, whatever it
// is (Authorization API, Request Identification).
func (d *door) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get("X-Request-ID"); id != "" {
			w.Header().Set("X-Request-ID", id)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), baseKey{}, d.baseOf(r))))
	})
}

type baseKey struct{}

// baseOf is how the caller knows this door. It is told to that caller alone.
func (d *door) baseOf(r *http.Request) string {
	if d.Base != "" {
		return strings.TrimSuffix(d.Base, "/")
	}
	return "https://" + r.Host
}

// base is baseOf of the request under way.
func base(ctx context.Context) string {
	b, _ := ctx.Value(baseKey{}).(string)
	return b
}

// longestBody bounds what one request may carry.
const longestBody = 256 << 10

// body reads the whole of a request's JSON.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, fmt.Errorf("%w: Content-Type is %.80q and must be application/json", access.ErrInvalid, r.Header.Get("Content-Type"))
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestBody))
	if long := (*http.MaxBytesError)(nil); errors.As(err, &long) {
		return nil, fmt.Errorf("%w: a request has at most %d bytes", access.ErrInvalid, longestBody)
	} else if err != nil {
		return nil, fmt.Errorf("%w: the body cannot be read", access.ErrInvalid)
	}
	return raw, nil
}

// visitor lets nobody in without a good token, nor for what it is not good for.
func (d *door) visitor(r *http.Request, scopes ...string) (access.Actor, *refusal) {
	by, err := d.Visitor(r)
	if errors.Is(err, access.ErrUnavailable) {
		return by, d.refusalOf(r, by, err)
	}
	if err != nil {
		d.Log.WarnContext(r.Context(), "unknown token", "method", r.Method, "path", r.URL.Path)
		return by, &refusal{status: http.StatusUnauthorized, detail: "no valid token; send one as Authorization: Bearer …"}
	}
	by.Channel = Channel
	for _, s := range scopes {
		if slices.Contains(by.Scopes, s) {
			return by, nil
		}
	}
	return by, &refusal{status: http.StatusForbidden, detail: fmt.Sprintf("this token is not good for %q", scopes[0])}
}

// question answers one of the Authorization API: 200 with an answer, or an error
// that is a message and has nothing to do with any decision. Each is charged to
// whoever asks, so that nobody's questions keep all others waiting.
func (d *door) question(spend func(identity string) bool, do func(ctx context.Context, by access.Actor, raw []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, no := d.visitor(r, engine.ScopeEvaluate)
		if no != nil {
			no.speak(w)
			return
		}
		if !spend(by.Identity) {
			tooMany.speak(w)
			return
		}
		raw, err := body(w, r) // before there is a slot for it: who sends slowly keeps nobody else waiting
		select {
		case d.slots <- struct{}{}:
			defer func() { <-d.slots }()
		default:
			(&refusal{status: http.StatusTooManyRequests, detail: "too many questions at once; wait a second", retry: 1}).speak(w)
			return
		}
		var answer any
		if err == nil {
			answer, err = do(r.Context(), by, raw)
		}
		if err != nil {
			d.refusalOf(r, by, err).speak(w)
			return
		}
		d.write(w, http.StatusOK, answer)
	}
}

// write answers with JSON that nobody keeps: what is so now may not be in a second.
func (d *door) write(w http.ResponseWriter, status int, answer any) {
	raw, err := json.Marshal(answer)
	if err != nil {
		panic(fmt.Errorf("write an answer: %w", err)) // net/http ends the connection
	}
	w.Header().Set("Content-Type", "application/json")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(raw) // whoever asked has gone if this fails
}
