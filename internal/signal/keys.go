package signal

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lessor-iam/lessor/internal/access"
)

// ErrNoKey says that a transmitter has no such key.
var ErrNoKey = errors.New("no such key")

// Fixed is a set of keys that somebody wrote down.
type Fixed struct{ set jose.JSONWebKeySet }

// FixedKeys reads a JWK set. A secret among its keys is refused: whoever reads it could sign.
func FixedKeys(raw []byte) (*Fixed, error) {
	set, err := readKeys(raw)
	return &Fixed{set}, err
}

// Key implements [Keys].
func (f *Fixed) Key(_ context.Context, kid string) (jose.JSONWebKey, error) { return keyOf(f.set, kid) }

func readKeys(raw []byte) (set jose.JSONWebKeySet, err error) {
	var list struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return set, fmt.Errorf("%w: not a JWK set: %w", access.ErrInvalid, err)
	}
	for _, one := range list.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(one, &k) != nil {
			continue // of a kind that we do not know
		}
		if k.IsPublic() && k.Valid() {
			set.Keys = append(set.Keys, k)
		}
	}
	if len(set.Keys) == 0 {
		return set, fmt.Errorf("%w: a JWK set without a public key", access.ErrInvalid)
	}
	return set, nil
}

// keyOf finds the one key of that id. A token names its key; two of one name are none.
func keyOf(set jose.JSONWebKeySet, kid string) (jose.JSONWebKey, error) {
	if list := set.Key(kid); kid != "" && len(list) == 1 {
		return list[0], nil
	}
	return jose.JSONWebKey{}, ErrNoKey
}

// Remote is the set of keys that a transmitter publishes. It is read when it is needed
// and kept for an hour; a key it does not have makes it be read again, and not often.
type Remote struct {
	url  string
	http *http.Client
	now  func() time.Time

	mu    sync.Mutex
	set   jose.JSONWebKeySet
	read  time.Time
	tried time.Time
}

const (
	keysFor   = time.Hour
	keysEvery = 5 * time.Second
)

// RemoteKeys are the keys at an address. It connects to nothing.
func RemoteKeys(url string, now func() time.Time) *Remote {
	return &Remote{url: url, http: client(), now: now}
}

// Key implements [Keys].
func (r *Remote) Key(ctx context.Context, kid string) (jose.JSONWebKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	key, err := keyOf(r.set, kid)
	switch {
	case err == nil && now.Sub(r.read) < keysFor:
		return key, nil
	case !r.tried.IsZero() && now.Sub(r.tried) < keysEvery:
		if r.read.IsZero() {
			return key, errors.New("the transmitter's keys could not be read a moment ago")
		}
		return key, err
	}
	r.tried = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime) // whoever asked may go; the answer is for all
	defer cancel()
	set, err2 := r.fetch(ctx)
	if err2 != nil {
		if err == nil {
			return key, nil // what it said an hour ago is better than nothing
		}
		return key, fmt.Errorf("the keys at %s: %w", r.url, err2)
	}
	r.set, r.read = set, now
	return keyOf(set, kid)
}

func (r *Remote) fetch(ctx context.Context) (set jose.JSONWebKeySet, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, http.NoBody)
	if err != nil {
		return set, err
	}
	res, err := r.http.Do(req)
	if err != nil {
		return set, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode != http.StatusOK {
		return set, errors.Join(err, fmt.Errorf("it answered %s", res.Status))
	}
	return readKeys(raw)
}

// client follows no redirect: it would carry a token to a place that nobody wrote down.
func client() *http.Client {
	return &http.Client{Timeout: callTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Signer signs what we send, and says by which keys.
type Signer struct {
	issuer string
	sign   jose.Signer
	public jose.JSONWebKeySet
}

// NewSigner reads the key that signs, and the one before where there is one: both are
// published, so that what was signed before still verifies. They are PKCS #8 in PEM.
func NewSigner(issuer, key, before string) (*Signer, error) {
	s := &Signer{issuer: issuer}
	for n, text := range []string{key, before} {
		if n == 1 && text == "" {
			continue
		}
		priv, alg, err := private(text)
		if err != nil {
			return nil, err
		}
		k := jose.JSONWebKey{Key: priv.Public(), Algorithm: string(alg), Use: "sig"}
		print, err := k.Thumbprint(crypto.SHA256)
		if err != nil {
			return nil, err
		}
		k.KeyID = base64.RawURLEncoding.EncodeToString(print)
		s.public.Keys = append(s.public.Keys, k)
		if n == 0 {
			if s.sign, err = jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: priv, KeyID: k.KeyID}}, (&jose.SignerOptions{}).WithType("secevent+jwt")); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

func private(text string) (crypto.Signer, jose.SignatureAlgorithm, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", fmt.Errorf("%w: not a key in PEM", access.ErrInvalid)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, "", fmt.Errorf("%w: not a private key in PKCS #8", access.ErrInvalid)
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return k, jose.ES256, nil
		}
	case ed25519.PrivateKey:
		return k, jose.EdDSA, nil
	case *rsa.PrivateKey:
		if k.N.BitLen() >= 2048 {
			return k, jose.RS256, nil
		}
	}
	return nil, "", fmt.Errorf("%w: the key must be of the curve P-256, Ed25519, or RSA of 2048 bits or more", access.ErrInvalid)
}

// set is the token of a signal for an audience. Made again it says the same.
func (s *Signer) set(o access.SignalOut, audience string) (string, error) {
	says := map[string]any{"event_timestamp": o.At.Unix()}
	for name, text := range o.Says {
		if name == "reason_admin" {
			says[name] = map[string]string{"en": text}
			continue
		}
		says[name] = text
	}
	body, err := json.Marshal(map[string]any{"iss": s.issuer, "aud": audience, "iat": o.At.Unix(), "jti": o.ID, "sub_id": o.Subject,
		"events": map[string]any{access.SignalURI(o.Event): says}})
	if err != nil {
		return "", err
	}
	jws, err := s.sign.Sign(body)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
