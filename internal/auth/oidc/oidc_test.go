package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth/oidc"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// at is a provider of ours before an issuer that says what a test has it say.
func at(t *testing.T, i *testserver.Issuer, change ...func(*oidc.Config)) *oidc.Provider {
	t.Helper()
	c := oidc.Config{ID: "corp", Issuer: i.URL, ClientID: "lessor", Redirect: "https://lessor.example/sign-in/back/corp", Now: time.Now, Rand: rand.Reader,
		Strengths: []oidc.Strength{{Name: "otp", AMR: []string{"pwd", "otp"}}, {Name: "mfa", ACR: []string{"urn:mfa", "urn:hw"}, MaxAge: 10 * time.Minute}}}
	for _, do := range change {
		do(&c)
	}
	p, err := oidc.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sent goes to the issuer as a browser does, and returns what it brings back.
func sent(t *testing.T, address string) url.Values {
	t.Helper()
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	to, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	return to.Query()
}

// whole is one sign-in from beginning to end.
func whole(t *testing.T, p *oidc.Provider, strength string) (oidc.Answer, error) {
	t.Helper()
	address, flow, err := p.Begin(t.Context(), strength)
	if err != nil {
		t.Fatal(err)
	}
	return p.Finish(t.Context(), flow, sent(t, address))
}

func TestAnAnswer(t *testing.T) {
	t.Parallel()
	i := testserver.NewIssuer(t)
	i.Set(func(i *testserver.Issuer) {
		i.Forge = func(_ url.Values, c map[string]any) string {
			maps.Copy(c, map[string]any{"sid": "session-1", "acr": "urn:pwd", "amr": []string{"otp", "pwd"}, "azp": "lessor", "department": "ops"})
			return i.Sign(c)
		}
	})
	a, err := whole(t, at(t, i), "")
	if err != nil || a.Subject != "s-ann" || a.Session != "session-1" || a.Strength != "otp" || !a.StrongUntil.IsZero() || a.Text("department") != "ops" || a.Text("exp") != "" {
		t.Errorf("%+v, %v", a, err)
	}
	// What is asked: code, PKCE, a state and a nonce of its own each time.
	asked := i.Asked
	if asked.Get("response_type") != "code" || asked.Get("code_challenge_method") != "S256" || len(asked.Get("state")) != 43 || len(asked.Get("nonce")) != 43 || asked.Get("scope") != "openid" {
		t.Errorf("asked %v", asked)
	}
	if i.Form.Get("code_verifier") == "" || i.Form.Get("code") != "a-code" {
		t.Errorf("exchanged %v", i.Form)
	}
	if strings.Contains(asked.Encode(), i.Form.Get("code_verifier")) {
		t.Error("the verifier went with the challenge")
	}
	if _, err := whole(t, at(t, i), ""); err != nil || i.Asked.Get("state") == asked.Get("state") || i.Asked.Get("nonce") == asked.Get("nonce") {
		t.Errorf("the second has the state or nonce of the first (%v)", err)
	}
}

// Every token that must not be believed.
func TestTokensThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	i := testserver.NewIssuer(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: i.Key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	set := func(changes map[string]any) func(map[string]any) string {
		return func(c map[string]any) string {
			for k, v := range changes {
				if c[k] = v; v == nil {
					delete(c, k)
				}
			}
			return i.Sign(c)
		}
	}
	for what, forge := range map[string]func(map[string]any) string{
		"no token":        func(map[string]any) string { return "" },
		"no token at all": func(map[string]any) string { return "not a token" },
		"alg none":        func(c map[string]any) string { return plain(map[string]any{"alg": "none"}) + "." + plain(c) + "." },
		"alg None":        func(c map[string]any) string { return plain(map[string]any{"alg": "None"}) + "." + plain(c) + ".AAAA" },
		"the public key as a secret": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.HS256, Key: public}, c)
		},
		"the client's secret as a key": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("lessor-secret-", 4))}, c)
		},
		"another key": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: other, KeyID: "one"}}, c)
		},
		"another key, unnamed": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: other}, c)
		},
		"a kid that is a path": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: other, KeyID: "../../../../dev/null"}}, c)
		},
		"a kid that is an address": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: other, KeyID: "https://evil.example/keys"}}, c)
		},
		"a key of its own in the header": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: other}, c, map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: other.Public()}})
		},
		"keys elsewhere in the header": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: other}, c, map[jose.HeaderKey]any{"jku": "https://evil.example/keys"})
		},
		"an access token": func(c map[string]any) string { return i.Sign(c, map[jose.HeaderKey]any{"typ": "at+jwt"}) },
		"a logout token":  func(c map[string]any) string { return i.Sign(c, map[jose.HeaderKey]any{"typ": "logout+jwt"}) },
		"a changed claim": func(c map[string]any) string {
			p := strings.Split(i.Sign(c), ".")
			c["sub"] = "s-mia"
			p[1] = plain(c)
			return strings.Join(p, ".")
		},
		"another issuer":                 set(map[string]any{"iss": "https://evil.example"}),
		"the issuer with a slash":        set(map[string]any{"iss": i.URL + "/"}),
		"no issuer":                      set(map[string]any{"iss": nil}),
		"another audience":               set(map[string]any{"aud": "another"}),
		"no audience":                    set(map[string]any{"aud": nil}),
		"several audiences, for nobody":  set(map[string]any{"aud": []string{"another", "lessor"}}),
		"several audiences, for another": set(map[string]any{"aud": []string{"another", "lessor"}, "azp": "another"}),
		"made for another client":        set(map[string]any{"azp": "another"}),
		"another sign-in's nonce":        set(map[string]any{"nonce": "another"}),
		"no nonce":                       set(map[string]any{"nonce": nil}),
		"no subject":                     set(map[string]any{"sub": nil}),
		"a subject that is no text":      set(map[string]any{"sub": 7}),
		"an endless subject":             set(map[string]any{"sub": strings.Repeat("s", 300)}),
		"expired":                        set(map[string]any{"exp": now - 61, "iat": now - 30}),
		"no end":                         set(map[string]any{"exp": nil}),
		"no beginning":                   set(map[string]any{"iat": nil}),
		"made in the future":             set(map[string]any{"iat": now + 3600, "exp": now + 7200}),
		"good in the future only":        set(map[string]any{"nbf": now + 3600}),
		"made before this sign-in":       set(map[string]any{"iat": now - 3600}),
		"an access token of another":     set(map[string]any{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}),
		"a time that overflows":          set(map[string]any{"exp": 1e300, "iat": 1e300}),
		"the subject twice, by case":     nil,
	} {
		i.Set(func(i *testserver.Issuer) {
			i.Forge = func(_ url.Values, c map[string]any) string {
				if forge == nil { // one reader takes the first, another the last
					raw, err := json.Marshal(c)
					if err != nil {
						t.Error(err)
					}
					return signRaw(t, i, `{"sub":"s-mia",`+string(raw)[1:])
				}
				return forge(c)
			}
		})
		a, err := whole(t, at(t, i), "")
		if !errors.Is(err, access.ErrDenied) || a.Subject != "" {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
	}
	i.Set(func(i *testserver.Issuer) { i.Forge = nil })
	if a, err := whole(t, at(t, i), ""); err != nil || a.Subject != "s-ann" {
		t.Errorf("the good one: %+v, %v", a, err)
	}
	// Clocks differ by a little.
	i.Set(func(i *testserver.Issuer) {
		i.Forge = func(_ url.Values, c map[string]any) string { c["exp"], c["iat"] = now-30, now-40; return i.Sign(c) }
	})
	if _, err := whole(t, at(t, i), ""); err != nil {
		t.Errorf("a clock half a minute slow: %v", err)
	}
}

