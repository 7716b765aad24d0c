package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/deliver/delivertest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// world is a server, and a token that may what a test needs.
type world struct {
	*testserver.VaultServer
	token string
}

// all is the page's policy for every secret of the mount: the suite needs many.
const all = `
path "secret/data/*"     { capabilities = ["create", "read", "update"] }
path "secret/metadata/*" { capabilities = ["read"] }
path "secret/destroy/*"  { capabilities = ["update"] }
path "old/*"             { capabilities = ["create", "read", "update"] }`

func open(t testing.TB) world {
	t.Helper()
	w := world{VaultServer: testserver.Vault(t)}
	w.token = w.Token(t, "all", all)
	return w
}

func (w world) config() Config {
	return Config{URL: w.URL, CA: w.CA, Token: func() string { return w.token }}
}

func connect(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// onLine is a store whose line to the server can fail.
func (w world) onLine(t testing.TB) (*Store, *testserver.Line) {
	t.Helper()
	var s *Store
	l := testserver.NewLine(t, testserver.Way{To: w.URL, Paper: &w.Paper,
		Refuse: func(w http.ResponseWriter, odd bool) {
			code := http.StatusForbidden
			if odd {
				code = http.StatusBadRequest
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"errors":["not this: hunter2-three"]}`)
		},
		Cut: func() { s.line.Client.CloseIdleConnections() },
	})
	cfg := w.config()
	cfg.URL = l.URL
	s = connect(t, cfg)
	return s, l
}

// version reads one as the server's administrator; nil where there is none to be had.
func (w world) version(t testing.TB, path string, n int) map[string]any {
	t.Helper()
	query := ""
	if n > 0 {
		query = "?version=" + strconv.Itoa(n)
	}
	code, out, err := w.Ask(w.Root, http.MethodGet, "/secret/data/"+path+query, nil)
	switch {
	case err == nil && code == http.StatusNotFound:
		return nil
	case err != nil || code != http.StatusOK:
		t.Fatalf("%d %s %v", code, out, err)
	}
	var got struct{ Data struct{ Data map[string]any } }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	return got.Data.Data
}

func (w world) read(t testing.TB, ref string) []byte {
	t.Helper()
	path, field, _ := strings.Cut(ref, "#")
	text, ok := w.version(t, path, 0)[field].(string)
	if !ok {
		return nil
	}
	return []byte(text)
}

// holds looks into every version.
func (w world) holds(t testing.TB, ref string, worth []byte) bool {
	t.Helper()
	path, field, _ := strings.Cut(ref, "#")
	for n := 1; n <= 40; n++ {
		if text, ok := w.version(t, path, n)[field].(string); ok && bytes.Equal([]byte(text), worth) {
			return true
		}
	}
	return false
}

func TestConformance(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.Must(t, http.MethodPost, "/secret/config", map[string]any{"max_versions": 40})
	delivertest.Run(t, func(t *testing.T) delivertest.Target {
		s, l := w.onLine(t)
		return delivertest.Target{
			Store: s, Other: connect(t, w.config()), Break: l.Break,
			Ref:     func(t testing.TB, name string) string { return "suite/" + name + "#password" },
			Read:    w.read,
			Holds:   w.holds,
			Hostile: []string{"a", "a#b/c", "a#b#c", "a/..#b", "a?version=1#b", "a#" + numbers + "x", "a/#b", "-a#b", "a#-b"},
		}
	})
}

// The page's policy is enough for what the page says, and for nothing else.
func TestPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	text, err := os.ReadFile("../../../docs/secret-stores.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "```hcl\n")
	policy, _, end := strings.Cut(block, "\n```")
	if !ok || !end {
		t.Fatal("the page has no policy")
	}
	w.token = w.Token(t, "page", policy)
	s, ref := connect(t, w.config()), "billing/database#password"
	for n, worth := range []string{"one", "two", "three"} {
		if err := s.Put(t.Context(), ref, int64(n+1), connector.Worth(worth)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Forget(t.Context(), ref, 1); err != nil {
		t.Error(err)
	}
	if got, err := s.Get(t.Context(), ref, 2); err != nil || string(got) != "two" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if w.version(t, "billing/database", 1) != nil || w.version(t, "billing/database", 2) == nil || string(w.read(t, ref)) != "three" {
		t.Error("the server does not hold what it should")
	}
	err = s.Put(t.Context(), "billing/other#password", 1, connector.Worth("hunter2"))
	if !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), w.token) {
		t.Error(err)
	}
}

// Other fields stay, whoever writes them, and a second credential in a secret is refused.
func TestOthersStay(t *testing.T) {
	t.Parallel()
	w := open(t)
	byHand := func(fields map[string]any) {
		t.Helper()
		w.Must(t, http.MethodPost, "/secret/data/db", map[string]any{"data": fields})
	}
	byHand(map[string]any{"user": "app", "port": 5432})
	s := connect(t, w.config())
	put := func(n int64, worth string) {
		t.Helper()
		if err := s.Put(t.Context(), "db#password", n, connector.Worth(worth)); err != nil {
			t.Fatal(err)
		}
	}
	put(1, "one")
	byHand(map[string]any{"user": "app2", "port": 5432, "password": "one", numbers + "password": "1"})
	put(2, "two")
	if got := w.version(t, "db", 0); got["user"] != "app2" || got["port"] != 5432.0 || got["password"] != "two" {
		t.Errorf("the secret has %d fields", len(got))
	}
	if err := s.Put(t.Context(), "db#other", 1, connector.Worth("x")); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "another credential in password") {
		t.Error(err)
	}
	// Both versions that hold generation 1 are destroyed, also one that was deleted: it
	// could be brought back.
	w.Must(t, http.MethodPost, "/secret/delete/db", map[string]any{"versions": []int{3}})
	if err := s.Forget(t.Context(), "db#password", 1); err != nil {
		t.Fatal(err)
	}
	w.Must(t, http.MethodPost, "/secret/undelete/db", map[string]any{"versions": []int{2, 3}})
	for n, want := range map[int]bool{1: true, 2: false, 3: false, 4: true} {
		if got := w.version(t, "db", n) != nil; got != want {
			t.Errorf("version %d is there: %t", n, got)
		}
	}
	// What somebody deleted consumers do not get, and a new generation follows it.
	w.Must(t, http.MethodPost, "/secret/delete/db", map[string]any{"versions": []int{4}})
	if n, err := s.Current(t.Context(), "db#password"); n != 0 || err != nil {
		t.Errorf("current is %d, %v", n, err)
	}
	put(3, "three")
	// A number that is not Lessor's is not guessed at.
	byHand(map[string]any{"password": "x", numbers + "password": "latest"})
	if err := s.Put(t.Context(), "db#password", 4, connector.Worth("hunter2")); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "is not a generation") {
		t.Error(err)
	}
	if _, err := s.Get(t.Context(), "none#password", 1); !errors.Is(err, deliver.ErrNotFound) {
		t.Error(err)
	}
}

// An engine of version 1 would keep what it is sent as another secret's.
func TestVersion1(t *testing.T) {
	t.Parallel()
	w := open(t)
	for mount, says := range map[string]string{"old": "no KV version 2 engine", "none": "none"} {
		cfg := w.config()
		cfg.Mount = mount
		if err := connect(t, cfg).Put(t.Context(), "a#b", 1, connector.Worth("hunter2")); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", mount, err)
		}
	}
	if code, _, err := w.Ask(w.Root, http.MethodGet, "/old/data/a", nil); err != nil || code != http.StatusNotFound {
		t.Errorf("something was written: %d %v", code, err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := New(Config{URL: "http://vault", Mount: "/x", Namespace: "a//b", Timeout: -1})
	for _, says := range []string{"https://", "Mount", "Namespace", "Token is needed", "Timeout"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %s", err, says)
		}
	}
}
