package signal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/lessor-iam/lessor/internal/access"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// shelf is the engine, as far as this room sees it.
type shelf struct {
	mu    sync.Mutex
	heard []access.Signal
	taken map[string]bool
	due   []access.SignalOut
	had   []access.SignalAnswer
	late  []string
	fails error
}

func (s *shelf) Signalled(_ context.Context, sig access.Signal) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return "", s.fails
	}
	if s.taken == nil {
		s.taken = map[string]bool{}
	}
	if !s.taken[sig.Transmitter+" "+sig.JTI] {
		s.heard = append(s.heard, sig)
	}
	s.taken[sig.Transmitter+" "+sig.JTI] = true
	return access.DidNothing, nil
}

func (s *shelf) SignalsDue(_ context.Context, receiver string, limit int) (list []access.SignalOut, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.due {
		if o.Receiver == receiver && len(list) < limit {
			list = append(list, o)
		}
	}
	return list, s.fails
}

func (s *shelf) SignalsHad(_ context.Context, receiver string, answers []access.SignalAnswer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range answers {
		s.had = append(s.had, a)
		s.due = slices.DeleteFunc(s.due, func(o access.SignalOut) bool { return o.Receiver == receiver && o.ID == a.ID })
	}
	return s.fails
}

func (s *shelf) SignalsLate(_ context.Context, _, trouble string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = append(s.late, trouble)
	return nil
}

// key is one that a test signs with.
func key(t *testing.T, kid string) (*ecdsa.PrivateKey, jose.JSONWebKey) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k, jose.JSONWebKey{Key: k.Public(), KeyID: kid, Algorithm: "ES256", Use: "sig"}
}