func signRaw(t *testing.T, i *testserver.Issuer, raw string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: i.Key, KeyID: "one"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What a browser brings that it did not begin, or began elsewhere, is nothing.
func TestAnswersThatWereNotAskedFor(t *testing.T) {
	t.Parallel()
	i := testserver.NewIssuer(t)
	i.Set(func(i *testserver.Issuer) { i.Meta["authorization_response_iss_parameter_supported"] = true })
	p := at(t, i)
	exchanged := 0
	i.Set(func(i *testserver.Issuer) {
		i.Forge = func(_ url.Values, c map[string]any) string { exchanged++; return i.Sign(c) }
	})
	for what, c := range map[string]struct {
		flow func(*oidc.Flow)
		back func(url.Values)
		want error
	}{
		"another state":              {nil, func(q url.Values) { q.Set("state", "another") }, access.ErrDenied},
		"no state":                   {nil, func(q url.Values) { q.Del("state") }, access.ErrDenied},
		"two states":                 {nil, func(q url.Values) { q.Add("state", "another") }, access.ErrDenied},
		"no sign-in under way":       {func(f *oidc.Flow) { *f = oidc.Flow{} }, nil, access.ErrDenied},
		"none, and an empty state":   {func(f *oidc.Flow) { *f = oidc.Flow{Provider: "corp", Began: time.Now()} }, func(q url.Values) { q.Set("state", "") }, access.ErrDenied},
		"another provider's sign-in": {func(f *oidc.Flow) { f.Provider = "other" }, nil, access.ErrDenied},
		"one of yesterday":           {func(f *oidc.Flow) { f.Began = f.Began.Add(-24 * time.Hour) }, nil, access.ErrDenied},
		"no verifier":                {func(f *oidc.Flow) { f.Verifier = "" }, nil, access.ErrDenied},
		"another issuer's answer":    {nil, func(q url.Values) { q.Set("iss", "https://evil.example") }, access.ErrDenied},
		"two issuers' answer":        {nil, func(q url.Values) { q.Add("iss", "https://evil.example") }, access.ErrDenied},
		"an answer of nobody":        {nil, func(q url.Values) { q.Del("iss") }, access.ErrDenied},
		"no code":                    {nil, func(q url.Values) { q.Del("code") }, access.ErrDenied},
		"two codes":                  {nil, func(q url.Values) { q.Add("code", "another") }, access.ErrDenied},
		"a refusal":                  {nil, func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, oidc.ErrRefused},
	} {
		address, flow, err := p.Begin(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		back := sent(t, address)
		back.Set("iss", i.URL)
		if c.flow != nil {
			c.flow(&flow)
		}
		if c.back != nil {
			c.back(back)
		}
		if a, err := p.Finish(t.Context(), flow, back); !errors.Is(err, c.want) || a.Subject != "" {
			t.Errorf("%s: %+v, %v", what, a, err)
		}
	}
	if exchanged != 0 {
		t.Errorf("%d codes were sent on though nothing of it was right", exchanged)
	}
}

// A strength is what the answer deserves, not what was asked.
func TestStrengths(t *testing.T) {
	t.Parallel()
	i := testserver.NewIssuer(t)
	p := at(t, i)
	now := time.Now().Unix()
	for what, c := range map[string]struct {
		asked string
		says  map[string]any
		want  string
		weak  bool
	}{
		"nothing said":                {"", nil, "", false},
		"methods":                     {"", map[string]any{"amr": []string{"otp", "pwd", "x"}}, "otp", false},
		"one of two methods":          {"", map[string]any{"amr": []string{"otp"}}, "", false},
		"a class without its time":    {"", map[string]any{"acr": "urn:mfa"}, "", false},
		"a class shown now":           {"", map[string]any{"acr": "urn:hw", "auth_time": now}, "mfa", false},
		"a class shown long ago":      {"", map[string]any{"acr": "urn:mfa", "auth_time": now - 601}, "", false},
		"a class shown in the future": {"", map[string]any{"acr": "urn:mfa", "auth_time": now + 3600}, "", false},
		"asked, and less":             {"mfa", map[string]any{"acr": "urn:pwd", "auth_time": now}, "", true},
		"asked, and nothing":          {"mfa", nil, "", true},
		"asked, and something else":   {"mfa", map[string]any{"amr": []string{"otp", "pwd"}, "auth_time": now}, "", true},
		"asked, and long ago":         {"mfa", map[string]any{"acr": "urn:mfa", "auth_time": now - 601}, "", true},
		"asked, and shown":            {"mfa", map[string]any{"acr": "urn:mfa", "auth_time": now - 60}, "mfa", false},
		"asked for the lower of both": {"otp", map[string]any{"acr": "urn:mfa", "amr": []string{"otp", "pwd"}, "auth_time": now}, "otp", false},
		"the higher of both":          {"", map[string]any{"acr": "urn:mfa", "amr": []string{"otp", "pwd"}, "auth_time": now}, "mfa", false},
	} {
		i.Set(func(i *testserver.Issuer) {
			i.Forge = func(_ url.Values, t map[string]any) string { maps.Copy(t, c.says); return i.Sign(t) }
		})
		a, err := whole(t, p, c.asked)
		if errors.Is(err, oidc.ErrWeak) != c.weak || (err != nil && !c.weak) || a.Strength != c.want {
			t.Errorf("%s: %q, %v; want %q", what, a.Strength, err, c.want)
		}
		if err == nil && c.want == "mfa" && (a.StrongUntil.IsZero() || a.StrongUntil.After(time.Now().Add(10*time.Minute))) {
			t.Errorf("%s: until %s", what, a.StrongUntil)
		}
	}
	i.Set(func(i *testserver.Issuer) { i.Forge = nil })
	if _, err := whole(t, p, ""); err != nil {
		t.Fatal(err)
	}
	if want := `{"id_token":{"acr":{"values":["urn:mfa","urn:hw"]},"amr":null,"auth_time":null}}`; i.Asked.Get("claims") != want {
		t.Errorf("without a strength it asks for %s", i.Asked.Get("claims"))
	}
	i.Set(func(i *testserver.Issuer) {
		i.Forge = func(_ url.Values, t map[string]any) string {
			t["acr"], t["auth_time"] = "urn:mfa", now
			return i.Sign(t)
		}
	})
	if _, err := whole(t, p, "mfa"); err != nil {
		t.Fatal(err)
	}
	if want := `{"id_token":{"acr":{"essential":true,"values":["urn:mfa","urn:hw"]},"amr":null,"auth_time":null}}`; i.Asked.Get("claims") != want || i.Asked.Get("max_age") != "600" {
		t.Errorf("for a strength it asks for %s, %q", i.Asked.Get("claims"), i.Asked.Get("max_age"))
	}
	if _, _, err := p.Begin(t.Context(), "gold"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("a strength there is not: %v", err)
	}
}

// A logout token is one, for us, fresh, and nothing else is taken for one.
func TestLogoutTokens(t *testing.T) {
	t.Parallel()
	i := testserver.NewIssuer(t)
	p := at(t, i)
	set := func(k string, v any) string {
		c := i.Logout("lessor", "id-1")
		if c[k] = v; v == nil {
			delete(c, k)
		}
		return i.Sign(c)
	}
	now := time.Now().Unix()
	event := "http://schemas.openid.net/event/backchannel-logout"
	for what, raw := range map[string]string{
		"nothing": "", "no token": "a.b.c", "an ID token": i.Sign(i.Claims(url.Values{"client_id": {"lessor"}})),
		"one with a nonce": set("nonce", "x"), "one with an empty nonce": set("nonce", ""), "for another": set("aud", "another"), "from another": set("iss", "https://evil.example"),
		"no id": set("jti", nil), "of nobody": set("sub", nil), "of no event": set("events", nil), "of another event": set("events", map[string]any{"x": map[string]any{}}),
		"an event that is none": set("events", map[string]any{event: nil}), "an event that is a word": set("events", map[string]any{event: "yes"}),
		"expired": set("exp", now-61), "without an end": set("exp", nil), "without a beginning": set("iat", nil), "of the future": set("iat", now+3600),
		"an access token": i.Sign(i.Logout("lessor", "id-1"), map[jose.HeaderKey]any{"typ": "at+jwt"}),
		"unsigned":        base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(set("jti", "id-1"), ".")[1] + ".",
	} {
		if e, err := p.Logout(t.Context(), raw); !errors.Is(err, access.ErrDenied) || e.ID != "" {
			t.Errorf("%s: %+v, %v", what, e, err)
		}
	}
	for what, raw := range map[string]string{
		"a good one": set("jti", "id-1"), "by its kind": i.Sign(i.Logout("lessor", "id-1"), map[jose.HeaderKey]any{"typ": "logout+jwt"}), "of a session alone": set("sid", "session-1"),
	} {
		if e, err := p.Logout(t.Context(), raw); err != nil || e.ID != "id-1" || e.Until.Before(time.Now().Add(time.Minute)) {
			t.Errorf("%s: %+v, %v", what, e, err)
		}
	}
	// Whoever sends tokens of unknown keys has the keys read once, not each time.
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	before := i.KeyReads()
	for range 50 {
		if _, err := p.Logout(t.Context(), testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: other, KeyID: "two"}}, i.Logout("lessor", "x"))); err == nil {
			t.Error("another key's word was taken")
		}
	}
	if n := i.KeyReads() - before; n > 5 {
		t.Errorf("50 bad tokens had the keys read %d times", n)
	}
}

