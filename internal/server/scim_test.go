package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
)

// provided is a folder with a feed by SCIM and so many people in the files.
func provided(t testing.TB, people int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "lessor")
	var list strings.Builder
	for n := range people {
		fmt.Fprintf(&list, "  - {id: f%d, kind: person, name: F %d, manager: mia}\n", n, n)
	}
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:0\n",
		"directory.yaml": "identities:\n  - {id: mia, kind: person, name: Mia}\n  - {id: sam, kind: person, name: Sam}\n" + list.String() + "groups:\n  - {id: security, members: [sam]}\n",
		"catalog.yaml": "systems:\n  - {id: list, connector: manual, owner: mia, settings: {asked_file: asked.jsonl, holdings_file: holdings.csv}}\n" +
			"entitlements:\n  - {id: \"list:wiki\", name: Wiki, object: wiki, owners: [mia], class: standard, max_term: 1d}\n",
		"feeds.yaml": fmt.Sprintf("feeds:\n  - id: idp\n    kind: scim\n    identity: user\n    match: [{attribute: user, equals: id}]\n    tokens:\n"+
			"      - {name: entra, sha256: %q, expires: 2099-12-31}\n      - {name: old, sha256: %q, expires: 2020-12-31}\n"+
			"  - {id: csv, kind: csv, key: n, settings: {people_file: p.csv}, match: [{attribute: user, equals: id}]}\n",
			fmt.Sprintf("%x", sha256.Sum256([]byte("good"))), fmt.Sprintf("%x", sha256.Sum256([]byte("late")))),
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// provider is what says what the feed says.
func provider(t testing.TB, people int) func(method, at, token, body string) (int, map[string]any) {
	t.Helper()
	s, err := server.New(t.Context(), provided(t, people), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	h := s.Handler()
	return func(method, at, token, body string) (int, map[string]any) {
		r := httptest.NewRequestWithContext(t.Context(), method, at, strings.NewReader(body))
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		text, err := io.ReadAll(w.Result().Body)
		got := map[string]any{}
		if err == nil && len(text) > 0 {
			err = json.NewDecoder(bytes.NewReader(text)).Decode(&got)
		}
		if err != nil {
			t.Fatalf("%s %s: %q, %v", method, at, text, err)
		}
		return w.Code, got
	}
}

// The server has the door at each feed by SCIM, and at no other, for tokens that are good still.
func TestAFeedTells(t *testing.T) {
	t.Parallel()
	call := provider(t, 0)
	for _, x := range []struct {
		at, token string
		want      int
	}{
		{"/scim/v2/idp/Users", "Bearer good", 200}, {"/scim/v2/idp/Users", "bearer good", 200}, {"/scim/v2/idp/Users", "Bearer late", 401}, {"/scim/v2/idp/Users", "Basic good", 401},
		{"/scim/v2/idp/Users", "Bearer ", 401}, {"/scim/v2/idp/Users", "", 401}, {"/scim/v2/csv/Users", "Bearer good", 401}, {"/scim/v2/none/Users", "Bearer good", 401}, {"/scim/v2/", "Bearer good", 401},
	} {
		if got, _ := call("GET", x.at, x.token, ""); got != x.want {
			t.Errorf("%s with %q: %d, not %d", x.at, x.token, got, x.want)
		}
	}
	status, ann := call("POST", "/scim/v2/idp/Users", "Bearer good", `{"userName":"ann@example.com","displayName":"Ann"}`)
	if status != 201 {
		t.Fatalf("%d %v", status, ann)
	}
	if status, got := call("GET", fmt.Sprintf("/scim/v2/idp/Users/%s", ann["id"]), "Bearer good", ""); status != 200 || got["displayName"] != "Ann" {
		t.Errorf("%d %v", status, got)
	}
	for n := range 600 { // the pace of one token
		if status, _ := call("GET", "/scim/v2/idp/Users/none", "Bearer good", ""); status == http.StatusTooManyRequests {
			return
		} else if status != 404 {
			t.Fatalf("call %d: %d", n, status)
		}
	}
}

// A first load, one after another, into a company of 20,000.
func BenchmarkFirstLoad(b *testing.B) {
	call := provider(b, 20_000)
	for n := 0; b.Loop(); n++ {
		body := fmt.Sprintf(`{"userName":"p%d@example.com","displayName":"Person %d","emails":[{"value":"p%d@example.com","type":"work"}]}`, n, n, n)
		for status := 0; status != 201; {
			if status, _ = call("POST", "/scim/v2/idp/Users", "Bearer good", body); status != 201 && status != http.StatusTooManyRequests {
				b.Fatal(status)
			}
		}
	}
}