func keySet(t *testing.T, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func pemOf(t *testing.T, k any) string {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// claims are those of a good token, with what a test changes; nil takes one out.
func claims(change map[string]any) map[string]any {
	c := map[string]any{"iss": "https://idp.example", "aud": "us", "iat": noon.Unix(), "jti": "j1",
		"sub_id": map[string]any{"format": "iss_sub", "iss": "https://idp.example", "sub": "eve"},
		"events": map[string]any{access.SignalURI(access.SignalDisabled): map[string]any{}}}
	for name, v := range change {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// sign makes a token by hand, whatever is wrong with it.
func sign(t *testing.T, k *ecdsa.PrivateKey, header map[string]any, body any) string {
	t.Helper()
	part := func(v any) string {
		raw, ok := v.(string)
		if !ok {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			raw = string(b)
		}
		return base64.RawURLEncoding.EncodeToString([]byte(raw))
	}
	in := part(header) + "." + part(body)
	if header["alg"] == "none" {
		return in + "."
	}
	sum := sha256.Sum256([]byte(in))
	r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return in + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func head(change map[string]any) map[string]any {
	h := map[string]any{"alg": "ES256", "typ": "secevent+jwt", "kid": "k1"}
	maps.Copy(h, change)
	return h
}

// bench is the room with two transmitters and what they sign with.
type bench struct {
	*Room
	shelf     *shelf
	key, hers *ecdsa.PrivateKey
}

func setup(t *testing.T, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{shelf: &shelf{}}
	var one, two jose.JSONWebKey
	b.key, one = key(t, "k1")
	b.hers, two = key(t, "k2")
	keys, err := FixedKeys(keySet(t, one))
	if err != nil {
		t.Fatal(err)
	}
	other, err := FixedKeys(keySet(t, two))
	if err != nil {
		t.Fatal(err)
	}
	signs, _ := key(t, "")
	s, err := NewSigner("https://lessor.example", pemOf(t, signs), pemOf(t, b.key))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Door: b.shelf, Signer: s, Issuer: "https://lessor.example", Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Sources: []Source{{ID: "idp", Issuer: "https://idp.example", Audience: "us", Keys: keys, Token: sha256.Sum256([]byte("t1"))},
			{ID: "hr", Issuer: "https://hr.example", Audience: "us", Keys: other, Token: sha256.Sum256([]byte("t2"))}}}
	for _, do := range change {
		do(&c)
	}
	if b.Room, err = New(c); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) post(path, token, kind, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, req)
	return w
}

func TestAB02_SignalSentTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 2 { // twice is once
		if w := b.post("/signals/push/idp", "t1", setType, sign(t, b.key, head(nil), claims(nil))); w.Code != http.StatusAccepted || w.Body.Len() != 0 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	want := access.Signal{Transmitter: "idp", JTI: "j1", Event: access.SignalDisabled, At: noon, Subject: access.SignalSubject{Format: "iss_sub", Iss: "https://idp.example", Sub: "eve"}}
	if len(b.shelf.heard) != 1 || !b.shelf.heard[0].At.Equal(noon) {
		t.Fatalf("heard %+v", b.shelf.heard)
	}
	if got := b.shelf.heard[0]; got.Subject != want.Subject || got.Event != want.Event || got.JTI != want.JTI {
		t.Errorf("heard %+v", got)
	}
	for jti, c := range map[string]struct {
		sub   any
		event string
		want  access.SignalSubject
	}{
		"user":    {map[string]any{"format": "complex", "user": map[string]any{"format": "email", "email": "a@b"}, "session": map[string]any{"format": "opaque", "id": "s"}}, access.SignalSessionRevoked, access.SignalSubject{Format: "email", Email: "a@b"}},
		"device":  {map[string]any{"format": "complex", "user": map[string]any{"format": "email", "email": "a@b"}, "device": map[string]any{"format": "opaque", "id": "s"}}, access.SignalDisabled, access.SignalSubject{Format: "complex"}},
		"session": {map[string]any{"format": "complex", "user": map[string]any{"format": "email", "email": "a@b"}, "session": map[string]any{"format": "opaque", "id": "s"}}, access.SignalDisabled, access.SignalSubject{Format: "complex"}},
	} {
		body := claims(map[string]any{"jti": jti, "sub_id": c.sub, "events": map[string]any{access.SignalURI(c.event): map[string]any{"event_timestamp": noon.Unix() - 60}}})
		if w := b.post("/signals/push/idp", "t1", setType, sign(t, b.key, head(nil), body)); w.Code != http.StatusAccepted {
			t.Errorf("%s: %d %s", jti, w.Code, w.Body)
			continue
		}
		if got := b.shelf.heard[len(b.shelf.heard)-1]; got.Subject != c.want || !got.At.Equal(noon.Add(-time.Minute)) {
			t.Errorf("%s: heard %+v", jti, got)
		}
	}
	b.shelf.fails = errors.New("the database is away")
	if w := b.post("/signals/push/idp", "t1", setType, sign(t, b.key, head(nil), claims(map[string]any{"jti": "j9"}))); w.Code != http.StatusServiceUnavailable {
		t.Errorf("what could not be taken is answered %d", w.Code)
	}
}

func TestAB40_TokensThatAreNoSignals(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := func(c map[string]any) string { return sign(t, b.key, head(nil), claims(c)) }
	event := func(n int) map[string]any {
		m := map[string]any{}
		for i := range n {
			m[fmt.Sprint("https://x.example/", i)] = map[string]any{}
		}
		return map[string]any{"events": m}
	}
	for name, c := range map[string]struct{ token, err string }{
		"alg none":             {sign(t, b.key, head(map[string]any{"alg": "none"}), claims(nil)), badRequest},
		"a shared secret":      {sign(t, b.key, head(map[string]any{"alg": "HS256"}), claims(nil)), badRequest},
		"another algorithm":    {sign(t, b.key, head(map[string]any{"alg": "RS256"}), claims(nil)), badKey},
		"no typ":               {sign(t, b.key, map[string]any{"alg": "ES256", "kid": "k1"}, claims(nil)), badRequest},
		"an access token":      {sign(t, b.key, head(map[string]any{"typ": "at+jwt"}), claims(nil)), badRequest},
		"crit":                 {sign(t, b.key, head(map[string]any{"crit": []string{"b64"}, "b64": true}), claims(nil)), badRequest},
		"crit unknown":         {sign(t, b.key, head(map[string]any{"crit": []string{"x"}, "x": 1}), claims(nil)), badRequest},
		"no kid":               {sign(t, b.key, map[string]any{"alg": "ES256", "typ": "secevent+jwt"}, claims(nil)), badKey},
		"another's key":        {sign(t, b.hers, head(map[string]any{"kid": "k2"}), claims(nil)), badKey},
		"another's, called so": {sign(t, b.hers, head(nil), claims(nil)), badKey},
		"another issuer":       {good(map[string]any{"iss": "https://hr.example"}), badIssuer},
		"another audience":     {good(map[string]any{"aud": []string{"them"}}), badAudience},
		"no audience":          {good(map[string]any{"aud": nil}), badAudience},
		"no jti":               {good(map[string]any{"jti": ""}), badRequest},
		"a long jti":           {good(map[string]any{"jti": strings.Repeat("x", 256)}), badRequest},
		"no iat":               {good(map[string]any{"iat": nil}), badRequest},
		"tomorrow":             {good(map[string]any{"iat": noon.Add(24 * time.Hour).Unix()}), badRequest},
		"last month":           {good(map[string]any{"iat": noon.Add(-30 * 24 * time.Hour).Unix()}), badRequest},
		"exp":                  {good(map[string]any{"exp": noon.Add(time.Hour).Unix()}), badRequest},
		"sub":                  {good(map[string]any{"sub": "eve"}), badRequest},
		"no subject":           {good(map[string]any{"sub_id": nil}), badRequest},
		"a text for a subject": {good(map[string]any{"sub_id": "eve"}), badRequest},
		"no event":             {good(event(0)), badRequest},
		"two events":           {good(event(2)), badRequest},
		"a claim twice":        {sign(t, b.key, head(nil), `{"iss":"https://idp.example","iss":"https://idp.example","aud":"us","iat":1,"jti":"x"}`), badRequest},
		"no token":             {"hello", badRequest},
		"too long":             {strings.Repeat("a", longestSET+1), badRequest},
	} {
		w := b.post("/signals/push/idp", "t1", setType, c.token)
		var said struct{ Err, Description string }
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != http.StatusBadRequest || said.Err != c.err || said.Description == "" {
			t.Errorf("%s: %d %s, want %s", name, w.Code, w.Body, c.err)
		}
	}
	if w := b.post("/signals/push/idp", "t1", "application/json", good(nil)); w.Code != http.StatusBadRequest {
		t.Errorf("another media type: %d", w.Code)
	}
	// Whoever is not let in cannot tell why.
	first := b.post("/signals/push/idp", "t2", setType, good(nil))
	for what, w := range map[string]*httptest.ResponseRecorder{"nobody": b.post("/signals/push/none", "t1", setType, "x"), "no token": b.post("/signals/push/idp", "", setType, "x"),
		"who fetches": b.post("/signals/poll/idp", "t1", setType, "x")} {
		if w.Code != http.StatusUnauthorized || w.Body.String() != first.Body.String() {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	if len(b.shelf.heard) != 0 {
		t.Errorf("heard %+v", b.shelf.heard)
	}
}

// Keys are read again for one that is not known, seldom, and kept while their server is away.
func TestRemoteKeys(t *testing.T) {
	t.Parallel()
	_, one := key(t, "k1")
	_, two := key(t, "k2")
	now, list, down, reads := noon, []jose.JSONWebKey{one}, false, 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if reads++; down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(keySet(t, list...))
	}))
	defer web.Close()
	r := RemoteKeys(web.URL, func() time.Time { return now })
	ask := func(kid string, want error, n int) {
		t.Helper()
		if _, err := r.Key(t.Context(), kid); !errors.Is(err, want) || reads != n {
			t.Errorf("%s: %v after %d readings; want %v, %d", kid, err, reads, want, n)
		}
	}
	ask("k1", nil, 1)
	ask("k1", nil, 1)
	ask("k2", ErrNoKey, 1) // a moment ago it was not there
	list = append(list, two)
	now = now.Add(keysEvery)
	ask("k2", nil, 2)
	down, now = true, now.Add(2*time.Hour)
	ask("k1", nil, 3)
	now = now.Add(keysEvery)
	if _, err := r.Key(t.Context(), "k3"); err == nil || errors.Is(err, ErrNoKey) {
		t.Errorf("whether there is such a key nobody knows: %v", err)
	}
	if _, err := FixedKeys([]byte(`{"keys":[{"kty":"oct","kid":"s","k":"c2VjcmV0"}]}`)); !errors.Is(err, access.ErrInvalid) {
		t.Errorf("a shared secret is taken for a key: %v", err)
	}
}

func out(id, receiver string) access.SignalOut {
	return access.SignalOut{ID: id, Receiver: receiver, Event: access.SignalSessionRevoked, At: noon.Add(-time.Second), Subject: access.SignalSubject{Format: "iss_sub", Iss: "https://idp.example", Sub: "eve"},
		Says: map[string]string{"initiating_entity": "policy", "reason_admin": "gone"}}
}

// A receiver that fails before it has something, and one that fails after, both have
// it in the end: the one once, the other twice, and in order.
func TestSendIsNeverNotAtAll(t *testing.T) {
	t.Parallel()
	receives := setup(t)
	mode, came := "", []string{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer secret" || req.Header.Get("Content-Type") != setType {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch mode {
		case "before":
			w.WriteHeader(http.StatusBadGateway)
			return
		case "elsewhere":
			http.Redirect(w, req, "/other", http.StatusTemporaryRedirect)
			return
		case "mends":
			answer(w, http.StatusBadRequest, map[string]string{"err": badKey})
			return
		case "never":
			answer(w, http.StatusBadRequest, map[string]string{"err": badRequest, "description": "no"})
			return
		}
		raw, _ := io.ReadAll(req.Body)
		s := Source{ID: "lessor", Issuer: "https://lessor.example", Audience: "app", Keys: &Fixed{receives.Signer.public}}
		sig, err := s.check(req.Context(), string(raw), noon)
		if err != nil || sig.Event != access.SignalSessionRevoked || sig.Subject.Sub != "eve" {
			t.Errorf("it came as %+v, %v", sig, err)
		}
		if came = append(came, sig.JTI); mode == "after" {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer web.Close()
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	receives.Receivers = []Receiver{{ID: "app", Audience: "app", URL: web.URL, Access: func() (string, error) { return "secret\n", nil }}}
	receives.shelf.due = []access.SignalOut{out("si-1", "app"), out("si-2", "app"), out("si-3", "app")}
	for _, mode = range []string{"before", "elsewhere", "mends", "after"} {
		if _, err := receives.Send(t.Context(), "app"); err == nil {
			t.Errorf("%s: no error", mode)
		}
	}
	if len(receives.shelf.had) != 0 || len(receives.shelf.late) != 4 || !slices.Equal(came, []string{"si-1"}) {
		t.Errorf("had %v, late %v, came %v", receives.shelf.had, receives.shelf.late, came)
	}
	mode = "never"
	receives.shelf.due = append(receives.shelf.due[:0:0], receives.shelf.due...)
	due := slices.Clone(receives.shelf.due)
	receives.shelf.due = []access.SignalOut{out("si-0", "app")}
	if _, err := receives.Send(t.Context(), "app"); err != nil || len(receives.shelf.had) != 1 || receives.shelf.had[0].Error == "" {
		t.Errorf("refused for good: %v, %v", err, receives.shelf.had)
	}
	mode, receives.shelf.due = "", due
	if _, err := receives.Send(t.Context(), "app"); err != nil || !slices.Equal(came, []string{"si-1", "si-1", "si-2", "si-3"}) {
		t.Errorf("%v, came %v", err, came)
	}
	if more, err := receives.Send(t.Context(), "nobody"); more || err != nil {
		t.Error("one that is no receiver any more")
	}
}

// What is handed out is handed out until it is acknowledged, and the other side takes it once.
func TestPolledByAnother(t *testing.T) {
	t.Parallel()
	gives := setup(t, func(c *Config) {
		c.Receivers = []Receiver{{ID: "siem", Audience: "siem", Token: sha256.Sum256([]byte("p"))}}
	})
	for _, id := range []string{"si-1", "si-2", "si-3"} {
		gives.shelf.due = append(gives.shelf.due, out(id, "siem"))
	}
	poll := func(body string) (h handed) {
		t.Helper()
		w := gives.post("/signals/poll/siem", "p", "application/json", body)
		if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return h
	}
	for range 2 {
		if h := poll(`{"maxEvents":2,"returnImmediately":true}`); len(h.Sets) != 2 || !h.More || h.Sets["si-1"] == "" || h.Sets["si-2"] == "" {
			t.Errorf("%+v", h)
		}
	}
	if h := poll(`{"maxEvents":0,"ack":["si-1"],"setErrs":{"si-2":{"err":"invalid_request","description":"no"}}}`); len(h.Sets) != 0 {
		t.Errorf("an acknowledgement alone brings %+v", h)
	}
	if len(gives.shelf.had) != 2 || gives.shelf.had[1].Error == "" {
		t.Errorf("had %+v", gives.shelf.had)
	}
	if w := gives.post("/signals/poll/siem", "p", "application/json", "no"); w.Code != http.StatusBadRequest {
		t.Errorf("%d", w.Code)
	}
	// The other side, which stops once after it has taken one and before it says so.
	web := httptest.NewServer(gives)
	defer web.Close()
	takes := setup(t)
	takes.Sources = []Source{{ID: "lessor", Issuer: "https://lessor.example", Audience: "siem", Keys: RemoteKeys(web.URL+KeysAt, takes.Now), Endpoint: web.URL + "/signals/poll/siem",
		Access: func() (string, error) { return "p", nil }}}
	gives.shelf.due = append(gives.shelf.due, out("si-4", "siem"))
	takes.shelf.fails = errors.New("away")
	if _, err := takes.Fetch(t.Context(), "lessor"); err == nil || len(gives.shelf.due) != 2 {
		t.Errorf("%v; still due %d", err, len(gives.shelf.due))
	}
	takes.shelf.fails = nil
	if n, err := takes.Fetch(t.Context(), "lessor"); err != nil || n != 2 || len(takes.shelf.heard) != 2 || len(gives.shelf.due) != 0 {
		t.Errorf("%d, %v; heard %+v, due %d", n, err, takes.shelf.heard, len(gives.shelf.due))
	}
	if n, err := takes.Fetch(t.Context(), "lessor"); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	// What is for another is refused, and said so.
	gives.shelf.due = []access.SignalOut{out("si-5", "siem")}
	takes.Sources[0].Audience = "us"
	if n, err := takes.Fetch(t.Context(), "lessor"); err != nil || n != 0 || !strings.Contains(gives.shelf.had[len(gives.shelf.had)-1].Error, badAudience) {
		t.Errorf("%d, %v, %+v", n, err, gives.shelf.had)
	}
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	b := setup(t)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		return w
	}
	var said struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(get(Discovery).Body.Bytes(), &said); err != nil || said.Issuer != "https://lessor.example" || said.Keys != said.Issuer+KeysAt {
		t.Errorf("%+v, %v", said, err)
	}
	w := get(KeysAt)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || len(set.Keys) != 2 || strings.Contains(w.Body.String(), `"d"`) {
		t.Errorf("%v, %s", err, w.Body)
	}
	b.Signer = nil
	if get(Discovery).Code != http.StatusNotFound || get(KeysAt).Code != http.StatusNotFound {
		t.Error("who sends nothing says that it does")
	}
}