// Keys are read from where the provider says, and nowhere that another leads to.
func TestAB59_KeysElsewhere(t *testing.T) {
	t.Parallel()
	i := testserver.NewIssuer(t)
	read := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		read++
		if err := json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.Key.Public(), KeyID: "one"}}}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(elsewhere.Close)
	leads := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
	t.Cleanup(leads.Close)
	i.Set(func(i *testserver.Issuer) { i.Meta["jwks_uri"] = leads.URL + "/keys" })
	if a, err := whole(t, at(t, i), ""); err == nil || read > 0 {
		t.Errorf("%+v, %v; keys were read %d times from elsewhere", a, err, read)
	}
	// Nor is a code, with our secret, sent where the provider's door leads.
	i = testserver.NewIssuer(t)
	i.Set(func(i *testserver.Issuer) { i.Meta["token_endpoint"] = leads.URL + "/token" })
	if a, err := whole(t, at(t, i), ""); err == nil || read > 0 {
		t.Errorf("%+v, %v; a code went elsewhere %d times", a, err, read)
	}
}

// What a provider says of itself is held to what was configured.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	for what, meta := range map[string]map[string]any{
		"another issuer":       {"issuer": "https://evil.example"},
		"codes in the clear":   {"token_endpoint": "http://evil.example/token"},
		"keys in the clear":    {"jwks_uri": "http://evil.example/keys"},
		"a door in the clear":  {"authorization_endpoint": "http://evil.example/"},
		"only secrets as keys": {"id_token_signing_alg_values_supported": []string{"HS256", "none"}},
	} {
		i := testserver.NewIssuer(t)
		i.Set(func(i *testserver.Issuer) { maps.Copy(i.Meta, meta) })
		if _, _, err := at(t, i).Begin(t.Context(), ""); !errors.Is(err, oidc.ErrDown) {
			t.Errorf("%s: %v", what, err)
		}
	}
	i := testserver.NewIssuer(t)
	for what, change := range map[string]func(*oidc.Config){
		"nothing": func(c *oidc.Config) { *c = oidc.Config{} }, "http": func(c *oidc.Config) { c.Issuer = "http://login.example" },
		"a strength of nothing": func(c *oidc.Config) { c.Strengths = []oidc.Strength{{Name: "mfa"}} },
	} {
		c := oidc.Config{ID: "corp", Issuer: i.URL, ClientID: "lessor", Redirect: "https://lessor.example/x", Now: time.Now, Rand: rand.Reader}
		change(&c)
		if _, err := oidc.New(c); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	p := at(t, i, func(c *oidc.Config) { c.Secret = func() (string, error) { return "", errors.New("not there") } })
	if _, _, err := p.Begin(t.Context(), ""); err == nil {
		t.Error("nobody is told that the secret is missing")
	}
}
