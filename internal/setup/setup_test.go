package setup_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/setup"
)

// Whatever AddToken takes, reading the folder takes; whatever it refuses, it
// refuses before anything is written.
func TestScopesOfTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		scopes []string
		ok     bool
	}{
		{"all-but-admin", []string{"request", "approve", "view", "revoke"}, true},
		{"administers", []string{"admin"}, true},
		{"admin-and-view", []string{"admin", "view"}, true},
		{"none", nil, false},
		{"empty", []string{""}, false},
		{"unknown", []string{"view", "write"}, false},
		{"another-case", []string{"View"}, false},
		{"twice", []string{"view", "view"}, false},
		{"admin-and-approve", []string{"approve", "admin"}, false},
		{"breaks-out", []string{"view], identity: olga, scopes: [approve"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "first")
			if err := setup.First(dir, "log.example.org/lessor"); err != nil {
				t.Fatal(err)
			}
			settings := filepath.Join(dir, "lessor.yaml")
			before, err := os.ReadFile(settings)
			if err != nil {
				t.Fatal(err)
			}
			file, err := setup.AddToken(dir, setup.Token{Name: c.name, Identity: "ann", Scopes: c.scopes, Expires: time.Now().Add(time.Hour)})
			if c.ok {
				if _, loads := config.Load(dir); err != nil || loads != nil {
					t.Fatalf("refused: %v, %v", err, loads)
				}
				return
			}
			if !errors.Is(err, access.ErrInvalid) || file != "" {
				t.Fatalf("taken: %q %v", file, err)
			}
			after, err := os.ReadFile(settings)
			if err != nil || string(after) != string(before) {
				t.Errorf("lessor.yaml was written: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "tokens", c.name)); !os.IsNotExist(err) {
				t.Errorf("a token was written: %v", err)
			}
		})
	}
}

// However lessor.yaml ends, a token is added so that the folder is still read, or not at all.
func TestEndsOfSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, end string
		ok        bool
	}{
		{"list", "tokens: # of people\n", true},
		{"no-line-break", "tokens:\n  - {name: a, identity: ann, scopes: [view], expires: 2090-01-01T00:00:00Z, sha256: '" + strings.Repeat("0", 64) + "'}", true},
		{"empty-list", "tokens: []\n", false},
		{"another-section", "tokens:\nbackstop: 1m\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "first")
			if err := setup.First(dir, "log.example.org/lessor"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "lessor.yaml"), []byte(c.end), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := setup.AddToken(dir, setup.Token{Name: c.name, Identity: "ann", Scopes: []string{"view"}, Expires: time.Now().Add(time.Hour)})
			if _, loads := config.Load(dir); loads != nil {
				t.Errorf("the folder is not read any more: %v", loads)
			}
			_, missing := os.Stat(filepath.Join(dir, "tokens", c.name))
			if (err == nil) != c.ok || (missing == nil) != c.ok {
				t.Errorf("error %v, file %v", err, missing)
			}
		})
	}
}

// What the first files offer in comments can be had by taking the marks away.
func TestOfferedRoles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "first")
	if err := setup.First(dir, "log.example.org/lessor"); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "catalog.yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.NewReplacer("# - ", "- ", "# duties:", "duties:").Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Directory.RolesOf("olga"); len(got) != 1 || got[0] != "lessor:security" || len(c.Directory.Duties()) != 1 {
		t.Errorf("olga has %q, and there are %d duties", got, len(c.Directory.Duties()))
	}
}
