package abuse

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// signedSite is a whole server whose people sign in at a provider that says what
// an attacker has it say. Beside it stands another provider, of the attacker's own.
func signedSite(t *testing.T) (s *site, corp, evil *testserver.Issuer) {
	t.Helper()
	s, corp, evil = newSite(t), testserver.NewIssuer(t), testserver.NewIssuer(t)
	s.signsIn(corp, evil)
	s.run()
	return s, corp, evil
}

// signsIn has people sign in at these providers, from the next start on.
func (s *site) signsIn(corp, evil *testserver.Issuer) {
	s.t.Helper()
	port := testserver.Port(s.t)
	s.edit("lessor.yaml", "127.0.0.1:0", fmt.Sprintf("127.0.0.1:%d", port))
	s.edit("directory.yaml", "name: Ann, manager: mia, accounts: {", "name: Ann, manager: mia, accounts: {corp: s-ann, evil: x-ann, ")
	s.edit("directory.yaml", "name: Mia, accounts: {", "name: Mia, accounts: {corp: s-mia, ")
	text := fmt.Sprintf("address: http://127.0.0.1:%d\nproviders:\n  - {id: corp, name: Corp, issuer: %q, client_id: lessor, strengths: [{name: mfa, acr: [\"urn:mfa\"]}]}\n  - {id: evil, name: Evil, issuer: %q, client_id: lessor}\n",
		port, corp.URL, evil.URL)
	if err := os.WriteFile(filepath.Join(s.dir, "sign-in.yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// visitor is somebody's browser at a site.
type visitor struct {
	*site
	jar    http.CookieJar
	status int
	at     string // the path it is at, at the site or elsewhere
	page   string
}

func (s *site) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &visitor{site: s, jar: jar}
}

// send goes somewhere and follows where it leads, unless it stops at a path that begins so.
func (v *visitor) send(method, path string, form url.Values, stop string, header ...string) string {
	v.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = v.url + path
	}
	r, err := http.NewRequestWithContext(v.t.Context(), method, path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	stopped := ""
	c := &http.Client{Jar: v.jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if stop != "" && strings.HasPrefix(r.URL.Path, stop) {
			stopped = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := c.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	v.status, v.at, v.page = res.StatusCode, res.Request.URL.Path, string(raw)
	for _, c := range v.cookies() {
		v.hide(c.Value)
	}
	if at, err := url.Parse(stopped); err == nil {
		v.hide(at.Query().Get("code"))
	}
	return stopped
}

// in tells whether the browser has a session.
func (v *visitor) in() bool {
	v.t.Helper()
	v.send(http.MethodGet, "/access", nil, "")
	return v.at == "/access" && v.status == http.StatusOK
}

func (v *visitor) cookies() (list []*http.Cookie) {
	u, err := url.Parse(v.url)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.jar.Cookies(u)
}

func (v *visitor) cookie(name string) string {
	for _, c := range v.cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// plant puts a cookie into the browser, as another site of the same host may.
func (v *visitor) plant(name, value, path string) {
	u, err := url.Parse(v.url)
	if err != nil {
		v.t.Fatal(err)
	}
	v.jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: path}})
}

// A link to the attacker's own sign-in signs nobody in: neither as the attacker,
// whose secrets one would then type, nor as oneself.
func TestAB66_SignInThatAnotherBrowserBegan(t *testing.T) {
	t.Parallel()
	s, _, _ := signedSite(t)
	attacker := s.visitor()
	link := attacker.send(http.MethodGet, "/sign-in/go/corp", nil, "/sign-in/back/")
	if link == "" {
		t.Fatal("the provider sent nobody back")
	}
	victim := s.visitor()
	victim.send(http.MethodGet, link, nil, "")
	if victim.status != http.StatusBadRequest || victim.in() {
		t.Errorf("the victim followed the attacker's link: %d, in %v", victim.status, victim.in())
	}
	// Begun by both, the one's answer is not the other's.
	victim.send(http.MethodGet, "/sign-in/go/corp", nil, "/sign-in/back/")
	victim.send(http.MethodGet, link, nil, "")
	if victim.status != http.StatusBadRequest || victim.in() {
		t.Errorf("with a sign-in of its own under way: %d", victim.status)
	}
	// A cookie planted beside one's own makes both nobody's.
	own := victim.send(http.MethodGet, "/sign-in/go/corp", nil, "/sign-in/back/")
	victim.plant("lessor-sign-in", attacker.cookie("lessor-sign-in"), "/sign-in")
	for _, l := range []string{link, own} {
		victim.send(http.MethodGet, l, nil, "")
		if victim.status != http.StatusBadRequest {
			t.Errorf("two sign-ins under way, one of them planted: %d at %s", victim.status, victim.at)
		}
	}
	if victim.in() {
		t.Error("the victim is signed in")
	}
	link = attacker.send(http.MethodGet, "/sign-in/go/corp", nil, "/sign-in/back/")
	attacker.send(http.MethodGet, link, nil, "")
	if !attacker.in() { // or none of it was tested
		t.Error("the link is not good in the browser that began it")
	}
}

// forgeries are tokens that must sign nobody in, made of a good one's claims.
func forgeries(t *testing.T, corp *testserver.Issuer) map[string]func(map[string]any) string {
	t.Helper()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: corp.Key.Public()})
	if err != nil {
		t.Fatal(err)
	}
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	by := func(kid string, c map[string]any) string {
		return testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: other, KeyID: kid}}, c)
	}
	with := func(k string, v any) func(map[string]any) string {
		return func(c map[string]any) string { c[k] = v; return corp.Sign(c) }
	}
	return map[string]func(map[string]any) string{
		"alg none": func(c map[string]any) string { return part(map[string]string{"alg": "none"}) + "." + part(c) + "." },
		"the public key as a secret": func(c map[string]any) string {
			return testserver.SignBy(jose.SigningKey{Algorithm: jose.HS256, Key: public}, c)
		},
		"another key":     func(c map[string]any) string { return by("one", c) },
		"kid traversal":   func(c map[string]any) string { return by("../../../../../../dev/null", c) },
		"kid injection":   func(c map[string]any) string { return by("' union select 'x", c) },
		"another nonce":   with("nonce", "x"),
		"no nonce":        func(c map[string]any) string { delete(c, "nonce"); return corp.Sign(c) },
		"another client":  with("aud", "another"),
		"another issuer":  with("iss", "https://evil.example"),
		"made for others": with("azp", "another"),
		"long ago":        with("exp", 1),
		"nobody's name": func(c map[string]any) string {
			c["sub"], c["name"], c["preferred_username"], c["email"] = "s-stranger", "Ann", "ann", "ann@example.org"
			return corp.Sign(c)
		},
	}
}

