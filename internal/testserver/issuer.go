package testserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is an OpenID provider that says whatever a test has it say: for attacks,
// which a real provider refuses to make. What signing in is built against are the
// real ones, [OIDC] and [Dex].
type Issuer struct {
	URL string
	Key *ecdsa.PrivateKey

	mu sync.Mutex
	// What the next browser is sent back with, and the next code is exchanged for.
	Forge func(asked url.Values, claims map[string]any) (token string)
	Meta  map[string]any // over what discovery says
	Asked url.Values     // by the last authorization request
	Form  url.Values     // of the last exchange of a code
	reads int            // of the keys
}

// NewIssuer runs it until the test ends.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{Key: key, Meta: map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		says := map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"}, "claims_parameter_supported": true, "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}}
		for k, v := range i.Meta {
			says[k] = v
		}
		answerJSON(w, says)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		i.reads++
		i.mu.Unlock()
		answerJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.Asked = r.URL.Query()
		i.mu.Unlock()
		back := url.Values{"state": {r.FormValue("state")}, "code": {"a-code"}}
		http.Redirect(w, r, r.FormValue("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		_ = r.ParseForm()
		i.Form = r.PostForm
		claims := i.Claims(i.Asked)
		token := ""
		if i.Forge != nil {
			token = i.Forge(i.Asked, claims)
		} else {
			token = i.Sign(claims)
		}
		answerJSON(w, map[string]any{"access_token": "an-access-token", "token_type": "Bearer", "id_token": token})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // whoever asked has gone if this fails
}

// Claims are those of a good ID token of the person s-ann, for who asked so.
func (i *Issuer) Claims(asked url.Values) map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": i.URL, "aud": asked.Get("client_id"), "sub": "s-ann", "nonce": asked.Get("nonce"), "iat": now, "exp": now + 300}
}

// Logout are the claims of a good logout token.
func (i *Issuer) Logout(client, id string) map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": i.URL, "aud": client, "sub": "s-ann", "iat": now, "exp": now + 120, "jti": id, "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
}

// Sign makes a token of claims, by its own key. Header is laid over the header.
func (i *Issuer) Sign(claims map[string]any, header ...map[jose.HeaderKey]any) string {
	return SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.Key, KeyID: "one"}}, claims, header...)
}

// SignBy makes a token of claims by any key.
func SignBy(key jose.SigningKey, claims map[string]any, header ...map[jose.HeaderKey]any) string {
	opts := &jose.SignerOptions{}
	for _, h := range header {
		for k, v := range h {
			opts = opts.WithHeader(k, v)
		}
	}
	signer, err := jose.NewSigner(key, opts)
	if err != nil {
		panic(err)
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign(raw)
	if err != nil {
		panic(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// Set changes what it says, between calls.
func (i *Issuer) Set(do func(*Issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	do(i)
}

// KeyReads is how often its keys were read.
func (i *Issuer) KeyReads() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.reads
}
