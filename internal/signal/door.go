package signal

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Where the door is.
const (
	Discovery = "/.well-known/ssf-configuration"
	KeysAt    = "/.well-known/signals-jwks.json"
	Below     = "/signals/"
)

// Door is what this room needs of the engine. Every method may be called concurrently.
type Door interface {
	// Signalled takes a signal once; taken again it does nothing more.
	Signalled(ctx context.Context, s access.Signal) (did string, err error)
	// SignalsDue lists what a receiver has not had, in order.
	SignalsDue(ctx context.Context, receiver string, limit int) ([]access.SignalOut, error)
	// SignalsHad is durable when it returns.
	SignalsHad(ctx context.Context, receiver string, answers []access.SignalAnswer) error
	SignalsLate(ctx context.Context, receiver, trouble string) error
}

// Receiver is whom we tell. URL of one that is sent to; Token of one that fetches.
type Receiver struct {
	ID       string
	Audience string
	URL      string
	Access   func() (string, error) // the token it is sent with; nil: none
	Token    [32]byte
}

// Config is what the room is made of. Door, Now and Log are needed; Signer where there
// are receivers.
type Config struct {
	Door      Door
	Sources   []Source
	Receivers []Receiver
	Signer    *Signer
	Issuer    string
	Spend     func(id string) bool // whether a transmitter may say one more now; nil: always
	Now       func() time.Time
	Log       *slog.Logger
}

// Room takes signals and hands them out. It is safe for concurrent use.
type Room struct {
	Config
	http *http.Client
	mux  *http.ServeMux
}

// New returns the room, or says what is missing.
func New(c Config) (*Room, error) {
	if c.Door == nil || c.Now == nil || c.Log == nil || (len(c.Receivers) > 0 && c.Signer == nil) {
		return nil, fmt.Errorf("%w: signals need Door, Now and Log, and Signer where anybody is told", access.ErrInvalid)
	}
	r := &Room{Config: c, http: client(), mux: http.NewServeMux()}
	r.mux.HandleFunc("POST "+Below+"push/{id}", r.take)
	r.mux.HandleFunc("POST "+Below+"poll/{id}", r.hand)
	r.mux.HandleFunc("GET "+Discovery, r.discover)
	r.mux.HandleFunc("GET "+KeysAt, r.keys)
	return r, nil
}

// ServeHTTP implements [http.Handler].
func (r *Room) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// bears tells whether a request comes with the token of that digest.
func bears(req *http.Request, digest [32]byte) bool {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && token != "" && subtle.ConstantTimeCompare(sum[:], digest[:]) == 1
}

// take takes a signal that a transmitter sends. Whoever has not its token is answered
// alike, whether or not there is such a transmitter.
func (r *Room) take(w http.ResponseWriter, req *http.Request) {
	n := slices.IndexFunc(r.Sources, func(s Source) bool { return s.ID == req.PathValue("id") && s.Endpoint == "" })
	if n < 0 || !bears(req, r.Sources[n].Token) {
		unknown(w)
		return
	}
	s := &r.Sources[n]
	if r.Spend != nil && !r.Spend(s.ID) {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || kind != setType {
		answer(w, http.StatusBadRequest, map[string]string{"err": badRequest, "description": "Content-Type must be " + setType})
		return
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, req.Body, longestSET))
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"err": badRequest, "description": "the body cannot be read, or is too long"})
		return
	}
	refused := (*refusal)(nil)
	switch err := r.heard(req.Context(), s, string(raw)); {
	case errors.As(err, &refused):
		answer(w, http.StatusBadRequest, map[string]string{"err": refused.code, "description": refused.text})
	case err != nil:
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable) // it is to be sent again
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// heard checks one token and has it taken.
func (r *Room) heard(ctx context.Context, s *Source, raw string) error {
	sig, err := s.check(ctx, raw, r.Now())
	did := ""
	if err == nil {
		did, err = r.Door.Signalled(ctx, sig)
	}
	if err != nil {
		r.Log.WarnContext(ctx, "signal", "transmitter", s.ID, "done", "refused", "error", fmt.Sprintf("%.300s", err))
		return err
	}
	r.Log.InfoContext(ctx, "signal", "transmitter", s.ID, "jti", sig.JTI, "event", sig.Event, "done", did)
	return nil
}

func unknown(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", "Bearer")
	answer(w, http.StatusUnauthorized, map[string]string{"err": badCaller, "description": "the token is not known here"})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Language", "en")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone if this fails
}

// discover says what we are as a transmitter. Streams are written in a file: there is
// no endpoint to manage them by.
func (r *Room) discover(w http.ResponseWriter, _ *http.Request) {
	if r.Signer == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, http.StatusOK, map[string]any{"spec_version": "1_0", "issuer": r.Issuer, "jwks_uri": r.Issuer + KeysAt,
		"delivery_methods_supported": []string{"urn:ietf:rfc:8935", "urn:ietf:rfc:8936"}, "default_subjects": "ALL",
		"authorization_schemes": []map[string]string{{"spec_urn": "urn:ietf:rfc:6750"}}})
}

func (r *Room) keys(w http.ResponseWriter, _ *http.Request) {
	if r.Signer == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, http.StatusOK, r.Signer.public)
}