func TestAB66_TokensThatNoProviderMakes(t *testing.T) {
	t.Parallel()
	s, corp, _ := signedSite(t)
	for what, forge := range forgeries(t, corp) {
		corp.Set(func(i *testserver.Issuer) { i.Forge = func(_ url.Values, c map[string]any) string { return forge(c) } })
		v := s.visitor()
		v.send(http.MethodGet, "/sign-in/go/corp", nil, "")
		if v.status < 400 || v.status >= 500 || v.cookie("lessor") != "" || v.in() {
			t.Errorf("%s: %d at %s, signed in %v", what, v.status, v.at, v.in())
		}
	}
	corp.Set(func(i *testserver.Issuer) { i.Forge = nil })
	v := s.visitor()
	if v.send(http.MethodGet, "/sign-in/go/corp", nil, ""); !v.in() {
		t.Error("a good token signs nobody in: none of it was tested")
	}
}

// What one provider answers is not taken for what another was asked.
func TestAB66_MixUpOfProviders(t *testing.T) {
	t.Parallel()
	s, corp, _ := signedSite(t)
	at := func(link, id string) string {
		return strings.Replace(link, "/sign-in/back/corp", "/sign-in/back/"+id, 1)
	}
	v := s.visitor()
	link := v.send(http.MethodGet, "/sign-in/go/corp", nil, "/sign-in/back/")
	// The code of the one, brought to the other: it must not even learn the code.
	if v.send(http.MethodGet, at(link, "evil"), nil, ""); v.status != http.StatusBadRequest || v.in() {
		t.Errorf("at the other provider's door: %d", v.status)
	}
	link = v.send(http.MethodGet, "/sign-in/go/corp", nil, "/sign-in/back/")
	if v.send(http.MethodGet, link+"&iss="+url.QueryEscape("https://evil.example"), nil, ""); v.status != http.StatusBadRequest || v.in() {
		t.Errorf("from another issuer (RFC 9207): %d", v.status)
	}
	// A provider may say who its own people are, and nobody else's.
	corp.Set(func(i *testserver.Issuer) {
		i.Forge = func(_ url.Values, c map[string]any) string { c["sub"] = "x-ann"; return i.Sign(c) }
	})
	if v.send(http.MethodGet, "/sign-in/go/corp", nil, ""); v.status != http.StatusForbidden || v.in() {
		t.Errorf("a subject of the other provider's: %d", v.status)
	}
}

