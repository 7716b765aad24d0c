package server_test

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Whoever comes with a good token while the database cannot be asked is told to come again,
// at every door, and not that the token is bad or that they are not signed in. Whoever
// comes with none is told that.
func TestADatabaseThatIsAway(t *testing.T) {
	pg := testserver.StartPostgres(t)
	t.Setenv("LESSOR_TEST_AWAY", pg.DSN+"&pool_max_conns=4")
	dir := filepath.Join(t.TempDir(), "lessor")
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:0\ndatabase_ref: env:LESSOR_TEST_AWAY\ntokens:\n",
		"directory.yaml": "identities:\n  - {id: mia, kind: person, name: Mia}\ngroups:\n  - {id: security, members: [mia]}\n",
		"catalog.yaml": "systems:\n  - {id: list, connector: manual, owner: mia, settings: {asked_file: asked.jsonl, holdings_file: holdings.csv}}\n" +
			"entitlements:\n  - {id: \"list:wiki\", name: Wiki, object: wiki, owners: [mia], class: standard, max_term: 1d}\n",
		"feeds.yaml": fmt.Sprintf("feeds:\n  - id: idp\n    kind: scim\n    identity: user\n    match: [{attribute: user, equals: id}]\n    tokens:\n      - {name: entra, sha256: %q, expires: 2099-12-31}\n",
			fmt.Sprintf("%x", sha256.Sum256([]byte("good")))),
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	file, err := setup.AddToken(dir, setup.Token{Name: "mia", Identity: "mia", Scopes: []string{"view", "request", "evaluate"}, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), dir, slog.New(slog.DiscardHandler), server.SignInBy(func(sessions *auth.Sessions) (http.Handler, error) {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := sessions.Begin(w, r, "mia", "mfa"); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}), nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // its connections are gone
	call := func(method, at, key, value, body string) *http.Response {
		r := httptest.NewRequestWithContext(t.Context(), method, at, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if key != "" {
			r.Header.Set(key, value)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		return w.Result()
	}
	signedIn := call("GET", "/sign-in", "", "", "").Cookies()
	if len(signedIn) != 1 {
		t.Fatalf("signing in gave %v", signedIn)
	}
	bearer := "Bearer " + strings.TrimSpace(string(token))
	question := `{"subject":{"type":"user","id":"mia"},"action":{"name":"use"},"resource":{"type":"entitlement","id":"list:wiki"}}`
	doors := []struct {
		what, method, at, key, value, body string
		good, none                         int
	}{
		{"the API", "GET", "/api/v1/requests", "Authorization", bearer, "", 200, 401},
		{"the API's verbs", "POST", "/api/v1/requests", "Authorization", bearer, `{"entitlements":["list:wiki"],"reason":"to do my work","term":"1h"}`, 200, 401},
		{"AuthZEN", "POST", "/access/v1/evaluation", "Authorization", bearer, question, 200, 401},
		{"SCIM", "GET", "/scim/v2/idp/Users", "Authorization", "Bearer good", "", 200, 401},
		{"the portal", "GET", "/access", "Cookie", signedIn[0].Name + "=" + signedIn[0].Value, "", 200, 303},
	}
	for _, away := range []bool{false, true} {
		if away {
			pg.Stop()
		}
		for _, d := range doors {
			want := d.good
			if away {
				want = http.StatusServiceUnavailable
			}
			got := call(d.method, d.at, d.key, d.value, d.body)
			if got.StatusCode != want {
				t.Errorf("%s, database away %t: %d, want %d", d.what, away, got.StatusCode, want)
			}
			if away && got.Header.Get("Retry-After") == "" {
				t.Errorf("%s does not say when to come again", d.what)
			}
			if got := call(d.method, d.at, "", "", d.body); got.StatusCode != d.none {
				t.Errorf("%s with nothing, database away %t: %d, want %d", d.what, away, got.StatusCode, d.none)
			}
		}
	}
}
