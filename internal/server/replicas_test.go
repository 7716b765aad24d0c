package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Two replicas on one database know of each other, say when they run on different
// files, and when they no longer do.
func TestReplicasOnOtherFilesAreNoticed(t *testing.T) {
	dsn := testserver.Postgres(t)
	t.Setenv("LESSOR_TEST_REPLICAS", dsn)
	one := filepath.Join(t.TempDir(), "one")
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":        "listen: 127.0.0.1:0\ndatabase_ref: env:LESSOR_TEST_REPLICAS\ntokens:\n",
		"directory.yaml":     "identities:\n  - {id: mia, kind: person, name: Mia}\ngroups:\n  - {id: security, members: [mia]}\n",
		"catalog.yaml":       "systems: []\nentitlements: []\n",
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(one, files, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	if _, err := setup.AddToken(one, setup.Token{Name: "mia", Identity: "mia", Scopes: []string{"view"}, Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	two := filepath.Join(t.TempDir(), "two")
	if err := os.CopyFS(two, os.DirFS(one)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(two, "log.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &lines{}
	first, ask := replicaOn(t, one, said)
	second, _ := replicaOn(t, two, &lines{})
	sees := func(what string, alike bool) {
		t.Helper()
		testserver.Await(t, what, time.Minute, func() error {
			st, err := ask.Status(t.Context())
			if err != nil || len(st.Replicas) != 2 {
				return errors.Join(err, fmt.Errorf("it knows of %+v", st.Replicas))
			}
			for _, r := range st.Replicas {
				if r.Alike != (alike || r.Here) || r.Name == "" || r.Version == "" {
					return fmt.Errorf("it knows of %+v", st.Replicas)
				}
			}
			return nil
		})
	}
	// 1. The same folder in two places, and each its own address.
	sees("another replica", true)
	// 2. A rule that one has and the other has not.
	rule := filepath.Join(two, "policy", "more.cedar")
	if err := os.WriteFile(rule, []byte("@id(\"more\") @needs(\"owner\") permit (principal, action == Action::\"request\", resource);\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := second.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	sees("that it runs on other files", false)
	if !strings.Contains(said.String(), "replicas run on different files") {
		t.Errorf("it did not say so:\n%s", said)
	}
	if status, text := readyzOf(first); status != http.StatusOK || !strings.Contains(text, "files differ\n") {
		t.Errorf("it is ready, and says so: %d, %q", status, text)
	}
	// 3. Both have it.
	text, err := os.ReadFile(rule)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(one, "policy", "more.cedar"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := first.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	sees("that all run on the same", true)
}

// replicaOn serves a folder until the test ends.
func replicaOn(t *testing.T, dir string, said *lines) (*server.Server, *client.Client) {
	t.Helper()
	s, at := served(t, dir, said)
	return s, client.New(at, token(t, dir, "mia"))
}

func readyzOf(s *server.Server) (int, string) {
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, w.Body.String()
}