// A session that was there before the sign-in is worth nothing after it.
func TestAB66_SessionFixation(t *testing.T) {
	t.Parallel()
	s, corp, _ := signedSite(t)
	attacker := s.visitor()
	attacker.send(http.MethodGet, "/sign-in/go/corp", nil, "")
	his := attacker.cookie("lessor")
	corp.Set(func(i *testserver.Issuer) {
		i.Forge = func(_ url.Values, c map[string]any) string { c["sub"], c["acr"] = "s-mia", "urn:mfa"; return i.Sign(c) }
	})
	victim := s.visitor()
	victim.plant("lessor", his, "/")
	victim.send(http.MethodGet, "/sign-in/go/corp", nil, "")
	hers := victim.cookie("lessor")
	if hers == "" || hers == his || !victim.in() {
		t.Fatalf("signed in %v, with the planted token %v", victim.in(), hers == his)
	}
	if attacker.in() {
		t.Error("the planted token is good for something")
	}
	// And again when more was shown.
	victim.send(http.MethodGet, "/sign-in/stronger?strength=mfa&next=/access", nil, "")
	if now := victim.cookie("lessor"); now == hers || !victim.in() {
		t.Errorf("the token is as before the step-up: at %s %d", victim.at, victim.status)
	}
	old := s.visitor()
	if old.plant("lessor", hers, "/"); old.in() {
		t.Error("the token from before the step-up is good for something")
	}
}

// No header says who is there: Lessor believes no proxy.
func TestAB66_HeadersOfAProxy(t *testing.T) {
	t.Parallel()
	s, _, _ := signedSite(t)
	for _, h := range []string{"X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Auth-Request-User", "X-Forwarded-Email", "X-User", "X-WEBAUTH-USER", "X-Forwarded-Preferred-Username", "Cf-Access-Authenticated-User-Email"} {
		v := s.visitor()
		if v.send(http.MethodGet, "/access", nil, "", h, "ann", "X-Forwarded-For", "127.0.0.1", "X-Forwarded-Groups", "security"); v.at != "/sign-in" {
			t.Errorf("%s: at %s", h, v.at)
		}
		if v.send(http.MethodGet, "/api/v1/requests", nil, "", h, "ann"); v.status != http.StatusUnauthorized {
			t.Errorf("%s at the API: %d", h, v.status)
		}
	}
	// Nor does one say where the browser is sent back to.
	v := s.visitor()
	back := v.send(http.MethodGet, "/sign-in/go/corp", nil, "/authorize", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "Forwarded", "host=evil.example")
	if u, err := url.Parse(back); err != nil || !strings.HasPrefix(u.Query().Get("redirect_uri"), s.url+"/") {
		t.Errorf("sent back to %s", back)
	}
}

// A page elsewhere can have a browser send a form; it gets nothing done.
func TestAB66_FormsOfAnotherSite(t *testing.T) {
	t.Parallel()
	s, corp, _ := signedSite(t)
	r, err := s.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:wiki"}}))
	if err != nil {
		t.Fatal(err)
	}
	corp.Set(func(i *testserver.Issuer) {
		i.Forge = func(_ url.Values, c map[string]any) string { c["sub"] = "s-mia"; return i.Sign(c) }
	})
	mia := s.visitor()
	mia.send(http.MethodGet, "/sign-in/go/corp", nil, "")
	w, err := client.New(s.url, "").AskLogin(t.Context(), "evil")
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		for path, form := range map[string]url.Values{"/waiting/" + r.ID: {"verdict": {"approve"}, "digest": {r.Digest}}, "/sign-in/cli": {"code": {w.Code}, "verdict": {"let"}}, "/sign-out": nil} {
			if mia.send(http.MethodPost, path, form, "", from...); mia.status != http.StatusForbidden {
				t.Errorf("%s from %v: %d", path, from, mia.status)
			}
		}
	}
	if !mia.in() {
		t.Error("she was signed out")
	}
	if story, err := s.as("ann").Request(t.Context(), r.ID); err != nil || story.Request.State != access.Pending {
		t.Errorf("%s, %v", story.Request.State, err)
	}
}

