// Package signal speaks OpenID Shared Signals: it checks the signed tokens by which
// others say what happened to accounts (RFC 8417), takes them as they are sent
// (RFC 8935) or fetches them (RFC 8936), and signs and hands out those that we send.
//
//	POST /signals/push/TRANSMITTER   ->  check  ->  engine.Signalled
//	fetched from a transmitter       ->  check  ->  engine.Signalled  ->  acknowledged
//	engine.SignalsDue  ->  sign  ->  sent, or fetched at POST /signals/poll/RECEIVER  ->  engine.SignalsHad
//
// It never decides what follows from a signal, finds nobody, and keeps nothing but
// keys that it read.
package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	exact "github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
)

// Bounds of what is taken.
const (
	longestSET = 64 << 10
	skew       = time.Minute        // how far two clocks may differ
	oldest     = 7 * 24 * time.Hour // a token made before is not believed: its id may be forgotten
	setType    = "application/secevent+jwt"
	callTime   = 10 * time.Second
	longest    = 4 << 20 // of an answer
)

// algorithms are those by which a token may be signed: with a key that only its
// transmitter has.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

// The codes of RFC 8935, 2.4, by which a token is refused.
const (
	badRequest  = "invalid_request"
	badKey      = "invalid_key"
	badIssuer   = "invalid_issuer"
	badAudience = "invalid_audience"
	badCaller   = "authentication_failed"
)

// refusal is a token that is not taken, and why.
type refusal struct{ code, text string }

// Error implements [error].
func (r *refusal) Error() string { return r.code + ": " + r.text }

func refuse(code, format string, a ...any) error { return &refusal{code, fmt.Sprintf(format, a...)} }

// Source is a transmitter as its tokens are checked. ID, Issuer, Audience and Keys are
// needed; Token of one that sends, Endpoint and Access of one that is asked.
type Source struct {
	ID       string
	Issuer   string
	Audience string
	Keys     Keys
	Token    [32]byte               // the SHA-256 of what it comes with
	Endpoint string                 // where it is asked; empty: it sends
	Access   func() (string, error) // the token it is asked by
}

// Keys finds the key of a transmitter that a token names.
type Keys interface {
	// Key returns [ErrNoKey] where there is none; any other error says that it could not
	// be found out.
	Key(ctx context.Context, kid string) (jose.JSONWebKey, error)
}

// audience is one text or a list.
type audience []string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// token is what a SET says.
type token struct {
	Issuer   string                    `json:"iss"`
	Audience audience                  `json:"aud"`
	Issued   float64                   `json:"iat"`
	ID       string                    `json:"jti"`
	Subject  json.RawMessage           `json:"sub_id"`
	Events   map[string]map[string]any `json:"events"`
	Sub      any                       `json:"sub"`
	Expires  any                       `json:"exp"`
}

// check reads a token of this transmitter. What it says is believed only as far as
// the engine takes it.
func (s *Source) check(ctx context.Context, raw string, now time.Time) (sig access.Signal, err error) {
	// 1. What kind of token, signed how, by which of its keys.
	if len(raw) > longestSET {
		return sig, refuse(badRequest, "the token is too long")
	}
	jws, err := jose.ParseSignedCompact(strings.TrimSpace(raw), algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return sig, refuse(badRequest, "not a signed token by an algorithm that is accepted here")
	}
	head := jws.Signatures[0].Protected
	typ, _ := head.ExtraHeaders[jose.HeaderType].(string)
	if !strings.EqualFold(typ, "secevent+jwt") {
		return sig, refuse(badRequest, "typ is not secevent+jwt")
	}
	if _, crit := head.ExtraHeaders["crit"]; crit {
		return sig, refuse(badRequest, "crit names something that is not understood here")
	}
	key, err := s.Keys.Key(ctx, head.KeyID)
	switch {
	case errors.Is(err, ErrNoKey):
		return sig, refuse(badKey, "kid names no key of the transmitter")
	case err != nil:
		return sig, err
	case key.Algorithm != "" && key.Algorithm != head.Algorithm, key.Use != "" && key.Use != "sig":
		return sig, refuse(badKey, "the key is for another use")
	}
	body, err := jws.Verify(key.Key)
	if err != nil {
		return sig, refuse(badKey, "the signature is not by that key")
	}
	// 2. What it says, each once and by its exact name: two readers must not see two tokens.
	var t token
	if err := exact.Unmarshal(body, &t); err != nil {
		return sig, refuse(badRequest, "the claims cannot be read")
	}
	return s.claims(t, now)
}

// claims holds a token's claims against what is expected of this transmitter.
func (s *Source) claims(t token, now time.Time) (sig access.Signal, err error) {
	switch issued := time.Unix(int64(min(max(t.Issued, 0), 1e11)), 0); {
	case t.Issuer != s.Issuer:
		return sig, refuse(badIssuer, "iss is another")
	case !slices.Contains(t.Audience, s.Audience):
		return sig, refuse(badAudience, "aud is another")
	case t.Issued <= 0 || issued.After(now.Add(skew)):
		return sig, refuse(badRequest, "iat is missing, or in the future")
	case issued.Before(now.Add(-oldest)):
		return sig, refuse(badRequest, "iat is too long ago")
	case t.ID == "" || len(t.ID) > 255:
		return sig, refuse(badRequest, "jti is missing or too long")
	case t.Sub != nil || t.Expires != nil:
		return sig, refuse(badRequest, "sub and exp do not belong in it")
	case len(t.Events) != 1:
		return sig, refuse(badRequest, "events must hold exactly one")
	default:
		sig = access.Signal{Transmitter: s.ID, JTI: t.ID, At: issued}
	}
	for uri, says := range t.Events {
		word := func(name string) string { text, _ := says[name].(string); return text }
		sig.Event, sig.Change, sig.Credential, sig.Status = access.SignalURIs[uri], word("change_type"), word("credential_type"), word("status")
		if at, ok := says["event_timestamp"].(float64); ok && at > 0 && at < 1e11 {
			if t := time.Unix(int64(at), 0); t.Before(sig.At) { // not in the future of the token
				sig.At = t
			}
		}
	}
	if sig.Subject, err = subject(t.Subject, sig.Event); err != nil {
		return sig, err
	}
	return sig, nil
}

// subject reads whom it is about. Of one put together of several only its user counts,
// and only where nothing beside narrows what is said to less than an account.
func subject(raw json.RawMessage, event string) (s access.SignalSubject, err error) {
	if len(raw) == 0 {
		return s, refuse(badRequest, "sub_id is missing")
	}
	var parts map[string]json.RawMessage
	if err := exact.Unmarshal(raw, &parts); err != nil || exact.Unmarshal(parts["format"], &s.Format) != nil || s.Format == "" {
		return s, refuse(badRequest, "sub_id cannot be read")
	}
	if s.Format == "complex" {
		for member := range parts {
			if member != "format" && member != "user" && (member != "session" || event != access.SignalSessionRevoked) {
				return access.SignalSubject{Format: "complex"}, nil // nobody whom we know
			}
		}
		if raw = parts["user"]; raw == nil {
			return access.SignalSubject{Format: "complex"}, nil
		}
	}
	s = access.SignalSubject{}
	if err := exact.Unmarshal(raw, &s); err != nil || s.Format == "" {
		return s, refuse(badRequest, "sub_id cannot be read")
	}
	for _, text := range []string{s.Iss, s.Sub, s.Email, s.URI, s.ID, s.Format} {
		if len(text) > 512 {
			return s, refuse(badRequest, "sub_id is too long")
		}
	}
	return s, nil
}