// Nobody but the provider ends somebody's session, and each word of it counts once.
func TestAB66_LogoutTokens(t *testing.T) {
	t.Parallel()
	s, corp, evil := signedSite(t)
	ann := s.visitor()
	ann.send(http.MethodGet, "/sign-in/go/corp", nil, "")
	says := func(at, token string) int {
		v := s.visitor()
		v.send(http.MethodPost, "/sign-in/ended/"+at, url.Values{"logout_token": {token}}, "")
		return v.status
	}
	claims := corp.Logout("lessor", "id-1")
	for what, c := range map[string]struct{ at, token string }{
		"by another":          {"corp", evil.Sign(evil.Logout("lessor", "id-1"))},
		"by another's key":    {"corp", evil.Sign(claims)},
		"at the other's door": {"evil", corp.Sign(claims)},
		"of another client":   {"corp", corp.Sign(corp.Logout("another", "id-1"))},
		"an ID token":         {"corp", corp.Sign(corp.Claims(url.Values{"client_id": {"lessor"}}))},
		"nothing":             {"corp", ""},
		"of no provider":      {"none", corp.Sign(claims)},
	} {
		if n := says(c.at, c.token); n != http.StatusBadRequest {
			t.Errorf("%s: %d", what, n)
		}
	}
	if !ann.in() {
		t.Fatal("somebody ended her session")
	}
	good := corp.Sign(claims)
	if n := says("corp", good); n != http.StatusOK || ann.in() {
		t.Errorf("the provider's own word: %d, in %v", n, ann.in())
	}
	ann.send(http.MethodGet, "/sign-in/go/corp", nil, "")
	if n := says("corp", good); n != http.StatusBadRequest || !ann.in() {
		t.Errorf("the same word again: %d, in %v", n, ann.in())
	}
}

// Each token is good at its own door: a session, a program's token, a provider's.
func TestAB40_TokensAtAnotherDoor(t *testing.T) {
	t.Parallel()
	s, corp, _ := signedSite(t)
	ann := s.visitor()
	ann.send(http.MethodGet, "/sign-in/go/corp", nil, "")
	if !ann.in() {
		t.Fatal("she is not signed in")
	}
	w, err := client.New(s.url, "").AskLogin(t.Context(), "lessor")
	if err != nil {
		t.Fatal(err)
	}
	ann.send(http.MethodPost, "/sign-in/cli", url.Values{"code": {w.Code}, "verdict": {"let"}}, "")
	login, err := client.New(s.url, "").Collect(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := signedSite(t)
	for what, c := range map[string]struct {
		token string
		want  int
	}{
		"the portal's session":           {ann.cookie("lessor"), http.StatusUnauthorized},
		"what a program keeps meanwhile": {w.Device, http.StatusUnauthorized},
		"what a person types":            {w.Code, http.StatusUnauthorized},
		"the provider's ID token":        {corp.Sign(corp.Claims(url.Values{"client_id": {"lessor"}})), http.StatusUnauthorized},
		"the provider's access token":    {"an-access-token", http.StatusUnauthorized},
		"a program's token":              {login.Token, http.StatusOK},
	} {
		v := s.visitor()
		if v.send(http.MethodGet, "/api/v1/requests", nil, "", "Authorization", "Bearer "+c.token); v.status != c.want {
			t.Errorf("%s at the API: %d, want %d", what, v.status, c.want)
		}
	}
	// A program's token is no session, no token of another server, and no administrator's.
	v := s.visitor()
	if v.plant("lessor", login.Token, "/"); v.in() {
		t.Error("a program's token is a session")
	}
	if v.send(http.MethodGet, "/access", nil, "", "Authorization", "Bearer "+login.Token); v.at != "/sign-in" {
		t.Errorf("a program's token at the portal: %s", v.at)
	}
	o := other.visitor()
	if o.send(http.MethodGet, "/api/v1/requests", nil, "", "Authorization", "Bearer "+login.Token); o.status != http.StatusUnauthorized {
		t.Errorf("at another server: %d", o.status)
	}
	if err := client.New(s.url, login.Token).Reload(t.Context()); err == nil {
		t.Error("a person's program has the files read anew")
	}
	// Nor is it good for another program's logout, or after its own.
	if err := client.New(s.url, ann.cookie("lessor")).Logout(t.Context()); err == nil {
		t.Error("a session ended as a program's token")
	}
	if err := client.New(s.url, login.Token).Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if v.send(http.MethodGet, "/api/v1/requests", nil, "", "Authorization", "Bearer "+login.Token); v.status != http.StatusUnauthorized {
		t.Errorf("after its end: %d", v.status)
	}
}
